"""An archived file, read with what its run manifest says: the same for an import that has just archived it and for a rebuild."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from flows.imports.registry import importer
from models.calendar import TradingCalendar
from models.errors import FileError, VenueError
from models.snapshot import VenueReading
from warehouse.archive import read_reply
from warehouse.home import Home


def read_archived_file(
    home: Home, manifest: Mapping[str, Any], place: int, part: int, calendar: TradingCalendar
) -> tuple[Sequence[tuple[str, Sequence[VenueReading]]], tuple[str, str] | None]:
    """The chains of one file of an import (by its place in the manifest), or of a part of it; and why it cannot be read.

    Raises `ArchiveDamaged`.
    """
    file, reading = manifest["files"][place], manifest["import"]
    payload = read_reply(home, file["folder"], file["file"])
    # the same bytes read by another mapping are other data
    digest = hashlib.sha256(payload.sha256.encode() + orjson.dumps(reading, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
    reader = importer(reading["format"], reading["mapping"])
    try:
        chains = list(reader.parse(payload, calendar, part, file["parts"]))
    except (FileError, VenueError) as error:
        return [], (failure_key(reader.venue, file["name"]), str(error))
    return [(chain.underlying, [VenueReading(chain.venue, chain.market, chain, None, digest)]) for chain in chains], None


def failure_key(venue: str, name: str) -> str:
    """What `ops.runs.failures` calls a file."""
    return f"{venue}/{name}"
