"""`strikehouse doctor`: every check in one order; here are those that need the network, or what only flows know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from email.utils import parsedate_to_datetime

from flows.run.delivery import unknown_addresses
from flows.run.replay import pending_runs
from flows.sources.registry import source
from models.errors import SettingsError, UnknownSymbol, VenueError
from warehouse.home.paths import Home
from warehouse.home.version import code_version
from warehouse.monitor import health_files, health_machine
from warehouse.monitor.freshness import read_trading_calendar
from warehouse.monitor.health_machine import OK, PROBLEM, WARNING, Finding
from warehouse.settings import Settings

LATE_S = 60.0  # a clock so far from the venue's would date snapshots wrongly
LONGEST_WAIT_S = 10.0
# One cheap documented request per venue: (name, path, parameters). Cboe has none but whole chains; what it says of a symbol that no
# exchange lists is short and its own.
PROBES: dict[str, tuple[str, str, dict[str, str]]] = {
    "cboe": ("chain", "/api/global/delayed_quotes/options/STRIKEHOUSEDOCTOR.json", {}),
    "deribit": ("index-btc_usd", "/api/v2/public/get_index_price", {"index_name": "btc_usd"}),
    "bybit": ("delivery-price", "/v5/market/delivery-price", {"category": "option", "baseCoin": "BTC", "limit": "1"}),
    "okx": ("index-tickers", "/api/v5/market/index-tickers", {"instId": "BTC-USD"}),
    "binance": ("index", "/eapi/v1/index", {"underlying": "BTCUSDT"}),
}


def examine(read_settings: Callable[[], Settings], *, offline: bool, deep: bool, now: datetime) -> list[Finding]:
    """What every check finds, in a fixed order; settings that are wrong are a finding, and leave out what needs them."""
    findings = [*health_machine.python_version(), *health_machine.package_versions(), *health_machine.time_zones()]
    try:
        settings = read_settings()
    except SettingsError as error:
        return [*findings, Finding("settings", PROBLEM, str(error), "correct it, then ask the doctor again for the rest")]
    home = Home(settings.home.expanduser().absolute())
    findings += [
        Finding("settings", OK, f"{len(settings.watchlist)} underlyings are watched; home is {home.root}"),
        *alert_addresses(settings),
        *health_machine.home_writable(home),
        *health_machine.free_disk(home),
        *health_files.lock_holder(home, now),
        *health_machine.calendar_reach(read_trading_calendar(home), now),
        *health_files.work_file(home, settings, pending_runs),
        *health_files.publication(home, settings, deep=deep),
        *health_files.archive(home, deep=deep),
        *health_files.rests(home, now),
    ]
    return findings if offline else [*findings, *venues(home, settings, now)]


def alert_addresses(settings: Settings) -> Iterator[Finding]:
    """Whether Apprise knows the services that alerts are to be sent to."""
    if not settings.alerts.urls:
        if settings.alerts.rules:
            yield Finding("alerts", WARNING, "there are rules, and nobody is told", "name addresses in alerts.urls")
        return
    if unknown := unknown_addresses(settings):
        yield Finding("alerts", PROBLEM, f"no service is known for {', '.join(unknown)}", "correct alerts.urls")
    else:
        yield Finding("alerts", OK, f"{len(settings.alerts.rules)} rules, {len(settings.alerts.urls)} addresses")


def venues(home: Home, settings: Settings, now: datetime) -> Iterator[Finding]:
    """Whether each watched venue answers; one that asked for a rest is left alone."""
    resting = {venue for venue, until in health_files.venue_rests(home).items() if until > now}
    watched = sorted({venue for watch in settings.watchlist.values() for venue in watch.venues} - resting)
    with ThreadPoolExecutor(max_workers=max(len(watched), 1)) as pool:
        yield from pool.map(lambda venue: reach(venue, settings), watched)


def reach(venue: str, settings: Settings) -> Finding:
    """What one cheap request to a venue comes to."""
    from flows.sources.http import VenueClient  # loading httpx takes a while

    asked = source(venue, settings)
    patient = min(asked.settings.timeout_s, LONGEST_WAIT_S)
    quick = asked.settings.model_copy(update={"max_attempts": 1, "timeout_s": patient})
    name, path, params = PROBES[venue]
    clocks: list[float] = []

    def note(payload: object) -> None:
        clocks.append(_ahead_s(payload))

    check = f"venue {venue}"
    try:
        with VenueClient(venue, quick, record=note, version=code_version()) as http:
            http.get("doctor", name, path, params, judge=asked.judge)
    except UnknownSymbol:
        pass  # Cboe answers
    except (VenueError, SettingsError) as error:
        mend = f"check the network, a proxy, and STRIKEHOUSE_SOURCES__{venue.upper()}__BASE_URL; `--offline` leaves venues out"
        return Finding(check, PROBLEM, str(error), mend)
    if clocks and abs(clocks[-1]) > LATE_S:
        what = f"answers, and this machine's clock is {abs(clocks[-1]):.0f} s {'ahead' if clocks[-1] > 0 else 'behind'}"
        return Finding(check, WARNING, what, "set the clock (`timedatectl set-ntp true`)")
    return Finding(check, OK, "answers")


def _ahead_s(payload: object) -> float:
    """How far our clock is ahead of the one that dated the reply; 0 where it has no date."""
    from models.chain import RawPayload

    assert isinstance(payload, RawPayload)
    try:
        said = parsedate_to_datetime(payload.headers.get("date", ""))
    except ValueError:
        return 0.0
    return (payload.received_at - said).total_seconds() if said.tzinfo else 0.0
