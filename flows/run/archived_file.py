"""An archived file, read with what its run manifest says: the same for an import that has just archived it and for a rebuild."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import polars as pl

from flows.formats.registry import importer
from models.chain import ParsedSettlements
from models.errors import FileError, VenueError
from models.market.calendar import TradingCalendar
from models.snapshot import VenueReading
from warehouse.archive.replies import read_reply
from warehouse.home.paths import Home


def read_archived_file(
    home: Home, manifest: Mapping[str, Any], file_index: int, part: int, calendar: TradingCalendar
) -> tuple[Sequence[tuple[str, Sequence[VenueReading]]], str, str | None, pl.DataFrame]:
    """The chains of one file of an import, or of a part of it; its name; why it cannot be read; its settlement prices.

    `file_index`: of the file in the manifest. The prices follow `ParsedSettlements`. Raises `ArchiveDamaged`.
    """
    file, reading = manifest["files"][file_index], manifest["import"]
    payload = read_reply(home, file["folder"], file["file"])
    # the same bytes read by another mapping are other data
    digest = hashlib.sha256(payload.sha256.encode() + orjson.dumps(reading, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
    reader = importer(reading["format"], reading["mapping"])
    name, nothing = failure_key(reader.venue, file["name"]), ParsedSettlements.create_empty()
    try:
        settlements = reader.settlements(payload)
        chains = list(reader.parse(payload, calendar, part, file["parts"]))
    except (FileError, VenueError) as error:
        return [], name, str(error), nothing
    except (OSError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - our mistake with one file must not keep every later run from being loaded
        what = f"reading it failed ({type(error).__name__}: {str(error).splitlines()[0][:100] if str(error) else ''})"
        return [], name, f"{what}. Report this; it is archived, and a later version may read it", nothing
    if settlements.is_empty() and not any(chain.quotes.height for chain in chains):
        refused = Counter(reason for chain in chains for reason in chain.rejected["reason"])
        why = ", ".join(f"{count} × {reason}" for reason, count in refused.most_common(3))
        return [], name, f"none of its rows can be used ({why}). Look at the file", nothing
    return [(chain.underlying, [VenueReading(chain.venue, chain.market, chain, None, digest)]) for chain in chains], name, None, settlements


def failure_key(venue: str, name: str) -> str:
    """What `ops.runs.failures` calls a file."""
    return f"{venue}/{name}"
