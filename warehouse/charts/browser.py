"""Renders a page as PNG with the machine's Chromium, in a process with its own profile and a time limit."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from models.errors import BrowserFailed, BrowserMissing
from warehouse.home.files import disk_errors
from warehouse.settings import ChartSettings

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def find_browser(settings: ChartSettings) -> str:
    """The browser that the settings name, or the first known name on the path; raises `BrowserMissing`."""
    if settings.browser is not None:
        browser = shutil.which(settings.browser.expanduser())
        if browser is None:
            raise BrowserMissing(f"charts.browser names {settings.browser}, which cannot be run. Correct it, or leave it out.")
        return browser
    browser = next((path for path in map(shutil.which, NAMES) if path), None)
    if browser is None:
        advice = "Install one (Debian, as root: apt-get install chromium), name one in charts.browser, or write .html, which needs none."
        raise BrowserMissing(f"A PNG needs Chromium or Chrome, and there is none on the path ({', '.join(NAMES)}). {advice}")
    return browser


def screenshot(html: str, settings: ChartSettings, *, width: int, height: int) -> bytes:
    """The page as a PNG of width × height points; raises `BrowserMissing` or `BrowserFailed`."""
    browser = find_browser(settings)
    scratch = tempfile.TemporaryDirectory(prefix="strikehouse-chart-", ignore_cleanup_errors=True)
    with disk_errors(Path(tempfile.gettempdir())), scratch as made:
        folder = Path(made)
        (folder / "chart.html").write_text(html, encoding="utf-8")
        command = [browser, *_options(folder), f"--window-size={width},{height}", f"--force-device-scale-factor={settings.png_scale:g}",
                   f"--screenshot={folder / 'chart.png'}", (folder / "chart.html").as_uri()]  # fmt: skip
        said = _run(command, folder, settings.browser_timeout_s)
        picture = folder / "chart.png"
        content = picture.read_bytes() if picture.exists() else b""
    if not content.startswith(SIGNATURE):
        raise BrowserFailed(f"{browser} made no picture. It said: {_last_line(said)}. Write .html instead, or name another browser.")
    return content


def _options(folder: Path) -> list[str]:
    """Headless, with a temporary profile; without sandbox only for root, for whom Chromium has none."""
    options = [
        "--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-extensions", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--virtual-time-budget=8000",
        f"--user-data-dir={folder / 'profile'}",
    ]  # fmt: skip
    return [*options, "--no-sandbox"] if os.geteuid() == 0 else options


def _run(command: list[str], folder: Path, timeout_s: float) -> str:
    """Run the browser and return its output; raises `BrowserFailed` on a time-out, after ending its process group."""
    variables = os.environ | {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder)}
    with subprocess.Popen(
        command, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        try:
            said, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, 9)
            process.communicate()
            advice = "Try again, or write .html, which needs no browser."
            raise BrowserFailed(f"{command[0]} did not finish in {timeout_s:g} s. {advice}") from error
    return said.decode(errors="replace")


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "nothing"
