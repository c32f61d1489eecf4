"""What all tests share: no setting of this machine leaks in, and where real recordings lie, if they are here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
RECORDINGS = Path(os.environ.get("STRIKEHOUSE_RECORDINGS") or CHECKOUT.parent / "shared" / "recordings")


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("STRIKEHOUSE_")]:
        monkeypatch.delenv(variable)


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Folder of recorded replies of real venues; tests that need it are skipped without it."""
    if not RECORDINGS.is_dir():
        pytest.skip(f"no recordings of real venues in {RECORDINGS.name}: set STRIKEHOUSE_RECORDINGS to their folder")
    return RECORDINGS
