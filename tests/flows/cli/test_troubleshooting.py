"""The table of troubleshooting.md, row by row: provoked, said in one line with the exit code it promises, nothing lost, and mended."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

from tests.conftest import CHECKOUT
from tests.flows.conftest import Cli, Said
from warehouse.home.locks import underlying_lock, writer_lock
from warehouse.home.paths import Home
from warehouse.read.query import query

PAGE = CHECKOUT / "docs" / "troubleshooting.md"
OFFLINE = "http://127.0.0.1:9"  # no run may leave this machine
PUBLISH, READ = ("publish",), ("show", "core.snapshots")


class Row(NamedTuple):
    what: str
    code: int
    says: list[str]


def table() -> list[Row]:
    section = PAGE.read_text().partition("## When something is wrong")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if re.match(r"\| [^|]+\| \d \|", line)]
    return [Row(what, int(code), re.findall(r"`([^`]+)`", says)) for what, code, says, _ in lines]


class Trouble(NamedTuple):
    """How a row is provoked: makes it so, gives the command that meets it, and undoes it when the block ends."""

    make: Callable[[Cli, ExitStack], tuple[str, ...]]
    remedy: tuple[str, ...] = PUBLISH  # what the row says to do, after the block


def toml(text: str) -> Trouble:
    def make(cli: Cli, undo: ExitStack) -> tuple[str, ...]:
        Path("strikehouse.toml").write_text(text)
        undo.callback(Path("strikehouse.toml").unlink)
        return PUBLISH

    return Trouble(make)


def variable(cli: Cli, undo: ExitStack) -> tuple[str, ...]:
    patch = undo.enter_context(pytest.MonkeyPatch.context())
    patch.setenv("STRIKEHOUSE_HOEM", "x")
    return PUBLISH


def command(*words: str) -> Trouble:
    return Trouble(lambda cli, undo: words)


def locked(cli: Cli, undo: ExitStack) -> tuple[str, ...]:
    cli.set(STRIKEHOUSE_STORAGE__LOCK_WAIT_S="0")
    undo.enter_context(writer_lock(cli.home, "another run"))
    return PUBLISH


def being_run(cli: Cli, undo: ExitStack) -> tuple[str, ...]:
    cli.set(STRIKEHOUSE_STORAGE__LOCK_WAIT_S="0")
    undo.enter_context(underlying_lock(cli.home, "SPX", "scheduled run of SPX SPY"))
    return ("snapshot", "SPY", "SPX", "--venue", "cboe", "--no-prefect")


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """The folder's files on a file system of its own."""
    renamed = folder.with_name("kept")
    folder.rename(renamed)
    folder.mkdir()
    size = sum({path.stat().st_ino: path.stat().st_size for path in renamed.rglob("*") if path.is_file()}.values()) + 8_000_000
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        folder.rmdir()
        renamed.rename(folder)
        pytest.skip("mounting a file system needs root")
    try:
        subprocess.run(["cp", "-a", f"{renamed}/.", folder], check=True)
        for option in options:
            subprocess.run(["mount", "-o", f"remount,{option}", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()
        renamed.rename(folder)


def full(cli: Cli, undo: ExitStack) -> tuple[str, ...]:
    undo.enter_context(mounted(cli.home.root))
    with (cli.home.root / "ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    return PUBLISH


def read_only(cli: Cli, undo: ExitStack) -> tuple[str, ...]:
    if os.geteuid() == 0:
        undo.enter_context(mounted(cli.home.root, "ro"))
    else:
        cli.home.root.chmod(0o555)
        undo.callback(cli.home.root.chmod, 0o755)
    return ("snapshot", "SPX", "--venue", "cboe", "--no-prefect")


def home_is_a_file(cli: Cli, undo: ExitStack) -> tuple[str, ...]:
    renamed = cli.home.root.with_name("kept")
    cli.home.root.rename(renamed)
    cli.home.root.write_text("x")
    undo.callback(renamed.rename, cli.home.root)
    undo.callback(cli.home.root.unlink)
    return PUBLISH


def archive_file(cli: Cli, undo: ExitStack) -> tuple[str, ...]:
    file = max(cli.home.raw.glob("cboe/*/*/000*.zst"))
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    undo.callback(file.write_bytes, whole)
    return ("rebuild", "--verify")


def garbage(file: Callable[[Home], Path]) -> Callable[[Cli, ExitStack], None]:
    def make(cli: Cli, undo: ExitStack) -> None:
        file(cli.home).unlink()
        file(cli.home).write_bytes(b"garbage" * 5_000)

    return make


def unreadable_publication(cli: Cli, undo: ExitStack) -> tuple[str, ...]:
    garbage(lambda home: home.published_file)(cli, undo)
    return READ


def missing_publication(cli: Cli, undo: ExitStack) -> tuple[str, ...]:
    cli.home.published_file.unlink()
    return READ


def unreadable_work(cli: Cli, undo: ExitStack) -> tuple[str, ...]:
    garbage(lambda home: home.work_file)(cli, undo)
    return PUBLISH


def newer_work(cli: Cli, undo: ExitStack) -> tuple[str, ...]:
    with duckdb.connect(str(cli.home.work_file)) as con:
        con.execute("update main.work_version set version = 99")
    undo.callback(cli.home.work_file.unlink)
    return PUBLISH


TROUBLES = {
    "unknown key in `strikehouse.toml`": toml("[models]\nrate = 1\n"),
    "unknown variable": Trouble(variable),
    "value of the wrong type": toml("[models]\nrate_us = 'high'\n"),
    "impossible time zone": toml("[watchlist.SPX]\nvenues = ['cboe']\ntimezone = 'America/Nowhere'\n"),
    "impossible cron line": toml("[watchlist.SPX]\nvenues = ['cboe']\nschedule = ['soon']\n"),
    "alert rule of an unknown kind": toml("[[alerts.rules]]\nkind = 'flip'\n"),
    "unknown underlying": command("snapshot", "GLD", "--no-prefect"),
    "unknown venue": command("snapshot", "GLD", "--venue", "nyse", "--no-prefect"),
    "locked work file": Trouble(locked),
    "underlying that is being run": Trouble(being_run),
    "full disk": Trouble(full),
    "read-only home": Trouble(read_only),
    "home is a file": Trouble(home_is_a_file),
    "damaged archive file": Trouble(archive_file),
    "unreadable published file": Trouble(unreadable_publication),
    "missing published file": Trouble(missing_publication),
    "unreadable work file": Trouble(unreadable_work, remedy=("rebuild",)),
    "work file from a newer version": Trouble(newer_work, remedy=("rebuild",)),
}


def test_every_row_is_provoked_here() -> None:
    assert [row.what for row in table()] == list(TROUBLES)


# Healed by a rebuild, or shown by one: these take seconds, and are left to `make test-all`.
REBUILDS = ("damaged archive file", "unreadable work file", "work file from a newer version")


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, id=row.what, marks=[pytest.mark.slow] if row.what in REBUILDS or n % 3 else []) for n, row in enumerate(table())],
)
def test_it_is_one_clear_line_nothing_is_lost_and_the_remedy_heals(cli: Cli, demo_copy: Home, row: Row) -> None:
    cli.use(demo_copy)
    for venue in ("CBOE", "DERIBIT"):
        cli.set(**{f"STRIKEHOUSE_SOURCES__{venue}__BASE_URL": OFFLINE})
    raw = {path.relative_to(demo_copy.raw): path.read_bytes() for path in demo_copy.raw.rglob("*") if path.is_file()}
    snapshots = query(demo_copy, "select snapshot_id, quotes_hash, oi_hash from core.snapshots order by all").rows()
    with ExitStack() as undo:
        words = TROUBLES[row.what].make(cli, undo)
        said: Said = cli(*words)
    assert said.code == row.code, said
    assert said.err.count("\n") == 1 and said.err.startswith("strikehouse: ") and said.out == "", said
    for part in row.says:
        assert part.lower() in said.err.lower(), said.err
    assert {path.relative_to(demo_copy.raw): path.read_bytes() for path in demo_copy.raw.rglob("*") if path.is_file()} == raw, (
        "nothing is lost"
    )
    healed = cli(*TROUBLES[row.what].remedy)
    assert healed.code == 0, healed
    assert query(demo_copy, "select snapshot_id, quotes_hash, oi_hash from core.snapshots order by all").rows() == snapshots
    shutil.rmtree(demo_copy.root)
