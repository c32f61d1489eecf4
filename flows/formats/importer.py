"""What an importer is: it says which chains a file holds. Pure, like the `parse` of a source."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import ClassVar, Literal

import polars as pl

from flows.formats.table import FileTable
from flows.sources.parsing.columns import rejected_table
from models.chain import ParsedChain, ParsedSettlements, RawPayload
from models.market.calendar import FIRST_DAY, LAST_DAY, TradingCalendar

# What a file may hold: the calendar must also know the sessions around.
EARLIEST, LATEST = FIRST_DAY + timedelta(days=14), LAST_DAY - timedelta(days=14)


class Importer(ABC):
    """One format. A new one is one file with a subclass and one line in the registry."""

    format: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]  # of the files that are taken from a folder, without .gz and .zip
    venue: str
    market: Literal["us", "crypto"]

    @abstractmethod
    def parse(self, payload: RawPayload, calendar: TradingCalendar, part: int = 0, parts: int = 1) -> Iterator[ParsedChain]:
        """The chains of a file, or of one of its parts: one per underlying and instant. Raises `FileError` or `VenueError`."""

    def settlements(self, payload: RawPayload) -> pl.DataFrame:
        """The settlement prices of a file (`ParsedSettlements`), where it holds such. Raises `FileError`."""
        return ParsedSettlements.create_empty()

    def parts(self, payload: RawPayload) -> int:
        """In how many parts the file is read, so that memory stays bounded; told without parsing it."""
        return 1

    def chain(
        self,
        payload: RawPayload,
        underlying: str,
        instant: datetime,
        *,
        spot: float | None,
        spot_source: str,
        quotes: pl.DataFrame,
        tables: Sequence[FileTable],
        session_date: date | None = None,
        notes: Sequence[str] = (),
        incomplete_reason: str | None = None,
        unknown_fields: Iterable[str] = (),
    ) -> ParsedChain:
        """A chain of this file; `tables` are what its rows were read from."""
        unfinished = () if incomplete_reason is None else (f"incomplete: {incomplete_reason}",)
        return ParsedChain(
            underlying=underlying,
            venue=self.venue,
            market=self.market,
            venue_instant=instant,
            received_at=payload.received_at,
            session_date=session_date,
            spot=spot,
            spot_source=spot_source if spot is not None else None,
            spot_current=spot if spot_source == "last" else None,
            spot_close=None,
            prev_day_close=None,
            quotes=quotes,
            rejected=rejected_table([table.rejected() for table in tables]),
            warnings=(*unfinished, *notes, *(note for table in tables for note in table.warnings)),
            unknown_fields=dict.fromkeys(sorted(unknown_fields), quotes.height),
            incomplete_reason=incomplete_reason,
        )
