"""The spot that the nearest put–call parity forward implies (definitions §2)."""

from __future__ import annotations

import math

import polars as pl
import pytest

from models.snapshot import GreeksRules, with_implied_spots

RULES = GreeksRules(rates={"us": 0.04, "crypto": 0.0}, tau_floor_seconds=3600.0, iv_min=0.01, iv_max=10.0, gamma_source="model")


def venues(*spots: tuple[str, float | None]) -> pl.DataFrame:
    names, values = zip(*spots, strict=True)
    return pl.DataFrame(
        {"venue": names, "market": ["us"] * len(names), "spot": values, "spot_implied": None, "spot_basis_bp": None},
        schema={"venue": pl.String, "market": pl.String, "spot": pl.Float64, "spot_implied": pl.Float64, "spot_basis_bp": pl.Float64},
    )


def greeks(*rows: tuple[str, float, str, float]) -> pl.DataFrame:
    return pl.DataFrame(
        [(venue, f"{venue}-{number}", forward, source, tau) for number, (venue, forward, source, tau) in enumerate(rows)],
        schema=["venue", "instrument", "forward", "forward_source", "tau"],
        orient="row",
    )


def test_the_nearest_parity_forward_is_carried_back_to_now() -> None:
    spots = with_implied_spots(
        venues(("cboe", 100.0)),
        greeks(("cboe", 101.0, "parity", 0.1), ("cboe", 100.5, "parity", 0.05), ("cboe", 99.0, "carry", 0.01)),
        rules=RULES,
    )
    implied = 100.5 * math.exp(-0.04 * 0.05)
    assert spots["spot_implied"].item() == pytest.approx(implied, rel=1e-11)
    assert spots["spot_basis_bp"].item() == pytest.approx((implied / 100 - 1) * 1e4, rel=1e-9)


def test_without_a_parity_forward_or_a_spot_there_is_none() -> None:
    spots = with_implied_spots(
        venues(("bybit", 100.0), ("cboe", None)), greeks(("bybit", 100.0, "venue", 0.1), ("cboe", 101.0, "parity", 0.1)), rules=RULES
    )
    assert spots["spot_implied"].to_list()[0] is None
    assert spots["spot_basis_bp"].to_list() == [None, None]


def test_other_columns_and_their_order_stay() -> None:
    before = venues(("cboe", 100.0))
    assert with_implied_spots(before, greeks(("cboe", 101.0, "parity", 0.1)), rules=RULES).columns == before.columns
