"""Whether the watched venues answer, and whether this machine's clock agrees with theirs."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from email.utils import parsedate_to_datetime

from flows.sources.registry import source
from models.errors import SettingsError, UnknownSymbol, VenueError
from warehouse.home.cooldowns import read_cooldowns
from warehouse.home.paths import Home
from warehouse.home.version import code_version
from warehouse.monitor.health_machine import OK, PROBLEM, WARNING, Finding
from warehouse.settings import Settings

LATE_S = 60.0  # a clock so far from the venue's would date snapshots wrongly
LONGEST_WAIT_S = 10.0


def venues(home: Home, settings: Settings, now: datetime) -> Iterator[Finding]:
    """Whether each watched venue answers; one that asked for a rest is left alone."""
    resting = {venue for venue, until in read_cooldowns(home).items() if until > now}
    watched = sorted({venue for watch in settings.watchlist.values() for venue in watch.venues} - resting)
    with ThreadPoolExecutor(max_workers=max(len(watched), 1)) as pool:
        yield from pool.map(lambda venue: reach(venue, settings), watched)


def reach(venue: str, settings: Settings) -> Finding:
    """What one cheap request to a venue comes to."""
    from flows.sources.http import VenueClient  # loading httpx takes a while

    chosen = source(venue, settings)
    patient = min(chosen.settings.timeout_s, LONGEST_WAIT_S)
    quick = chosen.settings.model_copy(update={"max_attempts": 1, "timeout_s": patient})
    check = f"venue {venue}"
    probe = chosen.probe
    if probe is None:
        return Finding(check, WARNING, "not tried: its source names no cheap request", "give the source a `probe`")
    clocks: list[float] = []

    def note(payload: object) -> None:
        clocks.append(_ahead_s(payload))

    try:
        with VenueClient(venue, quick, record=note, version=code_version()) as http:
            http.get("doctor", probe.name, probe.path, dict(probe.params), judge=chosen.judge)
    except UnknownSymbol:
        pass  # Cboe answers
    except (VenueError, SettingsError) as error:
        remedy = f"check the network, a proxy, and STRIKEHOUSE_SOURCES__{venue.upper()}__BASE_URL; `--offline` leaves venues out"
        return Finding(check, PROBLEM, str(error), remedy)
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
