"""The doctor: a sound home is sound, each thing that can be wrong is named with what mends it, and mending it heals."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import orjson
import polars as pl
import pytest

from flows.demo.venues import Double
from flows.doctor.venues import reach
from flows.sources.registry import SOURCES
from models.market.calendar import TradingCalendar
from tests.flows.conftest import Cli
from warehouse.home.locks import writer_lock
from warehouse.home.paths import Home
from warehouse.monitor import health_machine
from warehouse.monitor.health_files import LONG_RUN, lock_holder
from warehouse.monitor.health_machine import OK, PROBLEM, WARNING
from warehouse.settings import Settings

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)


def findings(cli: Cli, *options: str, code: int = 0) -> dict[str, dict[str, Any]]:
    said = cli("doctor", *options, "--json")
    assert said.code == code, said
    return {row["check"]: row for row in said.json}


def files(home: Home) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(home.root)): (path.stat().st_size, path.stat().st_mtime_ns) for path in home.root.rglob("*") if path.is_file()
    }


def test_a_sound_home_is_sound_and_nothing_is_touched(cli: Cli, demo_copy: Home) -> None:
    cli.use(demo_copy)
    before = files(demo_copy)
    rows = findings(cli, "--offline", "--deep")
    assert {row["state"] for row in rows.values()} == {OK}, [row for row in rows.values() if row["state"] != OK]
    assert list(rows) == [
        "python", "packages", "time zones", "settings", "home", "disk", "lock", "calendar", "work file", "pending runs", "publication", "generations", "archive",
    ]  # fmt: skip
    assert files(demo_copy) == before
    said = cli("doctor", "--offline")
    assert said.out.count("\n") == len(rows) and all(re.match(r"ok +\S", line) for line in said.out.splitlines())


def test_every_source_names_a_cheap_request_and_one_that_does_not_is_said(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    assert [name for name, source in SOURCES.items() if source.probe is None] == []

    class Silent(SOURCES["okx"]):  # type: ignore[misc]
        probe = None

    monkeypatch.setitem(SOURCES, "okx", Silent)
    finding = reach("okx", settings)
    assert (finding.state, finding.check) == (WARNING, "venue okx") and "probe" in finding.mend


def test_an_empty_home_is_no_problem_and_is_not_made(cli: Cli) -> None:
    rows = findings(cli, "--offline")
    assert rows["home"]["state"] == WARNING and "`strikehouse snapshot`" in rows["home"]["mend"]
    assert not cli.home.root.exists()


def test_settings_that_are_wrong_are_a_finding(cli: Cli) -> None:
    cli.set(STRIKEHOUSE_HOEM="x")
    row = findings(cli, "--offline", code=1)["settings"]
    assert row["state"] == PROBLEM and "STRIKEHOUSE_HOEM: there is no such setting" in row["what"]


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()  # a generation is a hard link
    path.write_bytes(content[:-20] + b"x" * 20)


def damage_publication(home: Home) -> None:
    cut(home.published_file)


def damage_manifest(home: Home) -> None:
    (home.published / "manifest.json").write_bytes(b"{")


def damage_generation(home: Home) -> None:
    path = home.published / "generations" / "000001.duckdb"
    path.chmod(0o644)
    with path.open("ab") as file:
        file.write(b"x")


def damage_reply(home: Home) -> None:
    cut(max(home.raw.glob("cboe/*/*/000*.zst")))


def damage_run(home: Home) -> None:
    max(home.runs.glob("*.json")).write_bytes(b"{")


def damage_folder(home: Home) -> None:
    max(home.raw.glob("deribit/*/*/manifest.json")).unlink()


def damage_work(home: Home) -> None:
    home.work_file.write_bytes(b"garbage" * 5_000)


def newer_work(home: Home) -> None:
    with duckdb.connect(str(home.work_file)) as con:
        con.execute("update main.work_version set version = 99")


def no_work(home: Home) -> None:
    home.work_file.unlink()


def forgotten_run(home: Home) -> None:
    with duckdb.connect(str(home.work_file)) as con:
        con.execute("delete from ops.runs where run_id = (select max(run_id) from ops.runs)")


def rest(home: Home) -> None:
    home.rest_file.write_bytes(orjson.dumps({"okx": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}))


@pytest.mark.parametrize(
    ("wrong", "check", "state", "says", "remedy"),
    [
        (damage_publication, "publication", PROBLEM, "does not have the hash of its manifest", "strikehouse publish"),
        (damage_manifest, "publication", PROBLEM, "manifest.json cannot be read", "strikehouse publish"),
        (damage_generation, "generations", WARNING, "000001.duckdb has", "delete"),
        (damage_reply, "archive", PROBLEM, ".zst: the archived reply", "backup"),
        (damage_run, "archive", PROBLEM, "the manifest cannot be read", "backup"),
        (damage_folder, "archive", PROBLEM, "manifest.json: the manifest cannot be read", "backup"),
        (damage_work, "work file", PROBLEM, "cannot be read", "strikehouse rebuild"),
        (newer_work, "work file", PROBLEM, "has version 99, this Strikehouse knows 1", "newer Strikehouse"),
        (no_work, "work file", WARNING, "is not there, 2 runs are archived", "strikehouse rebuild"),
        (forgotten_run, "pending runs", WARNING, "1 archived runs are not loaded", "strikehouse snapshot"),
        (rest, "rest", WARNING, "okx asked not to be called before", "wait"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(
    cli: Cli, demo_copy: Home, wrong: Callable[[Home], None], check: str, state: str, says: str, remedy: str
) -> None:
    cli.use(demo_copy)
    wrong(demo_copy)
    rows = findings(cli, "--offline", "--deep", code=1 if state == PROBLEM else 0)
    row = rows[check]
    assert row["state"] == state and says in row["what"] and remedy in row["mend"], row
    others = {name: one for name, one in rows.items() if name not in (check, "settings hash", "calendar")}
    assert {one["state"] for one in others.values()} == {OK}, "and only that"


def test_publishing_again_repairs_a_publication(cli: Cli, demo_copy: Home) -> None:
    cli.use(demo_copy)
    damage_publication(demo_copy)
    findings(cli, "--offline", code=1)
    assert cli("publish").code == 0
    assert findings(cli, "--offline")["publication"]["state"] == OK


def test_a_sample_of_the_archive_holds_the_newest_reply(cli: Cli, demo_copy: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.use(demo_copy)
    monkeypatch.setattr("warehouse.monitor.health_files.SAMPLE", 3)
    assert "a sample of" in findings(cli, "--offline")["archive"]["what"]
    newest = orjson.loads(max(demo_copy.runs.glob("*.json")).read_bytes())["fetched"][-1]["folder"]
    cut(max((demo_copy.raw / newest).glob("*.zst")))
    assert findings(cli, "--offline", code=1)["archive"]["state"] == PROBLEM


def test_who_writes_is_named_and_a_run_that_never_ends_is_a_warning(home: Home) -> None:
    (free,) = lock_holder(home, datetime.now(UTC))
    assert free.state == OK and "nobody writes" in free.what
    with writer_lock(home, "snapshot 7"):
        (now,) = lock_holder(home, datetime.now(UTC))
        (later,) = lock_holder(home, datetime.now(UTC) + LONG_RUN + timedelta(minutes=1))
    assert now.state == OK and "(snapshot 7)" in now.what
    assert later.state == WARNING and "stop it if it hangs" in str(later.mend)
    home.lock_file.write_bytes(b'{"pid": 1, "since": "2026-01-01T00:00:00+00:00", "doing": "x"}')
    (left,) = lock_holder(home, datetime.now(UTC))
    assert left.state == OK and "does no harm" in left.what, "the lock ends with its process"


@pytest.mark.parametrize(
    ("requirement", "wrong"),
    [
        ("duckdb<3,>=1.5.5", False), ("duckdb<1,>=0.1", True), ("duckdb>=99", True), ("no-such-library-here>=1", True), ("polars", False),
        ("duckdb>=99; extra == 'dev'", False),
    ],
)  # fmt: skip
def test_libraries_are_compared_with_what_is_required(requirement: str, wrong: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_machine, "requires", lambda _name: [requirement])
    (row,) = health_machine.package_versions()
    assert (row.state == PROBLEM) is wrong, row


def test_an_old_python_and_missing_time_zones_are_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_machine, "PYTHON_BEFORE", (3, 11))
    (row,) = health_machine.python_version()
    assert row.state == PROBLEM and "3.11 to 3.14" in str(row.mend)
    assert [one.state for one in health_machine.time_zones()] == [OK]
    monkeypatch.setattr(health_machine, "KNOWN_OPENS", {datetime(2026, 7, 1).date(): 14.5})
    (row,) = health_machine.time_zones()
    assert row.state == PROBLEM and "2026-07-01 comes out as 13:30 UTC" in row.what and "tzdata" in str(row.mend)

    def missing(name: str) -> None:
        raise health_machine.ZoneInfoNotFoundError(name)

    monkeypatch.setattr(health_machine, "ZoneInfo", missing)
    (row,) = health_machine.time_zones()
    assert row.state == PROBLEM and "is not known" in row.what


def test_a_calendar_that_ends_within_a_year_is_a_problem(calendar: TradingCalendar) -> None:
    def state(until: datetime) -> str:
        (row,) = health_machine.calendar_reach(TradingCalendar(calendar.sessions.filter(pl.col("session_date") <= until.date())), NOW)
        return row.state

    assert state(NOW + timedelta(days=365)) == OK
    assert state(NOW + timedelta(days=300)) == PROBLEM
    assert [row.state for row in health_machine.calendar_reach(TradingCalendar(calendar.sessions.clear()), NOW)] == [PROBLEM]


def test_a_disk_without_room_for_a_publication_is_a_problem(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def state(bytes_needed: int) -> str:
        monkeypatch.setattr(health_machine, "LEAST_FREE_BYTES", bytes_needed)
        (row,) = health_machine.free_disk(home)
        return row.state

    assert [state(1), state(10**18)] == [OK, PROBLEM]


def test_a_home_that_is_a_file_or_read_only_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (row,) = health_machine.home_writable(Home(tmp_path / "file" / "home"))
    assert row.state == PROBLEM and "is a file" in row.what
    assert [one.state for one in health_machine.home_writable(Home(tmp_path))] == [OK]
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_each_venue_gets_one_cheap_request(cli: Cli, venues: Double) -> None:
    before = len(venues.requests)
    rows = findings(cli)
    requests = venues.requests[before:]
    assert sorted(request.venue for request in requests) == sorted(SOURCES)
    assert {name: row["state"] for name, row in rows.items() if name.startswith("venue ")} == {
        f"venue {name}": OK for name in sorted(SOURCES)
    }
    assert not list(cli.home.raw.glob("*/*")), "nothing is captured"


def test_a_venue_that_refuses_or_is_not_there_is_a_problem_and_a_resting_one_is_left_alone(cli: Cli, venues: Double) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        cli.set(STRIKEHOUSE_SOURCES__OKX__BASE_URL=f"http://127.0.0.1:{closed.getsockname()[1]}")
    venues.set_faults(["deribit:server_error:all", "cboe:rate_limit:all"])
    cli.home.rest_file.write_bytes(orjson.dumps({"bybit": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}))
    before = len(venues.requests)
    rows = findings(cli, code=1)
    states = {name.removeprefix("venue "): row["state"] for name, row in rows.items() if name.startswith("venue ")}
    assert states == {"binance": OK, "cboe": PROBLEM, "deribit": PROBLEM, "okx": PROBLEM}
    assert "STRIKEHOUSE_SOURCES__OKX__BASE_URL" in rows["venue okx"]["mend"] and "HTTP 503" in rows["venue deribit"]["what"]
    assert "bybit" not in {request.venue for request in venues.requests[before:]}


def test_alert_addresses_are_examined_without_being_shown(cli: Cli) -> None:
    Path("strikehouse.toml").write_text('[alerts]\nurls = ["json://127.0.0.1/tokenOfMine9", "nosuch://tokenOfMine9"]\n')
    said = cli("doctor", "--offline")
    assert said.code == 1 and "no service is known for 2:nosuch" in said.out and "tokenOfMine9" not in said.out + said.err
    Path("strikehouse.toml").write_text('[[alerts.rules]]\nkind = "stale"\n')
    assert findings(cli, "--offline")["alerts"]["state"] == WARNING
