"""Homes and tables that benchmarks start from; made once, outside the clock."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import orjson
import polars as pl

from flows.run.parse import venue_rows
from flows.run.plan import make_plan
from flows.run.replay import archived_readings
from models.chain import RawPayload
from models.pricing.implied_vol import implied_vol
from models.snapshot import greeks_of
from warehouse.archive.replies import BookArchive
from warehouse.archive.runs import read_run, run_ids, write_run
from warehouse.home.paths import Home
from warehouse.load.compute import greeks_rules
from warehouse.settings import Settings
from warehouse.storage.work_file import open_work, read_calendar

FIRST_SESSION = datetime(2026, 6, 1, tzinfo=UTC)  # before the recorded ones, so that no contract has settled
FRIDAY = 5
SERIES, STRIKES = 5_000, 340  # 1.7 million strike rows


def archived_home(root: Path, recording: Path) -> Home:
    """A home with an empty work file and one archived run: a recorded `_SPX` reply, packed with gzip."""
    home = Home(root)
    with open_work(home, Settings(), "bench"):
        pass
    archive_run(home, datetime.now(UTC), {"SPX": gzip.decompress(recording.read_bytes())})
    return home


def priced_options(home: Home, file: Path) -> None:
    """A Parquet file of the two-sided out-of-the-money options of the run that a home's archive holds, at their mids."""
    settings = Settings()
    with open_work(home, settings, "bench") as con:
        calendar = read_calendar(con)
    (run_id,) = run_ids(home)
    readings = archived_readings(home, settings, read_run(home, run_id), "SPX", calendar)
    rows = venue_rows("SPX", readings, run_id=run_id, origin="live", calendar=calendar, settings=settings)
    assert rows is not None
    greeks = greeks_of(rows.venues, rows.quotes, rules=greeks_rules(settings))
    is_call = pl.col("option_type") == "C"
    options = (
        rows.quotes.join(greeks, on=["snapshot_id", "venue", "instrument"])
        .filter(is_call == (pl.col("strike") >= pl.col("forward")), pl.col("bid") > 0, pl.col("ask") >= pl.col("bid"))
        .select("forward", "strike", "tau", (pl.col("tau") * -settings.models.rate_us).exp().alias("discount"), is_call.alias("is_call"),
                ((pl.col("bid") + pl.col("ask")) / 2).alias("price"))
    )  # fmt: skip
    columns = (options[name].to_numpy() for name in ("price", "forward", "strike", "tau", "is_call", "discount"))
    vol, _ = implied_vol(*columns)
    options.with_columns(vol=vol).write_parquet(file)


def history_home(root: Path, recordings: Path, sessions: int) -> Home:
    """A home with an archive of so many sessions of `_SPX` and `SPY`: recorded chains in turn, each set back to a session of its own."""
    home = Home(root)
    home.prepare()
    recorded = captures(recordings)
    for number, day in enumerate(weekdays(sessions)):
        bodies = {}
        for underlying, symbol in (("SPX", "_SPX"), ("SPY", "SPY")):
            content = orjson.loads(gzip.decompress((recorded[number % len(recorded)] / f"{symbol}.json.gz").read_bytes()))
            content["timestamp"] = f"{day:%Y-%m-%d} 22:40:00"
            content["data"]["last_trade_time"] = f"{day:%Y-%m-%d}T15:59:59"
            bodies[underlying] = orjson.dumps(content)
        archive_run(home, day.replace(hour=22, minute=41), bodies)
    return home


def captures(recordings: Path) -> list[Path]:
    """Folders of recorded Cboe replies, one per session."""
    return [folder for folder in sorted((recordings / "cboe").iterdir()) if folder.name != "2026-07-23"]  # that one is a re-pull


def weekdays(sessions: int) -> list[datetime]:
    """So many weekdays that recorded chains are set back to."""
    days = [FIRST_SESSION + timedelta(days=day) for day in range(2 * sessions + 7)]
    return [day for day in days if day.isoweekday() <= FRIDAY][:sessions]


def archive_run(home: Home, at: datetime, bodies: dict[str, bytes]) -> None:
    """Archive one run of Cboe replies, by underlying."""
    settings = Settings()
    fetched = []
    for underlying, body in bodies.items():
        archive = BookArchive(home, "cboe", underlying)
        payload = RawPayload("cboe", underlying, "chain", "recording", {}, 200, {}, body, at, at)
        archive.add(payload)
        fetched.append({"venue": "cboe", "book": underlying, "folder": archive.close([payload], None), "error": None})
    write_run(
        home,
        {
            "run_id": make_plan(list(bodies), ["cboe"], settings, at).run_id,
            "started_at": at.isoformat(),
            "ended_at": at.isoformat(),
            "origin": "live",
            "is_synthetic": False,
            "code_version": "bench",
            "settings_hash": settings.numbers_hash,
            "asks": [{"underlying": underlying, "venue": "cboe", "books": [underlying]} for underlying in bodies],
            "fetched": fetched,
        },
    )


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
