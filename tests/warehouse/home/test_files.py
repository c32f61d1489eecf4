"""Files that are there whole or not at all, and that only one module makes them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from models.errors import DiskProblem
from tests.conftest import CHECKOUT
from warehouse.catalog.markdown import markdown_table
from warehouse.home.files import rename_durably, temporary_file, whole_file

SOURCES = [file for folder in ("flows", "warehouse", "models") for file in (CHECKOUT / folder).rglob("*.py")]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_half(file: Path) -> None:
    with whole_file(file) as temporary:
        temporary.write_text("new, but")
        raise ValueError("half")


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "note.txt"
    file.write_text("old")
    with pytest.raises(ValueError, match="half"):
        write_half(file)
    assert (file.read_text(), names(tmp_path)) == ("old", ["note.txt"])


def test_what_the_block_wrote_is_the_file_with_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "note.txt"
    (tmp_path / f".note.txt.{os.getpid()}.tmp").write_text("of a process with this number before a restart")
    with whole_file(file) as temporary:
        temporary.write_text("new")
        temporary.chmod(0o444)
        assert not file.exists()
    assert (file.read_text(), file.stat().st_mode & 0o777, names(tmp_path)) == ("new", 0o444, ["note.txt"])


def test_a_link_to_the_file_itself_leaves_no_second_name(tmp_path: Path) -> None:
    generation, live = tmp_path / "generation", tmp_path / "live"
    generation.write_text("rows")
    for _ in range(2):  # the second time, both names are one file, which a rename leaves as they are
        with whole_file(live) as link:
            os.link(generation, link)
    assert (names(tmp_path), live.stat().st_nlink) == (["generation", "live"], 2)


def test_a_name_may_be_chosen_after_writing(tmp_path: Path) -> None:
    with temporary_file(tmp_path / "rows") as temporary:
        temporary.write_text("new")
        rename_durably(temporary, tmp_path / "rows-3.txt")
    assert names(tmp_path) == ["rows-3.txt"]


def test_a_folder_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(DiskProblem, match="note.txt"), whole_file(tmp_path / "nowhere" / "note.txt") as temporary:
        temporary.write_text("new")


@pytest.mark.parametrize(
    ("pattern", "module"),
    [(r"\bos\.(fsync|replace|rename)\b|getpid\(\)\}\.tmp", "warehouse/home/files.py"), (r"\"\| |\"---\"", "warehouse/catalog/markdown.py")],
)
def test_one_module_does_it(pattern: str, module: str) -> None:
    modules = {file.relative_to(CHECKOUT).as_posix() for file in SOURCES if re.search(pattern, file.read_text())}
    assert modules == {module}


def test_a_markdown_table_escapes_what_is_markdown() -> None:
    table = markdown_table(("a", "b"), [(None, 1), ("x|y\nz", "<script>")])
    assert table.splitlines() == ["| a | b |", "| --- | --- |", "|  | 1 |", r"| x\|y z | \<script> |"]
