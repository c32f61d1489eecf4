"""Saved Deribit book summaries: the reply of `get_book_summary_by_currency` as JSON, or a data frame of its rows as CSV.

What to know: a summary alone lists no instruments and no index, so the terms of a contract are read from its name and spot is
`estimated_delivery_price`, which equals the index outside the half hour before a settlement; prices of inverse contracts are in coin;
`mark_iv` is percent, and dumps of data frames may lack it (then IV is solved from prices); rows say when they were made, which is the
instant of the chain. Everything else is as the source reads it (flows/sources/deribit.py).
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from statistics import median_high
from typing import Any

import orjson
import polars as pl

from flows.imports.importer import Importer
from flows.imports.table import read_csv
from flows.sources.columns import number_in
from flows.sources.deribit import INDEX, INSTRUMENTS, KEY, LINEAR_BOOK, NAME, SUMMARY, Deribit
from models.calendar import TradingCalendar
from models.chain import Book, ParsedChain, RawPayload
from models.errors import FileError
from warehouse.settings import DeribitSettings

INSTANT, PRICE = "creation_timestamp", "estimated_delivery_price"
LINEAR_SIZES = {"SOL": 10.0, "XRP": 1000.0, "AVAX": 100.0, "TRX": 10_000.0, "HYPE": 10.0}  # coins per contract (venues §1.3); others 1
TEXTS = (KEY, "base_currency", "quote_currency", "underlying_index")


class _DeribitFile(Importer):
    """Chains in the rows of one or several book summaries."""

    venue = "deribit"
    market = "crypto"

    def parse(self, payload: RawPayload, calendar: TradingCalendar, part: int = 0, parts: int = 1) -> Iterator[ParsedChain]:
        rows, places = self.rows(payload)
        named = [_book_and_base(row) for row in rows]
        known = [one for one in named if one is not None]
        if not known:
            raise FileError("no row names a contract (such as ETH-26JAN24-1200-P). Save the reply of get_book_summary_by_currency")
        first_book = known[0][0]
        for book in dict.fromkeys(book for book, _ in known):
            # a row that names nobody belongs to the first book, so that it is refused somewhere
            own = [place for place, name in enumerate(named) if (name[0] if name else first_book) == book]
            source = _SavedSummary([rows[place] for place in own], book)
            line = pl.Series([places[place] for place in own], dtype=pl.Int64)
            for underlying in dict.fromkeys(base for one, base in known if one == book):
                chain = source.parse([payload], underlying, calendar)
                sizes = {} if book != LINEAR_BOOK else {"multiplier": pl.lit(LINEAR_SIZES.get(underlying, 1.0))}
                yield replace(
                    chain,
                    quotes=chain.quotes.with_columns(line.gather(chain.quotes["row_number"]).alias("row_number"), **sizes),
                    rejected=chain.rejected.with_columns(line.gather(chain.rejected["row_number"]).alias("row_number")),
                    warnings=tuple(note for note in chain.warnings if "no contract_size" not in note),
                )

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


class _SavedSummary(Deribit):
    """The source, for rows of one book that a file holds: nothing lists the instruments, and the rows themselves tell the index."""

    def __init__(self, rows: Sequence[Any], book: str) -> None:
        super().__init__(DeribitSettings())
        self._rows, self._book = rows, book

    def books(self, underlying: str) -> list[Book]:
        """The one book of these rows."""
        return [Book(self.name, self._book)]

    def newest(self, payloads: Sequence[RawPayload], *requests: tuple[str, str]) -> tuple[RawPayload, Any]:
        """The file, with what it says of a request."""
        name = requests[0][1]
        return payloads[0], [] if name == INSTRUMENTS else self._rows if name == SUMMARY else self._index(name.removeprefix(INDEX))

    def sent_at(self, payload: RawPayload) -> datetime:
        """A file was not sent: its rows must tell."""
        raise FileError(f"no row of book {self._book} says when it was made ({INSTANT}). Save the whole reply")

    def _index(self, name: str) -> float | None:
        base = name.partition("_")[0].upper()
        own = [row for row in self._rows if (named := _book_and_base(row)) and named[1] == base]
        prices = [price for row in own if (price := number_in(row.get(PRICE))) is not None and price > 0]
        return median_high(prices) if prices else None


def _book_and_base(row: Any) -> tuple[str, str] | None:
    """Book and underlying of a row, by its name."""
    name = row.get(KEY) if isinstance(row, dict) else None
    found = re.match(NAME, name) if isinstance(name, str) else None
    return (LINEAR_BOOK if found["quote"] else found["base"], found["base"]) if found else None
