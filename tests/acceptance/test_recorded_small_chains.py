"""The recorded chains of MOD, SPXC and of BTC on Deribit: thin stocks whose files may be hours or a session old, and coins in lots of 0.1."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

import pytest

from tests.acceptance.brute_force import CBOE_CAPTURES
from tests.acceptance.recorded import Shelf

SESSIONS = {
    "MOD": ["2026-07-22", "2026-07-22", "2026-07-23", "2026-07-27", "2026-07-27", "2026-07-31", "2026-07-31"],
    "SPXC": ["2026-07-21", "2026-07-22", "2026-07-24", "2026-07-27", "2026-07-27", "2026-07-31", "2026-08-03"],
}


@pytest.mark.parametrize("capture", CBOE_CAPTURES)
@pytest.mark.parametrize("symbol", ["MOD", "SPXC"])
def test_open_interest_pain_and_max_pain_agree_with_brute_force(shelf_of: Callable[[str], Shelf], symbol: str, capture: str) -> None:
    shelf_of(symbol)[capture].assert_all()


@pytest.mark.parametrize("symbol", ["MOD", "SPXC"])
def test_the_session_is_that_of_the_last_trade_whatever_the_folder_says(shelf_of: Callable[[str], Shelf], symbol: str) -> None:
    days = [shelf_of(symbol)[capture].row["session_date"].isoformat() for capture in CBOE_CAPTURES]
    assert days == SESSIONS[symbol]


def test_two_pulls_of_one_session_with_other_open_interest_are_no_repeats(shelf_of: Callable[[str], Shelf]) -> None:
    mod = shelf_of("MOD")
    first, second = mod["2026-07-22"], mod["2026-07-23"]
    assert (first.row["session_date"], second.row["session_date"]) == (date(2026, 7, 22), date(2026, 7, 22))
    assert (first.venue["oi_as_of"], second.venue["oi_as_of"]) == (date(2026, 7, 21), date(2026, 7, 22))
    assert [row for row in mod.snapshots("is_repeat") if row[0]] == []


def test_spxc_is_a_stock_and_not_a_call_on_spx(shelf_of: Callable[[str], Shelf]) -> None:
    quotes = shelf_of("SPXC")["2026-08-03"].table("core.option_quotes")
    assert (set(quotes["root"]), set(quotes["exercise"]), quotes["is_adjusted"].any()) == ({"SPXC"}, {"american"}, False)
    assert quotes.height == 266


def test_btc_agrees_with_brute_force(shelf_of: Callable[[str], Shelf]) -> None:
    btc = shelf_of("BTC")["2026-03-13"]
    btc.assert_all()
    assert btc.row["captured_at"] == datetime(2026, 3, 13, 19, 0, 15)
    assert btc.row["snapshot_id"] == "BTC-20260313T190015Z"
    assert (btc.venue["contracts"], btc.venue["oi_base_total"], btc.row["spot"]) == (964, 477_122.0, 71_048.7)
    assert btc.row["session_date"] == btc.venue["oi_as_of"] == date(2026, 3, 13)
    assert set(btc.table("marts.max_pain")["expires_at"].dt.hour()) == {8}
