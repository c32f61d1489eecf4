"""The dashboard script, run as users run it: a process of its own with a base URL."""

from __future__ import annotations

import subprocess
import sys

from tests.commands import CHECKOUT
from tests.conftest import Demo
from warehouse.client.warehouse import Warehouse


def test_the_dashboard_runs_with_only_the_base_url_changed(demo: Demo, demo_url: str) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "tests.warehouse.api.dashboard", demo_url, "SPX", "SPY", "BTC", "NOPE"],
        cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    parts = {part.split("\n", 1)[0]: part.split("\n")[1:] for part in said.stdout.strip().split("\n\n")}
    assert [title.split(" ", 1)[0] for title in parts] == ["SPX", "Front", "Open", "Calendar", "Dealers", "Scanner"]
    with Warehouse(demo.home) as wh:
        pooled = wh.max_pain_pooled("SPX").row(0, named=True)
        dates = wh.max_pain("SPX")["expiry"].n_unique()
    curve = next(iter(parts.values()))
    assert sum("max pain" in line for line in curve) == 1 and any(f"{pooled['max_pain_strike']:,.2f}" in line for line in curve)
    assert len(parts["Calendar"]) == dates and len(parts["Open interest"]) == 8
    assert pooled["description"] in parts["Dealers"][0]
    assert len(parts["Scanner"]) == 4 and parts["Scanner"][-1].startswith("NOPE"), "what fails comes last"
