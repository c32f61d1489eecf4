"""The work file: one writer at a time, brought up to date when it is opened, and clear about what it cannot do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from models.contracts.registry import TABLES
from models.errors import DiskProblem, WarehouseError, WorkFileLocked, WorkFileTooNew
from tests.chains import SETTINGS
from tests.commands import CHECKOUT
from warehouse.home.locks import writer_lock
from warehouse.home.paths import Home
from warehouse.settings import ModelSettings, Settings, StorageSettings
from warehouse.storage.work_file import open_work, reduced_resources

IMPATIENT = SETTINGS.model_copy(update={"storage": StorageSettings(threads=1, lock_wait_s=0)})
# Another process that writes until it is told to stop.
WRITER = """
import sys
from pathlib import Path
from warehouse.home.paths import Home
from warehouse.home.locks import writer_lock
with writer_lock(Home(Path(sys.argv[1])), "snapshot of the other one"):
    print("writing", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def other_writer(home: Home) -> Iterator[subprocess.Popen[str]]:
    """A process that writes to the home."""
    command = [sys.executable, "-c", WRITER, str(home.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "writing\n"
        yield process
        if process.poll() is None:
            process.stdin.close()


def test_a_second_writer_learns_who_writes(home: Home, other_writer: subprocess.Popen[str]) -> None:
    with pytest.raises(WorkFileLocked) as refusal, open_work(home, IMPATIENT, "mine"):
        pass
    message = str(refusal.value)
    assert re.search(rf"work\.duckdb is being written by process {other_writer.pid} since .*\(snapshot of the other one\)", message)
    assert "the next run loads it" in message


def test_a_writer_waits_its_turn(home: Home, other_writer: subprocess.Popen[str]) -> None:
    assert other_writer.stdin is not None
    other_writer.stdin.write("\n")
    other_writer.stdin.flush()
    with writer_lock(home, "mine", wait_s=10):
        pass
    assert other_writer.wait() == 0


def test_a_writer_that_is_killed_leaves_no_lock_behind(home: Home, other_writer: subprocess.Popen[str]) -> None:
    other_writer.kill()
    other_writer.wait()
    with open_work(home, IMPATIENT, "mine"):
        pass


def test_a_lock_whose_note_cannot_be_read_is_still_a_lock(home: Home, other_writer: subprocess.Popen[str]) -> None:
    home.lock_file.write_bytes(b"?")
    with pytest.raises(WorkFileLocked, match="by another process"), writer_lock(home, "mine"):
        pass


def test_the_note_of_a_lock_is_gone_when_it_is_free(home: Home) -> None:
    with writer_lock(home, "mine"):
        assert f'"pid":{os.getpid()}' in home.lock_file.read_text()
    assert home.lock_file.read_bytes() == b""


def test_another_program_that_has_the_work_file_open_is_said_so(home: Home) -> None:
    script = f"import duckdb, sys; con = duckdb.connect({str(home.work_file)!r}); print('open', flush=True); sys.stdin.readline()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None and program.stdin is not None
        program.stdout.readline()
        with pytest.raises(WorkFileLocked, match="open in another program.*Close it there"), open_work(home, IMPATIENT, "mine"):
            pass
        program.stdin.close()


def test_a_file_of_a_newer_strikehouse_is_refused_and_left_alone(home: Home) -> None:
    with open_work(home, SETTINGS, "test") as con:
        con.execute("update main.work_version set version = 99")
    with pytest.raises(WorkFileTooNew, match=r"has version 99.*strikehouse rebuild"), open_work(home, SETTINGS, "test"):
        pass
    with duckdb.connect(str(home.work_file), read_only=True) as con:
        assert con.execute("select version from main.work_version").fetchone() == (99,)


def test_a_file_that_is_no_database_says_how_to_make_it_again(home: Home) -> None:
    home.work_file.write_bytes(b"garbage" * 10_000)
    with pytest.raises(WarehouseError, match=r"work\.duckdb: .*`strikehouse rebuild`"), open_work(home, SETTINGS, "test"):
        pass


def test_a_file_of_an_older_strikehouse_gets_what_it_lacks(stocked: Home) -> None:
    with open_work(stocked, SETTINGS, "test") as con:
        rows = con.execute("select count(*) from marts.max_pain").fetchone()
        for statement in (
            "drop view marts.max_pain cascade", "alter table store.max_pain drop column pcr", "drop macro table main.max_pain",
            "drop table ops.check_results", "update main.work_version set fingerprint = 'older'",
        ):  # fmt: skip
            con.execute(statement)
    with open_work(stocked, SETTINGS, "test") as con:
        assert con.execute("select count(*), count(pcr) from marts.max_pain").fetchone() == (*rows, 0)  # type: ignore[misc]
        assert con.execute("select count(*) from max_pain('COIN')").fetchone() == (2,)
        assert con.execute("select count(*) from ops.check_results").fetchone() == (0,)
        described = [row[0] for row in con.execute("describe marts.max_pain").fetchall()]
        assert described == TABLES["marts.max_pain"].column_names()


def test_opening_again_changes_nothing(stocked: Home) -> None:
    with open_work(stocked, SETTINGS, "test"):
        pass
    before = stocked.work_file.read_bytes()
    with open_work(stocked, SETTINGS, "test"):
        pass
    assert stocked.work_file.read_bytes() == before


def test_settings_that_sql_reads_are_those_of_today(home: Home) -> None:
    changed = Settings(storage=SETTINGS.storage, models=ModelSettings(level_min_share=0.1))
    with open_work(home, changed, "test") as con:
        row = con.execute("select settings_hash, level_min_share from core.parameters").fetchall()
    assert row == [(changed.numbers_hash, 0.1)]


def test_sessions_and_sign_scenarios_are_there_from_the_start(home: Home) -> None:
    with open_work(home, SETTINGS, "test") as con:
        assert con.execute("select min(session_date)::varchar, max(session_date)::varchar from core.sessions").fetchone() == (
            "2000-01-03",
            "2040-12-31",
        )
        signs = con.execute("select scenario, call_sign, put_sign from core.sign_scenarios").fetchall()
    assert sorted(signs) == [("gross", 1, 1), ("inverted", -1, 1), ("short_both", -1, -1), ("std", 1, -1)]


def test_a_home_that_is_a_file_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(DiskProblem, match="point STRIKEHOUSE_HOME to a folder"), open_work(Home(tmp_path / "home"), SETTINGS, "test"):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_may_not_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o555)
    with pytest.raises(DiskProblem, match="may not be written"), open_work(Home(tmp_path / "home"), SETTINGS, "test"):
        pass


def test_a_home_may_have_an_odd_name(tmp_path: Path) -> None:
    home = Home(tmp_path / "it's 100 % ünusual")
    with open_work(home, SETTINGS, "test") as con:
        assert con.execute("select count(*) from core.snapshots").fetchone() == (0,)


@pytest.mark.parametrize(
    ("limit", "expected_limit"), [("1GB", "320.0 MiB"), ("2GiB", "320.0 MiB"), ("100MiB", "100.0 MiB"), ("900KiB", "900.0 KiB")]
)
def test_with_workers_duckdb_takes_less_and_never_more_than_it_was_given(limit: str, expected_limit: str) -> None:
    settings = "select current_setting('threads'), current_setting('memory_limit')"
    storage = StorageSettings(threads=2, memory_limit=limit)
    with duckdb.connect(config={"threads": storage.threads, "memory_limit": limit}) as con:
        before = con.execute(settings).fetchall()
        with reduced_resources(con, storage):
            assert con.execute(settings).fetchall() == [(1, expected_limit)]
        assert con.execute(settings).fetchall() == before
