"""Explains an implied volatility: the candidates in order, the one used, its forward, and other conventions.

Each candidate is the result of `strike_vols`, the model that fills the tables, for that candidate's quote alone.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from models.errors import UsageError
from models.pricing.option_greeks import IV_SOURCES, strike_vols
from warehouse.explain.chain import Chain
from warehouse.explain.explanation import Alternative, Definition, Explanation, Number, Row, Table
from warehouse.explain.raw_rows import raw_rows
from warehouse.settings import load_settings

FORMULA = (
    "one volatility per (venue, root, expires_at, strike), for call and put alike: that of the out-of-the-money side (put where strike < "
    "forward, else call); the first of: its venue IV within bounds, solved from its two-sided mid, the other side's venue IV, solved from "
    "its mark, the other side's mid, its mark; Black-76"
)
# source → side, column
CANDIDATES = {
    "venue": ("otm", ("venue_iv",)), "mid": ("otm", ("bid", "ask")), "pair": ("itm", ("venue_iv",)), "mark": ("otm", ("mark",)),
    "pair_mid": ("itm", ("bid", "ask")), "pair_mark": ("itm", ("mark",)),
}  # fmt: skip
QUOTED = ("bid", "ask", "mark", "venue_iv")
FORWARDS = {
    "venue": "the median of the venue's own per-row forwards of the expiry",
    "parity": "put–call parity at the strikes nearest it",
    "cross_venue": "another book's forward/spot at that instant, times the own spot",
    "carry": "spot carried at a rate",
}
LINE = ["venue", "book", "root", "expires_at", "strike"]


def explain(chain: Chain) -> Explanation:
    """The volatility of one line: an instrument's, or a strike's and expiry's with most open interest (definitions §3)."""
    lines = _lines(chain)
    rows = _both_sides(chain, lines)
    first = rows.row(0, named=True)
    candidates = _candidates(rows)
    is_put = first["forward"] is not None and first["strike"] < first["forward"]
    return Explanation(
        kind="iv",
        title=f"Implied volatility of {chain.facts.underlying} {first['strike']:g}, {first['venue']} {first['root']}, "
        f"settlement at {first['expires_at']} UTC",
        number=Number("iv", first["iv"], "annualised fraction", None if first["iv"] is not None else f"null: {first['iv_reason']}"),
        definition=Definition(FORMULA, "§3"),
        scope=chain.scope,
        inputs=(
            Number("iv_source", first["iv_source"], None, "the candidate taken"),
            Number("iv_reason", first["iv_reason"], None, "why there is none"),
            Number("side", "put" if is_put else "call", None, "out of the money by the forward"),
            Number("forward", first["forward"], "USD", FORWARDS.get(first["forward_source"], "no forward")),
            Number("forward_source", first["forward_source"]),
            Number("spot", first["spot"], "USD", "of its venue"),
            Number("tau", first["tau"], "years", f"from {first['quoted_at']} UTC to settlement, ACT/365"),
            Number("discount", first["discount"], None, "e^(−r·tau)"),
        ),
        tables=(
            Table("Candidates in their order; the first with a volatility is taken", candidates),
            Table("Lines of this strike (one per venue, root and settlement)", _other_lines(lines)),
        ),
        contracts=tuple(rows.drop("payload_sha256", "row_number").rows(named=True)),
        raw=raw_rows(chain, rows),
        alternatives=_alternatives(chain, first, rows, lines, candidates),
        asked_definition=chain.question.definition,
    )


def _lines(chain: Chain) -> pl.DataFrame:
    """Live contracts of the requested strike and expiry, or of the instrument's; raises `UsageError` when there is none."""
    question = chain.question
    if question.instrument is None:
        live = chain.contracts.filter("is_live")
        if live.is_empty():
            listed = chain.contracts_of(expiry=question.expiry, expires_at=question.expires_at).filter("is_live")
            raise chain.no_strike(question.strike or 0.0, listed["strike"])
        return live
    named = chain.contracts.filter(pl.col("instrument").str.to_uppercase() == question.instrument.upper())
    if named.is_empty():
        raise UsageError(
            f"{chain.facts.snapshot_id} has no instrument {question.instrument}; `core.option_quotes` lists those that it has."
        )
    own = named.row(0, named=True)
    if not own["is_live"]:
        why = "an adjusted contract" if own["is_adjusted"] else "settled"
        raise UsageError(f"{own['instrument']} is {why} in {chain.facts.snapshot_id}: it has no volatility of ours.")
    return chain.contracts_of(expires_at=own["expires_at"].isoformat(), strike=own["strike"]).filter("is_live")


def _both_sides(chain: Chain, lines: pl.DataFrame) -> pl.DataFrame:
    """Both sides of the requested line: that of the instrument, else the one with most open interest (a tie: the later, then by name)."""
    named = chain.question.instrument
    if named is not None:
        own = lines.filter(pl.col("instrument").str.to_uppercase() == named.upper())
    else:
        weights = lines.group_by(LINE).agg(oi=pl.col("oi_base").sum())
        own = weights.sort("oi", "expires_at", "venue", "book", "root", descending=[True, True, False, False, False])
    return lines.join(own.head(1).select(LINE), on=LINE, how="semi", maintain_order="left").sort("option_type")


def _candidates(rows: pl.DataFrame) -> tuple[Row, ...]:
    """Every candidate on its own, in the order in which they are tried."""
    settings = load_settings().models
    is_otm = pl.when(pl.col("strike") < pl.col("forward")).then(pl.col("option_type") == "P").otherwise(pl.col("option_type") == "C")
    candidates: list[Row] = []
    for source in IV_SOURCES:
        side, read = CANDIDATES[source]
        is_on_side = is_otm if side == "otm" else ~is_otm
        alone = rows.with_columns(pl.when(is_on_side & pl.lit(name in read)).then(pl.col(name)).alias(name) for name in QUOTED)
        result = strike_vols(alone, iv_min=settings.iv_min, iv_max=settings.iv_max).row(0, named=True)
        quoted = rows.filter(is_on_side)
        values = {name: (None if quoted.is_empty() else quoted[name][0]) for name in read}
        candidates.append(
            {
                "source": source,
                "instrument": None if quoted.is_empty() else quoted["instrument"][0],
                "quote": ", ".join(f"{name} {'none' if value is None else f'{value:g}'}" for name, value in values.items()),
                "iv": result["iv"],
                "reason": result["iv_reason"],
                "is_taken": source == rows["iv_source"][0],
            }
        )
    return tuple(candidates)


def _other_lines(lines: pl.DataFrame) -> tuple[Row, ...]:
    shared = {name: pl.col(name).first() for name in ("forward", "forward_source", "iv", "iv_source", "iv_reason")}
    grouped = lines.group_by(LINE).agg(oi_base=pl.col("oi_base").sum(), **shared)
    return tuple(grouped.sort(LINE).rows(named=True))


def _alternatives(
    chain: Chain, first: Row, rows: pl.DataFrame, lines: pl.DataFrame, candidates: tuple[Row, ...]
) -> tuple[Alternative, ...]:
    own = {row["option_type"]: row["venue_iv"] for row in rows.rows(named=True)}
    percent = None if first["iv"] is None else first["iv"] * 100
    mid = next(row["iv"] for row in candidates if row["source"] == "mid")
    fraction = "annualised fraction"
    blend = "the mean over the venues that quote it, weighted by open interest, in percent; of two settlements on a date the larger"
    calls = "call_iv of its strikes: a mean over venues too, as a fraction; of two settlements on a date the later"
    no_carry = "solved from the same quotes with forward = spot and no discount"
    clock = f"quotes of {first['quoted_at']} UTC; tau counts seconds over 365 days, not trading days"
    every_line = (
        Alternative(
            f"line-{row['venue']}-{row['root']}", "scope", f"of {row['venue']} {row['root']}, {row['expires_at']}", row["iv"], fraction
        )
        for row in _other_lines(lines)
    )
    return (
        Alternative("percent", "unit", "in percent", percent, "percent"),
        Alternative("call-own", "definition", "the call's own volatility as its venue says it", own.get("C"), fraction),
        Alternative("put-own", "definition", "the put's own volatility as its venue says it", own.get("P"), fraction),
        Alternative("mid", "definition", "always solved from the out-of-the-money mid", mid, fraction),
        Alternative("no-carry", "definition", no_carry, _without_carry(rows), fraction),
        Alternative("flashalpha", "definition", calls, _of_the_later(lines), fraction),
        Alternative("backquant", "definition", blend, _of_the_larger(chain, lines), "percent"),
        *every_line,
        Alternative("other-time", "time", clock, None),
        Alternative("no-sign", "sign", "a volatility assumes nothing of who holds the positions", None),
    )


def _without_carry(rows: pl.DataFrame) -> Any:
    """The volatility of the mid with spot as the forward, as in a plain Black–Scholes calculator."""
    settings = load_settings().models
    none = pl.lit(None, dtype=pl.Float64)
    plain = rows.with_columns(forward=pl.col("spot"), discount=pl.lit(1.0), venue_iv=none, mark=none)
    return strike_vols(plain, iv_min=settings.iv_min, iv_max=settings.iv_max)["iv"][0]


def _of_the_later(lines: pl.DataFrame) -> float | None:
    """Of the calls with a volatility, those that settle last."""
    calls = lines.filter((pl.col("option_type") == "C") & pl.col("iv").is_not_null())
    return _blend(calls.filter(pl.col("expires_at") == pl.col("expires_at").max()))


def _of_the_larger(chain: Chain, lines: pl.DataFrame) -> float | None:
    """Percent, of the settlement instant with most open interest in all its strikes, the later one on a tie."""
    measured = lines.filter(pl.col("iv").is_not_null())
    if measured.is_empty():
        return None
    interest = {one["expires_at"]: one["total_oi"] or 0 for one in chain.facts.expiries}
    main = max(measured["expires_at"].unique().to_list(), key=lambda at: (interest[at], at))
    vol = _blend(measured.filter(pl.col("expires_at") == main))
    return None if vol is None else 100 * vol


def _blend(lines: pl.DataFrame) -> float | None:
    """The mean of lines weighted by their open interest; without any, each counts the same."""
    known = _other_lines(lines)
    weights = [row["oi_base"] or 0.0 for row in known]
    if not sum(weights):
        weights = [1.0] * len(known)
    return float(sum(weight * row["iv"] for weight, row in zip(weights, known, strict=True)) / sum(weights)) if known else None
