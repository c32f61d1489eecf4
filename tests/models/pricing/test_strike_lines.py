"""Calls and puts of a strike side by side."""

from __future__ import annotations

import polars as pl
import pytest

from models.pricing.forwards import expiry_forwards
from models.pricing.strike_lines import STRIKE_LINES, expiries_of, strike_lines
from tests.models.chain_frames import chain, edit, spots
from tests.models.default_models import option_greeks
from tests.models.pricing.line_frames import lines_of


def test_call_and_put_of_a_strike_share_a_line() -> None:
    quotes = edit(chain(forward=101, strikes=[95, 100]), "XYZ-30-95-P", oi_base=7.0, bid=1.0, ask=2.0)
    lines = lines_of(quotes)
    assert lines.schema == STRIKE_LINES and lines["strike"].to_list() == [95, 100]
    low = lines.row(0, named=True)
    assert (low["call_oi"], low["put_oi"], low["put_bid"], low["put_ask"]) == (100.0, 7.0, 1.0, 2.0)
    assert low["discount"] == pytest.approx(2.718281828459045 ** (-0.04 * 30 / 365), rel=1e-14)


def test_a_side_that_is_not_listed_is_null_and_so_is_unknown_open_interest() -> None:
    quotes = edit(chain(forward=101, strikes=[95, 100]), "XYZ-30-100-C", oi_base=None).filter(pl.col("instrument") != "XYZ-30-95-P")
    low, high = lines_of(quotes).iter_rows(named=True)
    assert low["put_oi"] is None and low["put_bid"] is None and low["call_oi"] == 100
    assert high["call_oi"] is None and high["put_oi"] == 100


def test_only_contracts_with_greeks_are_lines() -> None:
    quotes, by_venue = chain(forward=101, strikes=[95, 100]), spots(cboe=100.0)
    greeks = option_greeks(quotes, expiry_forwards(quotes, by_venue))
    live = greeks.filter(pl.col("instrument").str.contains("-95-"))
    assert strike_lines(quotes, live, by_venue, rate=0.04)["strike"].to_list() == [95]
    nothing = strike_lines(quotes, greeks.clear(), by_venue, rate=0.04)
    assert nothing.schema == STRIKE_LINES and nothing.is_empty() and list(expiries_of(nothing)) == []


def test_contracts_without_greeks_change_no_line() -> None:
    quotes, by_venue = chain(forward=101, strikes=[95, 100, 105]), spots(cboe=100.0)
    greeks = option_greeks(quotes, expiry_forwards(quotes, by_venue))
    settled = chain(forward=101, days=1, strikes=[95, 100], venue_forward=101.0)
    lines = strike_lines(quotes, greeks, by_venue, rate=0.04)
    assert lines.equals(strike_lines(pl.concat([settled, quotes]), greeks, by_venue, rate=0.04))
    assert lines.equals(strike_lines(quotes.reverse(), greeks.reverse(), by_venue, rate=0.04))


def test_roots_that_share_a_strike_are_two_lines_the_larger_first() -> None:
    quotes = pl.concat([chain(forward=101, book="IDX", root=root, oi_base=oi) for root, oi in (("IDX", 1.0), ("IDXW", 2.0), ("IDXA", 1.0))])
    lines = lines_of(quotes).filter(strike=100)
    assert lines["root"].to_list() == ["IDXW", "IDX", "IDXA"]


def test_expiries_come_one_by_one_with_their_lines() -> None:
    quotes = pl.concat([chain(forward=101, days=days, venue=venue, strikes=[95, 100, 105]) for days in (60, 30) for venue in ("b", "a")])
    lines = lines_of(quotes)
    expiries = list(expiries_of(lines))
    assert [(one.venue, round(one.tau * 365)) for one in expiries] == [("a", 30), ("a", 60), ("b", 30), ("b", 60)]
    assert all(one.strike.tolist() == [95, 100, 105] for one in expiries)
    assert lines.equals(lines_of(quotes.sample(fraction=1, shuffle=True, seed=3)))


def test_two_contracts_of_one_side_add_up_and_the_first_by_name_is_quoted() -> None:
    quotes = chain(forward=101, strikes=[100]).with_columns(oi_base=pl.lit(3.0))
    twin = edit(quotes.head(1).with_columns(instrument=pl.lit("A-twin")), "A-twin", oi_base=4.0, bid=1.5, ask=2.5)
    line = lines_of(pl.concat([quotes, twin])).row(0, named=True)
    side, other = ("call", "put") if twin["option_type"][0] == "C" else ("put", "call")
    assert (line[f"{side}_oi"], line[f"{side}_bid"], line[f"{side}_ask"], line[f"{other}_oi"]) == (7.0, 1.5, 2.5, 3.0)
