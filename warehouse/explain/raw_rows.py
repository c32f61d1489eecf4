"""Finds the archived rows of contracts: file, hash, path in the body, and the row as the venue sent it.

A contract names its reply by hash and its row by number. A crypto venue reports one contract in several replies, so other replies of the
same run that name the instrument are shown too: open interest can be in one and the price in another.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import orjson
import polars as pl

from models.errors import ArchiveDamaged
from warehouse.archive.replies import folder_manifest, read_reply
from warehouse.explain.chain import Chain
from warehouse.explain.explanation import RawRow, Row

_PARQUET = b"PAR1"


class _Archive:
    """Bodies of one snapshot's replies, each read and decoded once."""

    def __init__(self, chain: Chain) -> None:
        self._home = chain.home
        self._listed = chain.ask("payloads", id=chain.facts.snapshot_id).rows(named=True)
        self._bodies: dict[tuple[str, str], bytes] = {}
        self._documents: dict[tuple[str, str], Any] = {}

    def holding(self, sha256: str) -> Row | None:
        """The reply of that hash; of several equal ones the first."""
        return next((one for one in self._listed if one["sha256"] == sha256), None)

    def others(self, venue: str, sha256: str) -> list[Row]:
        """The venue's other replies that a chain was read from."""
        mine = [one for one in self._listed if one["venue"] == venue and one["sha256"] != sha256]
        used = {folder: folder_manifest(self._home, folder)["replies"] for folder in dict.fromkeys(one["folder"] for one in mine)}
        taken = {(folder, entry["file"]) for folder, replies in used.items() for entry in replies if entry["used"]}
        return [one for one in mine if (one["folder"], one["file"]) in taken]

    def body(self, reply: Row) -> bytes:
        """Its body, checked against its hash; raises `ArchiveDamaged`."""
        key = (reply["folder"], reply["file"])
        if key not in self._bodies:
            self._bodies[key] = read_reply(self._home, *key).body
        return self._bodies[key]

    def document(self, reply: Row) -> Any:
        """Its JSON; None when it is not JSON."""
        key = (reply["folder"], reply["file"])
        if key not in self._documents:
            try:
                self._documents[key] = orjson.loads(self.body(reply))
            except orjson.JSONDecodeError:  # an imported table
                self._documents[key] = None
        return self._documents[key]


def raw_rows(chain: Chain, contracts: pl.DataFrame) -> tuple[RawRow, ...]:
    """Archived rows of these contracts, in their order; unreadable ones have a reason instead of a row."""
    archive = _Archive(chain)
    rows: list[RawRow] = []
    for contract in contracts.select("venue", "instrument", "payload_sha256", "row_number").rows(named=True):
        rows.append(_own_row(archive, contract))
        if chain.facts.market == "crypto":
            rows.extend(_further_rows(archive, contract))
    return tuple(rows)


def _own_row(archive: _Archive, contract: Row) -> RawRow:
    sha256, number = contract["payload_sha256"], contract["row_number"]
    reply = archive.holding(sha256)
    location: str | None = None
    row: Any = None
    problem = None if reply else "no archived reply of its run has this hash"
    if reply is not None:
        try:
            location, row = _row_at(archive, reply, number, contract["instrument"])
            problem = None if location else f"the reply has no row {number} about it"
        except ArchiveDamaged as error:
            problem = str(error)
    request, file = (None, None) if reply is None else (reply["name"], f"{reply['folder']}/{reply['file']}")
    return RawRow(contract["venue"], contract["instrument"], request, file, sha256, number, location, row, problem)


def _row_at(archive: _Archive, reply: Row, number: int, instrument: str) -> tuple[str | None, Any]:
    """The path of the row with that number, and the row."""
    document = archive.document(reply)
    if document is None:
        return _row_of_table(archive.body(reply), number)
    lists = [(path, rows[number]) for path, rows in _lists(document) if number < len(rows)]
    named = [(path, row) for path, row in lists if _names(row, instrument)]
    # a user's file may name contracts differently from their venue; then the number decides, if there is only one list
    for path, row in named or (lists if len(lists) == 1 else []):
        return f"{path}[{number}]", row
    return None, None


def _row_of_table(body: bytes, number: int) -> tuple[str | None, Any]:
    if body.startswith(_PARQUET):
        rows = pl.scan_parquet(io.BytesIO(body)).slice(number, 1).collect().rows(named=True)
        return (f"row {number}", rows[0]) if rows else (None, None)
    lines = body.removeprefix(b"\xef\xbb\xbf").decode(errors="replace").splitlines()
    return (f"line {number + 1}", lines[number]) if number < len(lines) else (None, None)


def _further_rows(archive: _Archive, contract: Row) -> Iterator[RawRow]:
    """Rows of the instrument in other replies of the venue."""
    instrument = contract["instrument"]
    quoted = orjson.dumps(instrument)
    try:
        others = archive.others(contract["venue"], contract["payload_sha256"])
        naming = [(one, archive.document(one)) for one in others if quoted in archive.body(one)]
    except ArchiveDamaged as error:
        yield RawRow(contract["venue"], instrument, None, None, contract["payload_sha256"], None, None, None, str(error))
        return
    for reply, document in naming:
        for path, rows in _lists(document):
            for index, row in ((index, row) for index, row in enumerate(rows) if _names(row, instrument)):
                yield RawRow(
                    contract["venue"], instrument, reply["name"], f"{reply['folder']}/{reply['file']}", reply["sha256"], None,
                    f"{path}[{index}]", row,
                )  # fmt: skip


def _lists(document: Any, path: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Lists of objects in a document, with the path to each; lists inside their rows are skipped."""
    if isinstance(document, list):
        if document and isinstance(document[0], dict):
            yield path, document
    elif isinstance(document, dict):
        for name, value in document.items():
            yield from _lists(value, f"{path}.{name}" if path else name)


def _names(row: Any, instrument: str) -> bool:
    return isinstance(row, dict) and instrument in (value for value in row.values() if isinstance(value, str))
