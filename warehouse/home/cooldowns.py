"""Cooldowns of venues, `venue_rest.json`: until when a venue asked not to be called. They persist between runs."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime
from typing import Any

import orjson

from warehouse.home.files import disk_errors, write_whole
from warehouse.home.paths import Home

LOG = logging.getLogger("strikehouse.fetch")
_WRITING = threading.Lock()  # two venues may ask for a cooldown at the same instant, and both must be recorded


def read_cooldowns(home: Home) -> dict[str, datetime]:
    """Venue → the aware instant until which it asked not to be called, by name; raises `DiskProblem`.

    An unreadable entry is logged and skipped: at worst the venue is called once too often.
    """
    with disk_errors(home.rest_file):
        if not home.rest_file.exists():
            return {}
        content = home.rest_file.read_bytes()
    try:
        entries: Any = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        entries = error.msg
    if not isinstance(entries, dict):
        LOG.warning("%s is damaged and was ignored; the next cooldown replaces it", home.rest_file)
        return {}
    cooldowns = {}
    for venue, text in sorted(entries.items()):
        try:
            cooldowns[venue] = datetime.fromisoformat(text).astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            LOG.warning("%s: the entry of %s is damaged and was ignored", home.rest_file, venue)
    return cooldowns


def note_cooldown(home: Home, venue: str, until: datetime) -> None:
    """Record the end of a cooldown (aware) that a venue requested, and drop expired ones. Raises `DiskProblem`."""
    with _WRITING:
        now = datetime.now(UTC)
        cooldowns = {name: instant for name, instant in read_cooldowns(home).items() if instant > now}
        cooldowns[venue] = max(until.astimezone(UTC), cooldowns.get(venue, until.astimezone(UTC)))
        write_whole(home.rest_file, orjson.dumps({name: instant.isoformat() for name, instant in sorted(cooldowns.items())}))
