"""What worker processes are sent at once: every unit in order, and as much to read in each task."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from flows.history.bulk_load import _tasks
from flows.history.work_units import RunUnit
from flows.run.replay import bytes_of_unit, units_of
from tests.chains import SETTINGS
from tests.flows.conftest import Cli
from tests.flows.history.imports.downloads import MONDAY, download, load, near_the_money, write
from warehouse.archive.runs import read_run, run_ids
from warehouse.settings import Settings, StorageSettings


def test_tasks_hold_every_unit_once_in_order_and_end_each_run_with_its_last_one(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.history.imports.archive.RUN_FILES", 3)
    days = [MONDAY + timedelta(days=day) for day in range(5)]
    write(
        folder,
        **{f"a{index}": near_the_money(day) for index, day in enumerate(days)},
        **{f"b{index}": download(day) for index, day in enumerate(days)},
    )
    assert load(cli, folder).code == 0
    runs = run_ids(cli.home)
    manifests = {run_id: read_run(cli.home, run_id) for run_id in runs}
    every = [RunUnit(run_id, unit) for run_id in runs for unit in units_of(manifests[run_id])]
    assert (len(runs), len(every)) == (4, 10)

    monkeypatch.setattr("flows.history.bulk_load.MOST_UNITS", 3)
    tasks = _tasks(cli.home, Settings(storage=StorageSettings(threads=2)), runs)
    assert [unit for task in tasks for unit in task.units] == every
    assert [manifest["run_id"] for task in tasks for manifest in task.ended] == runs
    for task in tasks:
        assert {manifest["run_id"] for manifest in task.ended} <= {unit.run_id for unit in task.units}
    sizes = [sum(bytes_of_unit(cli.home, manifests[unit.run_id], unit.unit) for unit in task.units) for task in tasks]
    largest = max(bytes_of_unit(cli.home, manifests[unit.run_id], unit.unit) for unit in every)
    assert 1 < len(tasks) <= 4 and max(sizes) <= sum(sizes) / 4 + largest


def test_a_unit_whose_replies_are_gone_weighs_nothing(cli: Cli, folder: Path) -> None:
    write(folder, one=download())
    assert load(cli, folder).code == 0
    (run_id,) = run_ids(cli.home)
    manifest = read_run(cli.home, run_id)
    assert bytes_of_unit(cli.home, manifest, "0/0") > 0
    for path in cli.home.raw.rglob("*.zst"):
        path.unlink()
    assert bytes_of_unit(cli.home, manifest, "0/0") == 0
    (task,) = _tasks(cli.home, SETTINGS, [run_id])
    assert [unit.unit for unit in task.units] == ["0/0"]
