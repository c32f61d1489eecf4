"""Where the forward of an expiry comes from (definitions §3)."""

from __future__ import annotations

import math
import statistics
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from models.market.calendar import TradingCalendar
from models.pricing.forwards import EXPIRY, EXPIRY_FORWARDS, expiry_forwards
from tests.models.chain_frames import QUOTES, chain, edit, recorded_cboe, recorded_deribit, spots


def only(quotes: pl.DataFrame, by_venue: pl.DataFrame) -> dict[str, Any]:
    return expiry_forwards(quotes, by_venue).row(0, named=True)


def parity_by_hand(quotes: pl.DataFrame, spot: float) -> dict[Any, float | None]:
    """The parity rule of definitions §3, one expiry and one strike at a time."""
    forwards_by_key: dict[Any, float | None] = {}
    for key, expiry in quotes.group_by(EXPIRY):
        first = expiry.row(0, named=True)
        tau = (first["expires_at"] - first["quoted_at"]).total_seconds() / 31_536_000
        discount = math.exp(-first["rate"] * tau)
        mids: dict[Any, float] = {}
        for row in expiry.iter_rows(named=True):
            if row["bid"] is not None and row["ask"] is not None and row["bid"] > 0 and row["ask"] >= row["bid"]:
                mids[row["root"], row["strike"], row["option_type"]] = (row["bid"] + row["ask"]) / 2
        implied = {
            strike: strike + (mid - mids[root, strike, "P"]) / discount
            for (root, strike, kind), mid in mids.items()
            if kind == "C" and (root, strike, "P") in mids
        }
        forward = spot * math.exp(first["rate"] * tau)
        for _ in range(2):
            near = sorted(implied, key=lambda strike: (abs(strike - forward), strike))[:6]
            forward = statistics.median([implied[strike] for strike in near]) if len(near) >= 2 else math.nan
        is_sane = abs(math.log(forward / spot) - first["rate"] * tau) <= 0.02 + 0.1 * tau
        forwards_by_key[key] = forward if is_sane else None
    return forwards_by_key


def test_a_venue_that_gives_forwards_is_believed_with_their_median() -> None:
    quotes = chain(forward=101, venue="deribit", venue_forward=101.0)
    quotes = edit(edit(quotes, "XYZ-30-80-C", venue_forward=140.0), "XYZ-30-80-P", venue_forward=None)
    row = only(quotes, spots(deribit=100.0))
    assert (row["forward"], row["forward_source"]) == (101.0, "venue")


def test_parity_finds_the_forward_that_the_prices_were_made_with() -> None:
    row = only(chain(forward=101.3), spots(cboe=100.0))
    assert row["forward"] == pytest.approx(101.3, rel=1e-11) and row["forward_source"] == "parity"
    assert row["tau"] == 30 / 365 and row["discount"] == pytest.approx(math.exp(-0.04 * 30 / 365), rel=1e-15)
    assert (row["spot"], row["rate"]) == (100.0, 0.04)


def test_parity_reads_only_the_six_strikes_nearest_the_forward() -> None:
    quotes = chain(forward=101.3, strikes=range(60, 141, 5))
    for strike in (60, 65, 70, 75, 80, 125, 130, 135, 140):
        quotes = edit(quotes, f"XYZ-30-{strike}-C", bid=50.0, ask=60.0)
    assert only(quotes, spots(cboe=100.0))["forward"] == pytest.approx(101.3, rel=1e-11)


def test_one_wrong_quote_among_the_six_does_not_move_parity() -> None:
    quotes = edit(chain(forward=101.3), "XYZ-30-100-C", bid=1.0, ask=90.0)
    assert only(quotes, spots(cboe=100.0))["forward"] == pytest.approx(101.3, rel=1e-3)


def test_strikes_quoted_on_one_side_take_no_part_in_parity() -> None:
    quotes = chain(forward=101.3, strikes=range(90, 116, 5))
    for strike, side in ((95, {"bid": 0.0}), (100, {"bid": None}), (105, {"ask": None}), (110, {"ask": 0.01})):
        quotes = edit(quotes, f"XYZ-30-{strike}-P", **side)
    assert only(quotes, spots(cboe=100.0))["forward"] == pytest.approx(101.3, rel=1e-11)
    assert only(quotes, spots(cboe=100.0))["forward_source"] == "parity"
    lonely = edit(quotes, "XYZ-30-90-C", bid=None)
    assert only(lonely, spots(cboe=100.0))["forward_source"] == "carry"  # one strike is not enough


def test_calls_and_puts_pair_within_their_root() -> None:
    monthly = chain(forward=101.3, root="SPX", book="SPX")
    weekly = chain(forward=101.3, root="SPXW", book="SPX", half_spread=0.02)
    both = pl.concat([monthly.filter(option_type="C"), weekly.filter(option_type="P")])
    assert only(both, spots(cboe=100.0))["forward_source"] == "carry"
    row = only(pl.concat([monthly, weekly]), spots(cboe=100.0))
    assert row["forward"] == pytest.approx(101.3, rel=1e-11) and row["forward_source"] == "parity"


@pytest.mark.parametrize(("forward", "source"), [(102.9, "parity"), (103.3, "carry"), (97.4, "carry"), (97.7, "parity")])
def test_parity_too_far_from_carry_is_a_bad_quote(forward: float, source: str) -> None:
    # 30 days: 2 % + 0.82 % around ln(F/S) = 0.33 %, so between 97.54 and 103.20
    assert only(chain(forward=forward), spots(cboe=100.0))["forward_source"] == source


def test_without_two_sided_quotes_another_venue_at_that_instant_gives_the_ratio() -> None:
    ours = chain(forward=101, venue="binance", book="BTCUSDT", bid=None, rate=0.0)
    theirs = chain(forward=103, venue="deribit", book="BTC", venue_forward=103.0, rate=0.0)
    elsewhere = chain(forward=104, venue="deribit", book="BTC", venue_forward=104.0, rate=0.0, days=60)
    forwards = expiry_forwards(pl.concat([ours, theirs, elsewhere]), spots(binance=100.5, deribit=101.0))
    row = forwards.row(by_predicate=pl.col("venue") == "binance", named=True)
    assert row["forward_source"] == "cross_venue" and row["forward"] == pytest.approx(100.5 * 103 / 101, rel=1e-11)


def test_of_several_other_books_the_own_venue_then_a_given_forward_then_the_name_decides() -> None:
    missing = chain(forward=101, venue="bybit", book="USDT", bid=None, rate=0.0)
    own = chain(forward=101, venue="bybit", book="USDC", rate=0.0)
    parity = chain(forward=102, venue="binance", book="B", rate=0.0)
    given = [
        chain(forward=103, venue=venue, book="B", venue_forward=103.0 + index, rate=0.0) for index, venue in enumerate(("okx", "deribit"))
    ]
    by_venue = spots(bybit=100.0, binance=100.0, okx=100.0, deribit=100.0)

    def ratio(*others: pl.DataFrame) -> float:
        forwards = expiry_forwards(pl.concat([missing, *others]), by_venue)
        return float(forwards.row(by_predicate=pl.col("book") == "USDT", named=True)["forward"])

    assert ratio(parity, *given, own) == pytest.approx(101)
    assert ratio(parity, *given) == 104.0  # deribit before okx
    assert ratio(parity) == pytest.approx(102)


def test_carry_takes_the_rate_of_the_nearest_expiry_that_has_a_forward() -> None:
    near, far = chain(forward=101, days=30), chain(forward=104, days=300)
    between = chain(forward=999, days=90, bid=None)
    forwards = expiry_forwards(pl.concat([near, far, between]), spots(cboe=100.0))
    row = forwards.row(by_predicate=pl.col("forward_source") == "carry", named=True)
    assert row["forward"] == pytest.approx(100 * math.exp(math.log(1.01) / 30 * 90), rel=1e-10)
    halfway = chain(forward=999, days=165, bid=None)
    forwards = expiry_forwards(pl.concat([near, far, halfway]), spots(cboe=100.0))
    row = forwards.row(by_predicate=pl.col("forward_source") == "carry", named=True)
    assert row["forward"] == pytest.approx(100 * math.exp(math.log(1.01) / 30 * 165), rel=1e-10)  # as near as the other: the earlier


def test_carry_without_any_forward_is_at_the_rate() -> None:
    row = only(chain(forward=101, days=73, bid=None), spots(cboe=100.0))
    assert row["forward_source"] == "carry" and row["forward"] == pytest.approx(100 * math.exp(0.04 * 0.2), rel=1e-11)


def test_the_basis_of_an_expiry_of_hours_is_not_carried_into_next_year() -> None:
    today, next_year = chain(forward=100.2, days=0.25, strikes=range(98, 103), half_spread=0.0001), chain(forward=101, days=365, bid=None)
    forwards = expiry_forwards(pl.concat([today, next_year]), spots(cboe=100.0))
    assert forwards["forward_source"].to_list() == ["parity", "carry"]
    assert forwards["forward"][1] == pytest.approx(100 * math.exp(0.04), rel=1e-11)


@pytest.mark.parametrize("spot", [None, 0.0, math.nan])
def test_without_a_spot_only_a_given_forward_remains(spot: float | None) -> None:
    row = only(chain(forward=101), spots(cboe=spot))
    assert row["forward"] is None and row["forward_source"] is None
    assert only(chain(forward=101, venue_forward=101.0), spots(cboe=spot))["forward_source"] == "venue"


def test_forwards_are_stored_with_twelve_digits() -> None:
    assert only(chain(forward=101, venue_forward=101.1234567894), spots(cboe=100.0))["forward"] == 101.123456789
    assert only(chain(forward=101, bid=None), spots(cboe=100.0))["forward"] == float(f"{100 * math.exp(0.04 * 30 / 365):.9f}")


def test_one_row_per_expiry_sorted_whatever_the_order_of_the_quotes() -> None:
    parts = [
        chain(forward=101, days=days, venue=venue, venue_forward=given) for days in (30, 60) for venue, given in (("b", None), ("a", 101.0))
    ]
    quotes, by_venue = pl.concat(parts), spots(a=100.0, b=100.0)
    forwards = expiry_forwards(quotes, by_venue)
    assert (
        forwards.schema == EXPIRY_FORWARDS and forwards.select(EXPIRY).equals(forwards.select(EXPIRY).sort(EXPIRY)) and forwards.height == 4
    )
    for seed in range(5):
        assert forwards.equals(expiry_forwards(quotes.sample(fraction=1, shuffle=True, seed=seed), by_venue.reverse()))
    assert expiry_forwards(quotes.clear(), by_venue).schema == EXPIRY_FORWARDS
    assert quotes.schema == QUOTES


@pytest.mark.parametrize(("symbol", "basis_bp"), [("_SPX", 40), ("SPY", 80), ("MOD", 80)])
def test_recorded_chains_have_parity_forwards_near_carry(recordings: Path, calendar: TradingCalendar, symbol: str, basis_bp: float) -> None:
    quotes, by_venue = recorded_cboe(recordings, "2026-07-22", symbol, calendar)
    forwards = expiry_forwards(quotes, by_venue)
    assert set(forwards["forward_source"]) == {"parity"}
    by_hand = parity_by_hand(quotes, by_venue["spot"][0])
    for row in forwards.iter_rows(named=True):
        assert row["forward"] == pytest.approx(by_hand[tuple(row[name] for name in EXPIRY)], rel=1e-11)
    basis = (forwards["forward"] / forwards["spot"]).log() - forwards["rate"] * forwards["tau"]
    assert (basis.abs() * 1e4).filter(forwards["tau"] < 1).max() < basis_bp  # type: ignore[operator]


def test_recorded_deribit_rows_bring_their_forwards_though_they_differ_within_an_expiry(recordings: Path) -> None:
    quotes, by_venue = recorded_deribit(recordings)
    forwards = expiry_forwards(quotes, by_venue)
    assert set(forwards["forward_source"]) == {"venue"} and forwards.height == 12
    for row in forwards.iter_rows(named=True):
        given = quotes.filter(expires_at=row["expires_at"])["venue_forward"].to_list()
        assert row["forward"] == float(f"{statistics.median(given):.12g}")


def test_tau_does_not_depend_on_how_many_expiries_a_frame_holds() -> None:
    quoted_at = datetime(2026, 3, 2, 21, 0)
    rows = [
        {
            "venue": "deribit", "book": "BTC", "root": "BTC", "option_type": kind, "strike": 100.0, "quoted_at": quoted_at,
            "expires_at": quoted_at + timedelta(days=days), "bid": 1.0, "ask": 1.1, "venue_forward": 100.0, "rate": 0.0,
        }
        for days in range(1, 60)
        for kind in "CP"
    ]  # fmt: skip
    quotes = pl.DataFrame(rows)
    spots = pl.DataFrame({"venue": ["deribit"], "spot": [100.0]})
    together = expiry_forwards(quotes, spots)["tau"].to_list()
    apart = [expiry_forwards(part, spots)["tau"][0] for part in quotes.partition_by("expires_at", maintain_order=True)]
    assert together == apart == [days / 365 for days in range(1, 60)]
