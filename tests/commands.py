"""The `strikehouse` command as a process of its own, in an environment without anything of this machine's user."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
# Warnings are errors in commands too; what Prefect's own libraries warn of is not ours.
PYTHON = [sys.executable, "-W", "error"]


def environment(home: Path, **variables: str) -> dict[str, str]:
    """Variables of a process: this home for everything, Prefect's and the user's files included."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("STRIKEHOUSE_", "PREFECT_", "PYTEST_"))}
    user = home.parent / "user"
    user.mkdir(parents=True, exist_ok=True)
    return inherited | {
        "HOME": str(user),
        "PYTHONPATH": str(CHECKOUT),
        "STRIKEHOUSE_HOME": str(home),
        "NO_PROXY": "127.0.0.1",
        **variables,
    }


def strikehouse(
    home: Path, *arguments: str, variables: Mapping[str, str] | None = None, python: list[str] | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end. It runs in the folder beside the home, so no `strikehouse.toml` of a checkout is read."""
    command = [*(python or PYTHON), "-c", "from flows.cli import main; main()", *arguments]
    home.parent.mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        command, cwd=home.parent, env=environment(home, **(variables or {})), capture_output=True, text=True, timeout=timeout, check=False
    )
