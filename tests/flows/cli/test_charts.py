"""`strikehouse chart`, and the pages that a run draws and links in its report."""

from __future__ import annotations

from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from flows.cli.commands.read import chart
from flows.demo.venues import Double
from flows.run.report import report_markdown
from flows.run.result import RunChart, RunResult
from tests.flows.conftest import Cli
from warehouse.charts.registry import KINDS
from warehouse.home.paths import Home


@pytest.fixture
def ask(cli: Cli, published_home: Home) -> Cli:
    cli.use(published_home)
    return cli


def test_a_chart_goes_to_a_file_named_after_what_it_shows(ask: Cli) -> None:
    said = ask("chart", "pain", "idx", "--expiry", "2026-03-20")
    (file,) = Path.cwd().glob("*.html")
    assert (said.code, said.out) == (0, f"IDX pain curve · Fri 20 Mar 2026, quarterly (AM + PM): {file}\n")
    assert file.name.startswith("IDX-pain-2026-03-20-20260302T") and "IDX pain curve" in file.read_text()[-200_000:]


def test_all_kinds_on_one_page_leave_out_what_the_filters_do_not_allow(ask: Cli, tmp_path: Path) -> None:
    said = ask("chart", "all", "COIN", "--strike-min", "90", "-o", str(tmp_path / "all.html"), "--json").json
    assert [one["kind"] for one in said["charts"]] == [kind for kind in KINDS if kind not in ("profile", "drift")]
    assert [reason.split(":")[0] for reason in said["left_out"]] == ["profile", "drift"]
    assert said["file"] == str(tmp_path / "all.html") and said["snapshot_id"].startswith("COIN-")
    html = (tmp_path / "all.html").read_text()
    assert all(f'id="chart-{kind}"' in html for kind in ("pain", "oi", "gex", "heatmap", "term", "opex"))


def test_options_reach_the_chart(ask: Cli, tmp_path: Path) -> None:
    options = ("--venue", "okx,deribit", "--as-of", "2026-03-02T22:30", "--dte-max", "10", "--zoom-pct", "5")
    assert ask("chart", "gex", "COIN", *options, "-o", str(tmp_path / "x.html")).code == 0
    drawn = (tmp_path / "x.html").read_text()[-100_000:]
    assert "venues deribit, okx of bybit, deribit, okx" in drawn and "days to settlement up to 10 only" in drawn


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("gex", "NOTHING"), "No snapshot of NOTHING is published. Known: COIN, IDX."),
        (
            ("gex", "COIN", "--as-of", "2020-01-01"),
            "No snapshot of COIN at or before 2020-01-01 is published; there are 3 (2026-03-02 22:00 UTC",
        ),
        (("gex", "COIN", "--venue", "cboe"), "No snapshot of COIN from cboe is published"),
        (("pain", "IDX", "--expiry", "2026-03-19"), "has no live expiry on 2026-03-19. Nearest: 2026-03-06, 2026-03-20."),
        (("gex", "IDX", "--dte-min", "900"), "has no gamma exposure (computed from days to settlement from 900 only)"),
        (("drift", "IDX", "--window-pct", "3"), "leave strike filters out"),
        (("oi", "IDX", "-o", "x.pdf"), "x.pdf: a chart is written as .html or .png"),
        (("oi", "IDX", "--zoom-pct", "0"), "--zoom-pct is 0: give a number above 0"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_line(ask: Cli, arguments: tuple[str, ...], says: str) -> None:
    said = ask("chart", *arguments)
    assert (said.code, said.out) == (2, "")
    assert says in said.err and said.err.count("\n") == 1 and said.err.startswith("strikehouse: ")
    assert not list(Path.cwd().iterdir()), "nothing is written"


def test_without_a_publication_or_a_browser_the_exit_code_is_one(cli: Cli, published_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    said = cli("chart", "pain", "SPX")
    assert said.code == 1 and "nothing is published yet" in said.err
    cli.use(published_home)
    monkeypatch.setenv("PATH", "")
    said = cli("chart", "pain", "IDX", "-o", "x.png")
    assert said.code == 1 and "apt-get install chromium" in said.err and said.err.count("\n") == 1


def test_the_command_knows_every_kind() -> None:
    assert get_args(get_type_hints(chart)["kind"]) == (*KINDS, "all")


@pytest.mark.slow
def test_a_run_draws_a_page_per_underlying_on_request_and_says_where(cli: Cli, venues: Double) -> None:
    said = cli("snapshot", "SPY", "SOL", "--venue", "cboe,deribit", "--no-prefect", "--charts")
    pages = [cli.home.charts / f"{name}.html" for name in ("SPY", "SOL")]
    assert said.code == 0
    for name, page in zip(("SPY", "SOL"), pages, strict=True):
        assert f"Charts of {name}: {page}" in said.out
        assert all(f'id="chart-{kind}"' in page.read_text() for kind in KINDS)


@pytest.mark.slow
def test_a_run_draws_nothing_by_default(cli: Cli, venues: Double) -> None:
    said = cli("snapshot", "SPY", "--venue", "cboe", "--no-prefect")
    assert said.code == 0 and "Charts" not in said.out and not cli.home.charts.exists()
    cli.set(STRIKEHOUSE_CHARTS__AFTER_RUN="true")
    assert f"Charts of SPY: {cli.home.charts / 'SPY.html'}" in cli("snapshot", "SPY", "--venue", "cboe", "--no-prefect").out


def test_a_page_that_cannot_be_written_does_not_fail_the_run(cli: Cli, venues: Double) -> None:
    cli.home.charts.write_text("a file where a folder is needed")
    said = cli("snapshot", "SPY", "--venue", "cboe", "--no-prefect", "--charts", "--json")
    assert said.code == 0
    (page,) = said.json["charts"]
    assert page["file"] is None and "A file stands where a folder is needed" in page["error"]
    assert said.json["generation"] == 1


@pytest.mark.slow
def test_the_run_report_links_pages_and_says_how_to_draw_this_snapshot_later(
    cli: Cli, venues: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    results: list[RunResult] = []
    monkeypatch.setattr("flows.cli.printing.run.print_run", lambda _home, result, **_: results.append(result))
    cli("snapshot", "SPY", "--venue", "cboe", "--no-prefect", "--charts")
    (result,) = results
    report = report_markdown(cli.home, result)
    page = cli.home.charts / "SPY.html"
    assert result.charts == (RunChart("SPY", page),)
    assert f"* [SPY]({page.as_uri()})" in report.partition("## Charts")[2]
    (command,) = [line for line in report.splitlines() if line.startswith("* `strikehouse chart all SPY --as-of ")]
    drawn = cli(*command.strip("* `").split()[1:], "--json").json
    assert [drawn["snapshot_id"]] == [load.load.snapshot_id for load in result.loads if load.load], "the command draws that very snapshot"
