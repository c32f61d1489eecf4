"""OKX: families with five replies each, on payloads by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest

from flows.sources.okx import PATHS, Okx
from models.chain import Book, ParsedChain, ParsedQuotes, RawPayload, RejectedRows
from models.errors import MalformedReply
from models.market.calendar import TradingCalendar
from tests.flows.sources.conftest import RECEIVED_AT, payload
from warehouse.settings import OkxSettings, Settings, Sources

OKX = Okx(OkxSettings())
MADE_AT = 1_794_535_200_230  # 2026-11-13 02:00:00.23 UTC
COIN, LINEAR = "BTC-USD", "BTC-USD_UM"
TERMS = "261127-82000-C"
CALL, LINEAR_CALL = f"{COIN}-{TERMS}", f"{LINEAR}-{TERMS}"
PUT, LINEAR_PUT = CALL[:-1] + "P", LINEAR_CALL[:-1] + "P"

PREMIUMS = "premiums in coin are taken times the forward: the venue does not say (sources.okx.inverse_premium)"

Rows = Mapping[str, Sequence[Any]]


def row(name: str, template: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {"instId": name, **template, **fields}.items() if value is not ...}


def instrument(name: str, **fields: Any) -> dict[str, Any]:
    """An instrument row; a field given as `...` is left out."""
    family, is_linear = name.rsplit("-", 3)[0], "_UM" in name
    return row(
        name,
        {
            "instType": "OPTION", "uly": family.removesuffix("_UM"), "instFamily": family, "ctVal": "1", "ctMult": "0.01",
            "ctValCcy": "BTC",
            "ctType": "linear" if is_linear else "", "settleCcy": "USD" if is_linear else "BTC", "stk": name.split("-")[-2],
            "optType": name[-1], "expTime": "1795766400000", "lotSz": "1", "state": "live",
        },
        fields,
    )  # fmt: skip


def interest(name: str, **fields: Any) -> dict[str, Any]:
    return row(name, {"instType": "OPTION", "oi": "21000", "oiCcy": "210", "oiUsd": "17062500", "ts": str(MADE_AT - 5000)}, fields)


def summary(name: str, **fields: Any) -> dict[str, Any]:
    return row(
        name,
        {
            "instType": "OPTION", "uly": COIN, "fwdPx": "81422.7000000000000001", "markVol": "0.4603", "bidVol": "0.4561",
            "askVol": "0.4650",
            "realVol": "", "volLv": "0", "lever": "30.33", "delta": "0.4541891188", "deltaBS": "0.4871535560", "gamma": "3.4757459580",
            "gammaBS": "0.0000538440041370", "theta": "-0.00127245", "thetaBS": "-103.6066037936", "vega": "0.00078785",
            "vegaBS": "64.1492115602", "ts": str(MADE_AT - 4000),
        },
        fields,
    )  # fmt: skip


def mark(name: str, **fields: Any) -> dict[str, Any]:
    return row(name, {"instType": "OPTION", "markPx": "2700" if "_UM" in name else "0.033", "ts": str(MADE_AT - 1000)}, fields)


def ticker(name: str, **fields: Any) -> dict[str, Any]:
    bid, ask = ("2690", "2710") if "_UM" in name else ("0.0325", "0.0335")
    prices = {"last": bid, "lastSz": "1", "askPx": ask, "askSz": "3", "bidPx": bid, "bidSz": "2"}
    return row(name, {"instType": "OPTION", **prices, "volCcy24h": "12.5", "vol24h": "1250", "ts": str(MADE_AT)}, fields)


def family(name: str, contracts: Sequence[str] = (), **replies: Sequence[Any]) -> list[RawPayload]:
    """The replies of a family that lists these contracts; a reply given as `opt_summary=[…]` holds these rows instead."""
    makers = (instrument, interest, summary, mark, ticker)
    rows: dict[str, Sequence[Any]] = {reply: list(map(make, contracts)) for reply, make in zip(PATHS, makers, strict=True)}
    rows |= {reply.replace("_", "-"): given for reply, given in replies.items()}
    payloads = [reply(name, each, given) for each, given in rows.items()]
    return [*payloads, index(name)] if name.endswith("_UM") else payloads


def reply(book: str, name: str, rows: Sequence[Any]) -> RawPayload:
    return payload("okx", book, name, {"code": "0", "msg": "", "data": list(rows)})


def index(book: str = LINEAR, **fields: Any) -> RawPayload:
    return reply(book, "index", [row(book.removesuffix("_UM"), {"idxPx": "81250.4", "ts": str(MADE_AT)}, fields)])


NO_LINEAR = family(LINEAR)


def parse(payloads: list[RawPayload], calendar: TradingCalendar, underlying: str = "BTC") -> ParsedChain:
    """The chain of these replies, whose frames keep their contracts."""
    chain = OKX.parse(payloads, underlying, calendar)
    ParsedQuotes.validate(chain.quotes)
    RejectedRows.validate(chain.rejected)
    return chain


def btc(calendar: TradingCalendar, contracts: Sequence[str] = (CALL,), **replies: Sequence[Any]) -> ParsedChain:
    return parse([*family(COIN, contracts, **replies), *NO_LINEAR], calendar)


def test_a_coin_margined_row_in_our_units(calendar: TradingCalendar) -> None:
    chain = btc(calendar)
    row = chain.quotes.row(0, named=True)
    forward = 81_422.7
    assert (row["instrument"], row["root"], row["book"], row["option_type"], row["strike"]) == (CALL, COIN, COIN, "C", 82_000)
    assert (row["bid"], row["ask"], row["mark"]) == (0.0325 * forward, 0.0335 * forward, 0.033 * forward), "coin at its own forward"
    assert (row["oi_base"], row["volume_base"], row["multiplier"]) == (210, 12.5, 0.01)
    assert (row["venue_iv"], row["venue_forward"]) == (0.4603, forward)
    assert [row[f"venue_{greek}"] for greek in ("delta", "gamma", "vega", "theta")] == [
        0.4871535560, 0.0000538440041370, 64.1492115602, -103.6066037936,
    ], "the Black-Scholes set: the other gamma is 64,000 times larger"  # fmt: skip
    assert (row["expires_at"], row["expiry"], row["exercise"]) == (datetime(2026, 11, 27, 8), date(2026, 11, 27), "european")
    assert (chain.spot, chain.spot_source) == (81_250.4, "index")
    assert (chain.warnings, chain.unknown_fields, chain.rejected.height) == ((PREMIUMS,), {}, 0)


def test_a_usd_margined_row_in_our_units(calendar: TradingCalendar) -> None:
    chain = parse([*family(COIN), *family(LINEAR, [LINEAR_CALL])], calendar)
    row = chain.quotes.row(0, named=True)
    assert (row["bid"], row["ask"], row["mark"], row["book"]) == (2690, 2710, 2700, LINEAR), "USD per coin"


def test_premiums_in_coin_can_be_taken_times_the_index_instead(calendar: TradingCalendar) -> None:
    """What the price is, the venue does not say: it is a setting, and changes the numbers' hash."""
    by_index = Okx(OkxSettings(inverse_premium="index")).parse([*family(COIN, [CALL]), *NO_LINEAR], "BTC", calendar)
    assert by_index.quotes["mark"].item() == 0.033 * 81_250.4
    assert by_index.quotes["venue_forward"].item() == 81_422.7
    assert by_index.warnings == (PREMIUMS.replace("forward", "index"),)
    assert Settings(sources=Sources(okx=OkxSettings(inverse_premium="index"))).numbers_hash != Settings().numbers_hash


@pytest.mark.parametrize(
    ("name", "multiplier", "oi", "coins"),
    [("ETH-USD-261127-2850-C", "0.1", "23449", "2344.9"), ("ETH-USD_UM-261127-2850-C", "0.01", "2200", "22")],
)
def test_sizes_differ_by_family(calendar: TradingCalendar, name: str, multiplier: str, oi: str, coins: str) -> None:
    book = name.rsplit("-", 3)[0]
    replies = family(book, [name], instruments=[instrument(name, ctMult=multiplier)], open_interest=[interest(name, oi=oi, oiCcy=coins)])
    others = [each for each in (family("ETH-USD"), family("ETH-USD_UM")) if each[0].book != book]
    chain = parse([*replies, *(part for each in others for part in each)], calendar, "ETH")
    assert chain.quotes.select("oi_base", "multiplier").row(0) == (float(coins), float(multiplier))


def test_families_of_an_underlying() -> None:
    assert OKX.books("BTC") == [Book("okx", COIN), Book("okx", LINEAR)]
    assert OKX.books("SOL") == [Book("okx", "SOL-USD_UM")], "there is no coin-margined one"
    assert Okx(OkxSettings(coin_margined=("SOL",))).books("SOL")[0].name == "SOL-USD"


def test_what_was_fetched_counts_whatever_the_settings_say_later(calendar: TradingCalendar) -> None:
    replies = [*family(COIN, [CALL]), *family(LINEAR, [LINEAR_CALL])]
    chain = Okx(OkxSettings(coin_margined=())).parse(replies, "BTC", calendar)
    assert chain.quotes["book"].to_list() == [COIN, LINEAR]


def test_rows_of_the_other_family_are_not_taken(calendar: TradingCalendar) -> None:
    """Both have the `uly` BTC-USD; a reply that mixes them must not count one twice."""
    mixed = family(COIN, [CALL, LINEAR_CALL])
    chain = parse([*mixed, *family(LINEAR, [LINEAR_CALL, CALL])], calendar)
    assert chain.quotes.select("instrument", "book").rows() == [(CALL, COIN), (LINEAR_CALL, LINEAR)]


def test_what_opt_summary_leaves_out_stays(calendar: TradingCalendar) -> None:
    chain = btc(calendar, [CALL, PUT], opt_summary=[summary(CALL)])
    row = chain.quotes.row(1, named=True)
    assert (row["instrument"], row["oi_base"], row["venue_iv"], row["venue_forward"], row["venue_gamma"]) == (
        PUT,
        210,
        None,
        None,
        None,
    )
    assert row["bid"] == 0.0325 * 81_422.7, "its premium takes the forward of the expiry"
    nothing = btc(calendar, [CALL], opt_summary=[])
    assert nothing.quotes.select("oi_base", "bid", "mark").row(0) == (210, None, None)
    assert "premiums in coin and their expiry has no forward" in nothing.warnings[0]


def test_open_interest_that_is_left_out_is_unknown(calendar: TradingCalendar) -> None:
    chain = btc(calendar, [CALL, PUT], open_interest=[interest(CALL, oi="0", oiCcy="0")])
    assert chain.quotes.select("instrument", "oi_base", "bid").rows() == [(CALL, 0.0, 0.0325 * 81_422.7), (PUT, None, 0.0325 * 81_422.7)]
    assert chain.quotes["payload_sha256"].n_unique() == 2, "the row of the second is that of the list"
    assert btc(calendar, open_interest=[interest(CALL, oi="", oiCcy="")]).quotes["oi_base"].to_list() == [None]


def test_suspended_contracts_stay_and_those_to_come_wait(calendar: TradingCalendar) -> None:
    listed = [instrument(CALL, state="suspend"), instrument(PUT, state="preopen")]
    chain = btc(calendar, [CALL], instruments=listed)
    assert chain.quotes["instrument"].to_list() == [CALL]
    assert (chain.rejected.height, chain.warnings) == (
        0,
        ("1 instruments are listed for later and are no contracts yet, in `instruments` of book BTC-USD", PREMIUMS),
    )
    assert btc(calendar, [CALL, PUT], instruments=listed).quotes.height == 2, "whatever is held has opened"


def test_two_statements_of_open_interest_must_agree(calendar: TradingCalendar) -> None:
    others = [f"{COIN}-261127-{strike}-C" for strike in (83000, 84000, 85000)]
    rows = [interest(CALL, oiCcy="2100"), *map(interest, others)]
    chain = btc(calendar, [CALL, *others], open_interest=rows)
    assert chain.quotes["instrument"].to_list() == others, "and the refused one does not come back as a listed one"
    assert chain.rejected.select("instrument", "reason", "column", "value", "is_row_kept").rows() == [
        (CALL, "conflicting_oi", "oiCcy", "2100", False)
    ]
    sizes = [instrument(name, ctMult="0.1") for name in [CALL, *others]]
    with pytest.raises(MalformedReply, match="oiCcy is not oi × ctVal × ctMult on 4 of 4 contracts, so units have changed"):
        btc(calendar, [CALL, *others], instruments=sizes)


def test_without_a_size_open_interest_is_not_compared(calendar: TradingCalendar) -> None:
    chain = btc(calendar, [CALL, PUT], instruments=[instrument(CALL, ctMult=""), instrument(PUT)])
    assert chain.quotes["multiplier"].to_list() == [0.01, 0.01], "a family has one size"
    chain = btc(calendar, instruments=[instrument(CALL, ctMult="")], open_interest=[interest(CALL, oi="7")])
    assert chain.quotes.select("multiplier", "oi_base").row(0) == (1.0, 210)
    assert "contracts have no size; 1 coin is assumed" in chain.warnings[0]


def test_names_tell_what_fields_do_not(calendar: TradingCalendar) -> None:
    chain = btc(calendar, [CALL], instruments=[instrument(CALL, stk="", optType="", expTime="")])
    assert chain.quotes.select("option_type", "strike", "expires_at").row(0) == ("C", 82_000, datetime(2026, 11, 27, 8))
    named = btc(calendar, [CALL], instruments=[instrument(CALL, stk="81000.5", optType="P", expTime="1795770000000")])
    assert named.quotes.select("option_type", "strike", "expires_at").row(0) == ("P", 81_000.5, datetime(2026, 11, 27, 9)), (
        "fields come first"
    )
    unlisted = btc(calendar, [CALL], instruments=[])
    assert unlisted.quotes.select("instrument", "oi_base", "multiplier").row(0) == (CALL, 210, 1.0)


def test_missing_is_an_empty_text_or_zero(calendar: TradingCalendar) -> None:
    for nothing in ("", "0"):
        quoted = ticker(CALL, bidPx=nothing, askPx=nothing, volCcy24h=nothing)
        greeks = summary(CALL, markVol=nothing, gammaBS=nothing)
        row = btc(calendar, tickers=[quoted], mark_price=[mark(CALL, markPx=nothing)], opt_summary=[greeks]).quotes.row(0, named=True)
        assert [row[name] for name in ("bid", "ask", "mark", "venue_iv", "venue_gamma")] == [None] * 5
        assert row["volume_base"] == (0.0 if nothing else None)


def test_broken_values_and_rows(calendar: TradingCalendar) -> None:
    interest_rows = [interest(CALL, oiCcy="NaN"), interest(PUT), interest("BTC-USD-261127-X-C")]
    chain = btc(calendar, [CALL, PUT], open_interest=interest_rows, opt_summary=[summary(CALL), summary(PUT, markVol="NaN", fwdPx="-1")])
    assert chain.quotes.select("instrument", "venue_iv").rows() == [(PUT, None)]
    assert chain.rejected.select("instrument", "reason", "is_row_kept").rows() == [
        (CALL, "not_a_number", False), ("BTC-USD-261127-X-C", "bad_name", False), (PUT, "not_a_number", True), (PUT, "negative", True),
    ]  # fmt: skip
    assert not any("not listed" in note for note in chain.warnings), "a refused contract is listed all the same"


def test_rows_that_come_twice(calendar: TradingCalendar) -> None:
    chain = btc(calendar, open_interest=[interest(CALL), interest(CALL, oi="21001", oiCcy="210.01")], tickers=[ticker(CALL), ticker(CALL)])
    assert chain.quotes["oi_base"].to_list() == [210]
    assert chain.rejected["reason"].to_list() == ["conflicting_duplicate", "duplicate"]


def test_rows_of_contracts_that_are_not_listed_are_counted(calendar: TradingCalendar) -> None:
    chain = btc(calendar, [CALL], tickers=[ticker(CALL), ticker(PUT)])
    assert chain.quotes["instrument"].to_list() == [CALL]
    assert chain.warnings == ("1 rows are of contracts that are not listed, in `tickers` of book BTC-USD", PREMIUMS)


def test_new_fields_are_counted_and_gone_ones_are_said(calendar: TradingCalendar) -> None:
    chain = btc(calendar, opt_summary=[summary(CALL, markVol=..., buyApr="1")])
    assert chain.unknown_fields == {"buyApr": 1}
    assert chain.warnings == ("field markVol is gone from every row, in `opt-summary` of book BTC-USD", PREMIUMS)


def test_the_instant_is_that_of_the_newest_ticker_of_all_families(calendar: TradingCalendar) -> None:
    linear = family(LINEAR, [LINEAR_CALL], tickers=[ticker(LINEAR_CALL, ts=str(MADE_AT + 40))])
    chain = parse([*family(COIN, [CALL]), *linear], calendar)
    assert chain.venue_instant == datetime(2026, 11, 13, 2, 0, 0, 270_000, tzinfo=UTC)
    timeless = btc(calendar, tickers=[])
    assert timeless.venue_instant == RECEIVED_AT
    assert "no ticker says when it was made" in timeless.warnings[-1]


def test_old_caches_are_noticed(calendar: TradingCalendar) -> None:
    chain = btc(calendar, opt_summary=[summary(CALL, ts=str(MADE_AT - 3_600_000))])
    assert chain.warnings == ("`opt-summary` of book BTC-USD is 3600 s older than its tickers", PREMIUMS)


def test_empty_families_are_an_empty_chain(calendar: TradingCalendar) -> None:
    chain = parse([*family(COIN), *NO_LINEAR], calendar)
    assert (chain.quotes.height, chain.spot) == (0, 81_250.4)
