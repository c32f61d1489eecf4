"""What Prefect must know before it is imported."""

from __future__ import annotations

import os

from warehouse.home.paths import Home


def set_prefect_environment(home: Home) -> None:
    """Prefect's files in our home, no telemetry; what fails is in our own report, so its log is quiet. What the user has set stays."""
    for name, value in {
        "PREFECT_HOME": str((home.root / "prefect").resolve()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    }.items():
        os.environ.setdefault(name, value)
