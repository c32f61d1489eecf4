"""The faults that the double of recordings has too: on real replies they have the outcomes of the project's own table."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.run.plan import make_plan
from flows.run.result import RunResult
from flows.run.steps import run_snapshot
from tests.flows.faults.bad_day import run_exit_code, settings_for
from tests.flows.faults.expected import FAULTS, VENUES, Fault
from warehouse.home.paths import Home
from warehouse.read.query import query

CAPTURES = ("cboe/2026-07-31", "deribit/2026-03-13", "bybit/2026-03-13", "okx/2026-03-13", "binance/2023-10-20T12")
SYMBOLS = {"cboe": "SPXC"} | dict.fromkeys(VENUES[1:], "BTC")
# What both doubles have, by the table's names; open interest "NaN" has another default there.
KINDS = (
    "server_error",
    "garbage",
    "reset",
    "truncate",
    "timeout",
    "slow_drip",
    "rate_limit",
    "empty_chain",
    "null_oi",
    "drop_field",
    "duplicate_rows",
)
COMMON = [
    fault
    for fault in FAULTS
    if fault.spec.split(":")[0].split("@")[0] in KINDS and not any(word in fault.spec for word in ("seconds", "date", "null_oi:", "{iv}"))
]
QUICK = ("server_error:2:503@{holder}", "truncate:short@{holder}", "rate_limit:all@{holder}", "null_oi", "drop_field:{key}@{holder}")


class SharedDouble:
    """The running tool: its addresses, and its faults."""

    def __init__(self, urls: dict[str, str]) -> None:
        self.urls = urls

    def set_faults(self, faults: list[str]) -> None:
        control = self.urls["cboe"].rpartition("/")[0] + "/_control/faults"
        urllib.request.urlopen(urllib.request.Request(control, data=json.dumps({"faults": faults}).encode(), method="POST")).close()


@pytest.fixture(scope="module")
def shared(recordings: Path) -> Iterator[SharedDouble]:
    tool = recordings.parent / "tools" / "venue_double.py"
    if not tool.is_file():
        pytest.skip(f"{tool.name} is not beside the recordings")
    command = [sys.executable, str(tool), "--captures", *(str(recordings / one) for one in CAPTURES), "--port", "0", "--advance"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield SharedDouble(json.loads(process.stdout.readline()))
        finally:
            process.terminate()


def run_with_fault(shared: SharedDouble, home: Home, fault: Fault, venue: str, good: str) -> RunResult:
    """A run in which one venue has a fault and another has none."""
    settings = settings_for(shared.urls, {venue: fault.settings})
    shared.set_faults([fault.of(venue)[0]])
    plans = [make_plan((SYMBOLS[one],), (one,), settings, datetime.now(UTC)) for one in (venue, good)]
    return run_snapshot(home, settings, replace(plans[0], asks=(*plans[0].asks, *plans[1].asks)))


def named(quick: bool) -> list[object]:
    cases = [(fault, venue) for fault in COMMON if (fault.spec in QUICK) == quick for venue in fault.venues if venue in SYMBOLS]
    return [pytest.param(fault, venue, id=f"{fault.spec} at {venue}") for fault, venue in cases]


def quick() -> Iterator[object]:
    """The quick faults at one venue of each market; all but the first are left to `make test-all`."""
    level: list[pytest.MarkDecorator] = []
    for case in named(True):
        fault, venue = case.values  # type: ignore[attr-defined]
        if venue in ("cboe", "okx"):
            yield pytest.param(fault, venue, id=case.id, marks=level)  # type: ignore[attr-defined]
            level = [pytest.mark.slow]


@pytest.mark.parametrize(("fault", "venue"), list(quick()))
def test_a_fault_of_real_replies_has_the_outcome_of_the_table(
    shared: SharedDouble, home: Home, monkeypatch: pytest.MonkeyPatch, fault: Fault, venue: str
) -> None:
    check(shared, home, monkeypatch, fault, venue)


@pytest.mark.acceptance
@pytest.mark.parametrize(("fault", "venue"), [*named(True), *named(False)])
def test_every_fault_that_both_doubles_have(
    shared: SharedDouble, home: Home, monkeypatch: pytest.MonkeyPatch, fault: Fault, venue: str
) -> None:
    check(shared, home, monkeypatch, fault, venue)


def check(shared: SharedDouble, home: Home, monkeypatch: pytest.MonkeyPatch, fault: Fault, venue: str) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    good = "deribit" if venue == "cboe" else "cboe"
    # BTC has a book of its own on Deribit, which exists even while it is empty; SOL, which the table asks for, has none
    expected = fault.expected if (venue, fault.spec) == ("deribit", "empty_chain") else fault.of(venue)[1]
    result = run_with_fault(shared, home, fault, venue, good)
    outcomes = {one.venue: one for one in result.outcomes}
    assert (outcomes[good].status, outcomes[good].error) == ("ok", None)
    error = outcomes[venue].error or ""
    assert outcomes[venue].status == expected.status, error
    assert all(part.replace("SPY", "SPXC").replace("SOL", "BTC") in error for part in expected.says), error
    assert expected.warns in " | ".join(outcomes[venue].warnings)
    assert result.exit_code == run_exit_code([expected.exit_code])
    usable = {SYMBOLS[good], *([SYMBOLS[venue]] if expected.status == "ok" else [])}
    assert set(query(home, "select underlying from core.snapshots")["underlying"]) == usable
    if expected.status == "ok":
        rows = query(home, f"select count(*), count(distinct instrument) from core.option_quotes where venue = '{venue}'").row(0)
        assert rows[0] == rows[1] == outcomes[venue].contracts
