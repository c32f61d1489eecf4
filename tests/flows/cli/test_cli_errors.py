"""Whatever is wrong: one clear line on standard error, an exit code, no traceback, and nothing lost."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.demo.venues import Double
from tests.commands import PYTHON, environment
from tests.flows.conftest import Cli, Said
from warehouse.home.paths import Home
from warehouse.read.query import query


def assert_one_line(said: Said, code: int, *parts: str) -> None:
    assert said.code == code, said
    assert said.err.count("\n") == 1 and said.err.startswith("strikehouse: "), said.err
    for part in parts:
        assert part in said.err, said.err


@pytest.mark.parametrize(
    "command", [("snapshot",), ("show", "core.snapshots"), ("sql", "select 1"), ("status",), ("rebuild",), ("publish", "--list"), ("demo",)]
)
def test_bad_settings_stop_every_command(cli: Cli, command: tuple[str, ...]) -> None:
    cli.set(STRIKEHOUSE_SOURCES__CBOE__TIMEOUT_S="soon")
    assert_one_line(cli(*command), 2, "sources.cboe.timeout_s", "Correct strikehouse.toml or the STRIKEHOUSE_… variable")
    assert not cli.home.root.exists()


def test_a_bad_file_of_settings_is_named(cli: Cli) -> None:
    Path("strikehouse.toml").write_text("[models]\nrate_us = 'high'\n")
    assert_one_line(cli("status"), 2, "models.rate_us", "strikehouse.toml")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("snapshot", "GLD", "--no-prefect"), "GLD is not in the watchlist: say where it is listed, for example --venue cboe"),
        (("snapshot", "GLD", "--venue", "nyse", "--no-prefect"), "No venue is called 'nyse'. Known venues: "),
        (("snapshot", "--venue", "nyse", "--no-prefect"), "No venue is called 'nyse'"),
    ],
)
def test_an_unknown_underlying_or_venue_is_usage(cli: Cli, command: tuple[str, ...], says: str) -> None:
    assert_one_line(cli(*command), 2, says)


@pytest.mark.parametrize(
    "command",
    [
        ("explode",),
        ("show",),
        ("show", "max_pain", "SPX", "--dte-max", "soon"),
        ("sql", "select 1", "--format", "xml"),
        ("publish", "--nothing"),
    ],
)
def test_a_wrong_command_line_is_exit_two(cli: Cli, command: tuple[str, ...]) -> None:
    said = cli(*command)
    assert said.code == 2
    assert said.err or said.out


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("show", "core.snapshots"), "nothing is published yet. Run `strikehouse snapshot`"),
        (("sql", "select 1"), "nothing is published yet"),
        (("publish", "--rollback"), "nothing is published yet"),
        (("status",), "no run has ended yet. Run `strikehouse snapshot`"),
        (("rebuild",), "holds no run: there is nothing to rebuild from"),
        (("rebuild", "--verify"), "holds no run: there is nothing to rebuild from"),
    ],
)
def test_an_empty_home_says_what_to_run(cli: Cli, command: tuple[str, ...], says: str) -> None:
    assert_one_line(cli(*command), 1, says)


@pytest.mark.parametrize(
    "command", [("snapshot", "SPY", "--no-prefect"), ("snapshot", "SPY"), ("demo", "--no-prefect"), ("publish",), ("rebuild",)]
)
def test_a_file_where_the_home_should_be_is_said_so(cli: Cli, command: tuple[str, ...]) -> None:
    cli.home.root.write_text("a file")
    assert_one_line(cli(*command), 1, str(cli.home.root), "point STRIKEHOUSE_HOME")
    assert cli.home.root.read_text() == "a file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_may_not_be_written_is_said_so(cli: Cli) -> None:
    cli.home.root.mkdir(mode=0o555)
    assert_one_line(cli("snapshot", "SPY", "--no-prefect"), 1, "may not be written", "STRIKEHOUSE_HOME")


def test_an_unreadable_published_file_says_how_to_heal_it_and_healing_works(cli: Cli, demo_copy: Home) -> None:
    cli.use(demo_copy)
    demo_copy.published_file.unlink()
    demo_copy.published_file.write_bytes(b"garbage" * 5_000)
    for command in (("show", "core.snapshots"), ("sql", "select 1")):
        assert_one_line(
            cli(*command), 1, "strikehouse.duckdb cannot be opened", "`strikehouse publish --rollback`", "`strikehouse publish`"
        )
    assert cli("publish").code == 0
    assert query(demo_copy, "select count(*) from core.snapshots").item() == 8


def test_an_unreadable_work_file_says_how_to_make_it_again(cli: Cli, venues: Double) -> None:
    cli.home.prepare()
    cli.home.work_file.write_bytes(b"garbage" * 5_000)
    assert_one_line(cli("snapshot", "SOL", "--venue", "deribit", "--no-prefect"), 1, "work.duckdb", "`strikehouse rebuild`")
    assert len(list(cli.home.runs.glob("*.json"))) == 1, "what was fetched is in the archive"


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = (
        shutil.which("mount")
        and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False).returncode == 0
    )
    if not mounted:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("free", [0, 100_000, 600_000], ids=["none", "for the archive only", "for a part of the work file"])
def test_a_full_disk_is_said_so_and_what_was_published_stays(cli: Cli, venues: Double, tiny_disk: Path, free: int) -> None:
    (tiny_disk / "ballast").write_bytes(bytes(1024 * 1024 - free) if free else b"")
    if not free:
        with (tiny_disk / "ballast").open("wb", buffering=0) as file:
            while True:
                try:
                    file.write(bytes(4096))
                except OSError:
                    break
    cli.use(Home(tiny_disk / "home"))
    said = cli("snapshot", "SOL", "--venue", "deribit", "--no-prefect")
    assert_one_line(said, 1, "ull", "ree some space")


def test_a_limit_on_file_sizes_is_said_so(venues: Double, tmp_path: Path) -> None:
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)); from flows.cli import main; main()"
    variables = {name: value for name, value in os.environ.items() if name.startswith("STRIKEHOUSE_SOURCES__")}
    home = tmp_path / "limited" / "home"
    home.parent.mkdir()
    done = subprocess.run(
        [*PYTHON, "-c", limited, "snapshot", "SOL", "--venue", "deribit", "--no-prefect"],
        env=environment(home, **variables), cwd=home.parent, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("strikehouse: ") and done.stderr.count("\n") == 1, done.stderr


def test_the_command_line_names_its_version_and_all_its_commands(cli: Cli) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", cli("--version").out)
    said = cli("--help")
    assert said.code == 0
    for command in ("demo", "snapshot", "publish", "show", "sql", "status", "rebuild"):
        assert re.search(rf"^\W*{command}\b", said.out, re.MULTILINE), command


def test_the_installed_command_is_the_same(cli: Cli, tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("strikehouse")
    if not script.exists():
        pytest.skip("the project is not installed here")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=True)
    assert done.stdout == cli("--version").out
