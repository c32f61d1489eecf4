"""What must be true of a publication at any time, as a reader can check it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import duckdb

from models.contracts.registry import TABLES
from warehouse.home.paths import Home
from warehouse.read.query import query_on

# Each selects nothing from a publication that is of one piece.
WHOLE = {
    "one row says which generation it is": "select count(*) from ops.publication having count(*) <> 1",
    "every quote that was counted is there": """
        select snapshot_id, venue, sum(contracts), sum(quotes)
        from (
            select snapshot_id, venue, coalesce(contracts, 0) as contracts, 0 as quotes from core.snapshot_venues
            union all
            select snapshot_id, venue, 0, 1 from core.option_quotes
        )
        group by all
        having sum(contracts) <> sum(quotes)
    """,
    "marts are of snapshots that are there": """
        select distinct snapshot_id from marts.max_pain
        union all select distinct snapshot_id from marts.gex_levels
        union all select distinct snapshot_id from core.option_greeks
        except select snapshot_id from core.snapshots
    """,
    "every usable snapshot has its max pain": """
        select snapshot_id from core.snapshot_venues where status = 'ok' and live_contracts > 0
        except select snapshot_id from marts.max_pain
    """,
    "what is latest is the newest of its underlying": """
        select latest.underlying from latest.snapshots as latest
        join core.snapshots as other on other.underlying = latest.underlying and other.captured_at > latest.captured_at
    """,
    "every run whose rows are shown is known": "select run_id from core.snapshot_venues except select run_id from ops.runs",
}
MACROS = ("max_pain", "pain_curve", "gex_profile", "gex_levels", "gex_heatmap")


def generation_of(con: duckdb.DuckDBPyConnection) -> int:
    """The generation that an open publication says it is."""
    return int(query_on(con, "select generation from ops.publication").item())


def row_counts(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows of every table."""
    counted = " union all ".join(f"select '{name}' as name, count(*) as rows from {name}" for name in TABLES)
    return dict(query_on(con, counted).rows())


def flaws(con: duckdb.DuckDBPyConnection, home: Home, turn: int = 0) -> Iterator[str]:
    """What is wrong with an open publication, in words; macros are called for one underlying, another one each turn."""
    generation = generation_of(con)
    manifest = json.loads((home.published / "generations" / f"{generation:06d}.json").read_bytes())
    counts = row_counts(con)
    for name, rows in manifest["rows"].items():
        if counts[name] != rows:
            yield f"generation {generation}: {name} has {counts[name]} rows, its manifest says {rows}"
    for what, statement in WHOLE.items():
        offending = query_on(con, statement)
        if offending.height:
            yield f"generation {generation}: not so that {what}: {offending.rows()[:3]}"
    underlyings = query_on(con, "select underlying from latest.snapshots order by all")["underlying"].to_list()
    for macro in MACROS if underlyings else ():
        query_on(con, f"from {macro}($underlying)", {"underlying": underlyings[turn % len(underlyings)]})


def hash_flaw(home: Home, generation: int) -> str | None:
    """Whether a kept generation has another hash than its manifest says."""
    file = home.published / "generations" / f"{generation:06d}.duckdb"
    manifest = json.loads(file.with_suffix(".json").read_bytes())
    return None if sha256(file) == manifest["sha256"] else f"{file.name} does not have the hash of its manifest"


def sha256(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
