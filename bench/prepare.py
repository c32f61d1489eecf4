"""Homes and tables that benchmarks start from; made once, outside the clock."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from flows.plan import make_plan
from models.chain import RawPayload
from warehouse.archive import BookArchive, write_run
from warehouse.home import Home
from warehouse.settings import Settings
from warehouse.work import open_work

SERIES, STRIKES = 5_000, 340  # 1.7 million strike rows


def archived_home(root: Path, recording: Path) -> Home:
    """A home with an empty work file and one archived run: a recorded `_SPX` reply, packed with gzip."""
    home = Home(root)
    settings = Settings()
    with open_work(home, settings, "bench"):
        pass
    now = datetime.now(UTC)
    archive = BookArchive(home, "cboe", "SPX")
    payload = RawPayload("cboe", "SPX", "chain", "recording", {}, 200, {}, gzip.decompress(recording.read_bytes()), now, now)
    archive.add(payload)
    plan = make_plan(["SPX"], ["cboe"], settings, now)
    write_run(
        home,
        {
            "run_id": plan.run_id,
            "started_at": now.isoformat(),
            "ended_at": now.isoformat(),
            "origin": "live",
            "is_synthetic": False,
            "code_version": "bench",
            "settings_hash": settings.numbers_hash,
            "asks": [{"underlying": "SPX", "venue": "cboe", "books": ["SPX"]}],
            "fetched": [{"venue": "cboe", "book": "SPX", "folder": archive.close([payload], None), "error": None}],
        },
    )
    return home


def strike_rows(file: Path) -> None:
    """A database with `core.series` and `core.oi_by_strike` of 1.7 million rows, deterministic."""
    with duckdb.connect(str(file)) as con:
        con.execute("create schema core")
        con.execute(
            """
            create table core.series as
            select
                'SPX-2026' || lpad((n // 50)::varchar, 5, '0') as snapshot_id, 'cboe' as scope_venue, true as is_only_venue,
                ((md5_number_lower(snapshot_id) >> 13) << 12)::bigint + n % 50 + 1 as series_id, 'expiry' as kind,
                1.0::double as oi_scale, 1.0::double as strike_scale
            from range($series) as numbers(n)
            """,
            {"series": SERIES},
        )
        con.execute(
            """
            create table core.oi_by_strike as
            select
                snapshot_id, series_id, (4000 + 10 * k)::double as strike,
                (hash(k * (series_id % 997)) % 1000 * 100)::double as call_oi, (hash(k + series_id % 991) % 1000 * 100)::double as put_oi,
                call_oi::bigint as call_lots, put_oi::bigint as put_lots, strike::bigint as strike_ticks
            from core.series cross join range($strikes) as numbers(k)
            order by series_id, strike
            """,
            {"strikes": STRIKES},
        )
