"""Whole runs over four crypto venues: one snapshot of all, and what remains of it when some of them fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from flows.demo.venues import Double, serve
from flows.run.exit_codes import DONE, NOTHING_USABLE, PARTLY
from flows.run.plan import make_plan
from flows.run.result import RunResult
from flows.run.steps import run_snapshot
from warehouse.home.paths import Home
from warehouse.read.query import query
from warehouse.settings import Settings, load_settings

VENUES = ("deribit", "bybit", "okx", "binance")
AT = datetime(2026, 11, 18, 22, 40, tzinfo=UTC)


@pytest.fixture(scope="module")
def double() -> Iterator[Double]:
    with serve(session=3) as running:
        yield running


@pytest.fixture
def run(double: Double, home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., RunResult]]:
    """Takes a snapshot of these underlyings on the watched venues, or on others, while the double has these faults."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for venue in VENUES:
        monkeypatch.setenv(f"STRIKEHOUSE_SOURCES__{venue.upper()}__BASE_URL", double.urls[venue])
        monkeypatch.setenv(f"STRIKEHOUSE_SOURCES__{venue.upper()}__MAX_REQUESTS_PER_SECOND", "100")

    def snapshot(*underlyings: str, venues: tuple[str, ...] = (), faults: tuple[str, ...] = ()) -> RunResult:
        double.set_faults(faults)
        settings = load_settings()
        return run_snapshot(home, settings, make_plan(underlyings, venues, settings, AT))

    yield snapshot
    double.set_faults([])


def statuses(result: RunResult) -> dict[str, str]:
    return {outcome.venue: outcome.status for outcome in result.outcomes}


def test_four_venues_are_one_snapshot(run: Callable[..., RunResult], home: Home) -> None:
    result = run("SOL")
    assert (result.exit_code, statuses(result)) == (DONE, dict.fromkeys(VENUES, "ok"))
    rows = query(home, "select venues, venues_missing, spot from core.snapshots").rows()
    assert rows == [("binance,bybit,deribit,okx", "", 133.4324)]
    pain = query(home, "select expires_at, scope_venue, max_pain_strike, total_oi from marts.max_pain order by all")
    for expiry in pain.partition_by("expires_at"):
        by_scope = {scope: (strike, interest) for _, scope, strike, interest in expiry.iter_rows()}
        strike, interest = by_scope.pop("deribit")
        assert by_scope.pop("all") == (strike, 4 * interest), "each venue holds what Deribit does"
        assert set(by_scope.values()) == {(strike, interest)}


@pytest.mark.slow
def test_a_venue_that_fails_leaves_the_others(run: Callable[..., RunResult], double: Double) -> None:
    result = run("SOL", faults=("bybit:rate_limit:1:403", "okx:string_nan:oiCcy:0.1:bare", "binance:empty_chain"))
    assert (result.exit_code, result.generation) == (PARTLY, 1)
    assert statuses(result) == {"deribit": "ok", "bybit": "failed", "okx": "failed", "binance": "empty"}
    errors = {outcome.venue: outcome.error or "" for outcome in result.outcomes}
    assert "asks for a rest of 600 s" in errors["bybit"]
    assert "is no JSON" in errors["okx"]
    before = len(double.requests)
    again = run("SOL", venues=("bybit", "okx"))
    assert statuses(again) == {"bybit": "failed", "okx": "ok"}
    assert "is not asked before" in (again.outcomes[0].error or "")
    assert {request.venue for request in double.requests[before:]} == {"okx"}, "a later run keeps the rest"


@pytest.mark.slow
def test_an_underlying_that_a_venue_does_not_list(run: Callable[..., RunResult]) -> None:
    result = run("XRP", venues=VENUES)
    assert (result.exit_code, statuses(result)) == (PARTLY, {"deribit": "ok", "bybit": "ok", "okx": "failed", "binance": "ok"})
    nowhere = run("HYPE", venues=VENUES[1:])
    assert (nowhere.exit_code, set(statuses(nowhere).values())) == (NOTHING_USABLE, {"failed"})
    assert all("leave this venue out for it" in (outcome.error or "") for outcome in nowhere.outcomes)


def test_default_watchlist() -> None:
    watched = {name: watch.venues for name, watch in Settings().watchlist.items()}
    assert {name: watched[name] for name in ("BTC", "ETH", "SOL", "HYPE")} == {
        "BTC": VENUES, "ETH": VENUES, "SOL": VENUES, "HYPE": ("deribit",),
    }  # fmt: skip
    books = make_plan([], ["okx", "binance"], Settings(), AT).books()
    assert [book.name for book in books["okx"]] == ["BTC-USD", "BTC-USD_UM", "ETH-USD", "ETH-USD_UM", "SOL-USD_UM"]
    assert [book.name for book in books["binance"]] == ["global", "BTC", "ETH", "SOL"], "what is for all is fetched once"


def test_venue_settings_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "BYBIT__OPTION_OI_SIDES": "2", "OKX__COIN_MARGINED": "BTC, XAU", "OKX__BASE_URL": "https://openapi.okx.com",
        "BINANCE__OI_BASIS": "contracts", "BINANCE__TICKER_WEIGHT_ALL": "5", "BINANCE__MAX_WAIT_S": "60",
    }  # fmt: skip
    defaults = load_settings()
    for name, value in given.items():
        monkeypatch.setenv(f"STRIKEHOUSE_SOURCES__{name}", value)
    settings = load_settings()
    assert (settings.sources.bybit.option_oi_sides, settings.sources.okx.coin_margined) == (2, ("BTC", "XAU"))
    assert (settings.sources.okx.base_url, settings.sources.okx.max_requests_per_second) == ("https://openapi.okx.com", 4.0)
    binance = settings.sources.binance
    assert (binance.oi_basis, binance.ticker_weight_all, binance.max_wait_s) == ("contracts", 5, 60)
    assert settings.numbers_hash != defaults.numbers_hash, "what open interest means changes numbers"
    assert defaults.model_copy(update={"home": settings.home}).numbers_hash == defaults.numbers_hash
