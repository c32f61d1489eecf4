"""Binance Vision hourly summaries by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from models.errors import FileError
from models.market.calendar import TradingCalendar
from tests.flows.formats.pieces import chains

HEADER = (
    "date,hour,symbol,underlying,type,strike,open,high,low,close,volume_contracts,volume_usdt,best_bid_price,best_ask_price,best_bid_qty,"
    "best_ask_qty,best_buy_iv,best_sell_iv,mark_price,mark_iv,delta,gamma,vega,theta,openinterest_contracts,openinterest_usdt"
)


def line(
    symbol: str = "BTC-231229-34000-C",
    *,
    hour: str = "01",
    oi: str = "4.98000000,142676.47973646",
    prices: str = "745,780",
    iv: str = "0.47",
    date: str = "2023-10-20",
) -> str:
    base, day, strike, kind = symbol.split("-")
    return f'{date},{hour},{symbol},{base}USDT,{kind},{day}-{strike},0E-8,0E-8,0E-8,0E-8,3,9,{prices},1,1,"",-1E-8,762.4,{iv},0.23,0.00005,38.9,-13.2,{oi}'


def text(*lines: str) -> str:
    return "\n".join([HEADER, *lines]) + "\n"


def test_the_label_names_the_end_of_the_hour(calendar: TradingCalendar) -> None:
    late, early = line(hour="12"), line(hour="9")
    assert [chain.venue_instant for chain in chains(text(late, early), "binance-vision", calendar)] == [
        datetime(2023, 10, 20, 9, 59, 59, tzinfo=UTC),
        datetime(2023, 10, 20, 12, 59, 59, tzinfo=UTC),
    ]


def test_a_contract_in_our_units(calendar: TradingCalendar) -> None:
    (chain,) = chains(text(line()), "binance-vision", calendar)
    (row,) = chain.quotes.iter_rows(named=True)
    assert (row["instrument"], row["option_type"], row["strike"], row["expires_at"]) == (
        "BTC-231229-34000-C",
        "C",
        34000.0,
        datetime(2023, 12, 29, 8),
    )
    assert (row["oi_base"], row["bid"], row["ask"], row["mark"], row["venue_iv"], row["row_number"]) == (4.98, 745.0, 780.0, 762.4, 0.47, 1)
    assert (row["root"], row["book"], row["multiplier"], row["exercise"], row["is_adjusted"]) == ("USDT", "USDT", 1.0, "european", False)
    assert (row["venue_vega"], row["venue_theta"], row["volume_base"], row["venue_forward"]) == (None, None, None, None)
    assert chain.spot == pytest.approx(28649.89552941, abs=1e-8)


def test_zeros_and_sentinels_are_missing(calendar: TradingCalendar) -> None:
    (chain,) = chains(
        text(line(), line("BTC-231229-35000-C", prices="0E-8,0E-8", iv="-1E-8", oi="0E-8,0E-8"), line("BTC-231229-36000-C", oi=",")),
        "binance-vision",
        calendar,
    )
    quiet, listed = chain.quotes.rows(named=True)[1:]
    assert (quiet["bid"], quiet["ask"], quiet["venue_iv"], quiet["oi_base"]) == (None, None, None, 0.0)
    assert listed["oi_base"] is None, "just listed: not known, which is not 0"
    assert chain.rejected.is_empty()


def test_settled_rows_do_not_tell_the_index(calendar: TradingCalendar) -> None:
    rows = [line(f"BTC-231020-{strike}-C", hour="08", oi="1,29245") for strike in (28000, 29000, 30000)]
    (chain,) = chains(text(*rows, line(hour="08", oi="1,29748.13")), "binance-vision", calendar)
    assert chain.spot == 29748.13


def test_an_hour_without_open_interest_has_no_spot(calendar: TradingCalendar) -> None:
    (chain,) = chains(text(line(oi="0E-8,0E-8")), "binance-vision", calendar)
    assert chain.spot is None


@pytest.mark.parametrize(
    ("oi", "note"),
    [
        ("39480,20326.64", "open interest counts coins: its value in USDT says so"),
        ("394.8,20326.64", "open interest counts contracts of 100 coins: its value in USDT says so"),
    ],
)
def test_contracts_of_many_coins(oi: str, note: str, calendar: TradingCalendar) -> None:
    (chain,) = chains(text(line("XRP-231229-0.5-C", oi=oi, prices="2.5,3")), "binance-vision", calendar)
    (row,) = chain.quotes.iter_rows(named=True)
    assert (row["oi_base"], row["bid"], row["strike"], row["multiplier"]) == (39480.0, 0.025, 0.5, 100.0)
    assert chain.spot == pytest.approx(0.51486, abs=1e-5)
    assert chain.warnings == (note,)


def test_several_underlyings_are_chains_of_their_own(calendar: TradingCalendar) -> None:
    parsed = chains(text(line("ETH-231229-2000-P", oi="1,1600"), line(oi="1,29000")), "binance-vision", calendar)
    assert [(chain.underlying, chain.spot) for chain in parsed] == [("BTC", 29000.0), ("ETH", 1600.0)]


def test_what_names_no_chain_is_refused_in_the_first_one(calendar: TradingCalendar) -> None:
    first, second = chains(
        text(line(), line(hour="25"), line("BTC-231229-x-C"), line(hour="02"), line(), line("BTC-231329-35000-C")),
        "binance-vision",
        calendar,
    )
    assert first.rejected.select("row_number", "reason").rows() == [(2, "no_instant"), (3, "bad_name"), (5, "duplicate"), (6, "bad_name")]
    assert second.rejected.is_empty()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("a,b\n1,2\n", "no EOHSummary file: it has no column date, hour"),
        (text(), "no row names an hour"),
        (text(line(date="20.10.2023")), "no row names an hour"),
    ],
)
def test_another_kind_of_file_is_refused(body: str, says: str, calendar: TradingCalendar) -> None:
    with pytest.raises(FileError, match=says):
        chains(body, "binance-vision", calendar)
