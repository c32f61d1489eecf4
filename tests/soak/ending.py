"""What must hold when a soak has ended, whatever was killed and whatever the venues did on the way."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from flows.run.parse import venue_rows
from flows.run.replay import read_unit, units_of
from models.market.calendar import TradingCalendar
from tests.commands import strikehouse
from tests.soak.publication import flaws, hash_flaw
from warehouse.archive.runs import read_runs, run_ids
from warehouse.home.paths import Home
from warehouse.load.fingerprints import differences, table_hashes
from warehouse.publish.generations import generations
from warehouse.read.query import open_published, query
from warehouse.settings import Settings
from warehouse.storage.work_file import open_work

ROOT_FILES = {"raw", "published", "parquet", "tmp", "logs", "locks", "work.duckdb", "work.lock", "venue_rest.json"}
TWO = {"STRIKEHOUSE_STORAGE__THREADS": "2"}  # a rebuild computes snapshots in so many processes
KNOWN_RUN = "select run_id from ops.runs order by all"
STORED = "select snapshot_id, venue, run_id, count(*) as rows from core.snapshot_venues group by all order by all"
PAYLOADS = "select folder, file, sha256, bytes, run_id from ops.payloads order by all"


def check_every_archived_run_is_loaded(home: Home) -> None:
    """Runs in raw/ and runs in the warehouse are the same."""
    assert query(home, KNOWN_RUN)["run_id"].to_list() == run_ids(home)


def check_every_venue_of_every_snapshot_is_there_once(home: Home, settings: Settings) -> int:
    """Of each run and underlying in raw/, parsed again, every venue that answered has one row: none lost, none twice; returns how many."""
    calendar = TradingCalendar.new_york()
    captured: dict[tuple[str, str], set[str]] = {}
    for manifest in read_runs(home):
        for unit in units_of(manifest):
            for underlying, readings in read_unit(home, settings, manifest, unit, calendar).snapshots:
                named = {"run_id": manifest["run_id"], "origin": "live", "calendar": calendar, "settings": settings}
                rows = venue_rows(underlying, readings, **named)  # type: ignore[arg-type]
                if rows is not None:
                    for venue in rows.venues["venue"]:
                        captured.setdefault((rows.snapshot_id, venue), set()).add(manifest["run_id"])
    stored = query(home, STORED)
    counts = Counter(dict(zip(zip(stored["snapshot_id"], stored["venue"], strict=True), stored["rows"], strict=True)))
    assert stored["rows"].to_list() == [1] * stored.height
    assert counts.keys() == captured.keys()
    strangers = [row for row in stored.iter_rows() if row[2] not in captured[row[0], row[1]]]
    assert not strangers, f"of a run that did not capture them: {strangers[:3]}"
    return len(captured)


def check_rebuild_equals(home: Home, variables: Mapping[str, str]) -> str:
    """`rebuild --verify` finds every table equal; returns what it says."""
    said = strikehouse(home.root, "rebuild", "--verify", variables={**variables, **TWO}, timeout=3600)
    assert (said.returncode, said.stderr) == (0, ""), said
    last = said.stdout.splitlines()[-1]  # under `python -c` DuckDB takes itself to be in a notebook, and draws progress bars before it
    assert re.fullmatch(r"Equal, bit for bit: \d+ table partitions, rebuilt from \d+ runs\.", last), said.stdout
    return last


def check_raw_alone_gives_the_same(home: Home, settings: Settings, variables: Mapping[str, str]) -> int:
    """A rebuild in a fresh home that has raw/ and nothing else gives the same tables; returns how many partitions were compared."""
    fresh = Home(home.root.parent / "fresh")
    shutil.copytree(home.raw, fresh.raw)
    said = strikehouse(fresh.root, "rebuild", variables={**variables, **TWO}, timeout=3600)
    assert (said.returncode, said.stderr) == (0, ""), said
    hashes = []
    for one in (home, fresh):
        with open_work(one, settings, "compare") as con:
            hashes.append(table_hashes(con))
    assert differences(*hashes) == []
    assert query(fresh, PAYLOADS).equals(query(home, PAYLOADS))
    shutil.rmtree(fresh.root)
    return len(hashes[0])


def check_publications(home: Home, settings: Settings) -> int:
    """The generations that are kept are whole, the newest is live; returns how many."""
    published = generations(home)
    assert [one.number for one in published if one.is_live] == [published[-1].number]
    assert len(published) <= settings.storage.generations_kept
    assert [flaw for one in published if (flaw := hash_flaw(home, one.number))] == []
    with open_published(home) as con:
        assert list(flaws(con, home)) == []
    return len(published)


def check_nothing_is_left_lying(home: Home, settings: Settings) -> int:
    """What killed runs left is bounded: in published/ nothing; in raw/ at most a note per kill, which is returned."""
    assert {path.name for path in home.root.iterdir()} <= ROOT_FILES
    assert list(home.temporary.iterdir()) == []
    numbers = {one.number for one in generations(home)}
    expected = {f"{number:06d}.{ending}" for number in numbers for ending in ("duckdb", "json")}
    assert {path.name for path in (home.published / "generations").iterdir()} == expected
    assert {path.name for path in home.published.iterdir()} == {"generations", "manifest.json", "status.json", "strikehouse.duckdb"}
    return sum(1 for _ in _temporary(home.raw))


def _temporary(folder: Path) -> Iterator[Path]:
    return folder.rglob("*.tmp")
