"""The fingerprint of the catalog: whatever is installed in a database, a change of it reaches homes that exist."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from warehouse.catalog.install import _SOURCES, fingerprint

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The files that the fingerprint is made of."""
    for folder in ("sql", "models/contracts", "warehouse/catalog"):
        shutil.copytree(CHECKOUT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_a_copy_of_the_files_has_the_fingerprint_of_the_checkout(copy: Path) -> None:
    assert fingerprint(copy) == fingerprint()


@pytest.mark.parametrize("file", ["models/contracts/marts.py", "models/contracts/core.py", "sql/marts/max_pain.sql", *_SOURCES])
def test_a_changed_contract_relation_or_installer_changes_it(copy: Path, file: str) -> None:
    changed = copy / file
    changed.write_text(changed.read_text() + "\n")
    assert fingerprint(copy) != fingerprint()
