"""Pin score and alignment on chains whose numbers are set: every word and every reason follows from the numbers beside it (definitions §9)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from models.contracts.registry import TABLES
from tests.chains import FRIDAY
from tests.sql.relations import CAPTURED_AT, SNAPSHOT, cells, run_relation, scope
from tests.sql.test_pain_shape import smile

SPOT = 100.0
STRIKES = [float(strike) for strike in range(85, 116, 5)]


def empty(name: str) -> pl.DataFrame:
    return pl.DataFrame(schema={column: definition.dtype for column, definition in TABLES[name].columns().items()})


def flip(level: float | None, scope_expiry: str) -> pl.DataFrame:
    """A row of core.gamma_flip."""
    status = "available" if level else "no_boundary"
    row = {
        "snapshot_id": SNAPSHOT["snapshot_id"],
        "scope_venue": "cboe",
        "scope_expiry": scope_expiry,
        "gamma_flip": level,
        "gamma_flip_status": status,
    }
    return pl.DataFrame([row], schema_overrides={"gamma_flip": pl.Float64})


def pinned(
    at: float = 100.0, *, contracts: float = 1_000, flip_at: float | None = 100.2, walls: tuple[float, float] = (90.0, 110.0), spot: float = SPOT,
    atm_iv: float | None = 0.8, days: float = (FRIDAY - CAPTURED_AT) / timedelta(days=1),
) -> dict[str, Any]:  # fmt: skip
    """The score of an expiry with nearly all open interest on one strike, and gamma on two walls."""
    rows: dict[float, dict[str, Any]] = {}
    for strike in STRIKES:
        amount = contracts if strike == at else 1.0
        rows[strike] = {
            "call_oi": amount * 100,
            "put_oi": amount * 100,
            "call_oi_contracts": amount,
            "put_oi_contracts": amount,
            "call": 10,
            "put": -10,
        }
    rows[walls[0]] |= {"put": -1_000}
    rows[walls[1]] |= {"call": 1_000}
    expires_at = CAPTURED_AT + timedelta(days=days)
    given = {
        "core.scopes": scope(spot),
        "marts.gex_heatmap": cells(rows, expires_at=expires_at),
        "core.expiry_smile": smile(atm_iv, expires_at=expires_at, days=days).with_columns(
            straddle=pl.lit(None if atm_iv is None else 4.0), straddle_reason=pl.lit("no_iv" if atm_iv is None else None)
        ),
        "core.gamma_flip": pl.concat([flip(flip_at, "all"), flip(flip_at, f"{expires_at:%Y-%m-%dT%H:%M:%S}")]),
    }
    return run_relation("marts.pin_score", given).row(0, named=True)


def test_a_score_adds_its_weighted_parts_and_rounds_half_up() -> None:
    row = pinned()
    assert row["pin_score_reason"] is None
    parts = 0.30 * row["oi_part"] + 0.25 * row["proximity_part"] + 0.25 * row["time_part"] + 0.20 * row["gamma_part"]
    assert row["pin_score"] == int(parts + 0.5)
    assert row["oi_part"] == pytest.approx(100 * (2_000 + 4) / (2_000 + 12))
    assert row["proximity_part"] == 100.0  # spot is at max pain
    assert row["gamma_part"] == pytest.approx(100 * 20 / 1_010)
    assert row["pin_formula"] == "pin_v1"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"days": 36.0}, "too_far"),
        ({"contracts": 100}, "thin"),
        ({"atm_iv": None}, "missing_part"),
        ({"contracts": 100, "days": 40.0}, "too_far"),
    ],
)
def test_without_a_score_there_is_the_first_reason(change: dict[str, Any], reason: str) -> None:
    row = pinned(**change)
    assert (row["pin_score"], row["pin_score_reason"]) == (None, reason)


@pytest.mark.parametrize(
    ("change", "word", "sentence"),
    [
        ({}, "converging", "Max pain 100.00 lies between the walls 90.00 and 110.00, 0.20 (0.20 % of spot) from the gamma flip 100.20: near."),
        ({"flip_at": 100.5}, "converging", "Max pain 100.00 lies between the walls 90.00 and 110.00, 0.50 (0.50 % of spot) from the gamma flip 100.50: near."),
        ({"flip_at": 103.0}, "moderate", "Max pain 100.00 lies between the walls 90.00 and 110.00, 3.00 (3.00 % of spot) from the gamma flip 103.00: not near."),
        ({"at": 115.0}, "diverging", "Max pain 115.00 lies outside the walls 90.00 and 110.00."),
        ({"flip_at": None}, "unknown", "Not to be told: no gamma flip (no_boundary)."),
        ({"walls": (110.0, 90.0)}, "converging", "Max pain 100.00 lies between the walls 90.00 and 110.00, 0.20 (0.20 % of spot) from the gamma flip 100.20: near."),
    ],
)  # fmt: skip
def test_alignment_says_where_max_pain_lies_with_its_numbers(change: dict[str, Any], word: str, sentence: str) -> None:
    row = pinned(**change)
    assert (row["alignment"], row["description"]) == (word, sentence)


def test_max_pain_within_the_straddle_is_within_the_expected_range() -> None:
    assert pinned(spot=103.0)["max_pain_within_expected_range"] is True
    assert pinned(spot=105.0)["max_pain_within_expected_range"] is False
    assert pinned(atm_iv=None)["max_pain_within_expected_range"] is None
