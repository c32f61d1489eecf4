"""Tables whose columns are declared: units, times, settlement, one or two contracts per row, CSV or Parquet."""

from __future__ import annotations

import io
import tomllib
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from flows.formats.columns.file import ColumnsFile
from flows.formats.registry import importer
from models.errors import FileError
from models.market.calendar import TradingCalendar
from tests.flows.formats.pieces import chains, payload
from tests.flows.formats.test_mapping import US

TABLE = """day,root,cp,strike,expiration,oi,bid,ask,iv,close
2026-03-02,XYZ,call,100,2026-03-20,7,1.5,1.6,25.5,99.5
2026-03-02,XYZ,put,100,2026-03-20,9,1.4,1.5,26,99.5
"""


def mapping(*changes: tuple[str, str]) -> dict[str, Any]:
    text = US
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return tomllib.loads(text)


def one(text: str | bytes, calendar: TradingCalendar, *changes: tuple[str, str]) -> Any:
    (chain,) = chains(text, "columns", calendar, mapping(*changes))
    return chain


def parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def test_a_table_of_contracts(calendar: TradingCalendar) -> None:
    chain = one(TABLE, calendar)
    assert (chain.underlying, chain.venue, chain.market, chain.spot, chain.spot_source) == ("XYZ", "cboe", "us", 99.5, "file")
    assert chain.venue_instant == datetime(2026, 3, 2, 21, 15, tzinfo=UTC)
    assert chain.session_date == date(2026, 3, 2)
    columns = (
        "instrument",
        "root",
        "option_type",
        "strike",
        "expiry",
        "expires_at",
        "oi_base",
        "bid",
        "venue_iv",
        "row_number",
        "exercise",
    )
    settles = datetime(2026, 3, 20, 20)
    assert chain.quotes.select(columns).rows() == [
        ("XYZ260320C00100000", "XYZ", "C", 100.0, date(2026, 3, 20), settles, 700.0, 1.5, 0.255, 1, "american"),
        ("XYZ260320P00100000", "XYZ", "P", 100.0, date(2026, 3, 20), settles, 900.0, 1.4, 0.26, 2, "american"),
    ]
    assert chain.rejected.is_empty()
    assert chain.warnings == ()


def test_units_are_those_declared(calendar: TradingCalendar) -> None:
    chain = one(TABLE, calendar, ('unit = "contracts"', 'unit = "base"'), ('unit = "percent"', 'unit = "fraction"'))
    assert chain.quotes.select("oi_base", "venue_iv", "multiplier").rows() == [(7.0, 25.5, 100.0), (9.0, 26.0, 100.0)]
    chain = one(
        TABLE.replace("close", "forward"), calendar, ('"usd"', '"coin"\nforward = { column = "forward" }'), ('"close"', '"forward"')
    )
    assert chain.quotes.select("bid", "venue_forward").rows() == [(1.5 * 99.5, 99.5), (1.4 * 99.5, 99.5)]


def test_a_csv_may_have_another_separator(calendar: TradingCalendar) -> None:
    chain = one(TABLE.replace(",", ";"), calendar, ('"by_root"', '"by_root"\nseparator = ";"'))
    assert chain.quotes["oi_base"].to_list() == [700.0, 900.0]


def test_parquet_reads_as_csv_does(calendar: TradingCalendar) -> None:
    frame = pl.read_csv(io.StringIO(TABLE), try_parse_dates=True)
    chain, same = one(parquet(frame), calendar), one(TABLE, calendar)
    ours = [name for name in chain.quotes.columns if name not in ("payload_sha256", "row_number")]
    assert chain.quotes.select(ours).equals(same.quotes.select(ours))
    assert chain.quotes["row_number"].to_list() == [0, 1]
    typed = frame.with_columns(pl.col("oi").cast(pl.Decimal(18, 4)), pl.col("iv").cast(pl.Float32), pl.lit(float("nan")).alias("bid"))
    assert one(parquet(typed), calendar).quotes.select("oi_base", "venue_iv", "bid").rows() == [(700.0, 0.255, None), (900.0, 0.26, None)]


@pytest.mark.parametrize(
    ("captured_at", "value", "instant"),
    [
        ('{ column = "day", zone = "America/New_York" }', "2026-07-02T16:15:30", "2026-07-02 20:15:30"),
        ('{ column = "day", zone = "America/New_York" }', "2026-07-02 16:15", "2026-07-02 20:15"),
        ('{ column = "day", zone = "UTC" }', "2026-07-02 16:15:30.999", "2026-07-02 16:15:30"),
        ('{ column = "day", zone = "offset" }', "2026-07-02T16:15:30-04:00", "2026-07-02 20:15:30"),
        ('{ column = "day", zone = "offset" }', "2026-07-02T16:15:30Z", "2026-07-02 16:15:30"),
        ('{ column = "day", zone = "America/New_York", format = "%d.%m.%Y", at = "16:15" }', "02.07.2026", "2026-07-02 20:15"),
        ('{ column = "day", zone = "America/New_York", format = "%m/%d/%y %I:%M %p" }', "07/02/26 04:15 PM", "2026-07-02 20:15"),
        ('{ column = "day", zone = "UTC", format = "epoch_s" }', "1783023330", "2026-07-02 20:15:30"),
        ('{ column = "day", zone = "UTC", format = "epoch_ms" }', "1783023330500", "2026-07-02 20:15:30"),
        ('{ value = "2026-07-02T16:15:00", zone = "America/New_York" }', "whatever", "2026-07-02 20:15"),
        ('{ value = "2026-07-02T16:15:00-04:00", zone = "offset" }', "whatever", "2026-07-02 20:15"),
    ],
)
def test_when_it_was_taken(captured_at: str, value: str, instant: str, calendar: TradingCalendar) -> None:
    chain = one(TABLE.replace("2026-03-02", value), calendar, ('{ column = "day", at = "16:15", zone = "America/New_York" }', captured_at))
    assert chain.venue_instant == datetime.fromisoformat(instant).replace(tzinfo=UTC)


def test_times_in_parquet(calendar: TradingCalendar) -> None:
    frame = pl.read_csv(io.StringIO(TABLE))
    local = pl.Series("day", [datetime(2026, 7, 2, 16, 15)] * 2)
    zoned = local.dt.replace_time_zone("America/New_York")
    plain = ('{ column = "day", at = "16:15", zone = "America/New_York" }', '{ column = "day", zone = "America/New_York" }')
    for column in (local, zoned):
        assert one(parquet(frame.with_columns(column)), calendar, plain).venue_instant == datetime(2026, 7, 2, 20, 15, tzinfo=UTC)
    numbers = ('{ column = "day", at', '{ column = "day", format = "%Y%m%d", at')
    assert one(parquet(frame.with_columns(day=20260702)), calendar, numbers).venue_instant == datetime(2026, 7, 2, 20, 15, tzinfo=UTC)
    for column, says in (
        (local.dt.date(), "holds dates: say at what time of day"),
        (local.dt.year(), "holds numbers: say which"),
        (local.dt.time(), "which is no time"),
    ):
        with pytest.raises(FileError, match=says):
            one(parquet(frame.with_columns(column.alias("day"))), calendar, plain)


@pytest.mark.parametrize(
    ("settlement", "root", "expires_at"),
    [
        ('"by_root"', "XYZ", datetime(2026, 3, 20, 20)),
        ('"by_root"', "SPX", datetime(2026, 3, 20, 13, 30)),
        ('"at_open"', "XYZ", datetime(2026, 3, 20, 13, 30)),
        ('"at_close"', "SPX", datetime(2026, 3, 20, 20)),
        ('{ at = "13:00", zone = "America/New_York" }', "XYZ", datetime(2026, 3, 20, 17)),
    ],
)
def test_when_contracts_settle(settlement: str, root: str, expires_at: datetime, calendar: TradingCalendar) -> None:
    chain = one(TABLE.replace("XYZ", root), calendar, ('"by_root"', settlement), ('"XYZ"', f'"{root}"'))
    assert chain.quotes["expires_at"].to_list() == [expires_at] * 2
    assert chain.quotes["expiry"].to_list() == [date(2026, 3, 20)] * 2


def test_the_expiry_may_be_an_instant(calendar: TradingCalendar) -> None:
    text = TABLE.replace("2026-03-20", "2026-03-20 16:00:00")
    chain = one(text, calendar, ('"by_root"', '"in_expiry"'), ('"expiration" }', '"expiration", zone = "America/New_York" }'))
    assert chain.quotes["expires_at"].to_list() == [datetime(2026, 3, 20, 20)] * 2


def test_names_tell_the_contract(calendar: TradingCalendar) -> None:
    document = {
        **{key: value for key, value in mapping().items() if key not in ("root", "option_type", "strike", "expiry")},
        "instrument": {"column": "name", "names": "osi"},
    }
    text = "day,name,oi,bid,ask,iv,close\n2026-03-02,SPXW260320P05900000,1,2,3,4,6000\n2026-03-02,SPX260320P05900000,1,2,3,4,6000\n2026-03-02,what,1,2,3,4,6000\n"
    (chain,) = chains(text, "columns", calendar, {**document, "underlying": {"value": "SPX"}})
    assert chain.quotes.select("root", "strike", "option_type", "expires_at", "is_adjusted").rows() == [
        ("SPXW", 5900.0, "P", datetime(2026, 3, 20, 20), False),
        ("SPX", 5900.0, "P", datetime(2026, 3, 20, 13, 30), False),
    ]
    assert chain.rejected.select("row_number", "reason", "value").rows() == [(3, "no_root", "what")]


def test_a_row_may_hold_a_call_and_a_put(calendar: TradingCalendar) -> None:
    text = "day,root,strike,expiration,c_oi,p_oi,c_bid,p_bid,c_iv,p_iv,close\n2026-03-02,XYZ,100,2026-03-20,7,9,1.5,1.4,25,26,99.5\n"
    side = {
        kind: {
            "open_interest": {"column": f"{kind[0]}_oi", "unit": "contracts"},
            "bid": {"column": f"{kind[0]}_bid"},
            "iv": {"column": f"{kind[0]}_iv", "unit": "percent"},
        }
        for kind in ("call", "put")
    }
    common = {key: value for key, value in mapping().items() if key not in ("option_type", "open_interest", "bid", "ask", "iv")}
    (chain,) = chains(text, "columns", calendar, common | side)
    assert chain.quotes.select("instrument", "oi_base", "bid", "venue_iv", "row_number").rows() == [
        ("XYZ260320C00100000", 700.0, 1.5, 0.25, 1),
        ("XYZ260320P00100000", 900.0, 1.4, 0.26, 1),
    ]
    (chain,) = chains(text.replace(",1.4,", ",x,"), "columns", calendar, common | side)
    assert chain.rejected.select("instrument", "column", "value").rows() == [("XYZ260320P00100000", "c_bid, p_bid", "x")]


def test_crypto(calendar: TradingCalendar) -> None:
    document = mapping(
        ('"us"', '"crypto"'),
        ('"cboe"', '"okx"'),
        ('"by_root"', '{ at = "08:00", zone = "UTC" }'),
        ('{ names = "osi" }', '{ column = "name" }'),
        ('root = { column = "root" }', 'book = { column = "root" }'),
        ("value = 100", "value = 0.01"),
    )
    (chain,) = chains(
        TABLE.replace("day,", "name,day,").replace("2026-03-02,XYZ,", "n#,2026-03-02,BTC-USD,").replace("n#", "a", 1).replace("n#", "b"),
        "columns",
        calendar,
        document,
    )
    assert (chain.venue, chain.market, chain.session_date) == ("okx", "crypto", None)
    assert chain.quotes.select("instrument", "root", "book", "oi_base", "multiplier", "expires_at", "exercise").rows() == [
        ("a", "BTC-USD", "BTC-USD", 0.07, 0.01, datetime(2026, 3, 20, 8), "european"),
        ("b", "BTC-USD", "BTC-USD", 0.09, 0.01, datetime(2026, 3, 20, 8), "european"),
    ]


def test_several_sessions_and_underlyings_are_chains_of_their_own(calendar: TradingCalendar) -> None:
    text = TABLE.replace("day,", "symbol,day,").replace("2026-03-02,", "XYZ,2026-03-02,")
    rows = text.splitlines()[1:]
    text += "\n".join([*(row.replace("2026-03-02", "2026-03-03") for row in rows), *(row.replace("XYZ", "ABC") for row in rows)])
    parsed = chains(text, "columns", calendar, mapping(('{ value = "XYZ" }', '{ column = "symbol" }')))
    assert [(chain.underlying, chain.venue_instant.day, chain.quotes["row_number"].to_list()) for chain in parsed] == [
        ("XYZ", 2, [1, 2]),
        ("XYZ", 3, [3, 4]),
        ("ABC", 2, [5, 6]),
    ]


def test_a_large_file_is_read_in_parts_that_make_up_the_whole(calendar: TradingCalendar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.formats.columns.file.ROWS_PER_PART", 4)
    text = (
        TABLE
        + "".join(TABLE.split("\n", 1)[1].replace("2026-03-02", f"2026-03-{day:02}") for day in range(3, 14))
        + "x,XYZ,call,1,2026-03-20,1,1,1,1,1\n"
    )
    reader = importer("columns", mapping())
    assert isinstance(reader, ColumnsFile)
    for body in (text.encode(), parquet(pl.read_csv(io.StringIO(text)))):
        file = payload(body, "columns")
        parts = reader.parts(file)
        assert parts == 6
        pieces = [list(reader.parse(file, calendar, part, parts)) for part in range(parts)]
        assert all(len(piece) == 2 for piece in pieces)
        whole = list(reader.parse(file, calendar))
        assert [chain.venue_instant for piece in pieces for chain in piece] == [chain.venue_instant for chain in whole]
        assert [chain.rejected.height for piece in pieces for chain in piece] == [1] + [0] * 11


def test_missing_values_are_those_declared(calendar: TradingCalendar) -> None:
    text = TABLE.replace("1.5,1.6,25.5", "NA,0,0")
    chain = one(text, calendar, ('"by_root"', '"by_root"\nmissing = ["NA"]\nzero_is_missing = ["ask", "iv"]'))
    assert chain.quotes.select("bid", "ask", "venue_iv").row(0) == (None, None, None)
    chain = one(text, calendar)
    assert chain.quotes.select("bid", "ask", "venue_iv").row(0) == (None, 0.0, 0.0), "a zero is a zero unless it is declared to be none"
    assert chain.rejected.select("reason", "column", "value").rows() == [("not_a_number", "bid", "NA")]


def test_what_cannot_be_read_is_refused_and_remembered(calendar: TradingCalendar) -> None:
    bad = [
        ("soon,XYZ,call,101,2026-03-20,1,1,1,1,99.5", "no_instant"),
        ("2026-03-02,,call,101,2026-03-20,1,1,1,1,99.5", "bad_name"),  # no name can be composed
        ("2026-03-02,XYZ,both,102,2026-03-20,1,1,1,1,99.5", "bad_name"),
        ("2026-03-02,XYZ,call,103,soon,1,1,1,1,99.5", "bad_name"),
        ("2026-03-02,XYZ,call,104,2026-03-20,many,1,1,1,99.5", "not_a_number"),
        ("2026-03-02,XYZ,call,105,2026-03-20,-1,1,1,1,99.5", "negative"),
        ("2026-03-02,XYZ,call,0,2026-03-20,1,1,1,1,99.5", "bad_strike"),
        ("2026-03-02,XYZ,call,100,2026-03-20,7,1.5,1.6,25.5,99.5", "duplicate"),
        ("2026-03-02,XYZ,call,100,2026-03-20,8,1.5,1.6,25.5,99.5", "conflicting_duplicate"),
        ("2026-03-02,XYZ,call,106,2026-03-20,1,1,1,1,99.5,7", "too_many_cells"),
    ]
    chain = one(TABLE + "\n".join(row for row, _ in bad), calendar)
    assert chain.quotes.height == 2
    assert chain.rejected.select("row_number", "reason").rows() == [(3 + index, reason) for index, (_, reason) in enumerate(bad)]


def test_a_contract_just_listed_has_no_open_interest_yet(calendar: TradingCalendar) -> None:
    chain = one(TABLE.replace(",7,", ",,"), calendar)
    assert chain.quotes["oi_base"].to_list() == [None, 900.0]
    assert chain.rejected.is_empty()


def test_spot(calendar: TradingCalendar) -> None:
    chain = one(TABLE.replace("26,99.5", "26,99.7"), calendar)
    assert chain.spot == pytest.approx(99.6)
    assert chain.warnings == ("2 values of spot in one chain: their median counts",)
    assert one(TABLE.replace("99.5", "0"), calendar).spot is None
    assert one(TABLE, calendar, ('{ column = "close" }', "{ value = 98.5 }")).spot == 98.5


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (TABLE.replace("oi,", "open,"), r"it has no column oi \(open_interest\); it has day, root, cp"),
        (TABLE.replace("2026-03-02", "yesterday"), "no row tells an underlying and captured_at"),
        (b"PAR1nonsense", "it cannot be read as a table"),
        ('day,"root\n1', "it cannot be read as a table|it has no column"),
        (b"day,\xff\n", "no UTF-8 text"),
    ],
)
def test_another_table_is_refused_with_the_reason(body: str | bytes, says: str, calendar: TradingCalendar) -> None:
    with pytest.raises(FileError, match=says):
        one(body, calendar)
