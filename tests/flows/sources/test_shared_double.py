"""Fetch and parse together against the double that serves recordings, with its faults."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from flows.sources.registry import source
from models.chain import ParsedChain, ParsedQuotes
from models.errors import MalformedReply, UnknownSymbol, VenueBusy, VenueError, VenueUnreachable
from models.market.calendar import TradingCalendar
from tests.flows.sources.conftest import Venue
from warehouse.settings import Settings


@dataclass
class Double:
    """The running double: its addresses, and its faults."""

    urls: dict[str, str]

    def set_faults(self, *faults: str) -> None:
        control = self.urls["cboe"].rpartition("/")[0] + "/_control/faults"
        request = urllib.request.Request(control, data=json.dumps({"faults": faults}).encode(), method="POST")
        urllib.request.urlopen(request).close()


@pytest.fixture(scope="module")
def double(recordings: Path) -> Iterator[Double]:
    tool = recordings.parent / "tools" / "venue_double.py"
    if not tool.is_file():
        pytest.skip(f"{tool.name} is not beside the recordings")
    captures = [str(recordings / "deribit"), str(recordings / "cboe" / "2026-07-31")]
    command = [sys.executable, str(tool), "--captures", *captures, "--port", "0", "--advance"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Double(json.loads(process.stdout.readline()))
        process.terminate()


@pytest.fixture
def snapshot(double: Double, venue: Callable[..., Venue], calendar: TradingCalendar) -> Callable[..., ParsedChain]:
    """Fetches and parses one underlying while the double has these faults."""

    def capture(name: str, underlying: str, *faults: str) -> ParsedChain:
        double.set_faults(*faults)
        client, adapter = venue(name, base_url=double.urls[name], timeout_s=0.5), source(name, Settings())
        fetched = [reply for book in adapter.books(underlying) for reply in adapter.fetch(client.client, book)]
        chain = adapter.parse(fetched, underlying, calendar)
        ParsedQuotes.validate(chain.quotes)
        assert adapter.parse(client.archive, underlying, calendar).quotes.equals(chain.quotes), "the archive gives the same chain"
        return chain

    return capture


@pytest.mark.parametrize(
    "fault",
    [
        "rate_limit:2", "server_error:3", "truncate:length:2", "truncate:close:1", "truncate:chunked:1", "truncate:short:2",
        "garbage:1", "reset:2", "reset:1:mid", "timeout:2:1", "slow_drip:2:1",
    ],
)  # fmt: skip
@pytest.mark.parametrize(("name", "underlying", "contracts"), [("cboe", "MOD", 974), ("deribit", "BTC", 964)])
def test_a_fault_that_passes_costs_nothing(
    snapshot: Callable[..., ParsedChain], name: str, underlying: str, contracts: int, fault: str
) -> None:
    chain = snapshot(name, underlying, f"{name}:{fault}")
    unknown_method = {"deribit": ("no delivery prices of btc_usd came with the chain",)}  # the chain is whole all the same
    assert (chain.quotes.height, chain.rejected.height, chain.warnings) == (contracts, 0, unknown_method.get(name, ()))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("rate_limit:9", VenueBusy),
        ("server_error:9", VenueBusy),
        ("truncate:length", VenueUnreachable),
        ("truncate:close", VenueUnreachable),
        ("truncate:short", VenueUnreachable),
        ("garbage:9", VenueUnreachable),
        ("reset:9", VenueUnreachable),
        ("string_nan::0.1:bare", MalformedReply),
        ("drop_field:options", MalformedReply),
        ("drop_field:option", MalformedReply),
    ],
)
def test_a_fault_that_stays_is_one_clear_error(snapshot: Callable[..., ParsedChain], fault: str, error: type[VenueError]) -> None:
    with pytest.raises(error, match="cboe: "):
        snapshot("cboe", "MOD", f"cboe:{fault}")


@pytest.mark.parametrize(("name", "underlying", "contracts"), [("cboe", "MOD", 974), ("deribit", "BTC", 964)])
def test_damaged_rows_are_refused_and_counted(snapshot: Callable[..., ParsedChain], name: str, underlying: str, contracts: int) -> None:
    clean = snapshot(name, underlying)
    twice = snapshot(name, underlying, f"{name}:duplicate_rows:0.1:conflict")
    assert twice.quotes.drop("payload_sha256").equals(clean.quotes.drop("payload_sha256")), "the first of each stays"
    assert "conflicting_duplicate" in twice.rejected["reason"]
    broken = snapshot(name, underlying, f"{name}:string_nan")
    refused = broken.rejected.filter(~pl.col("is_row_kept"))
    assert broken.quotes.height + refused.height == contracts
    assert set(refused["column"]) == {"open_interest"}
    missing = snapshot(name, underlying, f"{name}:null_oi")
    assert missing.quotes["oi_base"].null_count() == missing.quotes.height == contracts
    empty = snapshot(name, underlying, f"{name}:empty_chain")
    assert (empty.quotes.height, empty.rejected.height) == (0, 0)


def test_symbols_that_are_not_listed(snapshot: Callable[..., ParsedChain]) -> None:
    with pytest.raises(UnknownSymbol, match="NOTAREALSYM"):
        snapshot("cboe", "NOTAREALSYM")
    with pytest.raises(UnknownSymbol, match="DOGE"):
        snapshot("deribit", "DOGE")
