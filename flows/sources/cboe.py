"""Cboe delayed quotes: whole chains of US equities and indices, one request per underlying, 15 minutes late.

What to know: open interest is the previous close's, in contracts of 100 shares; zeros mean missing, but in open interest, volume and
the greeks that may be zero; `timestamp` is UTC and `last_trade_time` New York, both without a zone; `current_price` of a stock moves
after hours while `close` does not; expired series stay listed; a file may be a session old; indices take a leading underscore; an
unknown symbol is a 403 with an XML body, a 403 with a web page is the content network's block. SPX and SPXW share dates, strikes and
types. The feed is keyless and unofficial, and its layout has changed before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import polars as pl

from flows.sources.parsing.columns import Columns, field_names, missing_when_zero, price_in, quotes_table, rejected_table
from flows.sources.parsing.plain_rows import PlainRows, plain_document
from flows.sources.source import Probe, Source, read_json, refusal_by_status, unexpected
from models.chain import Book, ParsedChain, RawPayload
from models.errors import UnknownSymbol, UsageError, VenueBusy
from models.market.calendar import NEW_YORK, TradingCalendar, new_york_date
from models.market.roots import AM_SETTLED_ROOTS, INDEX_UNDERLYINGS, exercise_of, is_adjusted

if TYPE_CHECKING:
    from flows.sources.http import VenueClient

PATH = "/api/global/delayed_quotes/options/{symbol}.json"
# root, expiry, type, strike × 1000; roots may hold digits (adjusted contracts) and end in C or P (SPXC): the right end is fixed
OSI_NAME = r"^[A-Z][A-Z0-9.]{0,5}\s*[0-9]{6}[CP][0-9]{8}$"
SHARES_PER_CONTRACT = 100.0
FIRST_YEAR, LAST_YEAR = 2000, 2100  # a time outside is a mistake
CHAIN, UNDERSCORED = "chain", "chain-underscored"
NUMBERS = field_names(
    "bid bid_size ask ask_size iv open_interest volume delta gamma vega theta rho theo change open high low last_trade_price "
    "percent_change prev_day_close"
)
FIELDS: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(("option", "tick", "last_trade_time"), pl.String),
    **dict.fromkeys(sorted(NUMBERS), pl.Float64),
}


class Cboe(Source):
    """Option chains of the Cboe delayed-quotes feed."""

    name = "cboe"
    market = "us"
    # Nothing but whole chains: what Cboe says of a symbol that no exchange lists is short and its own.
    probe = Probe("chain", "/api/global/delayed_quotes/options/STRIKEHOUSEDOCTOR.json")

    def books(self, underlying: str) -> list[Book]:
        return [Book(self.name, underlying)]

    def fetch(self, http: VenueClient, book: Book) -> list[RawPayload]:
        symbol = quote(file_symbol(book.name), safe="")
        underscored = f"_{symbol}"

        def ask(name: str, listed_as: str) -> RawPayload:
            return http.get(book.name, name, PATH.format(symbol=listed_as), judge=self.judge)

        if book.name in INDEX_UNDERLYINGS:
            return [ask(CHAIN, underscored)]
        try:
            return [ask(CHAIN, symbol)]
        except UnknownSymbol:  # perhaps an index that we do not know as one
            return [ask(UNDERSCORED, underscored)]

    def read(self, payload: RawPayload) -> Any:
        """The whole document; its options are `PlainRows` where they are plain."""
        if payload.status == 403 and b"<Error>" in payload.body[:500]:
            raise UnknownSymbol(self.name, f"lists no options on {payload.book}. Check the symbol (SPXW is part of SPX)")
        if payload.status == 403:
            raise VenueBusy(self.name, f"its content network blocks the request for {payload.book} (HTTP 403). Ask less often, try later")
        refusal = refusal_by_status(payload)
        if refusal:
            raise refusal
        document = plain_document(payload.body, ("data", "options"), FIELDS) or read_json(payload)
        data = document.get("data") if isinstance(document, dict) else None
        if not isinstance(data, dict) or not isinstance(data.get("options"), list | PlainRows):
            raise unexpected(payload, "data.options is missing")
        if _time(document.get("timestamp"), UTC) is None:
            raise unexpected(payload, f"timestamp is no time: {document.get('timestamp')!r}")
        return document

    def parse(self, payloads: Sequence[RawPayload], underlying: str, calendar: TradingCalendar) -> ParsedChain:
        payload, document = self.newest(payloads, (underlying, CHAIN), (underlying, UNDERSCORED))
        stamp, data = _time(document["timestamp"], UTC), document["data"]
        assert stamp is not None  # `read` has looked
        instant = stamp.astimezone(UTC)

        columns = Columns(payload, data["options"], key="option", documented=frozenset(FIELDS))
        if "option" in columns.gone_fields:
            raise unexpected(payload, "no row has the field option")
        quotes = _quotes(columns, underlying, calendar)

        notes: list[str] = []
        current, close, previous = (price_in(data, field, notes) for field in ("current_price", "close", "prev_day_close"))
        wanted, other = ("current_price", "close") if calendar.is_open(instant) else ("close", "current_price")
        prices = {"current_price": current, "close": close}
        if prices[wanted] is None and prices[other] is not None:
            notes.append(f"{wanted} is missing, so spot is {other}")
            wanted = other
        try:
            session_date = _session_date(data.get("last_trade_time"), instant, calendar, notes)
        except UsageError as error:
            raise unexpected(payload, f"its times are impossible ({error})") from error
        return ParsedChain(
            underlying=underlying,
            venue=self.name,
            market=self.market,
            venue_instant=instant,
            received_at=payload.received_at,
            session_date=session_date,
            spot=prices[wanted],
            spot_source=wanted if prices[wanted] is not None else None,
            spot_current=current,
            spot_close=close,
            prev_day_close=previous,
            quotes=quotes,
            rejected=rejected_table([columns.rejected()]),
            warnings=(*columns.warnings, *notes),
            unknown_fields=columns.unknown_fields,
        )


def file_symbol(underlying: str) -> str:
    """The symbol as the feed's file names and option roots spell it: BRK.B is BRKB."""
    return underlying.replace(".", "")


def osi_terms(names: pl.Series) -> pl.DataFrame:
    """Columns root, expiry, option_type, strike of OSI names; all null where a name is none, expiry also where it is no day."""
    name = pl.col("name").str
    is_osi = name.contains(OSI_NAME)
    parts = (
        names.alias("name")
        .to_frame()
        .select(pl.when(is_osi).then("name"))
        .select(
            root=name.head(-15).str.strip_chars_end(),
            expiry=("20" + name.slice(-15, 6)).str.to_date("%Y%m%d", strict=False),
            option_type=name.slice(-9, 1),
            strike=name.tail(8).cast(pl.Float64),
        )
    )
    # divided in numpy: polars multiplies by 0.001, which makes 2.8000000000000003 of 2800
    return parts.with_columns(pl.Series("strike", parts["strike"].to_numpy() / 1000).fill_nan(None))


def _quotes(columns: Columns, underlying: str, calendar: TradingCalendar) -> pl.DataFrame:
    """The rows as `ParsedQuotes`; refuses what has no readable name and what comes twice."""
    names = osi_terms(columns.names)
    columns.refuse_rows(names["root"].is_null().arg_true(), "bad_name", "option")
    columns.refuse_rows(names["expiry"].is_null().arg_true(), "bad_expiry", "option")
    columns.refuse_rows((names["strike"] == 0).arg_true(), "bad_strike", "option")

    unsigned, signed = ("bid", "ask", "theo", "iv", "gamma", "vega"), ("delta", "theta")
    columns.read_ahead(["open_interest", "volume", *unsigned, *signed])
    lot = pl.repeat(1.0, columns.height, dtype=pl.Float64, eager=True)
    contracts = columns.lots(columns.number("open_interest", is_essential=True), lot)
    volume = columns.lots(columns.number("volume"), lot)
    numbers = [columns.number(field) for field in unsigned] + [columns.number(field, is_signed=True) for field in signed]
    columns.refuse_duplicates()

    standard = [root for root in names["root"].unique() if root and not is_adjusted(root, file_symbol(underlying))]
    columns.note(0 if standard else columns.height, "rows, and none has a root of the underlying, so all are adjusted contracts")
    contract = columns.table(numbers).with_columns(
        *missing_when_zero("bid", "ask", "theo", "iv", "gamma"),
        *names,
        book=pl.lit(underlying),
        expires_at=calendar.settlement_instants(names["expiry"], names["root"].is_in(AM_SETTLED_ROOTS)),
        is_adjusted=~names["root"].is_in(standard),
        exercise=pl.lit(exercise_of(underlying)),
        multiplier=pl.lit(SHARES_PER_CONTRACT),
        oi_base=contracts * SHARES_PER_CONTRACT,
        volume_base=volume * SHARES_PER_CONTRACT,
        venue_forward=pl.lit(None, dtype=pl.Float64),
    )
    renamed = contract.rename({"theo": "mark", **{field: f"venue_{field}" for field in ("iv", "delta", "gamma", "vega", "theta")}})
    return quotes_table([columns.accepted(renamed)])


def _session_date(last_trade: Any, instant: datetime, calendar: TradingCalendar, notes: list[str]) -> date:
    """The session that the quotes belong to: the New York date of the underlying's last trade (definitions §1).

    A date without a session stands for the session before it; without a last trade it is the last session open for 15 minutes.
    """
    traded_at = _time(last_trade, NEW_YORK)
    if traded_at is None:
        notes.append(f"last_trade_time of the underlying is {last_trade!r}, so the session follows from the timestamp")
        return calendar.last_session_open_for(instant)
    day = new_york_date(traded_at)
    return day if calendar.close_of(day) else calendar.last_session_before(day)


def _time(text: Any, zone: tzinfo) -> datetime | None:
    """An aware time from text, which is in the zone unless it names its own; None when it is no time."""
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    if not FIRST_YEAR <= at.year < LAST_YEAR:
        return None
    return at if at.tzinfo else at.replace(tzinfo=zone)
