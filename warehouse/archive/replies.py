"""The archive: every reply of a venue is stored byte for byte before it is parsed.

    raw/<venue>/<date>/<received_at>-<book>/   bodies (zstd) and manifest.json
    raw/_runs/<run_id>.json                    written last: the requests, the folders with their replies, the failures

Every table can be rebuilt from these files alone.
"""

from __future__ import annotations

import re
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import zstandard

from models.chain import RawPayload
from models.errors import ArchiveDamaged
from warehouse.archive.manifests import RESTORE_IT, read_manifest
from warehouse.home.files import disk_errors, write_whole
from warehouse.home.paths import Home

MANIFEST = "manifest.json"
_REPLY_FIELDS = {"file", "name", "url", "params", "status", "headers", "bytes", "sha256", "sent_at", "received_at", "used"}
COMPRESSION_LEVEL = 6  # a tenth smaller than level 1, and read in half the time, at a tenth of a second for the largest chain


class BookArchive:
    """Stores the replies of one fetch of one (venue, book). `add` may be called from several threads."""

    def __init__(self, home: Home, venue: str, book: str, *, level: int = COMPRESSION_LEVEL) -> None:
        self._compressor = zstandard.ZstdCompressor(level=level)
        self._home, self._venue, self._book = home, venue, book
        self._folder: Path | None = None
        self._entries: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def add(self, payload: RawPayload) -> str:
        """Write one reply to disk; returns the name of its file. Raises `DiskProblem`."""
        with self._lock:
            if self._folder is None:
                self._folder = self._create_folder(payload.received_at)
            name = re.sub(r"[^A-Za-z0-9._-]", "_", payload.name)[:80]
            file = f"{len(self._entries):03d}-{name}.zst"
            write_whole(self._folder / file, self._compressor.compress(payload.body))
            self._entries.append(
                {
                    "file": file,
                    "name": payload.name,
                    "url": payload.url,
                    "params": dict(payload.params),
                    "status": payload.status,
                    "headers": dict(payload.headers),
                    "bytes": len(payload.body),
                    "sha256": payload.sha256,
                    "sent_at": payload.sent_at.isoformat(),
                    "received_at": payload.received_at.isoformat(),
                }
            )
            return file

    def close(self, used: list[RawPayload], error: str | None) -> str | None:
        """Write the manifest; `used` are the replies that answer the fetch. Returns the folder below raw/, None without replies."""
        if self._folder is None:
            return None
        taken = {(payload.name, payload.sha256, payload.received_at.isoformat()) for payload in used}
        for entry in self._entries:
            entry["used"] = (entry["name"], entry["sha256"], entry["received_at"]) in taken
        manifest = {"venue": self._venue, "book": self._book, "error": error, "replies": self._entries}
        write_whole(self._folder / MANIFEST, orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
        return self._folder.relative_to(self._home.raw).as_posix()

    def _create_folder(self, received_at: datetime) -> Path:
        day = self._home.raw / self._venue / received_at.strftime("%Y-%m-%d")
        stem = f"{received_at:%Y%m%dT%H%M%S%f}Z-{re.sub(r'[^A-Za-z0-9._-]', '_', self._book)}"
        with disk_errors(day):
            day.mkdir(parents=True, exist_ok=True)
            for attempt in range(1000):
                folder = day / (stem if attempt == 0 else f"{stem}.{attempt}")
                try:
                    folder.mkdir()
                except FileExistsError:
                    continue
                return folder
        raise ArchiveDamaged(f"{day}: a thousand folders for one instant; look at the machine's clock.")


def folder_manifest(home: Home, folder: str) -> dict[str, Any]:
    """Manifest of one archive folder; raises `ArchiveDamaged` when it is missing or unreadable."""
    manifest = read_manifest(home.raw / folder / MANIFEST, {"venue", "book", "error", "replies"})
    for entry in manifest["replies"]:
        if missing := _REPLY_FIELDS - set(entry):
            raise ArchiveDamaged(f"{home.raw / folder / MANIFEST}: a reply has no {', '.join(sorted(missing))}. {RESTORE_IT}")
    return manifest


def read_folder(home: Home, folder: str) -> list[RawPayload]:
    """The replies that answer one fetch, each checked against its hash; raises `ArchiveDamaged`."""
    manifest = folder_manifest(home, folder)
    return [_read_reply(home, folder, manifest, entry) for entry in manifest["replies"] if entry["used"]]


def read_reply(home: Home, folder: str, file: str) -> RawPayload:
    """One reply of a folder, checked against its hash; raises `ArchiveDamaged`."""
    manifest = folder_manifest(home, folder)
    entry = next((entry for entry in manifest["replies"] if entry["file"] == file), None)
    if entry is None:
        raise ArchiveDamaged(f"{home.raw / folder / MANIFEST}: it does not list {file}. {RESTORE_IT}")
    return _read_reply(home, folder, manifest, entry)


def _read_reply(home: Home, folder: str, manifest: dict[str, Any], entry: dict[str, Any]) -> RawPayload:
    path = home.raw / folder / entry["file"]
    advice = "Restore the file from a backup; until then what it held cannot be rebuilt."
    try:
        body = zstandard.ZstdDecompressor().decompress(path.read_bytes(), max_output_size=entry["bytes"] + 1)
    except (OSError, zstandard.ZstdError) as error:
        raise ArchiveDamaged(f"{path}: the archived reply cannot be read ({error}). {advice}") from error
    payload = RawPayload(
        venue=manifest["venue"],
        book=manifest["book"],
        name=entry["name"],
        url=entry["url"],
        params=entry["params"],
        status=entry["status"],
        headers=entry["headers"],
        body=body,
        sent_at=datetime.fromisoformat(entry["sent_at"]),
        received_at=datetime.fromisoformat(entry["received_at"]),
    )
    if payload.sha256 != entry["sha256"]:
        raise ArchiveDamaged(f"{path}: the archived reply does not have the hash of its manifest. {advice}")
    return payload
