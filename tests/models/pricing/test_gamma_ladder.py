"""Gamma exposure at 161 spot levels (definitions §6)."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.market.calendar import TradingCalendar
from models.pricing.forwards import expiry_forwards
from models.pricing.gamma_ladder import GAMMA_LADDER, SPOT_FACTORS
from models.pricing.strike_lines import strike_lines
from tests.models.chain_frames import QUOTED_AT, chain, edit, recorded_cboe, recorded_deribit, spots
from tests.models.default_models import gamma_ladder, option_greeks
from tests.models.pricing.line_frames import lines_of, one_expiry

SIDES = ["call_gex_usd_1pct", "put_gex_usd_1pct"]


def at_spot(ladder: pl.DataFrame) -> pl.DataFrame:
    return ladder.filter(spot_factor=1.0).drop("spot_factor")


def stored(quotes: pl.DataFrame, greeks: pl.DataFrame) -> pl.DataFrame:
    """Exposures of core.option_greeks added up by venue and expiry."""
    rows = quotes.select("venue", "instrument", "expires_at", "option_type").join(greeks, on=["venue", "instrument"])
    sums = (pl.col("gex_usd_1pct").filter(option_type=kind).sum().alias(name) for kind, name in zip("CP", SIDES, strict=True))
    return rows.group_by("venue", "expires_at").agg(sums).sort("venue", "expires_at")


def test_the_levels_are_161_exact_decimals() -> None:
    assert SPOT_FACTORS.size == 161
    assert [Fraction(str(factor)) for factor in SPOT_FACTORS.tolist()] == [Fraction(k, 400) for k in range(320, 481)]


def test_the_ladder_agrees_with_one_contract_after_the_other() -> None:
    quotes = chain(forward=101, strikes=[80, 97.5, 100, 105, 130], vol=lambda strike: 0.4 + (100 - strike) / 200, venue_forward=101.0)
    quotes = edit(quotes, "XYZ-30-105-C", oi_base=12345.6)
    ladder = gamma_ladder(lines_of(quotes))
    greeks = option_greeks(quotes, expiry_forwards(quotes, spots(cboe=100.0)))
    tau, discount = 30 / 365, math.exp(-0.04 * 30 / 365)
    for k, row in zip(range(320, 481), ladder.iter_rows(named=True), strict=True):
        expected = {"C": Decimal(0), "P": Decimal(0)}
        for quote, greek in zip(quotes.iter_rows(named=True), greeks.iter_rows(named=True), strict=True):
            forward, s = 101 * k / 400, greek["iv"] * math.sqrt(tau)
            d1 = math.log(forward / quote["strike"]) / s + s / 2
            gamma_s2 = discount * forward * math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi) / s
            each = Decimal(gamma_s2 * quote["oi_base"] * 0.01).quantize(Decimal("0.01"), ROUND_HALF_EVEN)
            expected[quote["option_type"]] += each
        assert row["spot_factor"] == k / 400
        assert row["call_gex_usd_1pct"] == pytest.approx(expected["C"], abs=Decimal("0.01"))
        assert row["put_gex_usd_1pct"] == pytest.approx(-expected["P"], abs=Decimal("0.01"))


@pytest.mark.parametrize("symbol", ["_SPX", "SPY"])
def test_at_spot_the_recorded_ladder_is_the_stored_exposure_to_the_cent(recordings: Path, calendar: TradingCalendar, symbol: str) -> None:
    quotes, by_venue = recorded_cboe(recordings, "2026-07-31", symbol, calendar)
    greeks = option_greeks(quotes, expiry_forwards(quotes, by_venue))
    ladder = gamma_ladder(strike_lines(quotes, greeks, by_venue, rate=0.04))
    assert at_spot(ladder).equals(stored(quotes, greeks))


def test_the_recorded_deribit_ladder_at_spot_is_the_stored_exposure_to_the_cent(recordings: Path) -> None:
    quotes, by_venue = recorded_deribit(recordings)
    greeks = option_greeks(quotes, expiry_forwards(quotes, by_venue))
    ladder = gamma_ladder(strike_lines(quotes, greeks, by_venue, rate=0.0))
    assert at_spot(ladder).equals(stored(quotes, greeks))


def test_the_gamma_of_the_venue_does_not_enter_the_ladder() -> None:
    quotes = chain(forward=101, venue_iv=0.4, venue_gamma=0.02)
    assert gamma_ladder(lines_of(quotes, gamma_source="venue")).equals(gamma_ladder(lines_of(quotes)))


def test_the_last_hour_is_floored() -> None:
    quotes = [chain(forward=100, days=days, strikes=[99, 100, 101], venue_iv=0.4, venue_forward=100.0) for days in (1 / 1440, 1 / 24)]
    minute, hour = (gamma_ladder(lines_of(one)).select("spot_factor", *SIDES).cast(pl.Float64) for one in quotes)
    np.testing.assert_allclose(minute.to_numpy(), hour.to_numpy(), rtol=1e-5, atol=0.02)
    unfloored = gamma_ladder(lines_of(quotes[0]), tau_floor_seconds=1.0)
    assert at_spot(unfloored)[SIDES[0]].cast(pl.Float64)[0] > 2 * minute.filter(spot_factor=1.0)[SIDES[0]][0]


def test_calls_count_plus_and_puts_minus() -> None:
    ladder = gamma_ladder(lines_of(chain(forward=101)))
    assert ladder.schema == GAMMA_LADDER
    assert (ladder[SIDES[0]] >= 0).all() and (ladder[SIDES[1]] <= 0).all()
    assert ladder[SIDES[0]].equals((-ladder[SIDES[1]]).alias(SIDES[0]))  # the same open interest on both sides


def test_a_side_without_anything_measured_is_null_and_one_without_open_interest_is_zero() -> None:
    columns = {"call_oi": [0.0, None], "put_oi": [None, 5.0]}
    ladder = gamma_ladder(one_expiry([95.0, 105.0], [0.3, None], **columns))
    assert ladder["call_gex_usd_1pct"].unique().to_list() == [Decimal("0.00")]
    assert ladder["put_gex_usd_1pct"].unique().to_list() == [None]  # not known, and known without volatility
    both = gamma_ladder(one_expiry([95.0, 105.0], [0.3, None], call_oi=5.0, put_oi=[5.0, None]))
    only_low = gamma_ladder(one_expiry([95.0], [0.3], call_oi=5.0, put_oi=5.0))
    assert both.equals(only_low)


def test_without_forward_or_contracts_the_ladder_is_null_or_empty() -> None:
    ladder = gamma_ladder(one_expiry([100.0], [0.3], forward=None, call_oi=5.0, put_oi=0.0))
    assert ladder.height == 161 and ladder["call_gex_usd_1pct"].null_count() == 161 and ladder["put_gex_usd_1pct"].null_count() == 0
    assert gamma_ladder(one_expiry([], [])).equals(pl.DataFrame(schema=GAMMA_LADDER))


def test_an_impossible_open_interest_is_left_out() -> None:
    ladder = gamma_ladder(one_expiry([100.0, 105.0], [0.3, 0.3], call_oi=[1e300, 5.0], put_oi=[1e300, None]))
    assert ladder["call_gex_usd_1pct"].equals(gamma_ladder(one_expiry([105.0], [0.3], call_oi=5.0))["call_gex_usd_1pct"])
    assert ladder["put_gex_usd_1pct"].null_count() == 161


def test_large_sums_are_exact() -> None:
    oi = [2.5e12 + k for k in range(50)]  # about 3e12 USD each at the money: beyond 53 bits of cents together
    lines = one_expiry([100.0] * 50, [0.3] * 50, call_oi=oi, put_oi=oi, root=[f"R{k:02}" for k in range(50)])
    each = [gamma_ladder(lines[k]) for k in range(50)]
    total = pl.concat(each).group_by("spot_factor", maintain_order=True).agg(pl.col(SIDES).sum())
    assert total.select(SIDES).equals(gamma_ladder(lines).select(SIDES))
    assert total["call_gex_usd_1pct"].max() > Decimal("9e13")  # type: ignore[operator]


CHAINS = st.lists(
    st.tuples(
        st.sampled_from(["bybit", "deribit", "okx"]),
        st.sampled_from([30, 60]),
        st.floats(50, 200),
        st.floats(0.02, 4),
        st.one_of(st.none(), st.integers(0, 10**7).map(lambda lots: lots / 10)),
        st.one_of(st.none(), st.integers(0, 10**7).map(lambda lots: lots / 10)),
    ),
    min_size=1,
    max_size=25,
    unique_by=lambda line: line[:3],
)


def lines_from(rows: list[tuple[str, int, float, float, float | None, float | None]], times: int = 1) -> pl.DataFrame:
    venue, days, strike, iv, call, put = (list(column) for column in zip(*rows, strict=True))
    return one_expiry(
        strike, iv, venue=venue, book=venue, root=venue, discount=0.99,
        call_oi=[oi and oi * times for oi in call], put_oi=[oi and oi * times for oi in put],
    ).with_columns(tau=pl.Series(days) / 365, expires_at=QUOTED_AT + pl.duration(days=pl.Series(days)))  # fmt: skip


@given(CHAINS)
def test_parts_by_venue_and_expiry_add_up_exactly_whatever_the_order(
    rows: list[tuple[str, int, float, float, float | None, float | None]],
) -> None:
    lines = lines_from(rows)
    whole = gamma_ladder(lines)
    parts = [gamma_ladder(part) for _, part in lines.group_by("venue", "expires_at")]
    assert whole.equals(pl.concat(parts).sort("venue", "expires_at", "spot_factor"))
    assert whole.equals(gamma_ladder(lines.reverse())) and whole.equals(gamma_ladder(lines.sample(fraction=1, shuffle=True, seed=5)))


@given(CHAINS, st.integers(2, 1000))
def test_scaling_open_interest_scales_the_ladder(rows: list[tuple[str, int, float, float, float | None, float | None]], times: int) -> None:
    once, scaled = gamma_ladder(lines_from(rows)), gamma_ladder(lines_from(rows, times))
    for side in SIDES:
        assert scaled[side].is_null().equals(once[side].is_null())
        rounding = 0.005 * (times + 1) * len(rows) + 1e-6
        off = scaled[side].cast(pl.Float64) - times * once[side].cast(pl.Float64)
        assert (off.abs() <= rounding + 1e-9 * scaled[side].cast(pl.Float64).abs()).all()
