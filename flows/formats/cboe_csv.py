"""Cboe `quotedata.csv` downloads: one row per strike, the call on the left, the put on the right, one file per symbol and download.

What to know: the `Date:` line is the time of the download, not of the data, and is spelled in many ways; `Last:` is the spot, also after
hours; open interest is the previous close's; the file names no symbol, only the roots of its contracts do; large numbers carry thousands
commas; zeros mean missing, but in open interest, volume and delta; Friday's expiries are still listed in a weekend's download; the page's
near-the-money choice gives a valid file of a few strikes (`incomplete_reason`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import polars as pl

from flows.formats.cboe_date import download_instant
from flows.formats.completeness import incomplete_reason
from flows.formats.importer import Importer
from flows.formats.osi import settled_by_root, underlying_of, us_terms
from flows.formats.table import EXTRA, FileTable, read_csv
from flows.sources.cboe import SHARES_PER_CONTRACT, osi_terms
from flows.sources.parsing.columns import quotes_table
from models.chain import ParsedChain, RawPayload
from models.errors import FileError
from models.market.calendar import TradingCalendar

HEADER_WITHIN = 12  # lines: a blank one, the name, the date, the columns
NAME, STRIKE = "Calls, Puts", "Strike"
FIELDS = {
    "calls": NAME, "puts": NAME, "bid": "Bid", "ask": "Ask", "volume": "Volume", "vol": "Volume", "iv": "IV", "delta": "Delta",
    "gamma": "Gamma", "open interest": "Open Interest", "open int": "Open Interest",
}  # fmt: skip
UNUSED = {"expiration date", "strike", "last sale", "net"}
LAST = re.compile(r"Last:\s*\$?\s*(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)\s*(?=\"|$|,\s*[^\d\s])")
DATE = re.compile(r"Date:\s*(.*?)\s*(?:\"|,\s*Bid:|$)")


class CboeCsv(Importer):
    """Chains as the Cboe quote page offers them for download."""

    format = "cboe-csv"
    suffixes = (".csv",)
    venue = "cboe"
    market = "us"

    def parse(self, payload: RawPayload, calendar: TradingCalendar, part: int = 0, parts: int = 1) -> Iterator[ParsedChain]:
        head = payload.body[:8192].removeprefix(b"\xef\xbb\xbf").decode(errors="replace").split("\n")[:HEADER_WITHIN]
        first_row, header = _header(head)
        date_line = _first_match(DATE, head[:first_row], "Date:")
        instant, notes = download_instant(date_line)
        last = _first_match(LAST, head[:first_row], "Last:").replace(",", "")
        spot = float(last) or None
        table = FileTable(payload, _contracts(read_csv(payload.body, header, first_row=first_row), header), key=NAME)
        terms = osi_terms(table.names)
        underlying = underlying_of(terms["root"])
        if underlying is None:
            raise FileError("no row names a contract (such as SPY260320C00600000). Download it again")
        quotes = _quotes(table, terms, underlying, calendar)
        yield self.chain(
            payload,
            underlying,
            instant,
            spot=spot,
            spot_source="last",
            quotes=quotes,
            tables=[table],
            session_date=calendar.last_session_open_for(instant),
            notes=notes,
            incomplete_reason=incomplete_reason(quotes, instant, spot),
            unknown_fields={name for name in header if name and name.lower() not in FIELDS.keys() | UNUSED},
        )


def _header(head: Sequence[str]) -> tuple[int, list[str]]:
    """How many lines stand before the first row, and the cells of the last of them."""
    for number, line in enumerate(head):
        cells = [cell.strip().strip('"').strip() for cell in line.split(",")]
        lower = [cell.lower() for cell in cells]
        if {"calls", "strike", "puts", "expiration date"} <= set(lower):
            while not cells[-1]:
                cells.pop()
            return number + 1, cells
    if head and head[0].lstrip().startswith("<"):
        raise FileError("it is a web page. Download the data with the page's button, not the page")
    raise FileError("it is no Cboe quotedata download: no line has the columns Expiration Date, Calls, Strike, Puts")


def _first_match(pattern: re.Pattern[str], head: Sequence[str], what: str) -> str:
    for line in head:
        match = pattern.search(line)
        if match:
            return match[1]
    raise FileError(f"the lines above its table have no readable `{what}`. Download it again")


def _contracts(cells: pl.DataFrame, header: Sequence[str]) -> pl.DataFrame:
    """Cells of the file as one row per contract, under the names of `FIELDS`: of each line the call, then the put."""
    columns = cells.columns[1 : 1 + len(header)]
    middle = [name.lower() for name in header].index("strike")
    sides = []
    for kind, own in (("C", columns[1:middle]), ("P", columns[middle + 1 :])):
        named = {name: FIELDS[field] for name in own if (field := name.split("#")[0].lower()) in FIELDS}
        sides.append(
            cells.select(
                "row_number",
                EXTRA,
                pl.col(columns[middle]).alias(STRIKE),
                *(pl.col(name).alias(to) for name, to in named.items()),
                side=pl.lit(kind),
            )
        )
    return pl.concat(sides, how="diagonal").sort("row_number", maintain_order=True)


def _quotes(table: FileTable, terms: pl.DataFrame, underlying: str, calendar: TradingCalendar) -> pl.DataFrame:
    """The contracts as `ParsedQuotes`; refuses what has no readable name, what its line contradicts, and what comes twice."""
    table.refuse_rows(terms["root"].is_null(), "bad_name")
    table.refuse_rows(terms["expiry"].is_null(), "bad_expiry")
    table.refuse_rows(terms["strike"] == 0, "bad_strike")
    strike = table.number(STRIKE)
    is_other = (terms["option_type"] != table.rows["side"]) | ((strike - terms["strike"]).abs() > 1e-6)
    table.refuse_rows(is_other.fill_null(False), "contradicts_its_line")
    contracts = table.lots(table.number("Open Interest", is_required=True), 1.0)
    volume = table.lots(table.number("Volume"), 1.0)
    table.refuse_duplicates()
    columns = terms.with_columns(
        **us_terms(terms["root"], underlying),
        expires_at=settled_by_root(terms["root"], terms["expiry"], calendar),
        multiplier=SHARES_PER_CONTRACT,
        oi_base=contracts * SHARES_PER_CONTRACT,
        volume_base=volume * SHARES_PER_CONTRACT,
        bid=table.number("Bid", zero_is_missing=True),
        ask=table.number("Ask", zero_is_missing=True),
        venue_iv=table.number("IV", zero_is_missing=True),
        venue_delta=table.number("Delta", is_signed=True),
        venue_gamma=table.number("Gamma", zero_is_missing=True),
        **dict.fromkeys(("mark", "venue_vega", "venue_theta", "venue_forward"), table.nothing()),
    )
    return quotes_table([table.quotes(columns)])
