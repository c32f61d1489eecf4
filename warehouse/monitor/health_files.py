"""The doctor's checks of a home: lock, work file, publication, generations, archive. They are read-only."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import orjson

from models.errors import ArchiveDamaged, PublicationMissing, PublicationUnreadable
from warehouse.archive.replies import folder_manifest, read_reply
from warehouse.archive.runs import read_run, run_ids
from warehouse.catalog.relations import SQL_FOLDER
from warehouse.home.cooldowns import read_cooldowns
from warehouse.home.paths import Home
from warehouse.monitor.health_machine import OK, PROBLEM, WARNING, Finding
from warehouse.publish.generations import generations, live_manifest
from warehouse.publish.status import read_status, snapshots_with_other_settings
from warehouse.settings import Settings

LONG_RUN = timedelta(hours=6)
SAMPLE = 50  # replies: the newest, and others evenly over the archive
SHOWN = 3  # most damaged files that are named
BLOCK_BYTES = 1 << 22


def lock_holder(home: Home, now: datetime) -> Iterator[Finding]:
    """Whether a process writes now, and since when; the lock ends with its process."""
    try:
        with home.lock_file.open("rb") as file:
            is_free = _is_free(file.fileno())
            note = file.read(4096)
    except FileNotFoundError:
        yield Finding("lock", OK, "nothing has written here yet")
        return
    except OSError as error:
        yield Finding("lock", PROBLEM, f"{home.lock_file} cannot be read ({error.strerror})", "correct its owner or mode")
        return
    if is_free:
        left = "; its note was left by a process that was killed, which does no harm" if note.strip(b"\0 \n") else ""
        yield Finding("lock", OK, f"nobody writes{left}")
        return
    try:
        holder: dict[str, Any] = orjson.loads(note)
        since = datetime.fromisoformat(holder["since"])
        who = f"process {holder['pid']} writes since {holder['since']} ({holder['doing']})"
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        yield Finding("lock", OK, "another process writes")
        return
    if now - since > LONG_RUN:
        yield Finding("lock", WARNING, who, f"no run takes so long: look at process {holder['pid']}, and stop it if it hangs")
    else:
        yield Finding("lock", OK, who)


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


def work_file(home: Home, settings: Settings, pending: Callable[[duckdb.DuckDBPyConnection, Home], list[str]]) -> Iterator[Finding]:
    """Whether the work file opens and has a known version, and which archived runs it has not loaded."""
    if not home.work_file.exists():
        runs = run_ids(home)
        if runs:
            yield Finding(
                "work file", WARNING, f"{home.work_file} is not there, {len(runs)} runs are archived", "run `strikehouse rebuild`"
            )
        else:
            yield Finding("work file", OK, "there is none yet")
        return
    known = len(list((SQL_FOLDER / "migrations").glob("*.sql")))
    try:
        with duckdb.connect(str(home.work_file), read_only=True, config={"threads": settings.storage.threads}) as con:
            row = con.execute(_VERSION).fetchone()
            version = row[0] if row else 0
            if version > known:
                what = f"{home.work_file} has version {version}, this Strikehouse knows {known}"
                yield Finding("work file", PROBLEM, what, "use the newer Strikehouse, or move the file away and run `strikehouse rebuild`")
                return
            yield Finding("work file", OK, f"version {version}" + ("" if version == known else "; the next run brings it up to date"))
            waiting = pending(con, home)
    except duckdb.Error as error:
        text = str(error).splitlines()[0]
        if "Could not set lock" in text:
            yield Finding("work file", OK, "another process has it open; ask again when that has ended")
        else:
            remedy = "move it away and run `strikehouse rebuild`: raw/ holds everything"
            yield Finding("work file", PROBLEM, f"{home.work_file} cannot be read ({text})", remedy)
        return
    if waiting:
        what = f"{len(waiting)} archived runs are not loaded, the first is {waiting[0]}"
        yield Finding("pending runs", WARNING, what, "the next `strikehouse snapshot` loads them; if it does not, it says why")
    else:
        yield Finding("pending runs", OK, "every archived run is loaded")


_VERSION = "select coalesce(max(version), 0) from main.work_version"


def publication(home: Home, settings: Settings, *, deep: bool) -> Iterator[Finding]:
    """Whether the live file equals the published one, byte for byte, and whether the retained generations are complete."""
    remedy = "`strikehouse publish` makes a new one, `strikehouse publish --rollback` goes back one generation"
    manifest = home.published / "manifest.json"
    try:
        if manifest.exists():  # the file identifies the live generation; other checks use this one
            orjson.loads(manifest.read_bytes())
        live = live_manifest(home)
    except (OSError, orjson.JSONDecodeError):
        yield Finding("publication", PROBLEM, f"{manifest} cannot be read", remedy)
        return
    except PublicationUnreadable as error:
        yield Finding("publication", PROBLEM, str(error), remedy)
        return
    if not live:
        what = "the published file has no manifest" if home.published_file.exists() else "nothing is published yet"
        yield Finding(
            "publication", PROBLEM if home.published_file.exists() else OK, what, remedy if home.published_file.exists() else None
        )
        return
    wrong = _not_as_published(home.published_file, live, deep=True)
    if wrong:
        yield Finding("publication", PROBLEM, wrong, remedy)
    else:
        yield Finding("publication", OK, f"generation {live.get('generation')} has the hash of its manifest")
    retained = generations(home)
    folder = home.published / "generations"
    damaged = [text for one in retained if (text := _not_as_published(folder / one.manifest["file"], one.manifest, deep=deep))]
    damaged += [f"{path} has no file" for path in sorted(folder.glob("*.json")) if not path.with_suffix(".duckdb").exists()]
    damaged += [f"{path} has no manifest" for path in sorted(folder.glob("*.duckdb")) if not path.with_suffix(".json").exists()]
    if damaged:
        yield Finding("generations", WARNING, "; ".join(damaged[:SHOWN]), "delete what is named; `strikehouse publish` makes a new one")
    else:
        yield Finding("generations", OK, f"{len(retained)} kept, {'hashes' if deep else 'sizes'} as published")
    try:
        other = snapshots_with_other_settings(read_status(home), settings)
    except (PublicationMissing, PublicationUnreadable) as error:
        yield Finding("status", WARNING, str(error), "the next run writes it")
        return
    if other:
        yield Finding("settings hash", WARNING, f"{other} snapshots were computed with other settings", "run `strikehouse rebuild`")


def _not_as_published(file: Path, manifest: dict[str, Any], *, deep: bool) -> str | None:
    try:
        size = file.stat().st_size
        if size != manifest["bytes"]:
            return f"{file} has {size} bytes, not the {manifest['bytes']} of its manifest"
        if deep and _sha256(file) != manifest["sha256"]:
            return f"{file} does not have the hash of its manifest"
    except OSError as error:
        return f"{file} cannot be read ({error.strerror})"
    except KeyError as error:
        return f"the manifest of {file} says no {error}"
    return None


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as reader:
        while block := reader.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def archive(home: Home, *, deep: bool) -> Iterator[Finding]:
    """Whether archived replies have the hashes of their manifests: a sample of them, or all."""
    damaged: list[str] = []
    replies: list[tuple[str, str]] = []
    for run_id in run_ids(home):
        try:
            folders = [one["folder"] for one in read_run(home, run_id)["fetched"] if one["folder"]]
        except ArchiveDamaged as error:
            damaged.append(str(error))
            continue
        for folder in folders:
            try:
                replies += [(folder, reply["file"]) for reply in folder_manifest(home, folder)["replies"]]
            except ArchiveDamaged as error:
                damaged.append(str(error))
    sample = replies if deep or len(replies) <= SAMPLE else replies[-1 :: -(len(replies) // SAMPLE + 1)]
    for folder, file in sample:
        try:
            read_reply(home, folder, file)
        except ArchiveDamaged as error:
            damaged.append(str(error))
    if damaged:
        more = f"; and {len(damaged) - SHOWN} more" if len(damaged) > SHOWN else ""
        remedy = "restore from a backup; tables that are published stay as they are, but cannot be rebuilt from these"
        yield Finding("archive", PROBLEM, " ".join(damaged[:SHOWN]) + more, remedy)
    else:
        how = "all" if len(sample) == len(replies) else f"a sample of {len(sample)} (--deep: all)"
        yield Finding("archive", OK, f"{len(replies)} replies, {how} with the hashes of their manifests")


def rests(home: Home, now: datetime) -> Iterator[Finding]:
    """Venues in cooldown, and until when."""
    for venue, until in read_cooldowns(home).items():
        if until > now:
            what = f"{venue} asked not to be called before {until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
            yield Finding("rest", WARNING, what, "wait; runs leave it alone until then")
