"""Saved Deribit book summaries: the reply of `get_book_summary_by_currency` as JSON, or a data frame of its rows as CSV.

What to know: a summary alone lists no instruments and no index, so the terms of a contract are read from its name and spot is
`estimated_delivery_price`, which equals the index outside the half hour before a settlement; prices of inverse contracts are in coin;
`mark_iv` is percent, and dumps of data frames may lack it (then IV is solved from prices); rows say when they were made, which is the
instant of the chain. Everything else is as the source reads it (flows/sources/deribit.py).
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from statistics import median_high
from typing import Any

import orjson
import polars as pl

from flows.formats.importer import Importer
from flows.formats.table import read_csv
from flows.sources.deribit import INDEX, INSTRUMENTS, KEY, LINEAR_BOOK, NAME, SUMMARY, Deribit
from flows.sources.deribit_delivery import DeliveryReplies
from flows.sources.parsing.columns import number_in
from models.chain import Book, ParsedChain, RawPayload
from models.errors import FileError
from models.market.calendar import TradingCalendar
from warehouse.settings import DeribitSettings

INSTANT, PRICE = "creation_timestamp", "estimated_delivery_price"
LINEAR_SIZES = {"SOL": 10.0, "XRP": 1000.0, "AVAX": 100.0, "TRX": 10_000.0, "HYPE": 10.0}  # coins per contract (venues §1.3); others 1
TEXTS = (KEY, "base_currency", "quote_currency", "underlying_index")


class _DeribitFile(Importer):
    """Chains in the rows of one or several book summaries."""

    venue = "deribit"
    market = "crypto"

    def parse(self, payload: RawPayload, calendar: TradingCalendar, part: int = 0, parts: int = 1) -> Iterator[ParsedChain]:
        rows, positions = self.rows(payload)
        named = [_book_and_base(row) for row in rows]
        first = next((one for one in named if one is not None), None)
        if first is None:
            raise FileError("no row names a contract (such as ETH-26JAN24-1200-P). Save the reply of get_book_summary_by_currency")
        books: dict[str, _Book] = {}
        for row, position, one in zip(rows, positions, named, strict=True):
            book, base = one or (first[0], None)  # a row that names nobody belongs to the first book, so that it is refused somewhere
            books.setdefault(book, _Book(replace(payload, book=book, body=f"{payload.sha256} {book}".encode()))).add(row, position, base)
        source = _SavedSummary(books)
        lines = pl.concat([book.lines for book in books.values()])
        for underlying in dict.fromkeys(one[1] for one in named if one is not None):
            chain = source.parse([payload], underlying, calendar)
            quotes, rejected = (_in_file(frame, lines, payload) for frame in (chain.quotes, chain.rejected))
            size = pl.when(pl.col("book") == LINEAR_BOOK).then(LINEAR_SIZES.get(underlying, 1.0)).otherwise("multiplier")
            warnings = tuple(note for note in chain.warnings if "no contract_size" not in note)
            yield replace(chain, quotes=quotes.with_columns(multiplier=size), rejected=rejected, warnings=warnings)

    @abstractmethod
    def rows(self, payload: RawPayload) -> tuple[list[Any], Sequence[int]]:
        """Rows of the book summary, and the place of each in the file. Raises `FileError`."""


class DeribitJson(_DeribitFile):
    """The reply itself, with or without its envelope. A row's place is that in the list."""

    format = "deribit-json"
    suffixes = (".json",)

    def rows(self, payload: RawPayload) -> tuple[list[Any], Sequence[int]]:
        """Rows of the reply."""
        try:
            document = orjson.loads(payload.body)
        except orjson.JSONDecodeError as error:
            raise FileError(f"it is no JSON: {error.msg}. Download it again") from None
        refused = document.get("error") if isinstance(document, dict) else None
        if isinstance(refused, dict):
            raise FileError(f"it is an error reply: {refused.get('message')}. Download the book summary again")
        rows = document.get("result") if isinstance(document, dict) else document
        if not isinstance(rows, list):
            raise FileError("it holds no list of contracts. Save the reply of get_book_summary_by_currency")
        return rows, range(len(rows))


class DeribitCsv(_DeribitFile):
    """A data frame of the rows. A row's place is its line in the file, from 0."""

    format = "deribit-csv"
    suffixes = (".csv",)

    def rows(self, payload: RawPayload) -> tuple[list[Any], Sequence[int]]:
        """Rows of the table, numbers as numbers."""
        cells = read_csv(payload.body)
        if KEY not in cells.columns:
            raise FileError(f"it has no column {KEY}. Save a data frame of the rows of get_book_summary_by_currency")
        fields = cells.select(name for name in cells.columns[1:-1] if "#" not in name)
        numbers = fields.select(pl.exclude(TEXTS).cast(pl.Float64, strict=False))
        is_number = [name for name in numbers.columns if numbers[name].null_count() == fields[name].null_count()]
        return fields.with_columns(numbers[is_number]).to_dicts(), cells["row_number"].to_list()


class _Book:
    """The rows of one book in a file. They are read as a reply of their own, `payload`, so that each can be found again."""

    def __init__(self, payload: RawPayload) -> None:
        self.payload = payload
        self.rows: list[Any] = []
        self.bases: set[str] = set()
        self._positions: list[int] = []

    def add(self, row: Any, position: int, base: str | None) -> None:
        """One more row, where it stands in the file, and its underlying."""
        self.rows.append(row)
        self._positions.append(position)
        self.bases |= {base} if base else set()

    @property
    def lines(self) -> pl.DataFrame:
        """payload_sha256 and row_number here → place in the file."""
        positions = pl.Series("position", self._positions, dtype=pl.Int64)
        return (
            pl.DataFrame([positions])
            .with_row_index("row_number")
            .select(pl.lit(self.payload.sha256).alias("payload_sha256"), pl.col("row_number").cast(pl.Int64), "position")
        )


class _SavedSummary(Deribit):
    """The source, for books that a file holds: nothing lists the instruments, and the rows themselves tell the index."""

    def __init__(self, books: Mapping[str, _Book]) -> None:
        super().__init__(DeribitSettings())
        self._books = books

    def books(self, underlying: str) -> list[Book]:
        """Those of the file."""
        return [Book(self.name, name) for name, book in self._books.items() if underlying in book.bases]

    def newest(self, payloads: Sequence[RawPayload], *requests: tuple[str, str]) -> tuple[RawPayload, Any]:
        """What the file says of a request: no instruments, its rows, or the price in them."""
        book, name = self._books[requests[0][0]], requests[0][1]
        if name == INSTRUMENTS:
            return book.payload, []
        return book.payload, book.rows if name == SUMMARY else _index(book.rows, name.removeprefix(INDEX))

    def delivered(self, payloads: Sequence[RawPayload], underlying: str, indexes: Sequence[tuple[str, str]]) -> DeliveryReplies:
        """A saved summary holds no delivery prices, and nobody expects them of it."""
        return DeliveryReplies()

    def sent_at(self, payload: RawPayload) -> datetime:
        """A file was not sent: its rows must tell."""
        raise FileError(f"no row of book {payload.book} says when it was made ({INSTANT}). Save the whole reply")


def _index(rows: Sequence[Any], name: str) -> float | None:
    """The price of an index in the rows of its underlying."""
    base = name.partition("_")[0].upper()
    own = [row for row in rows if (named := _book_and_base(row)) and named[1] == base]
    prices = [price for row in own if (price := number_in(row.get(PRICE))) is not None and price > 0]
    return median_high(prices) if prices else None


def _in_file(frame: pl.DataFrame, lines: pl.DataFrame, payload: RawPayload) -> pl.DataFrame:
    """Rows with the hash of the file, and their places in it."""
    located = frame.join(lines, on=["payload_sha256", "row_number"], how="left", maintain_order="left")
    return located.with_columns(row_number="position", payload_sha256=pl.lit(payload.sha256)).drop("position")


def _book_and_base(row: Any) -> tuple[str, str] | None:
    """Book and underlying of a row, by its name."""
    name = row.get(KEY) if isinstance(row, dict) else None
    match = re.match(NAME, name) if isinstance(name, str) else None
    return (LINEAR_BOOK if match["quote"] else match["base"], match["base"]) if match else None
