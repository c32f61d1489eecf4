"""Bybit, OKX and Binance fetched and parsed over real HTTP from the project's double, in good days and bad ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

import polars as pl
import pytest

from flows.demo.market.coins import PAIRS, contracts
from flows.demo.venues import Double, serve
from flows.sources.registry import source
from models.chain import ParsedChain, ParsedQuotes, RejectedRows
from models.errors import MalformedReply, UnknownSymbol, VenueBusy, VenueError, VenueUnreachable
from models.market.calendar import TradingCalendar
from tests.flows.sources.conftest import Clock, Venue
from warehouse.settings import Settings

VENUES = {"bybit": 148, "okx": 74, "binance": 74}  # contracts of SOL: Bybit has two books of it
CALLS = {"bybit": 2, "okx": 6, "binance": 8}
INTEREST_REPLY = {"bybit": "tickers", "okx": "open-interest", "binance": "openInterest"}  # the reply that holds open interest

Capture = Callable[..., ParsedChain]


@pytest.fixture(scope="module")
def double() -> Iterator[Double]:
    with serve(session=3) as running:
        for pair in PAIRS.values():  # Binance tells of all coins at once: made before anybody waits for it
            running.market.crypto(pair)
        yield running


@pytest.fixture
def capture(double: Double, venue: Callable[..., Venue], calendar: TradingCalendar) -> Iterator[Capture]:
    """Fetches and parses one underlying while the double has these faults."""

    def capture(name: str, *faults: str, underlying: str = "SOL", timeout_s: float = 5.0) -> ParsedChain:
        double.set_faults([f"{name}:{fault}" for fault in faults])
        client, adapter = venue(name, base_url=double.urls[name], timeout_s=timeout_s), source(name, Settings())
        fetched = [reply for book in adapter.books(underlying) for reply in adapter.fetch(client.client, book)]
        chain = adapter.parse(fetched, underlying, calendar)
        ParsedQuotes.validate(chain.quotes)
        RejectedRows.validate(chain.rejected)
        if len(client.archive) > len(fetched):  # refusals are in the archive too
            assert adapter.parse(client.archive, underlying, calendar).quotes.equals(chain.quotes), "the archive gives the same chain"
        return chain

    yield capture
    double.set_faults([])


@pytest.mark.parametrize("name", VENUES)
def test_whole_chains(capture: Capture, double: Double, name: str) -> None:
    before = len(double.requests)
    chain = capture(name)
    assert (chain.quotes.height, chain.rejected.height, chain.unknown_fields) == (VENUES[name], 0, {})
    assert len(double.requests) - before == CALLS[name]
    market = double.market.crypto("SOL_USDC")
    expected = math.fsum(contract.open_interest for contract in contracts(market))
    assert round(math.fsum(chain.quotes["oi_base"].drop_nulls()), 6) == expected == 499_440.0
    assert (chain.spot, chain.venue_instant.timestamp()) == (market.index, round(market.now.timestamp(), 3))


@pytest.mark.parametrize(
    "fault",
    ["rate_limit:2", "rate_limit:1:seconds:1", "server_error:3", "truncate:short:2", "garbage:1", "reset:1:mid"],
)
@pytest.mark.parametrize("name", VENUES)
def test_a_fault_that_passes_costs_nothing(capture: Capture, name: str, fault: str) -> None:
    chain = capture(name, fault)
    assert (chain.quotes.height, chain.rejected.height) == (VENUES[name], 0)


@pytest.mark.parametrize("name", VENUES)
def test_a_reply_that_is_late_once_costs_nothing(capture: Capture, name: str) -> None:
    assert capture(name, "timeout:1:1", timeout_s=0.6).quotes.height == VENUES[name]


def test_each_venue_has_its_own_way_of_slowing_down(capture: Capture, clock: Clock) -> None:
    assert capture("okx", "rate_limit:2:200").quotes.height == VENUES["okx"]
    started = clock.seconds
    for name, fault, minutes in (("bybit", "rate_limit:1:403", 10), ("binance", "rate_limit:1:418", 2)):
        with pytest.raises(VenueBusy) as raised:
            capture(name, fault)
        assert raised.value.rest_until is not None
        assert abs((raised.value.rest_until - clock.now()).total_seconds() - 60 * minutes) < 2
    assert clock.seconds - started < 1, "nobody waits for that"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("rate_limit:9", VenueBusy),
        ("truncate:short", VenueUnreachable),
        ("string_nan:symbol:0.1:bare", MalformedReply),
    ],
)
@pytest.mark.parametrize("name", VENUES)
def test_a_fault_that_stays_is_one_clear_error(capture: Capture, name: str, fault: str, error: type[VenueError]) -> None:
    with pytest.raises(error, match=f"^{name}: "):
        capture(name, fault.replace("symbol", "instId" if name == "okx" else "symbol"))


@pytest.mark.parametrize("name", VENUES)
def test_damaged_open_interest_is_refused_and_counted(capture: Capture, name: str) -> None:
    clean = capture(name)
    for fault, reason in (("negative_oi:0.2", "negative"), ("string_nan:open_interest:0.2", "not_a_number")):
        broken = capture(name, fault)
        refused = broken.rejected.filter(~pl.col("is_row_kept"))
        assert set(refused["reason"]) == {reason}
        assert broken.quotes.height + refused.height == clean.quotes.height, "no contract is lost, none comes back without its interest"
    missing = capture(name, "null_oi")
    assert missing.quotes["oi_base"].null_count() == missing.quotes.height == VENUES[name]
    assert missing.rejected.is_empty()


@pytest.mark.parametrize("name", VENUES)
def test_rows_that_come_twice_count_once(capture: Capture, name: str) -> None:
    clean = capture(name)
    twice = capture(name, "duplicate_rows:0.3:conflict")
    assert twice.quotes.drop("payload_sha256").equals(clean.quotes.drop("payload_sha256")), "the first of each stays"
    assert "conflicting_duplicate" in twice.rejected["reason"]


@pytest.mark.parametrize("name", VENUES)
def test_volatilities_and_prices_that_are_missing_are_null(capture: Capture, name: str) -> None:
    chain = capture(name, "no_iv_no_price")
    for column in ("venue_iv", "bid", "ask", "mark"):
        assert chain.quotes[column].null_count() == VENUES[name], column
    assert chain.rejected.is_empty()


@pytest.mark.parametrize("name", VENUES)
def test_halves_of_a_chain(capture: Capture, name: str) -> None:
    assert 0.2 < capture(name, "half_chain").quotes.height / VENUES[name] < 0.8
    assert set(capture(name, "one_side_gone:P").quotes["option_type"]) == {"C"}
    assert capture(name, f"empty_chain@{INTEREST_REPLY[name]}").quotes["oi_base"].null_count() == VENUES[name]
    empty = capture(name, "empty_chain")
    assert (empty.quotes.height, empty.rejected.height) == (0, 0)


@pytest.mark.parametrize("name", VENUES)
def test_other_clocks_and_old_sessions_show(capture: Capture, name: str) -> None:
    today = capture(name)
    assert (capture(name, "clock_skew:3600").venue_instant - today.venue_instant).total_seconds() == 3600
    assert (today.venue_instant - capture(name, "old_session").venue_instant).days == 1


@pytest.mark.parametrize("name", VENUES)
def test_underlyings_that_a_venue_does_not_list(capture: Capture, name: str) -> None:
    with pytest.raises(UnknownSymbol, match=f"^{name}: lists no options o.*HYPE.* leave this venue out for it$"):
        capture(name, underlying="HYPE")


def test_binance_contracts_of_a_hundred_coins(capture: Capture, double: Double) -> None:
    chain = capture("binance", underlying="XRP")
    assert chain.quotes["multiplier"].unique().to_list() == [100.0]
    market = double.market.crypto("XRP_USDC")
    marks = {(one.expires_at.replace(tzinfo=None), one.strike, one.side): one.mark for one in contracts(market)}
    rows = chain.quotes.select("expires_at", "strike", "option_type", "mark").drop_nulls()
    assert [marks[row[:3]] for row in rows.iter_rows()] == pytest.approx(rows["mark"].to_list(), abs=1e-6), "USD per coin"


def test_request_rates_stay_within_the_setting(double: Double, venue: Callable[..., Venue]) -> None:
    double.set_faults([])
    adapter = source("okx", Settings())
    client = venue("okx", base_url=double.urls["okx"], max_requests_per_second=20, is_real_time=True)
    start = len(double.requests)
    adapter.fetch(client.client, adapter.books("SOL")[0])
    assert min(later.at - first.at for first, later in pairwise(double.requests[start:])) > 1 / 20 - 0.005
