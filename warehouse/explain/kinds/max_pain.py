"""Explains max pain: pain there, at its neighbours and at spot; the strikes that bend the curve; other conventions."""

from __future__ import annotations

from typing import Any

import polars as pl

from models.errors import UsageError
from warehouse.explain.chain import Chain
from warehouse.explain.explanation import Definition, Explanation, Number, Row, Table
from warehouse.explain.pain_conventions import OURS, alternatives, ask_conventions, instants
from warehouse.explain.raw_rows import raw_rows

FORMULA = (
    "total_pain(K) = Σ call_oi(k)·max(K − k, 0) + Σ put_oi(k)·max(k − K, 0) over live contracts, in units of the underlying; "
    "max pain is the listed strike K where it is least, of tied ones (within 1e-9) the lowest"
)

INSTANTS = "Each settlement instant's own max pain; above they are pooled"


def explain(chain: Chain) -> Explanation:
    """Max pain of an expiry, or of all live expiries pooled (definitions §4)."""
    is_pooled = chain.question.expiry is None and chain.question.expires_at is None
    rows = chain.macro("max_pain_pooled" if is_pooled else "max_pain")
    row = rows.row(0, named=True)
    curve, minima = ask_conventions(chain, "pain_points", convention=OURS), ask_conventions(chain, "pain_minima")
    contracts = _contracts(chain, curve, row["max_pain_strike"])
    note = None
    if row["max_pain_strike"] is None:
        note = "none of its contracts has open interest"
    elif is_pooled:
        note = "all live expiries pooled, which is no settlement event: name an expiry for one"
    return Explanation(
        kind="max-pain",
        title=f"Max pain of {chain.facts.underlying}, {chain.scope.expiries}",
        number=Number("max_pain_strike", row["max_pain_strike"], "USD", note),
        definition=Definition(FORMULA, "§4"),
        scope=chain.scope,
        inputs=_inputs(chain, row, curve),
        tables=(
            *_tables(chain, row["max_pain_strike"], curve),
            *([] if is_pooled or len(chain.expiries) == 1 else [Table(INSTANTS, tuple(instants(minima)))]),
        ),
        contracts=tuple(contracts.drop("payload_sha256", "row_number").rows(named=True)),
        raw=raw_rows(chain, contracts),
        alternatives=alternatives(chain, minima),
        asked_definition=chain.question.definition,
    )


def pain_at(curve: pl.DataFrame, level: float) -> float:
    """Total pain at any settlement price, USD: linear between strikes and beyond the outermost ones."""
    below = curve.filter(pl.col("strike") <= level)
    if below.is_empty():
        first = curve.row(0, named=True)
        return float(first["total_pain_usd"] - first["slope_below"] * (first["strike"] - level))
    last = below.row(-1, named=True)
    return float(last["total_pain_usd"] + last["slope_above"] * (level - last["strike"]))


def _inputs(chain: Chain, row: Row, curve: pl.DataFrame) -> tuple[Number, ...]:
    unit = "shares" if chain.facts.market == "us" else "coins"
    spot = chain.facts.spot
    return (
        Number("max_pain_usd", row["max_pain_usd"], "USD", "total pain at max pain"),
        Number("max_pain_low", row["max_pain_low"], "USD", "lowest strike tied with it"),
        Number("max_pain_high", row["max_pain_high"], "USD", "highest strike tied with it"),
        Number("spot", spot, "USD"),
        Number("pain_at_spot_usd", None if spot is None else pain_at(curve, spot), "USD", "on the straight line between two strikes"),
        Number("distance_pct", row["distance_pct"], "percent of spot", f"spot is {row['direction'] or 'not measured'}"),
        Number("call_oi", row["call_oi"], unit),
        Number("put_oi", row["put_oi"], unit),
    )


def _tables(chain: Chain, strike: float | None, curve: pl.DataFrame) -> tuple[Table, ...]:
    tables = [Table("The curve at max pain and its neighbours (slopes: USD per 1 USD of settlement price)", _neighbours(curve, strike))]
    bends = curve.with_columns(slope_change=pl.col("call_oi").fill_null(0) + pl.col("put_oi").fill_null(0))
    total = bends["slope_change"].sum()
    bends = bends.with_columns(share_pct=pl.col("slope_change") * 100 / (total or None)).sort(
        "slope_change", "strike", descending=[True, False]
    )
    columns = ["strike", "call_oi", "put_oi", "slope_change", "share_pct"]
    tables.append(
        Table(
            "Strikes that bend the curve most: the slope changes by their open interest",
            tuple(bends.head(chain.question.top).select(columns).rows(named=True)),
        )
    )
    if len(chain.venues) > 1:
        tables.append(Table("Each venue's part of the pain at max pain", _venues(chain, strike)))
    return tuple(tables)


def _neighbours(curve: pl.DataFrame, strike: float | None) -> tuple[Row, ...]:
    if strike is None:
        return ()
    index = curve["strike"].search_sorted(strike)
    return tuple(curve.slice(max(index - 1, 0), 3 if index else 2).rows(named=True))


def _venues(chain: Chain, strike: float | None) -> tuple[Row, ...]:
    """The payout of each venue's open interest at the scope's max pain; they add up to the total."""
    parts: list[dict[str, Any]] = []
    live = chain.contracts.filter("is_live")
    for venue in chain.venues:
        own = live.filter(pl.col("venue") == venue)
        curve = ask_conventions(chain, "pain_points", convention=f"venue {venue}")
        paid = pain_at(curve, strike) if strike is not None and not curve.is_empty() else None
        parts.append({"venue": venue, "contracts": own.height, "oi_base": own["oi_base"].sum(), "pain_usd": paid})
    return tuple(parts)


def _contracts(chain: Chain, curve: pl.DataFrame, strike: float | None) -> pl.DataFrame:
    """The contracts with most open interest at the strikes that bend the curve most, and at max pain."""
    bends = curve.with_columns(oi=pl.col("call_oi").fill_null(0) + pl.col("put_oi").fill_null(0)).sort("oi", "strike", descending=True)
    strikes = [*bends.head(chain.question.top)["strike"], *([] if strike is None else [strike])]
    live = chain.contracts.filter(pl.col("is_live") & pl.col("strike").is_in(strikes))
    if live.is_empty():
        raise UsageError(f"{chain.facts.snapshot_id} has no live contract in {chain.scope.expiries}.")
    columns = ["venue", "instrument", "strike", "option_type", "expires_at", "oi_base", "multiplier", "payload_sha256", "row_number"]
    return live.sort("oi_base", "venue", "instrument", descending=[True, False, False], nulls_last=True).head(chain.question.top)[columns]
