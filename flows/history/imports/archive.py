"""The archive of imported files: their bytes and how to read them, so that raw/ alone is enough for a rebuild.

Files that were archived before, read in the same way, are known by the hash of what they hold. A run manifest is written for every few
files: what a stopped import has archived stays, and goes on from there.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from flows.formats.importer import Importer
from flows.history.imports.files import InputFile, read_file
from flows.run.archived_file import failure_key
from models.chain import RawPayload
from models.errors import FileError
from warehouse.archive.replies import BookArchive
from warehouse.archive.runs import read_run, write_run
from warehouse.home.paths import Home
from warehouse.home.version import code_version
from warehouse.load.runs import import_failures
from warehouse.settings import Settings

COMPRESSION_LEVEL = 1  # files of years come at once: level 6 takes four times as long for a twentieth less
RUN_FILES, RUN_BYTES = 25, 8 << 20  # of one run: what is loaded, and lost when stopped, at once


@dataclass(frozen=True)
class Reading:
    """How files are read: kept in the run manifest."""

    importer: Importer
    mapping: dict[str, Any] | None  # of the format columns

    @property
    def manifest(self) -> dict[str, Any]:
        """As a run manifest has it."""
        return {"format": self.importer.format, "mapping": self.mapping}


@dataclass
class Archived:
    """What became of files before they are loaded."""

    runs: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)  # names of files that an earlier import has loaded, or this one under another name
    failures: dict[str, str] = field(default_factory=dict)  # name → why it cannot be read


def known_files(con: duckdb.DuckDBPyConnection, home: Home, reading: Reading) -> dict[str, str | None]:
    """Hashes of what earlier imports have loaded, read in this way; with the error of those that could not be read."""
    known: dict[str, str | None] = {}
    for run_id, failures in import_failures(con).items():
        manifest = read_run(home, run_id)
        if manifest["import"] == reading.manifest:
            known |= {file["sha256"]: failures.get(failure_key(reading.importer.venue, file["name"])) for file in manifest["files"]}
    return known


def archive_files(
    home: Home,
    settings: Settings,
    reading: Reading,
    files: Sequence[InputFile],
    known: dict[str, str | None],
    *,
    clock: Callable[[], datetime],
    settled: Callable[[], None],
) -> Archived:
    """Archive the files that are not `known`, which then are; `settled` is called for each of the others. Raises `DiskProblem`."""
    done, run = Archived(), _Run(home, settings, reading, clock)
    for file in files:
        try:
            body = read_file(file)
        except FileError as error:
            done.failures[file.name] = str(error)
            settled()
            continue
        payload = run.payload(file, body)
        if payload.sha256 in known:
            error_before = known[payload.sha256]
            if error_before is None:
                done.known.append(file.name)
            else:
                done.failures[file.name] = error_before
            settled()
            continue
        known[payload.sha256] = None
        run.add(payload)
        if run.is_full:
            done.runs.append(run.close())
            run = _Run(home, settings, reading, clock)
    if run.payloads:
        done.runs.append(run.close())
    return done


class _Run:
    """A few files on their way into the archive."""

    def __init__(self, home: Home, settings: Settings, reading: Reading, clock: Callable[[], datetime]) -> None:
        self._home, self._settings, self._reading, self._clock = home, settings, reading, clock
        self._archive = BookArchive(home, reading.importer.venue, reading.importer.format, level=COMPRESSION_LEVEL)
        self._started_at = clock()
        self.payloads: list[RawPayload] = []
        self._files: list[str] = []  # what the archive calls them

    @property
    def is_full(self) -> bool:
        """Whether it is time to close it."""
        return len(self.payloads) >= RUN_FILES or sum(len(payload.body) for payload in self.payloads) >= RUN_BYTES

    def payload(self, file: InputFile, body: bytes) -> RawPayload:
        """A file as if it were a reply."""
        now, reader = self._clock(), self._reading.importer
        return RawPayload(
            venue=reader.venue, book=reader.format, name=file.name, url=file.name, params={}, status=200, headers={}, body=body,
            sent_at=now, received_at=now,
        )  # fmt: skip

    def add(self, payload: RawPayload) -> None:
        """Archive one file."""
        self._files.append(self._archive.add(payload))
        self.payloads.append(payload)

    def close(self) -> str:
        """Write the manifests; returns the id of the run."""
        reader = self._reading.importer
        folder = self._archive.close(self.payloads, None)
        run_id = f"{self._started_at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        manifest = {
            "run_id": run_id,
            "started_at": self._started_at.isoformat(),
            "ended_at": self._clock().isoformat(),
            "origin": "import",
            "is_synthetic": False,
            "code_version": code_version(),
            "settings_hash": self._settings.numbers_hash,
            "import": self._reading.manifest,
            "asks": [{"file": payload.name, "venue": reader.venue, "format": reader.format} for payload in self.payloads],
            "files": [
                {"name": payload.name, "folder": folder, "file": file, "sha256": payload.sha256, "parts": reader.parts(payload)}
                for payload, file in zip(self.payloads, self._files, strict=True)
            ],
            "fetched": [{"venue": reader.venue, "book": reader.format, "folder": folder, "error": None}],
        }
        write_run(self._home, manifest)
        return run_id
