"""The work file: one writer at a time, migrations, and frames in and out of its tables."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl

from models.contracts.core import LISTING_RULES, SIGN_SCENARIOS
from models.errors import DiskProblem, WarehouseError, WorkFileLocked, WorkFileTooNew
from models.market.calendar import TradingCalendar, scheduled_expiries
from warehouse.catalog import ddl, install
from warehouse.catalog.parameters import parameters_frame
from warehouse.catalog.relations import SQL_FOLDER
from warehouse.home.locks import writer_lock
from warehouse.home.paths import Home
from warehouse.settings import Settings, StorageSettings
from warehouse.storage import cold_partitions
from warehouse.storage.transactions import mark_unpublished, transaction

# Files of this version are opened by every DuckDB since 1.2, which is what BI drivers carry.
STORAGE_VERSION = "v1.2.0"
TABLES_ONLY = "tables"  # instead of a fingerprint: views, macros and comments are not installed yet
REDUCED_MEMORY_MIB = 320  # of memory that DuckDB may use while worker processes run


@contextmanager
def duckdb_errors(path: Path) -> Iterator[None]:
    """Convert DuckDB's errors about a file to Strikehouse errors."""
    try:
        yield
    except duckdb.Error as error:
        text = str(error).splitlines()[0]
        if "Could not set lock" in text:
            raise WorkFileLocked(f"{path} is open in another program ({text}). Close it there, then run again.") from error
        if "No space left" in text:
            raise DiskProblem(f"{path}: the disk is full. Free some space and run again; nothing was published half.") from error
        if "Permission denied" in text or "Read-only" in text:
            raise DiskProblem(f"{path}: it may not be written ({text}). Change its owner or mode, or STRIKEHOUSE_HOME.") from error
        raise WarehouseError(f"{path}: {text}. `strikehouse rebuild` makes the work file again from raw/.") from error


@contextmanager
def open_work(home: Home, settings: Settings, doing: str, *, for_readers: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the work file, locked for writing and migrated, as the current catalog (`for_readers`: see `connect_work`).

    Raises `WorkFileLocked`, `WorkFileTooNew`, `DiskProblem` or `WarehouseError`.
    """
    home.prepare()
    with (
        writer_lock(home, doing, wait_s=settings.storage.lock_wait_s),
        connect_work(home, settings, home.work_file, for_readers=for_readers) as con,
    ):
        yield con


@contextmanager
def connect_work(home: Home, settings: Settings, path: Path, *, for_readers: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
    """Connect to a work file, for a process that holds the writer lock.

    Without `for_readers` a new one has tables only, until `install_for_readers`.
    """
    with duckdb_errors(path), duckdb.connect(config=_config(home, settings)) as con:
        con.execute(f"attach {ddl.literal(str(path))} as work (storage_version '{STORAGE_VERSION}')")
        con.execute("use work")
        con.execute("set enable_progress_bar = false")  # it would mix with results on standard output
        con.execute("pragma wal_autocheckpoint='1GB'")  # publication checkpoints; an earlier one would write row groups twice
        _migrate(con, path, parquet_folder(home, settings))
        if for_readers:
            install_for_readers(con)
        _refresh_constants(con, settings)
        yield con


@contextmanager
def warehouse_in_memory(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse without snapshots, in memory: with the catalog, calendar and rules of a work file."""
    with duckdb.connect(config={"threads": settings.storage.threads}) as con:
        _migrate(con, Path(":memory:"), Path(":memory:"))
        install_for_readers(con)
        _refresh_constants(con, settings)
        yield con


def _config(home: Home, settings: Settings) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "threads": settings.storage.threads,
        "memory_limit": settings.storage.memory_limit,
        "temp_directory": str(home.temporary),
    }


def parquet_folder(home: Home, settings: Settings) -> Path:
    """The folder of cold Parquet files."""
    named = settings.storage.data_path
    return home.root / "parquet" if named is None else named.expanduser().absolute()


def native_from(settings: Settings, now: datetime) -> datetime:
    """The instant from which rows are native: months that ended before are in Parquet."""
    return now.astimezone(UTC) - timedelta(days=settings.storage.native_days)


def _migrate(con: duckdb.DuckDBPyConnection, path: Path, parquet: Path) -> None:
    """Migrate the file to this version's structure; refuses one of a later version."""
    migrations = sorted((SQL_FOLDER / "migrations").glob("*.sql"))
    con.execute("create table if not exists main.work_version (version integer, fingerprint varchar)")
    con.execute("create table if not exists main.unpublished (since timestamp)")
    cold_partitions.ensure_tables(con)
    has_moved = cold_partitions.parquet_moved(con, parquet)
    version, fingerprint = con.execute("select coalesce(max(version), 0), max(fingerprint) from main.work_version").fetchall()[0]
    if version > len(migrations):
        raise WorkFileTooNew(
            f"{path} has version {version}, this Strikehouse knows {len(migrations)}. "
            "Use the newer Strikehouse, or move the file away and run `strikehouse rebuild`."
        )
    if version == len(migrations) and fingerprint == install.fingerprint():
        if has_moved:  # only views name the files
            with transaction(con):
                cold_partitions.note_folder(con, parquet)
                cold_partitions.show_files(con)
                mark_unpublished(con)
        return
    with transaction(con):
        for migration in migrations[version:]:
            con.execute(migration.read_text())
        cold_partitions.note_folder(con, parquet)
        install.install_tables(con, {name: cold_partitions.files_of(con, name) for name in ddl.MOVED})
        mark_unpublished(con)
        con.execute("delete from main.work_version")
        con.execute("insert into main.work_version values ($version, $installed)", {"version": len(migrations), "installed": TABLES_ONLY})


def install_for_readers(con: duckdb.DuckDBPyConnection) -> None:
    """Views, macros and comments of this version, unless the file has them; `connect_work` leaves them out with `for_readers=False`."""
    ((fingerprint,),) = con.execute("select max(fingerprint) from main.work_version").fetchall()
    if fingerprint != install.fingerprint():
        with transaction(con):
            install.install_for_readers(con)
            mark_unpublished(con)
            con.execute("update main.work_version set fingerprint = $current", {"current": install.fingerprint()})


def _refresh_constants(con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Refresh the tables of settings and calendars."""
    parameters = parameters_frame(settings)
    if con.execute("select * from core.parameters").fetchall() != parameters.rows():
        replace_table(con, "core.parameters", parameters)
        mark_unpublished(con)
    if not con.execute("select 1 from core.sign_scenarios limit 1").fetchall():
        replace_table(con, "core.sign_scenarios", SIGN_SCENARIOS)
    if con.execute("select * from core.listing_rules").fetchall() != LISTING_RULES.rows():
        replace_table(con, "core.listing_rules", LISTING_RULES)
        mark_unpublished(con)
    if not con.execute("select 1 from core.sessions limit 1").fetchall():
        replace_table(con, "core.sessions", TradingCalendar.new_york().sessions)
    # A file of an earlier version has only the instants of its captures.
    if not con.execute("select 1 from core.calendar where market = 'crypto' and expires_at::date = date '2040-12-31'").fetchall():
        _add_scheduled_expiries(con)
        mark_unpublished(con)


def _add_scheduled_expiries(con: duckdb.DuckDBPyConnection) -> None:
    known = con.execute("select market, expires_at from core.calendar").pl()
    scheduled = scheduled_expiries(read_calendar(con))
    insert(con, "core.calendar", scheduled.join(known, on=["market", "expires_at"], how="anti", maintain_order="left"))


def read_calendar(con: duckdb.DuckDBPyConnection) -> TradingCalendar:
    """The trading calendar of the work file."""
    return TradingCalendar(con.execute("select * from core.sessions order by session_date").pl())


@contextmanager
def reduced_resources(con: duckdb.DuckDBPyConnection, storage: StorageSettings) -> Iterator[None]:
    """Run DuckDB on one thread with less memory while other processes use the cores: a second thread would spin.

    Its memory is mostly blocks that are already written, so a lower limit costs no time.
    """
    ((limit,),) = con.execute("select current_setting('memory_limit')").fetchall()
    amount, unit = limit.split()
    con.execute("set threads = 1")
    if unit != "KiB" and (unit != "MiB" or float(amount) > REDUCED_MEMORY_MIB):
        con.execute(f"set memory_limit = '{REDUCED_MEMORY_MIB}MiB'")
    try:
        yield
    finally:
        con.execute(f"set threads = {storage.threads}")
        con.execute("set memory_limit = $limit", {"limit": storage.memory_limit})


def is_other_settings(con: duckdb.DuckDBPyConnection, settings: Settings, *, but: Collection[str] = ()) -> bool:
    """Whether the work file has a snapshot computed with other settings, ignoring these runs."""
    other = "select distinct run_id from core.snapshots where settings_hash <> $current"
    return any(run_id not in but for (run_id,) in con.execute(other, {"current": settings.numbers_hash}).fetchall())


def insert(con: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    """Append a frame to a published relation's stored rows, in the frame's order (sorted by key wherever frames are made)."""
    columns = ", ".join(ddl.stored_columns(name))
    con.register("incoming", frame)
    con.execute(f"insert into {ddl.stored_name(name)} ({columns}) select {columns} from incoming")
    con.unregister("incoming")


def replace_table(con: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    """Replace all rows of a relation."""
    con.execute(f"delete from {ddl.stored_name(name)}")
    insert(con, name, frame)
