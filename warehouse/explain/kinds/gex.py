"""Explains gamma exposure of a strike, an expiry or the chain: the contributing strikes, expiries, venues and contracts."""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from warehouse.explain.chain import Chain
from warehouse.explain.explanation import Definition, Explanation, Number, Row, Table
from warehouse.explain.gamma_conventions import USD_1PCT, alternatives
from warehouse.explain.raw_rows import raw_rows

FORMULA = (
    "gex = sign · gamma·S² · oi_base · 0.01 per live contract, where gamma·S² = DF·F·n(d1)/(σ√tau) of Black-76 on its own venue's forward "
    "(no spot needed) and σ is that of the out-of-the-money side of its strike; net = call + put, added over venues"
)
SIGNS = "std: dealers are long calls (+1) and short puts (−1)"
COLUMNS = ["call_gex_usd_1pct", "put_gex_usd_1pct", "net_gex_usd_1pct", "abs_gex_usd_1pct"]
CONTRACT_COLUMNS = [
    "venue", "instrument", "strike", "option_type", "expires_at", "oi_base", "forward", "forward_source", "tau", "iv", "iv_source", "gamma",
    "gex_usd_1pct", "payload_sha256", "row_number",
]  # fmt: skip


def explain(chain: Chain) -> Explanation:
    """Net gamma exposure in USD per 1 % move (definitions §5)."""
    strike = chain.question.strike
    profile = chain.macro("gex_profile")
    if strike is None:
        totals = chain.macro("gex_levels").filter(pl.col("scope_expiry") == "all").row(0, named=True)
    elif profile.filter(pl.col("strike") == strike).is_empty():
        raise chain.no_strike(strike, profile["strike"])
    else:
        profile = profile.filter(pl.col("strike") == strike)
        totals = profile.row(0, named=True)
    live = chain.contracts.filter("is_live")
    sides = {side: _sum(profile[f"{side}_gex_usd_1pct"]) for side in ("call", "put")}
    scenarios = chain.ask("gex_scenarios", call_gex=sides["call"], put_gex=sides["put"]).rows(named=True)
    largest = live.sort(pl.col("gex_usd_1pct").abs(), "venue", "instrument", descending=[True, False, False], nulls_last=True)
    largest = largest.head(chain.question.top).select(CONTRACT_COLUMNS)
    where = "" if strike is None else f" at strike {strike:g}"
    return Explanation(
        kind="gex",
        title=f"Gamma exposure of {chain.facts.underlying}{where}, {chain.scope.expiries}",
        number=Number("net_gex_usd_1pct", totals["net_gex_usd_1pct"], USD_1PCT, _note(totals)),
        definition=Definition(FORMULA, "§5", SIGNS),
        scope=chain.scope,
        inputs=(
            Number("call_gex_usd_1pct", sides["call"], USD_1PCT),
            Number("put_gex_usd_1pct", sides["put"], USD_1PCT, "negative by the sign scenario"),
            Number("abs_gex_usd_1pct", totals["abs_gex_usd_1pct"], USD_1PCT, "Σ |call| + |put| over strikes"),
            Number("net_to_gross", totals["net_to_gross"], None, "how much of the gross is left as net, −1 to 1"),
            Number("oi_without_iv_pct", totals["oi_without_iv_pct"], "percent", "of the open interest has no volatility and is left out"),
            Number("spot", chain.facts.spot, "USD"),
        ),
        tables=_tables(chain, profile, live, scenarios),
        contracts=tuple(largest.drop("payload_sha256", "row_number").rows(named=True)),
        raw=raw_rows(chain, largest),
        alternatives=alternatives(chain, scenarios),
        asked_definition=chain.question.definition,
    )


def _tables(chain: Chain, profile: pl.DataFrame, live: pl.DataFrame, scenarios: list[Row]) -> tuple[Table, ...]:
    top, strike = chain.question.top, chain.question.strike
    tables = [Table("Sign scenarios side by side (USD per 1 % move)", tuple(scenarios))]
    if strike is None:
        tables.append(Table("Strikes that carry most of it, by |net|", _largest(profile, ["strike"], top)))
    if len(chain.expiries) > 1:
        expiries = live.group_by("expires_at").agg(
            call_gex_usd_1pct=_added(pl.col("gex_usd_1pct").filter(pl.col("option_type") == "C")),
            put_gex_usd_1pct=_added(pl.col("gex_usd_1pct").filter(pl.col("option_type") == "P")),
            net_gex_usd_1pct=_added(pl.col("gex_usd_1pct")),
            abs_gex_usd_1pct=_added(pl.col("gex_usd_1pct").abs()),
        )
        tables.append(Table("Expiries that carry most of it, by |net|", _largest(expiries, ["expires_at"], top)))
    venues = live.group_by("venue").agg(
        contracts=pl.len(),
        without_iv=(pl.col("gex_usd_1pct").is_null() & (pl.col("oi_base") > 0)).sum(),
        net_gex_usd_1pct=_added(pl.col("gex_usd_1pct")),
    )
    tables.append(Table("Venues", tuple(venues.sort("venue").rows(named=True))))
    return tuple(tables)


def _largest(frame: pl.DataFrame, keys: list[str], top: int) -> tuple[Row, ...]:
    ordered = frame.sort(pl.col("net_gex_usd_1pct").abs(), *keys, descending=[True, *(False for _ in keys)], nulls_last=True)
    return tuple(ordered.select(*keys, *COLUMNS).head(top).rows(named=True))


def _added(values: pl.Expr) -> pl.Expr:
    """Their sum; null when all are null."""
    return pl.when(values.is_not_null().any()).then(values.sum())


def _sum(values: pl.Series) -> Decimal | None:
    known = values.drop_nulls().to_list()
    return sum(known, Decimal(0)) if known else None


def _note(totals: Row) -> str | None:
    if totals["net_gex_usd_1pct"] is None:
        return "no contract of it has a volatility and a known open interest"
    return None
