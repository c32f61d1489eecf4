"""Imports that were stopped, killed or met an odd file; and all of them built again from raw/ alone."""

from __future__ import annotations

import gzip
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.formats import cboe_csv
from flows.history import work_units
from flows.history.imports import archive
from flows.run.replay import load_pending_runs
from tests.chains import SETTINGS
from tests.commands import PYTHON, environment
from tests.flows.conftest import Cli
from tests.flows.history.imports.downloads import MONDAY, archived, download, load, near_the_money, rows, write
from warehouse.load.compute import Captured
from warehouse.storage.work_file import open_work, read_calendar


@pytest.mark.slow
def test_rebuild_gives_the_same_tables_from_raw_alone(cli: Cli, folder: Path) -> None:
    write(folder, one=download(), late=download(hour=20), near=near_the_money(MONDAY + timedelta(days=1)), bad="<html></html>")
    assert load(cli, folder).code == 3
    shutil.rmtree(folder)
    said = cli("rebuild", "--verify")
    assert said.code == 0, said.out
    assert "Equal, bit for bit" in said.out
    facts = "select run_id, asked, failures from ops.runs order by all"
    before = rows(cli, facts), rows(cli, "from core.snapshots order by all")
    cli.home.work_file.unlink()
    assert cli("rebuild").code == 0
    assert (rows(cli, facts), rows(cli, "from core.snapshots order by all")) == before
    assert "it is a web page" in rows(cli, facts)[0][2]


def test_what_was_archived_and_not_loaded_is_loaded_by_whoever_comes_next(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, one=download(), two=download(MONDAY + timedelta(days=1)), bad="<html></html>")
    with monkeypatch.context() as patch:
        patch.setattr("flows.history.imports.run._load", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt) if archived(cli.home) else [])
        assert load(cli, folder).code == 130
    with open_work(cli.home, SETTINGS, "test") as con:
        load_pending_runs(con, cli.home, SETTINGS, but="", calendar=read_calendar(con))
        assert con.execute("select count(*) from core.snapshots").fetchall() == [(2,)]
    said = load(cli, folder)
    assert said.code == 3
    assert "0 of 3 files imported (0 chains), 2 there already, 1 cannot be read." in said.out


@pytest.mark.slow
def test_one_odd_file_does_not_keep_later_runs_from_loading(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, a=download(), b=download(root="ABC"), c=download(root="PARSER"))
    compute, terms = work_units.compute_snapshots, cboe_csv.osi_terms

    def odd_chain(captured: Sequence[Captured], **named: Any) -> Any:
        if any(one.venues["underlying"][0] == "ABC" for one in captured):
            raise OverflowError("a number that nobody thought of")
        return compute(captured, **named)

    def odd_row(names: pl.Series) -> pl.DataFrame:
        if names[0].startswith("PARSER"):
            raise TypeError("a text that nobody thought of")
        return terms(names)

    with monkeypatch.context() as patch:
        patch.setattr(work_units, "compute_snapshots", odd_chain)
        patch.setattr(cboe_csv, "osi_terms", odd_row)
        said = load(cli, folder)
    assert said.code == 3
    assert "b.csv: a chain in it cannot be computed (OverflowError: a number that nobody thought of).\n" in said.out
    assert "c.csv: reading it failed (TypeError: a text that nobody thought of). Report this" in said.out
    assert "1 of 3 files imported (1 chains), 2 cannot be read." in said.out
    assert load(cli, folder).code == 3
    assert cli("rebuild").code == 0
    assert len(rows(cli, "from core.snapshots")) == 3, "a later version reads them"


@pytest.mark.slow
def test_an_import_that_was_stopped_goes_on(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, **{f"d{day}": download(date(2026, 3, day)) for day in (2, 3, 4, 5, 6)})
    monkeypatch.setattr(archive, "RUN_FILES", 2)
    read_file, seen = archive.read_file, []

    def stopping(file: Any) -> bytes:
        seen.append(file.name)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return read_file(file)

    with monkeypatch.context() as patch:
        patch.setattr(archive, "read_file", stopping)
        assert load(cli, folder).code == 130
    said = load(cli, folder)
    assert said.code == 0
    assert "3 of 5 files imported (5 chains), 2 there already, 2 of an import that was stopped loaded now." in said.out
    assert rows(cli, "select count(*), count(distinct session_date) from core.snapshots") == [(5, 5)]


@pytest.mark.slow
def test_an_import_that_was_killed_goes_on(cli: Cli, folder: Path) -> None:
    write(folder, **{f"d{day}": download(date(2026, 3, day)) for day in (2, 3, 4, 5, 6, 9, 10, 11)})
    small_runs = "from flows.history.imports import archive; archive.RUN_FILES = 2; from flows.cli import main; main()"
    command = [*PYTHON, "-c", small_runs, "import", str(folder), "--format", "cboe-csv"]
    with subprocess.Popen(
        command, env=environment(cli.home.root), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        until = time.monotonic() + 60
        while process.poll() is None and not list(cli.home.runs.glob("*.json")) and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    said = load(cli, folder)
    assert said.code == 0, said
    assert rows(cli, "select count(*), count(distinct captured_at), bool_and(status = 'complete') from core.snapshots") == [(8, 8, True)]
    assert rows(cli, "select count(*) from (from core.option_quotes select snapshot_id, count(*) as n group by all having n <> 42)") == [
        (0,)
    ]


@pytest.mark.slow
def test_many_files_are_loaded_by_several_processes(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.history.workers.FEW", 0)
    write(folder, **{f"d{day}": download(date(2026, 3, day)) for day in (2, 3, 4)}, bad="<html></html>")
    said = load(cli, folder, more=("--json",))
    assert said.code == 3
    assert {name: said.json[name] for name in ("files", "loaded", "resumed", "known", "exit_code", "generation")} == {
        "files": 4, "loaded": 3, "resumed": 0, "known": [], "exit_code": 3, "generation": 1,
    }  # fmt: skip
    assert list(said.json["failures"]) == ["bad.csv"]
    assert [(chain["captured_at"], chain["status"], chain["warnings"]) for chain in said.json["chains"]] == [
        (f"2026-03-0{day}T21:45:00", "ok", []) for day in (2, 3, 4)
    ]


@pytest.mark.slow
def test_recorded_files_of_every_format(cli: Cli, folder: Path, recordings: Path) -> None:
    files = recordings / "files"
    day = gzip.decompress((files / "binance_vision_BTCUSDT-EOHSummary-2023-10-20.csv.gz").read_bytes()).decode().splitlines(keepends=True)
    (folder / "hours.csv").write_text("".join(line for line in day if line.startswith(("date", "2023-10-20,08", "2023-10-20,12"))))
    for file, kind, chains in (
        (files / "cboe_quotedata_SPY_2025-05-06_filtered.csv.gz", "cboe-csv", 1),
        (files / "deribit_book_summary_ETH_2024-01-08.csv.gz", "deribit-csv", 1),
        (folder / "hours.csv", "binance-vision", 2),
    ):
        said = load(cli, file, format=kind)
        assert said.code == 0, said.out
        assert f"1 of 1 files imported ({chains} chains)" in said.out
    solved = "select count(*) filter (iv is not null) / count(*)::double from core.option_greeks where venue = 'deribit'"
    assert rows(cli, solved)[0][0] > 0.95, "from prices in coin"
    assert rows(cli, "select venue, count(*), count(*) filter (is_repeat) from core.snapshot_venues join core.snapshots using (snapshot_id) group by all order by all") == [
        ("binance", 2, 0), ("cboe", 1, 0), ("deribit", 1, 0),
    ]  # fmt: skip
    said = cli("rebuild", "--verify")
    assert said.code == 0, said.out
