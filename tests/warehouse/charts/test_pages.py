"""Pages and pictures: nothing from outside, the same bytes each time, and drawn by a real browser."""

from __future__ import annotations

import os
import re
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from models.errors import BrowserFailed, BrowserMissing, UsageError
from tests.warehouse.charts.conftest import CHARTS
from warehouse.charts import browser as browser_module
from warehouse.charts.browser import find_browser
from warehouse.charts.chart import Chart
from warehouse.charts.page import page
from warehouse.charts.registry import KINDS, WIDTH, check_target, draw_all, write_charts
from warehouse.charts.theme import HEIGHT
from warehouse.home.paths import Home
from warehouse.read.filters import ChartRequest
from warehouse.settings import ChartSettings


@pytest.fixture(scope="module")
def charts(published_home: Home) -> list[Chart]:
    """Every kind, of the coin."""
    drawn, reasons = draw_all(published_home, ChartRequest("COIN"))
    assert ([one.kind for one in drawn], reasons) == (list(KINDS), [])
    return drawn


def test_a_page_names_no_address_to_load_from(charts: list[Chart]) -> None:
    html = page(charts, "All")
    around = re.sub(r"<script>/\*\*.*?</script>", "", html, flags=re.DOTALL)  # plotly's own script, of which the browser test speaks
    assert len(html) - len(around) > 4_000_000, "the script is inside"
    assert "://" not in around
    assert not re.search(r"<(link|iframe|img|script[^>]+src)\b", around)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', around)
    assert policy and policy[1].startswith("default-src 'none';") and "http" not in policy[1]


def test_the_same_data_give_the_same_bytes(charts: list[Chart], published_home: Home) -> None:
    again, _ = draw_all(published_home, ChartRequest("COIN"))
    assert page(again, "All") == page(charts, "All")


def opened(browser: str, html: str, folder: Path) -> tuple[str, list[str]]:
    """What a browser without names to resolve makes of a page: its document, and what it said on the console."""
    (folder / "page.html").write_text(html)
    command = [
        browser, "--headless=new", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr",
        "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=8000", "--dump-dom",
        *(["--no-sandbox"] if os.geteuid() == 0 else []), (folder / "page.html").as_uri(),
    ]  # fmt: skip
    variables = os.environ | {"HOME": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=variables)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.slow
def test_a_browser_without_a_network_draws_every_chart_and_complains_of_nothing(charts: list[Chart], browser: str, tmp_path: Path) -> None:
    document, console = opened(browser, page(charts, "All"), tmp_path)
    assert console == []
    for chart in charts:
        drawn = document.partition(f'id="chart-{chart.kind}"')[2].partition('class="plotly-graph-div"')[0]
        assert 'class="main-svg"' in drawn, chart.kind
        shape = {"pain": "fills", "oi": "points", "gex": "points", "heatmap": "heatmaplayer", "opex": "points"}.get(chart.kind, "js-line")
        assert re.search(rf'class="[^"]*{shape}', drawn), f"{chart.kind} shows its traces, not only axes"


@pytest.mark.slow
def test_the_page_itself_forbids_the_browser_to_ask_anybody(charts: list[Chart], browser: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/x.png"
        tampered = page(charts[:1], "One").replace("</body>", f'<img src="{address}"></body>')
        _, console = opened(browser, tampered, tmp_path)
        assert len(console) == 1 and address in console[0] and "Content Security Policy" in console[0]
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_picture_is_a_png_of_the_requested_size(charts: list[Chart], browser: str, tmp_path: Path) -> None:
    before = set(Path(browser_module.tempfile.gettempdir()).glob("strikehouse-chart-*"))
    write_charts(charts[:1], tmp_path / "pain.png", ChartSettings(browser=Path(browser), png_scale=1))
    content = (tmp_path / "pain.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", content[16:24]) == (WIDTH, HEIGHT)
    assert len(content) > 20_000, "not a blank page"
    assert set(Path(browser_module.tempfile.gettempdir()).glob("strikehouse-chart-*")) <= before, "the profile is thrown away"


def test_without_a_browser_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrowserMissing, match=r"apt-get install chromium.*or write \.html, which needs none"):
        check_target(tmp_path / "x.png", CHARTS)
    check_target(tmp_path / "x.html", CHARTS)
    with pytest.raises(BrowserMissing, match=r"charts\.browser names .*nothing, which cannot be run"):
        find_browser(ChartSettings(browser=tmp_path / "nothing"))


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_the_first_of_the_usual_names_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    program(tmp_path / "google-chrome", "exit 0")
    assert find_browser(CHARTS) == str(tmp_path / "google-chrome")
    program(tmp_path / "chromium", "exit 0")
    assert find_browser(CHARTS) == str(tmp_path / "chromium")


def test_a_browser_that_fails_is_quoted_and_leaves_the_file_alone(charts: list[Chart], tmp_path: Path) -> None:
    broken = program(tmp_path / "broken", "echo no display here >&2; exit 1")
    (tmp_path / "old.png").write_bytes(b"old")
    with pytest.raises(BrowserFailed, match="made no picture. It said: no display here"):
        write_charts(charts[:1], tmp_path / "old.png", ChartSettings(browser=broken))
    assert (tmp_path / "old.png").read_bytes() == b"old"


@pytest.mark.slow
def test_a_browser_that_hangs_is_ended_with_its_children(charts: list[Chart], tmp_path: Path) -> None:
    hanging = program(tmp_path / "hanging", f"sleep 60 & echo $! > {tmp_path / 'child'}; wait")
    started = time.monotonic()
    with pytest.raises(BrowserFailed, match="did not finish in 1 s"):
        write_charts(charts[:1], tmp_path / "x.png", ChartSettings(browser=hanging, browser_timeout_s=1))
    assert time.monotonic() - started < 20
    child = int((tmp_path / "child").read_text())
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


def test_another_ending_than_html_or_png_is_refused(draw: Callable[..., Chart], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"x\.pdf: a chart is written as \.html or \.png"):
        write_charts([draw("oi", "IDX")], tmp_path / "x.pdf", CHARTS)


def test_names_from_files_cannot_write_markup(charts: list[Chart]) -> None:
    assert "<title>&lt;script&gt;</title>" in page(charts[:1], "<script>")
