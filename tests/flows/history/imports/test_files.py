"""Files and folders: what is taken, what it is called, and how it is unpacked."""

from __future__ import annotations

import gzip
import os
import zipfile
from pathlib import Path

import pytest

from flows.history.imports import files as importing
from flows.history.imports.files import InputFile, find_files, read_file
from models.errors import FileError, UsageError


def names(*paths: Path, suffixes: tuple[str, ...] = (".csv",)) -> list[str]:
    return [file.name for file in find_files(paths, suffixes)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.csv", "a.CSV.gz", "2024/c.csv.zip", "2024/notes.txt", ".hidden.csv", ".cache/d.csv", "plain"):
        file = tmp_path / "downloads" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return tmp_path / "downloads"


def test_a_folder_is_searched_for_files_of_the_format(folder: Path) -> None:
    assert names(folder) == ["a.CSV.gz", "b.csv", "2024/c.csv.zip"]


def test_a_file_that_is_named_is_taken_whatever_it_is_called(folder: Path) -> None:
    assert names(folder / "plain", folder / "2024" / "notes.txt") == ["plain", "notes.txt"]


def test_each_file_is_taken_once(folder: Path) -> None:
    assert names(folder / "b.csv", folder) == ["b.csv", "a.CSV.gz", "2024/c.csv.zip"]


def test_names_are_printable_whatever_the_file_system_holds(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/l\xe4ng\n.csv")).write_text("1")
    assert names(tmp_path) == ["l\\udce4ng\\n.csv"]


def test_nothing_to_import_is_usage(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no file or folder .*nowhere"):
        find_files([folder, tmp_path / "nowhere"], (".csv",))
    with pytest.raises(UsageError, match=r"folders are searched for \*.json"):
        find_files([folder], (".json",))


def content(path: Path) -> bytes:
    return read_file(InputFile(path, path.name))


def test_plain_gzip_and_zip_hold_the_same(tmp_path: Path) -> None:
    plain, gz, zipped = (tmp_path / f"x.csv{ending}" for ending in ("", ".gz", ".zip"))
    plain.write_bytes(b"a,b\n")
    gz.write_bytes(gzip.compress(b"a,") + gzip.compress(b"b\n"))
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("x.csv", "a,b\n")
    assert content(plain) == content(gz) == content(zipped) == b"a,b\n"


def test_a_file_that_cannot_be_unpacked_says_why(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    for body, says in (
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (gzip.compress(b"abc" * 1000)[:-20], "it is damaged"),
        (b"\x1f\x8bnonsense", "it is damaged"),
        (b"PK\x03\x04nonsense", "it is damaged"),
    ):
        file.write_bytes(body)
        with pytest.raises(FileError, match=says):
            content(file)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.csv", "1")
        archive.writestr("y.csv", "2")
    with pytest.raises(FileError, match="a zip archive of 2 files"):
        content(file)


def test_a_file_that_is_too_large_is_refused_before_it_fills_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "LARGEST_BYTES", 1 << 20)
    file = tmp_path / "x.csv"
    for body in (b"0" * ((1 << 20) + 1), gzip.compress(b"0" * (1 << 22))):
        file.write_bytes(body)
        with pytest.raises(FileError, match="larger than 1 MB"):
            content(file)


def test_a_pipe_or_a_lost_file_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="it cannot be read"):
        content(tmp_path / "gone.csv")
    with pytest.raises(FileError, match="a folder that cannot be searched"):
        content(tmp_path)
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(FileError, match="it is no file but a pipe"):
        content(tmp_path / "pipe.csv")
