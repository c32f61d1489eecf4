"""Files as people keep them: alone or in folders, plain, gzip or zip, under names that hold nothing of this machine."""

from __future__ import annotations

import gzip
import io
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import FileError, UsageError

LARGEST_BYTES = 256 << 20  # of one file, unpacked: four times the largest day of one symbol, and safe beside everything else in memory
PACKED = (".gz", ".zip")


@dataclass(frozen=True)
class InputFile:
    """One file to import."""

    path: Path
    name: str  # below what the user gave, printable


def find_files(paths: Sequence[Path], suffixes: Sequence[str]) -> list[InputFile]:
    """Files named, whatever they are called, and those of folders named that end so; each once, folders in order of names.

    Raises `UsageError` for what is not there, and when there is nothing to import.
    """
    for path in paths:
        try:
            path.stat()
        except OSError as error:
            raise UsageError(f"There is no file or folder {path} ({error.strerror}).") from None
    by_path: dict[Path, InputFile] = {}
    for path in paths:
        for one in _in_folder(path, suffixes) if path.is_dir() else [InputFile(path, _printable(path.name))]:
            by_path.setdefault(one.path.resolve(), one)
    if not by_path:
        kinds = ", ".join(f"*{suffix}" for suffix in suffixes)
        raise UsageError(
            f"{', '.join(map(str, paths))}: there is no file to import; folders are searched for {kinds}, also as .gz or .zip."
        )
    return list(by_path.values())


def read_file(file: InputFile) -> bytes:
    """What a file holds, unpacked; raises `FileError`."""
    try:
        status = file.path.stat()
        if stat.S_ISDIR(status.st_mode):  # only one that cannot be searched stands in the list
            raise FileError("it is a folder that cannot be searched. Change its owner or mode")
        if not stat.S_ISREG(status.st_mode):
            raise FileError("it is no file but a pipe or a device. Save what comes out of it")
        if status.st_size > LARGEST_BYTES:
            raise _too_large()
        content = file.path.read_bytes()
    except OSError as error:
        raise FileError(f"it cannot be read ({error.strerror}). Change its owner or mode") from None
    content = _unpacked(content)
    if not content.strip():
        raise FileError("it is empty. Download it again")
    return content


def _in_folder(folder: Path, suffixes: Sequence[str]) -> Iterator[InputFile]:
    unreadable: list[OSError] = []
    for directory, folders, files in os.walk(folder, onerror=unreadable.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            plain = name.lower()
            for packed in PACKED:
                plain = plain.removesuffix(packed)
            if plain.endswith(tuple(suffixes)) and not name.startswith("."):
                path = Path(directory, name)
                yield InputFile(path, _printable(path.relative_to(folder).as_posix()))
    for error in unreadable:
        path = Path(error.filename)
        yield InputFile(path, _printable(path.relative_to(folder).as_posix()))


def _unpacked(content: bytes) -> bytes:
    try:
        if content.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
                content = packed.read(LARGEST_BYTES + 1)
        elif content.startswith(b"PK\x03\x04"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                members = [member for member in archive.infolist() if not member.is_dir()]
                if len(members) != 1:
                    raise FileError(f"it is a zip archive of {len(members)} files. Unpack it into a folder and import that")
                with archive.open(members[0]) as member:
                    content = member.read(LARGEST_BYTES + 1)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise FileError(f"it is damaged and cannot be unpacked ({error}). Download it again") from None
    if len(content) > LARGEST_BYTES:
        raise _too_large()
    return content


def _too_large() -> FileError:
    return FileError(f"it is larger than {LARGEST_BYTES >> 20} MB. Split it, for example by month")


def _printable(name: str) -> str:
    """A name on one line, whatever bytes the file system has for it."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in name)
