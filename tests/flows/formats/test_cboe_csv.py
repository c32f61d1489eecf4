"""Cboe quotedata downloads by hand: every spelling of the lines above the table, and the traps in it."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from models.chain import ParsedChain
from models.errors import FileError
from models.market.calendar import TradingCalendar
from models.market.roots import COMPANION_ROOTS
from tests.flows.formats.pieces import CBOE_DATE, CBOE_HEADER, NEXT_FRIDAY, cboe_line, cboe_text, chains, whole_chain


def read(text: str | bytes, calendar: TradingCalendar) -> ParsedChain:
    (chain,) = chains(text, "cboe-csv", calendar)
    return chain


def test_each_row_is_a_call_and_a_put(calendar: TradingCalendar) -> None:
    chain = read(cboe_text([cboe_line(100), cboe_line(105)]), calendar)
    assert (chain.underlying, chain.venue, chain.market) == ("XYZ", "cboe", "us")
    assert chain.quotes.select(
        "instrument", "option_type", "strike", "oi_base", "volume_base", "bid", "venue_iv", "venue_delta"
    ).rows() == [
        ("XYZ260306C00100000", "C", 100.0, 10_000.0, 1_000.0, 2.5, 0.25, 0.5),
        ("XYZ260306P00100000", "P", 100.0, 20_000.0, 2_000.0, 2.4, 0.26, -0.5),
        ("XYZ260306C00105000", "C", 105.0, 10_000.0, 1_000.0, 2.5, 0.25, 0.5),
        ("XYZ260306P00105000", "P", 105.0, 20_000.0, 2_000.0, 2.4, 0.26, -0.5),
    ]
    assert chain.quotes["expires_at"].unique().to_list() == [datetime(2026, 3, 6, 21)]


def test_a_strike_is_the_double_nearest_to_its_decimal_number(calendar: TradingCalendar) -> None:
    strikes = [one / 10 for one in range(1, 300)]  # 2.8 among them, which 2800 × 0.001 is not
    quotes = read(cboe_text([cboe_line(strike) for strike in strikes]), calendar).quotes
    assert quotes.filter(pl.col("option_type") == "C")["strike"].to_list() == strikes


def test_a_row_number_is_the_line_counted_from_0(calendar: TradingCalendar) -> None:
    text = cboe_text([cboe_line(100), cboe_line(105)])
    chain = read(text, calendar)
    for row in chain.quotes.iter_rows(named=True):
        assert row["instrument"] in text.splitlines()[row["row_number"]]


def test_the_download_is_the_instant_and_last_the_spot(calendar: TradingCalendar) -> None:
    chain = read(cboe_text([cboe_line(100)], last='"S&P 500 INDEX",Last: 100.25,Change:  -3'), calendar)
    assert chain.venue_instant == datetime(2026, 3, 2, 21, 45, tzinfo=UTC)
    assert (chain.spot, chain.spot_source, chain.spot_current, chain.spot_close) == (100.25, "last", 100.25, None)


@pytest.mark.parametrize(
    ("line", "session"),
    [
        ("March 2, 2026 at 9:30 AM EST", date(2026, 2, 27)),  # Monday's session has only begun
        ("March 2, 2026 at 9:45 AM EST", date(2026, 3, 2)),
        ("March 3, 2026 at 8:00 AM EST", date(2026, 3, 2)),
        ("March 7, 2026 at 11:00 AM EST", date(2026, 3, 6)),  # a Saturday
        ("April 3, 2026 at 11:00 AM EDT", date(2026, 4, 2)),  # Good Friday
    ],
)
def test_the_session_is_the_last_that_was_open_for_a_quarter_of_an_hour(line: str, session: date, calendar: TradingCalendar) -> None:
    assert read(cboe_text([cboe_line(100)], date_line=f'"Date: {line}",Bid: 0'), calendar).session_date == session


@pytest.mark.parametrize(
    ("last", "spot"),
    [
        ("XYZ Inc,Last: 450.81,Change:  3.85", 450.81),
        ('"XYZ, Inc.",Last: 450.81,Change:  3.85', 450.81),
        ("Standard & Poors 500 Index,Last: 4505.44,Change: -1", 4505.44),
        ('S&P 500 INDEX,"Last: 4,505.44",Change: -1', 4505.44),
        ("S&P 500 INDEX,Last: 4,505.44,Change: -1", 4505.44),
        ("XYZ Inc,Last: 451,Change: 0", 451.0),
        ("XYZ Inc,Last:450", 450.0),
        ("XYZ Inc,Last: $450.10,Change: 0", 450.10),
    ],
)
def test_the_name_line_varies(last: str, spot: float, calendar: TradingCalendar) -> None:
    assert read(cboe_text([cboe_line(100)], last=last), calendar).spot == spot


@pytest.mark.parametrize(
    "date_line", [f'"{CBOE_DATE}",Bid: 0,Ask: 0', CBOE_DATE, f"{CBOE_DATE},Bid: 0,Ask: 0", "Date: 2026年3月2日 GMT-5 16:45,Bid: 0"]
)
def test_the_date_may_be_in_quotes_or_alone(date_line: str, calendar: TradingCalendar) -> None:
    assert read(cboe_text([cboe_line(100)], date_line=date_line), calendar).venue_instant == datetime(2026, 3, 2, 21, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.lstrip("\n"),
        lambda text: text.replace(CBOE_HEADER, CBOE_HEADER + ","),
        lambda text: text.replace(CBOE_HEADER, CBOE_HEADER.replace("Volume", "Vol").replace("Open Interest", "Open Int")),
        lambda text: text + "\n\n",
        lambda text: text.rstrip("\n"),
    ],
    ids=["crlf", "bom", "no-blank-line", "comma-at-end", "short-names", "blank-lines-after", "no-newline-at-end"],
)
def test_harmless_differences_change_nothing(change: object, calendar: TradingCalendar) -> None:
    assert callable(change)
    plain = cboe_text([cboe_line(100), cboe_line(105)])
    ours = ["instrument", "strike", "oi_base", "bid", "ask", "venue_iv", "expires_at"]
    assert read(change(plain), calendar).quotes.select(ours).equals(read(plain, calendar).quotes.select(ours))


def test_zeros_are_missing_but_for_open_interest_volume_and_delta(calendar: TradingCalendar) -> None:
    (call, _) = read(cboe_text([cboe_line(100, call="0,0,0,0,0,0,0")]), calendar).quotes.iter_rows(named=True)
    missing = ("bid", "ask", "venue_iv", "venue_gamma", "mark", "venue_vega", "venue_theta", "venue_forward")
    assert {name: call[name] for name in missing} == dict.fromkeys(missing)
    assert (call["oi_base"], call["volume_base"], call["venue_delta"]) == (0, 0, 0)


def test_large_numbers_carry_thousands_commas(calendar: TradingCalendar) -> None:
    (call, _) = read(cboe_text([cboe_line(100, call='2.5,2.6,"1,234",0.25,0.5,0.02,"1,234,567"')]), calendar).quotes.iter_rows(named=True)
    assert (call["volume_base"], call["oi_base"]) == (123_400, 123_456_700)


def test_only_the_root_tells_am_from_pm_settlement(calendar: TradingCalendar) -> None:
    third_friday = date(2026, 3, 20)
    chain = read(cboe_text([cboe_line(100, third_friday, root=root) for root in ("SPXW", "SPX", "SPXW")]), calendar)
    assert chain.underlying == "SPX"
    assert "SPXW" in COMPANION_ROOTS["SPX"]
    assert dict(chain.quotes.select("root", "expires_at").unique().iter_rows()) == {
        "SPX": datetime(2026, 3, 20, 13, 30),
        "SPXW": datetime(2026, 3, 20, 20),
    }
    assert not chain.quotes["is_adjusted"].any()


def test_a_file_of_weeklies_alone_is_of_the_parent(calendar: TradingCalendar) -> None:
    assert read(cboe_text([cboe_line(100, root="SPXW")]), calendar).underlying == "SPX"
    assert read(cboe_text([cboe_line(100, root="SPXC")]), calendar).underlying == "SPXC", "an ordinary stock"
    assert read(cboe_text([cboe_line(100, root="BRKB")]), calendar).underlying == "BRK.B"


def test_adjusted_contracts_are_separated_from_the_rest(calendar: TradingCalendar) -> None:
    chain = read(cboe_text([cboe_line(100), cboe_line(105), cboe_line(100, root="XYZ1")]), calendar)
    assert chain.underlying == "XYZ"
    assert chain.quotes.filter("is_adjusted")["root"].unique().to_list() == ["XYZ1"]


def test_a_weekends_download_still_lists_fridays_expiries(calendar: TradingCalendar) -> None:
    chain = read(cboe_text(whole_chain(), date_line='"Date: March 7, 2026 at 11:00 AM EST",Bid: 0'), calendar)
    assert (chain.quotes["expires_at"] < datetime(2026, 3, 7, 16)).sum() == 14
    assert chain.incomplete_reason is None


def refused(lines: list[str], calendar: TradingCalendar) -> list[tuple[str, str | None, str | None, bool]]:
    chain = read(cboe_text([cboe_line(95), *lines]), calendar)
    assert chain.quotes.height + (~chain.rejected["is_row_kept"]).sum() == 2 * (1 + len(lines)), "no row is lost"
    return chain.rejected.select("reason", "column", "value", "is_row_kept").rows()


def test_what_cannot_be_read_is_refused_and_remembered(calendar: TradingCalendar) -> None:
    good = cboe_line(100)
    assert refused([good.replace("XYZ260306C00100000", "nonsense")], calendar) == [("bad_name", "Calls, Puts", "nonsense", False)]
    assert refused([good.replace("C00100000", "C00101000")], calendar) == [
        ("contradicts_its_line", "Calls, Puts", "XYZ260306C00101000", False)
    ]
    assert refused([good.replace("P00100000", "C00100000")], calendar) == [
        ("contradicts_its_line", "Calls, Puts", "XYZ260306C00100000", False)
    ]
    assert refused([cboe_line(100, call="x,2.6,10,0.25,0.5,0.02,1")], calendar) == [("not_a_number", "Bid", "x", True)]
    assert refused([cboe_line(100, call="1,2.6,10,NaN,0.5,0.02,1")], calendar) == [("not_a_number", "IV", "NaN", True)]
    assert refused([cboe_line(100, put="1,2.6,10,1,0.5,0.02,-7")], calendar) == [("negative", "Open Interest", "-7", False)]
    assert refused([cboe_line(100, put="1,2.6,10,1,0.5,0.02,1e18")], calendar) == [("too_large", "Open Interest", "1e18", False)]
    assert refused([cboe_line(100, call="1,2.6,1e99,1,0.5,0.02,1")], calendar) == [("too_large", "Volume", "1e99", True)]
    assert refused([good, good], calendar) == [
        ("duplicate", "Calls, Puts", "XYZ260306C00100000", False),
        ("duplicate", "Calls, Puts", "XYZ260306P00100000", False),
    ]
    other = cboe_line(100, call="9,9,9,9,0,0,9")
    assert [row[0] for row in refused([good, other], calendar)] == ["conflicting_duplicate", "duplicate"]
    assert refused([good.replace("260306C", "261306C")], calendar) == [("bad_expiry", "Calls, Puts", "XYZ261306C00100000", False)]


def test_a_number_with_an_unquoted_comma_shifts_the_row_which_is_refused(calendar: TradingCalendar) -> None:
    assert {row[0] for row in refused([cboe_line(100, call="2.5,2.6,1,234,0.25,0.5,0.02,100")], calendar)} == {"too_many_cells"}
    assert {row[0] for row in refused([cboe_line(100) + ",5"], calendar)} == {"too_many_cells"}


def test_a_file_that_ends_early_loses_its_last_row_and_says_so(calendar: TradingCalendar) -> None:
    text = cboe_text([cboe_line(95), cboe_line(100)])
    chain = read(text[: text.rindex("0.26")], calendar)
    assert chain.quotes["instrument"].to_list() == ["XYZ260306C00095000", "XYZ260306P00095000", "XYZ260306C00100000"]
    assert chain.rejected.select("instrument", "reason").rows() == [("XYZ260306P00100000", "missing")]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("<html><body>Just a moment</body></html>", "it is a web page"),
        ("a,b\n1,2\n", "it is no Cboe quotedata download"),
        (cboe_text([]), "no row names a contract"),
        (cboe_text(["Fri Mar 06 2026,nonsense,1"]), "no row names a contract"),
        (cboe_text([cboe_line(100)], last="XYZ Inc"), "no readable `Last:`"),
        (cboe_text([cboe_line(100)], last="XYZ Inc,Last: 450,81,Change: 1"), "no readable `Last:`"),
        (cboe_text([cboe_line(100)], date_line="Bid: 0"), "no readable `Date:`"),
        (cboe_text([cboe_line(100)], date_line="Date: someday"), "Date line 'someday' cannot be read"),
        (cboe_text([cboe_line(100)]).encode() + b"\xff\xfe", "no UTF-8 text"),
    ],
)
def test_another_kind_of_file_is_refused_with_the_reason(body: str | bytes, says: str, calendar: TradingCalendar) -> None:
    with pytest.raises(FileError, match=says):
        read(body, calendar)


def test_a_last_of_0_is_no_spot(calendar: TradingCalendar) -> None:
    chain = read(cboe_text([cboe_line(100)], last="XYZ Inc,Last: 0,Change: 0"), calendar)
    assert (chain.spot, chain.spot_source) == (None, None)


def test_a_column_that_is_gone_is_named(calendar: TradingCalendar) -> None:
    text = cboe_text([cboe_line(100)]).replace(",IV,", ",Sigma,")
    chain = read(text, calendar)
    assert chain.warnings[-1] == "column IV is not in the file"
    assert chain.quotes["venue_iv"].null_count() == 2


def test_a_near_the_money_download_is_incomplete(calendar: TradingCalendar) -> None:
    near = [
        cboe_line(strike, expiry, call=f"2.5,2.6,10,0.25,{delta},0.02,100", put=f"2.4,2.5,20,0.26,{delta - 1},0.02,200")
        for expiry in (NEXT_FRIDAY, date(2026, 6, 18))
        for strike, delta in zip(range(97, 103), (0.62, 0.58, 0.54, 0.5, 0.46, 0.42), strict=True)
    ]
    chain = read(cboe_text(near), calendar)
    assert chain.incomplete_reason == "near-the-money download: at most 6 strikes in an expiry, from 97 to 102, spot 100"
    assert chain.warnings[0] == f"incomplete: {chain.incomplete_reason}"


def test_a_download_of_near_expiries_alone_is_incomplete(calendar: TradingCalendar) -> None:
    chain = read(cboe_text([line for line in whole_chain() if "Mar 06" in line]), calendar)
    assert chain.incomplete_reason == "only near expiries: the last one is 3 days away"


def test_a_whole_chain_is_not_called_incomplete(calendar: TradingCalendar) -> None:
    assert read(cboe_text(whole_chain()), calendar).incomplete_reason is None
    cheap = [
        cboe_line(strike / 2, date(2026, 6, 18), call=f"1,1,1,1,{0.9 - strike / 20},0.1,1", put=f"1,1,1,1,{(0.6 - strike) / 20},0.1,1")
        for strike in range(1, 10)
    ]
    assert read(cboe_text(cheap, last="Penny Inc,Last: 2.1,Change: 0"), calendar).incomplete_reason is None, (
        "nine strikes, and all there are"
    )


def test_order_is_that_of_the_file(calendar: TradingCalendar) -> None:
    chain = read(cboe_text([cboe_line(strike) for strike in (105, 95, 100)]), calendar)
    assert chain.quotes["strike"].to_list() == [105, 105, 95, 95, 100, 100]
    assert chain.quotes["row_number"].to_list() == [4, 4, 5, 5, 6, 6]
    assert chain.quotes["payload_sha256"].n_unique() == 1
    assert isinstance(chain.quotes.schema["row_number"], pl.Int64)
