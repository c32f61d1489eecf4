"""The shape of pain curves against the definition written out: pain at any price by formula, its flat stretch by bisection (definitions §4)."""

from __future__ import annotations

from datetime import datetime
from math import isclose, sqrt
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.contracts.registry import TABLES
from tests.chains import FRIDAY
from tests.sql.relations import CAPTURED_AT, SNAPSHOT, cells, run_relation, scope

SPOT = 100.0
DAYS = (FRIDAY - CAPTURED_AT).total_seconds() / 86_400


def smile(atm_iv: float | None, *, venue: str = "cboe", expires_at: datetime = FRIDAY, days: float = DAYS) -> pl.DataFrame:
    """A row of core.expiry_smile."""
    schema = {name: column.dtype for name, column in TABLES["core.expiry_smile"].columns().items()}
    row = dict.fromkeys(schema) | {
        "snapshot_id": SNAPSHOT["snapshot_id"], "venue": venue, "book": "XYZ", "expires_at": expires_at, "spot": SPOT, "forward": SPOT,
        "tau": days / 365, "discount": 1.0, "atm_iv": atm_iv, "atm_iv_reason": None if atm_iv else "no_iv",
        "density_reason": "few_quotes", "density_quotes": 0,
    }  # fmt: skip
    return pl.DataFrame([row], schema=schema)


def shape(
    interest: dict[float, tuple[float, float]], *, atm_iv: float | None = 0.8, market: str = "us", days: float = DAYS
) -> dict[str, Any]:
    """The row of marts.max_pain of an expiry: strike → open interest of calls and puts, in contracts."""
    size = 100.0 if market == "us" else 1.0
    rows = {
        strike: {"call_oi": call * size, "put_oi": put * size, "call_oi_contracts": call, "put_oi_contracts": put}
        for strike, (call, put) in interest.items()
    }
    given = {
        "core.scopes": scope(SPOT, market=market),
        "marts.gex_heatmap": cells(rows),
        "core.expiry_smile": smile(atm_iv, days=days),
    }
    return run_relation("marts.max_pain", given).row(0, named=True)


def pain_at(price: float, interest: dict[float, tuple[float, float]], size: float = 100.0) -> float:
    return sum(call * size * max(price - strike, 0) + put * size * max(strike - price, 0) for strike, (call, put) in interest.items())


def edge_of_flat(interest: dict[float, tuple[float, float]], start: float, step: float, limit: float) -> float:
    """Where pain rises above a limit, going from `start` by `step`: bracketed, then bisected."""
    far = start
    while pain_at(far, interest) <= limit:
        far += step
        step *= 2
    near = start
    for _ in range(200):
        middle = (near + far) / 2
        near, far = (middle, far) if pain_at(middle, interest) <= limit else (near, middle)
    return near


contracts = st.integers(0, 5_000)


@settings(max_examples=40)
@given(
    interest=st.dictionaries(st.integers(60, 140).map(float), st.tuples(contracts, contracts), min_size=2, max_size=12),
    atm_iv=st.floats(0.05, 3.0),
    days=st.floats(0.1, 400.0),
)
def test_numbers_of_the_shape_follow_from_pain_at_any_price(interest: dict[float, tuple[float, float]], atm_iv: float, days: float) -> None:
    row = shape(interest, atm_iv=atm_iv, days=days)
    if not row["max_pain_usd"]:
        assert row["shape"] is None
        assert row["shape_reason"] == ("no_open_interest" if row["max_pain_strike"] is None else "zero_minimum")
        assert [row[name] for name in ("depth", "flat_width_pct", "left_slope_usd_1pct", "right_slope_usd_1pct", "asymmetry")] == [None] * 5
        return
    centre, least = row["max_pain_strike"], row["max_pain_usd"]
    move = SPOT * atm_iv * sqrt(min(days / 365, 30 / 365))
    left, right = (pain_at(centre + side * move, interest) for side in (-1, 1))
    assert isclose(row["shape_move_pct"], 100 * move / SPOT, rel_tol=1e-9)
    assert isclose(row["depth"], 1 - least / ((left + right) / 2), rel_tol=1e-9, abs_tol=1e-9)
    per_pct = 100 * move / SPOT
    scale = max(left, right) / per_pct
    assert isclose(row["left_slope_usd_1pct"], (left - least) / per_pct, rel_tol=1e-9, abs_tol=1e-9 * scale)
    assert isclose(row["right_slope_usd_1pct"], (right - least) / per_pct, rel_tol=1e-9, abs_tol=1e-9 * scale)
    low, high = (edge_of_flat(interest, centre, side * 0.5, 1.02 * least) for side in (-1, 1))
    assert isclose(row["flat_width_pct"], 100 * (high - low) / SPOT, rel_tol=1e-9, abs_tol=1e-9)


def test_walls_apart_are_flat_and_one_busy_strike_is_a_v() -> None:
    row = shape({90.0: (50, 4_000), 110.0: (4_000, 50)}, atm_iv=1.0)
    assert row["shape"] == "flat"  # between the walls every price pays the same
    row = shape({80.0: (1, 0), 100.0: (5_000, 5_000), 120.0: (0, 1)}, atm_iv=1.0)
    assert (row["shape"], row["shape_reason"]) == ("v", None)
    assert row["depth"] > 0.99


@pytest.mark.parametrize(
    ("interest", "word"),
    [
        ({80.0: (200, 0), 100.0: (5_000, 1_000), 120.0: (0, 200)}, "skewed_down"),  # many calls: steep to the right
        ({80.0: (200, 0), 100.0: (1_000, 5_000), 120.0: (0, 200)}, "skewed_up"),
        ({80.0: (5_000, 0), 100.0: (1_000, 1_000), 120.0: (0, 5_000)}, "flat"),
        ({80.0: (600, 0), 100.0: (1_500, 1_500), 120.0: (0, 600)}, "u"),
    ],
)
def test_words_follow_from_the_numbers_of_their_row(interest: dict[float, tuple[float, float]], word: str) -> None:
    row = shape(interest, atm_iv=1.0)
    assert row["shape"] == word, row


def test_thin_interest_has_numbers_but_no_word() -> None:
    few = {95.0: (10, 0), 100.0: (200, 200), 105.0: (0, 10)}
    row = shape(few)
    assert (row["shape"], row["shape_reason"]) == (None, "thin")
    assert row["depth"] is not None
    assert shape(few, market="crypto")["shape"] is not None  # 420 coins
    assert shape({strike: (call / 10, put / 10) for strike, (call, put) in few.items()}, market="crypto")["shape_reason"] == "thin"


def test_without_volatility_there_is_no_shape() -> None:
    row = shape({95.0: (900, 10), 105.0: (10, 900)}, atm_iv=None)
    assert (row["shape"], row["shape_reason"], row["depth"]) == (None, "no_iv", None)
