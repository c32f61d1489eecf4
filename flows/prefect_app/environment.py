"""Environment variables that Prefect reads at its import."""

from __future__ import annotations

import os

from warehouse.home.paths import Home

STARTUP_TIMEOUT_S = 300  # Prefect's own 20 s are too few on a busy machine; it usually starts in 5 to 10


def set_prefect_environment(home: Home) -> None:
    """Prefect's files in our home, no telemetry; what fails is in our own report, so its log is quiet. What the user has set stays."""
    for name, value in {
        "PREFECT_HOME": str((home.root / "prefect").resolve()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(STARTUP_TIMEOUT_S),
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    }.items():
        os.environ.setdefault(name, value)
