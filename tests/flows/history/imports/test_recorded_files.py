"""Files that people have: read by us, and read again by the csv module alone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import orjson
import polars as pl
import pytest

from flows.sources.binance import Binance
from flows.sources.deribit import Deribit
from models.chain import ParsedChain, RawPayload
from models.market.calendar import TradingCalendar
from tests.flows.formats.pieces import NOW, chains, read_rows, unpacked
from warehouse.settings import BinanceSettings, DeribitSettings

CBOE = {
    "XSP_2023-09-14": ("XSP", "2023-09-14 20:30", date(2023, 9, 14), 450.51),
    "SPY_2023-09-14": ("SPY", "2023-09-14 20:31", date(2023, 9, 14), 450.81),
    "SPY_2025-05-06_filtered": ("SPY", "2025-05-06 22:09", date(2025, 5, 6), 557.37),
    "SPY_2025-09-03_full": ("SPY", "2025-09-03 13:24", date(2025, 9, 2), 642.65),  # downloaded before the open
}
BINANCE_DAY = "binance_vision_BTCUSDT-EOHSummary-2023-10-20.csv.gz"
DERIBIT_DUMP = "deribit_book_summary_ETH_2024-01-08.csv.gz"


@pytest.fixture(scope="module")
def files(recordings: Path) -> Path:
    return recordings / "files"


@pytest.fixture(scope="module")
def hours(files: Path, calendar: TradingCalendar) -> list[ParsedChain]:
    return chains(unpacked(files / BINANCE_DAY), "binance-vision", calendar)


@pytest.mark.parametrize("name", CBOE)
def test_cboe_downloads(name: str, files: Path, calendar: TradingCalendar) -> None:
    file = files / f"cboe_quotedata_{name}.csv.gz"
    (chain,) = chains(unpacked(file), "cboe-csv", calendar)
    underlying, instant, session, spot = CBOE[name]
    assert (chain.underlying, chain.session_date, chain.spot) == (underlying, session, spot)
    assert chain.venue_instant == datetime.fromisoformat(instant).replace(tzinfo=UTC)
    rows = [row for row in read_rows(file) if len(row) == 22][1:]
    assert chain.quotes.height == 2 * len(rows)
    assert chain.quotes["oi_base"].sum() == 100 * sum(int(row[10].replace(",", "")) + int(row[21].replace(",", "")) for row in rows)
    assert chain.quotes["venue_iv"].null_count() == sum((float(row[7]) == 0) + (float(row[18]) == 0) for row in rows)
    assert chain.quotes["bid"].null_count() == sum((float(row[4]) == 0) + (float(row[15]) == 0) for row in rows)
    assert chain.rejected.is_empty()
    lines = unpacked(file).decode().splitlines()
    for row in chain.quotes.gather_every(997).iter_rows(named=True):
        assert row["instrument"] in lines[row["row_number"]]


def test_only_the_filtered_download_is_incomplete(files: Path, calendar: TradingCalendar) -> None:
    flagged = {}
    for name in CBOE:
        (chain,) = chains(unpacked(files / f"cboe_quotedata_{name}.csv.gz"), "cboe-csv", calendar)
        flagged[name] = chain.incomplete_reason
    assert {name for name, reason in flagged.items() if reason} == {"SPY_2025-05-06_filtered"}
    assert "at most 6 strikes in an expiry" in str(flagged["SPY_2025-05-06_filtered"])


def test_a_binance_day_is_24_chains_each_at_the_end_of_its_hour(hours: list[ParsedChain], files: Path) -> None:
    assert [chain.venue_instant for chain in hours] == [datetime(2023, 10, 20, hour, 59, 59, tzinfo=UTC) for hour in range(24)]
    assert {(chain.underlying, chain.venue, chain.market) for chain in hours} == {("BTC", "binance", "crypto")}
    header, *rows = read_rows(files / BINANCE_DAY)
    count, hour = header.index("openinterest_contracts"), header.index("hour")
    for chain in hours:
        own = [row for row in rows if int(row[hour]) == chain.venue_instant.hour]
        assert chain.quotes.height == len(own)
        # in hundredths, which are whole: no sum rounds
        assert round(chain.quotes["oi_base"].sum() * 100) == sum(round(float(row[count]) * 100) for row in own if row[count])
        assert chain.quotes["oi_base"].null_count() == sum(row[count] == "" for row in own), "just listed"
        assert chain.rejected.is_empty()
    assert sum(chain.quotes.height for chain in hours) == len(rows)


def test_contracts_of_the_day_are_listed_up_to_hour_08_and_are_settled_then(hours: list[ParsedChain]) -> None:
    settled = datetime(2023, 10, 20, 8)
    assert [settled in chain.quotes["expires_at"].to_list() for chain in hours] == [True] * 9 + [False] * 15
    assert hours[8].spot == 29748.13, "the index of the rows that live, not the settlement price"


def test_hour_12_is_what_the_venues_replies_of_that_hour_say(hours: list[ParsedChain], recordings: Path, calendar: TradingCalendar) -> None:
    folder = recordings / "binance" / "2023-10-20T12"
    replies = []
    for request in orjson.loads((folder / "manifest.json").read_bytes())["requests"]:
        name = {"exchangeInfo": "exchange-info", "openInterest": "open-interest-" + request["query"].get("expiration", "")}
        last = request["path"].rsplit("/")[-1]
        book = "global" if last in ("mark", "ticker") else "BTC"
        if request["status"] == 200:
            replies.append(RawPayload("binance", book, name.get(last, last), "", {}, 200, {}, unpacked(folder / request["body"]), NOW, NOW))
    live = Binance(BinanceSettings()).parse(replies, "BTC", calendar)
    columns = [name for name in live.quotes.columns if name not in ("payload_sha256", "row_number", "volume_base")]
    ours, theirs = (chain.quotes.select(columns).sort("instrument") for chain in (hours[12], live))
    assert ours.equals(theirs), [name for name in columns if not ours[name].equals(theirs[name])]
    assert hours[12].spot == live.spot == 29506.39549451
    assert hours[12].quotes["volume_base"].null_count() == 226, "an hour's volume is not a day's"


def test_a_dump_of_a_deribit_summary(files: Path, calendar: TradingCalendar) -> None:
    (chain,) = chains(unpacked(files / DERIBIT_DUMP), "deribit-csv", calendar)
    header, *rows = read_rows(files / DERIBIT_DUMP)
    at = header.index
    assert (chain.underlying, chain.venue, chain.spot, chain.quotes.height) == ("ETH", "deribit", 2222.19, 684)
    newest = max(int(row[at("creation_timestamp")]) for row in rows)
    assert round(chain.venue_instant.timestamp() * 1000) == newest
    assert chain.quotes["oi_base"].sum() == sum(float(row[at("open_interest")]) for row in rows)
    assert chain.quotes["venue_iv"].null_count() == 684, "the dump has none"
    for quote in chain.quotes.iter_rows(named=True):
        row = rows[quote["row_number"] - 1]  # the header is line 0
        assert quote["instrument"] == row[at("instrument_name")]
        assert quote["bid"] == (float(row[at("bid_price")]) * float(row[at("underlying_price")]) if row[at("bid_price")] else None)


def test_a_saved_reply_reads_as_the_source_reads_it(recordings: Path, calendar: TradingCalendar) -> None:
    folder = recordings / "deribit" / "2026-03-13"
    names = {"book_summary_BTC_option": "book-summary", "instruments_BTC_option": "instruments", "index_price_btc_usd": "index-btc_usd"}
    bodies = {name: unpacked(folder / f"{file}.json.gz") for file, name in names.items()}
    replies = [RawPayload("deribit", "BTC", name, "", {}, 200, {}, body, NOW, NOW) for name, body in bodies.items()]
    empty = [RawPayload("deribit", "USDC", name, "", {}, 200, {}, b'{"result":[]}', NOW, NOW) for name in ("book-summary", "instruments")]
    live = Deribit(DeribitSettings()).parse([*replies, *empty], "BTC", calendar)
    (chain,) = chains(bodies["book-summary"], "deribit-json", calendar)
    assert (chain.venue_instant, chain.spot) == (live.venue_instant, live.spot)
    assert chain.quotes.equals(live.quotes)
    assert isinstance(chain.quotes, pl.DataFrame)
