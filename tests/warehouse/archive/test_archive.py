"""The archive: replies come back byte for byte, or an error names the damaged file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from models.chain import RawPayload
from models.errors import ArchiveDamaged, DiskProblem
from warehouse.archive.replies import BookArchive, folder_manifest, read_folder
from warehouse.archive.runs import read_run, read_runs, run_ids, write_run
from warehouse.home.files import write_whole
from warehouse.home.paths import Home

RECEIVED_AT = datetime(2026, 3, 2, 21, 15, 0, 123456, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    return home


def reply(name: str = "chain", body: bytes = b'{"data": 1}', status: int = 200, *, seconds: int = 0) -> RawPayload:
    at = RECEIVED_AT + timedelta(seconds=seconds)
    headers = {"content-type": "application/json", "x-odd": "é"}
    return RawPayload(
        "cboe", "SPX", name, "https://venue.example/x.json?a=b", {"a": "b"}, status, headers, body, at - timedelta(seconds=1), at
    )


def archived(home: Home, *replies: RawPayload, used: list[RawPayload] | None = None, error: str | None = None) -> str:
    archive = BookArchive(home, "cboe", "SPX")
    for one in replies:
        archive.add(one)
    folder = archive.close(list(replies) if used is None else used, error)
    assert folder is not None
    return folder


def test_replies_come_back_as_they_were(home: Home) -> None:
    replies = [
        reply("instruments", b""),
        reply("chain", os.urandom(5000), seconds=1),
        reply("index/odd name é", b"{}" * 100_000, 404, seconds=2),
    ]
    folder = archived(home, *replies)
    assert folder == "cboe/2026-03-02/20260302T211500123456Z-SPX"
    assert read_folder(home, folder) == replies


def test_only_the_replies_that_answer_are_read_again_and_all_are_archived(home: Home) -> None:
    busy, good = reply(body=b"busy", status=503), reply(body=b"good", seconds=3)
    folder = archived(home, busy, good, used=[good], error=None)
    assert read_folder(home, folder) == [good]
    manifest = folder_manifest(home, folder)
    assert [(one["status"], one["used"], one["bytes"]) for one in manifest["replies"]] == [(503, False, 4), (200, True, 4)]
    assert (manifest["venue"], manifest["book"], manifest["error"]) == ("cboe", "SPX", None)
    assert {"url", "params", "headers", "sha256", "sent_at", "received_at"} <= set(manifest["replies"][0])


def test_a_failed_fetch_keeps_its_replies_and_its_error(home: Home) -> None:
    folder = archived(home, reply(status=503), used=[], error="cboe: HTTP 503. Try later")
    assert folder_manifest(home, folder)["error"] == "cboe: HTTP 503. Try later"
    assert read_folder(home, folder) == []


def test_without_any_reply_there_is_no_folder(home: Home) -> None:
    assert BookArchive(home, "cboe", "SPX").close([], "cboe: no connection") is None
    assert [path for path in home.raw.rglob("*") if path.is_file()] == []


def test_two_fetches_at_one_instant_do_not_share_a_folder(home: Home) -> None:
    first, second = archived(home, reply(body=b"one")), archived(home, reply(body=b"two"))
    assert first != second
    assert [read_folder(home, folder)[0].body for folder in (first, second)] == [b"one", b"two"]


def test_a_book_cannot_climb_out_of_the_archive(home: Home) -> None:
    archive = BookArchive(home, "cboe", "../../BRK/B")
    archive.add(reply("../../../etc/passwd"))
    folder = archive.close([], None)
    assert folder is not None
    assert (home.raw / folder).resolve().is_relative_to(home.raw.resolve())
    assert folder.count("/") == 2


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def other_body(file: Path) -> None:
    import zstandard

    file.write_bytes(zstandard.ZstdCompressor().compress(b"another body of the same venue"))


@pytest.mark.parametrize(
    "damage",
    [flip_a_bit, other_body, Path.unlink, lambda file: file.write_bytes(b""), lambda file: file.write_bytes(file.read_bytes()[:-20])],
    ids=["bit flipped", "other body", "gone", "empty", "cut off"],
)
def test_a_damaged_body_is_named(home: Home, damage: Callable[[Path], Any]) -> None:
    folder = archived(home, reply("fine"), reply("chain", os.urandom(3000)))
    file = home.raw / folder / "001-chain.zst"
    damage(file)
    with pytest.raises(ArchiveDamaged, match=re.escape(str(file))) as raised:
        read_folder(home, folder)
    assert "Restore" in str(raised.value)


@pytest.mark.parametrize(
    "damage",
    [Path.unlink, lambda file: file.write_bytes(b"{"), lambda file: file.write_bytes(b"\xff\x00"), lambda file: file.write_text("[]"), lambda file: file.write_text("{}"), lambda file: file.write_text('{"replies": [{}]}')],
    ids=["gone", "cut off", "no text", "a list", "empty", "without fields"],
)  # fmt: skip
def test_a_damaged_folder_manifest_is_named(home: Home, damage: Callable[[Path], Any]) -> None:
    folder = archived(home, reply())
    file = home.raw / folder / "manifest.json"
    damage(file)
    with pytest.raises(ArchiveDamaged, match=re.escape(str(file))):
        read_folder(home, folder)


def run(run_id: str) -> dict[str, Any]:
    return {"run_id": run_id, "asks": [{"underlying": "SPX", "venue": "cboe", "books": ["SPX"]}], "fetched": []}


def test_runs_are_read_in_the_order_in_which_they_started(home: Home) -> None:
    for run_id in ("20260303T000000Z-aa", "20260302T235959Z-ff", "20260302T235959Z-0b"):
        write_run(home, run(run_id))
    assert run_ids(home) == ["20260302T235959Z-0b", "20260302T235959Z-ff", "20260303T000000Z-aa"]
    assert [one["run_id"] for one in read_runs(home)] == run_ids(home)
    assert read_run(home, "20260303T000000Z-aa") == run("20260303T000000Z-aa")


def test_a_damaged_run_manifest_is_named(home: Home) -> None:
    write_run(home, run("20260302T235959Z-0b"))
    file = home.runs / "20260302T235959Z-0b.json"
    for content in (file.read_bytes()[:20], b"[]", b"{}"):
        file.write_bytes(content)
        with pytest.raises(ArchiveDamaged, match=re.escape(str(file))):
            list(read_runs(home))
    with pytest.raises(ArchiveDamaged, match="gone"):
        read_run(home, "gone")


def test_manifests_are_text_that_people_can_read(home: Home) -> None:
    folder = archived(home, reply())
    text = (home.raw / folder / "manifest.json").read_text()
    assert json.loads(text) == orjson.loads(text)
    assert "\n  " in text, "indented"


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "note.json"
    write_whole(file, b"first")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(DiskProblem, match=r"folder\.json"):
        write_whole(tmp_path / "folder.json", b"a folder stands there")
    with pytest.raises(DiskProblem, match="nowhere"):
        write_whole(tmp_path / "nowhere" / "note.json", b"x")
    write_whole(file, b"second")
    assert file.read_bytes() == b"second"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.json", "note.json"], "no temporary file is left"
