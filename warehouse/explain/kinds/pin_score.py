"""Explains the pin score: its four parts with their inputs, and other weightings."""

from __future__ import annotations

import math

import polars as pl

from warehouse.explain.chain import Chain
from warehouse.explain.explanation import Alternative, Definition, Explanation, Number, Row, Table
from warehouse.explain.kinds.gex import CONTRACT_COLUMNS, SIGNS
from warehouse.explain.raw_rows import raw_rows

FORMULA = "pin_v1 = 0.30·oi + 0.25·proximity + 0.25·time + 0.20·gamma, each 0 to 100, rounded half up; a score, not a probability"
WEIGHTS = {"oi_part": 0.30, "proximity_part": 0.25, "time_part": 0.25, "gamma_part": 0.20}  # pin_v1, definitions §9
MEANINGS = {
    "oi_part": "100 × open interest of the three largest strikes / open interest of the expiry",
    "proximity_part": "100·exp(−distance to max pain / move), move = the smaller of the expected move to expiry and that of 7 days",
    "time_part": "100·exp(−days to settlement / 7)",
    "gamma_part": "100 × gross gamma exposure at max pain / the largest of a strike",
}
REASONS = {
    "too_far": "settlement is more than 35 days away",
    "thin": "there is too little open interest",
    "missing_part": "one of its parts cannot be measured",
}
LARGEST = 3  # strikes in the open-interest part


def explain(chain: Chain) -> Explanation:
    """The pin score of an expiry, or of all live expiries pooled (definitions §9)."""
    is_pooled = chain.question.expiry is None and chain.question.expires_at is None
    row = chain.macro("max_pain_pooled" if is_pooled else "pin_score").row(0, named=True)
    profile = chain.macro("gex_profile").with_columns(total_oi=pl.sum_horizontal("call_oi", "put_oi"))
    by_oi = profile.sort("total_oi", "strike", descending=[True, False])
    by_gamma = profile.sort("abs_gex_usd_1pct", "strike", descending=[True, False], nulls_last=True)
    at_max_pain = profile.filter(pl.col("strike") == row["max_pain_strike"])
    live = chain.contracts.filter(pl.col("is_live") & pl.col("strike").is_in([*by_oi.head(LARGEST)["strike"], *at_max_pain["strike"]]))
    contracts = live.sort("oi_base", "venue", "instrument", descending=[True, False, False], nulls_last=True)
    contracts = contracts.head(chain.question.top).select(CONTRACT_COLUMNS)
    reason = row["pin_score_reason"]
    columns = ["strike", "call_oi", "put_oi", "total_oi", "abs_gex_usd_1pct"]
    return Explanation(
        kind="pin-score",
        title=f"Pin score of {chain.facts.underlying}, {chain.scope.expiries}",
        number=Number("pin_score", row["pin_score"], "0 to 100", None if reason is None else f"null ({reason}): {REASONS[reason]}"),
        definition=Definition(FORMULA, "§9", f"gross gamma and open interest only, so none; walls and flip carry {SIGNS}"),
        scope=chain.scope,
        inputs=_inputs(chain, row, by_oi, by_gamma, at_max_pain, is_pooled=is_pooled),
        tables=(
            Table("The parts", _parts(row)),
            Table("Strikes of largest open interest (the first three make the oi part)", _rows(by_oi.head(chain.question.top), columns)),
            Table("Strikes of largest gross gamma exposure", _rows(by_gamma.head(chain.question.top), columns)),
            Table("Max pain's own strike", _rows(at_max_pain, columns)),
        ),
        contracts=tuple(contracts.drop("payload_sha256", "row_number").rows(named=True)),
        raw=raw_rows(chain, contracts),
        alternatives=_alternatives(chain, row, by_gamma),
        asked_definition=chain.question.definition,
    )


def _parts(row: Row) -> tuple[Row, ...]:
    parts = ((name, row[name], weight) for name, weight in WEIGHTS.items())
    return tuple(
        {"part": name, "value": value, "weight": weight, "points": None if value is None else value * weight, "meaning": MEANINGS[name]}
        for name, value, weight in parts
    )


def _inputs(
    chain: Chain, row: Row, by_oi: pl.DataFrame, by_gamma: pl.DataFrame, at_max_pain: pl.DataFrame, *, is_pooled: bool
) -> tuple[Number, ...]:
    unit = "shares" if chain.facts.market == "us" else "coins"
    front = "of the front live expiry: a pool has none of its own" if is_pooled else None
    largest = None if by_gamma.is_empty() else by_gamma["abs_gex_usd_1pct"][0]
    return (
        Number("oi_of_three", round(by_oi.head(LARGEST)["total_oi"].sum(), 6), unit, "in the three largest strikes"),
        Number("total_oi", round(by_oi["total_oi"].sum(), 6), unit),
        Number("max_pain_strike", row["max_pain_strike"], "USD"),
        Number("spot", row["spot"], "USD"),
        Number("distance_abs", row["distance_abs"], "USD", "|spot − max pain|"),
        Number("expected_move_1sd", row["expected_move_1sd"], "USD", front),
        Number("move", move_of(row), "USD", "what the distance is measured by"),
        Number("straddle", row["straddle"], "USD", front),
        Number("days_to_settlement", row["days_to_settlement"], "days", front),
        Number("gex_at_max_pain", None if at_max_pain.is_empty() else at_max_pain["abs_gex_usd_1pct"][0], "USD per 1 % move", "gross"),
        Number("largest_gex", largest, "USD per 1 % move", "gross, of a strike"),
        Number("alignment", row["alignment"], None, row["description"]),
    )


def move_of(row: Row) -> float | None:
    """The expected move that scales the distance in `proximity_part`, USD, solved from that part; null at max pain itself."""
    part, distance = row["proximity_part"], row["distance_abs"]
    if not part or not distance or part >= 100:
        return None
    return float(distance / -math.log(part / 100))


def _alternatives(chain: Chain, row: Row, by_gamma: pl.DataFrame) -> tuple[Alternative, ...]:
    known = {name: row[name] for name in WEIGHTS}
    with_zero = sum((known[name] or 0.0) * weight for name, weight in WEIGHTS.items())
    has_all = all(value is not None for value in known.values())
    even = sum(value for value in known.values()) / len(known) if has_all else None
    score = "0 to 100"
    meanings = {
        "flashalpha": "pin_probability of its max pain: the same weights; its sub-scores are not published, so ours stand in them",
        "missing-as-0": "a missing part counted as 0, and no limit of days or interest, as FlashAlpha's field that may not be null",
        "magnet": "around the strike of the largest gross gamma instead of max pain, as FlashAlpha's zero-dte view does with |net|",
        "equal-weights": "the mean of the four parts",
    }
    values = (
        row["pin_score"],
        math.floor(with_zero + 0.5),
        _around_magnet(row, by_gamma),
        None if even is None else math.floor(even + 0.5),
    )
    probability = "a probability of settling near max pain is that of the implied density: the macro probability_between"
    return (
        *(Alternative(name, "definition", meaning, value, score) for (name, meaning), value in zip(meanings.items(), values, strict=True)),
        Alternative("backquant", "definition", "BackQuant publishes no pin score", None),
        Alternative("no-sign", "sign", "open interest and gross gamma assume nothing of who holds the positions", None),
        Alternative("probability", "definition", probability, None),
        Alternative("fraction", "unit", "divided by 100, as a score from 0 to 1", row["pin_score"] and row["pin_score"] / 100, "0 to 1"),
        Alternative("pooled", "scope", "of all live expiries pooled", _pooled(chain), score),
        Alternative("other-time", "time", f"open interest of {chain.facts.oi_as_of}; days to settlement are counted from the quotes", None),
    )


def _pooled(chain: Chain) -> int | None:
    score: int | None = chain.macro("max_pain_pooled", expiry=None, expires_at=None)["pin_score"][0]
    return score


def _around_magnet(row: Row, by_gamma: pl.DataFrame) -> int | None:
    move = move_of(row)
    if by_gamma.is_empty() or by_gamma["abs_gex_usd_1pct"][0] is None or None in (move, row["oi_part"], row["time_part"], row["spot"]):
        return None
    assert move is not None
    proximity = 100 * math.exp(-abs(row["spot"] - by_gamma["strike"][0]) / move)
    parts = {"oi_part": row["oi_part"], "proximity_part": proximity, "time_part": row["time_part"], "gamma_part": 100.0}
    return math.floor(float(sum(parts[name] * weight for name, weight in WEIGHTS.items())) + 0.5)


def _rows(frame: pl.DataFrame, columns: list[str]) -> tuple[Row, ...]:
    return tuple(frame.select(columns).rows(named=True))
