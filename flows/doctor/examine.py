"""`strikehouse doctor`: every check in one order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from flows.doctor.venues import venues
from flows.run.delivery import unknown_addresses
from flows.run.replay import pending_runs
from models.errors import SettingsError
from warehouse.home.paths import Home
from warehouse.monitor import health_files, health_machine
from warehouse.monitor.freshness import read_trading_calendar
from warehouse.monitor.health_machine import OK, PROBLEM, WARNING, Finding
from warehouse.settings import Settings


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
