"""Rebuild: every table again from raw/ alone, equal bit for bit."""

from __future__ import annotations

import json
import re

import pytest

from tests.chains import SETTINGS
from tests.flows.conftest import Cli
from warehouse.home.paths import Home
from warehouse.load.fingerprints import table_hashes
from warehouse.read.query import query
from warehouse.storage.work_file import open_work


def hashes(home: Home) -> dict[tuple[str, str], tuple[int, str]]:
    with open_work(home, SETTINGS, "test") as con:
        return table_hashes(con)


@pytest.mark.slow
def test_a_rebuild_from_raw_alone_gives_the_same_rows(cli: Cli, archived: Home) -> None:
    before = hashes(archived)
    runs = query(archived, "select * from ops.runs order by all")
    assert runs.height == 4, "the failed one too"
    archived.work_file.unlink()
    cli.set(STRIKEHOUSE_LOGS__FORMAT="json")
    said = cli("rebuild")
    assert (said.code, said.err) == (0, "")
    assert said.out == "Rebuilt 4 runs from raw/ and published generation 3.\n"
    assert hashes(archived) == before
    assert query(archived, "select * from ops.runs order by all").equals(runs), "raw/ alone knows which venue failed"
    assert sorted(path.name for path in archived.root.glob("work*")) == ["work.duckdb", "work.lock"]
    (file,) = archived.logs.glob("*.log")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    parsed = {(line["run_id"], line["underlying"], line["venue"]) for line in lines if line["step"] == "parse"}
    failed = ~runs["failures"].str.contains("SOL|USDC")
    assert parsed == {(run_id, "SOL", "deribit") for run_id in runs.filter(failed)["run_id"]}, "worker processes log as runs do"


@pytest.mark.slow
def test_verify_says_which_table_and_snapshot_differ_and_changes_nothing(cli: Cli, archived: Home) -> None:
    said = cli("rebuild", "--verify")
    assert (said.code, said.err) == (0, "")
    assert said.out == f"Equal, bit for bit: {len(hashes(archived))} table partitions, rebuilt from 4 runs.\n"
    with open_work(archived, SETTINGS, "tamper") as con:
        ((snapshot_id,),) = con.execute("select max(snapshot_id) from core.snapshots").fetchall()
        con.execute(f"update store.max_pain set max_pain_usd = max_pain_usd + 0.01 where snapshot_id = '{snapshot_id}' and dte < 20")
        con.execute("delete from core.calendar where type = 'weekly'")
    work = archived.work_file.read_bytes()
    said = cli("rebuild", "--verify")
    assert said.code == 1
    *lines, total = said.out.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["core.calendar (whole table)", f"marts.max_pain {snapshot_id}"]
    assert re.fullmatch(r"2 of \d+ table partitions differ from a rebuild of 4 runs\.", total)
    assert archived.work_file.read_bytes() == work
    assert not list(archived.root.glob("work.verify*"))


@pytest.mark.slow
def test_a_damaged_archive_file_is_named_and_the_warehouse_stays(cli: Cli, archived: Home) -> None:
    file = max(archived.raw.glob("deribit/*/*/001*.zst"))
    file.write_bytes(file.read_bytes()[:-30])
    before = archived.work_file.read_bytes(), archived.published_file.read_bytes()
    said = cli("rebuild")
    assert said.code == 1
    assert re.fullmatch(rf"strikehouse: {re.escape(str(file))}: .*Restore .*\n", said.err), said.err
    assert (archived.work_file.read_bytes(), archived.published_file.read_bytes()) == before
