"""Exit codes: what a run, an import and an error come to, and that the README says so."""

from __future__ import annotations

import pytest

from flows.run.exit_codes import DONE, MEANINGS, NOTHING_USABLE, PARTLY, SET_ASIDE, USAGE, exit_code, exit_code_of
from models.errors import DiskProblem, SettingsError, StrikehouseError, StructureCheckFailed, UsageError
from tests.conftest import CHECKOUT
from tests.flows.conftest import Cli
from warehouse.home.paths import Home
from warehouse.settings import load_settings
from warehouse.storage.work_file import open_work


@pytest.mark.parametrize(
    ("usable", "failed", "set_aside", "unpublished", "code"),
    [
        (True, False, False, False, DONE), (True, True, False, False, PARTLY), (True, False, True, False, SET_ASIDE),
        (True, False, False, True, SET_ASIDE), (True, True, True, True, PARTLY), (False, True, False, False, NOTHING_USABLE),
        (False, False, True, False, SET_ASIDE), (False, False, False, False, NOTHING_USABLE),
    ],
)  # fmt: skip
def test_what_a_run_comes_to(usable: bool, failed: bool, set_aside: bool, unpublished: bool, code: int) -> None:
    assert exit_code(usable=usable, failed=failed, set_aside=set_aside, unpublished=unpublished) == code


@pytest.mark.parametrize(
    ("error", "code"),
    [(UsageError, USAGE), (SettingsError, USAGE), (StructureCheckFailed, SET_ASIDE), (DiskProblem, NOTHING_USABLE)],
)
def test_what_an_error_comes_to(error: type[StrikehouseError], code: int) -> None:
    assert exit_code_of(error("why")) == code


def test_the_readme_says_what_each_means() -> None:
    readme = " ".join((CHECKOUT / "README.md").read_text().split())
    assert f"Exit codes: {' · '.join(f'**{code}** {meaning}' for code, meaning in MEANINGS.items())}." in readme
    assert list(MEANINGS) == [0, 1, 2, 3, 4, 5]


def test_a_publication_that_a_check_holds_back_exits_with_four(cli: Cli, demo_copy: Home) -> None:
    cli.use(demo_copy)
    with open_work(demo_copy, load_settings(), "test") as con:
        con.execute("delete from core.snapshots where snapshot_id = (select min(snapshot_id) from core.snapshots)")
    said = cli("publish")
    assert (said.code, said.out) == (SET_ASIDE, ""), said
    assert said.err.startswith("strikehouse: ") and "Readers keep the last good file" in said.err
