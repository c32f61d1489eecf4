"""Deribit options: BTC and ETH in coin (inverse), SOL, XRP, HYPE and more in USDC (linear). Four kinds of request per book.

What to know: every linear option lives in the one USDC book, BTC_USDC and ETH_USDC too (`currency=SOL` comes back empty); open interest
and volume are in coins and are never multiplied by `contract_size`; inverse prices are in coin and become USD by the row's own
`underlying_price`, the forward of that expiry, which may differ even within one expiry; linear prices are USDC per coin; `mark_iv` is
percent; a missing quote is null; the book summary has no greeks; days in names have one digit when they can and decimal strikes
use `d` for the point (`XRP_USDC-4SEP26-1d25-C`); the two replies list contracts in different orders and need not agree on which exist.
Delivery prices of past days come by index and date; a chain is whole without them, so what is wrong with them is a warning.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from flows.sources.deribit_delivery import DELIVERY, DeliveryReplies, delivery_query
from flows.sources.parsing.columns import (
    FIRST_MS,
    LAST_MS,
    QUOTES_NONE,
    Columns,
    field_names,
    missing_when_zero,
    price_in,
    quotes_table,
    rejected_table,
)
from flows.sources.source import Probe, Source, read_envelope, read_json, refusal_by_status, unexpected
from models.chain import Book, ParsedChain, RawPayload
from models.errors import UnknownSymbol, VenueBusy, VenueError, VenueRefused
from models.market.calendar import TradingCalendar

if TYPE_CHECKING:
    from flows.sources.http import VenueClient

API = "/api/v2/public"
INVERSE_BOOKS = ("BTC", "ETH")
LINEAR_BOOK = "USDC"
INSTRUMENTS, SUMMARY, INDEX = "instruments", "book-summary", "index-"
# too many requests, matching engine timeouts and overload, settlement in progress, too many at once, maintenance
HEALING_CODES = (10028, 10040, 10041, 10047, 10066, 11051, 11094, 13028, 13888)
SETTLES_AT = time(8)  # UTC, no holiday shift
KEY = "instrument_name"
ORIGIN = ("row", "payload_sha256", "row_number")
INDEX_NAME = re.compile(r"[a-z0-9]+_[a-z0-9]+")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAME = (
    r"^(?P<base>[A-Z0-9]+)(?:_(?P<quote>USDC|USDT))?-(?P<d>[0-9]{1,2})(?P<mon>[A-Z]{3})(?P<yy>[0-9]{2})"
    r"-(?P<k>[0-9]{1,12}(?:[dD][0-9]{1,12})?)-(?P<cp>[CP])$"
)
INSTRUMENT_FIELDS = field_names(
    "instrument_name kind state is_active option_type strike expiration_timestamp instrument_type contract_size min_trade_amount lot_size "
    "tick_size tick_size_steps base_currency quote_currency counter_currency settlement_currency settlement_period price_index "
    "underlying_type product_group creation_timestamp instrument_id maker_commission taker_commission block_trade_commission "
    "block_trade_min_trade_amount block_trade_tick_size"
)
SUMMARY_FIELDS = field_names(
    "instrument_name base_currency quote_currency bid_price ask_price mid_price last high low price_change mark_price mark_iv "
    "interest_rate open_interest volume volume_usd volume_notional underlying_price underlying_index estimated_delivery_price "
    "creation_timestamp"
)


class Deribit(Source):
    """Option chains of Deribit's public API v2."""

    name = "deribit"
    market = "crypto"
    probe = Probe("index-btc_usd", "/api/v2/public/get_index_price", {"index_name": "btc_usd"})

    def books(self, underlying: str) -> list[Book]:
        return [Book(self.name, name) for name in (*(book for book in INVERSE_BOOKS if book == underlying), LINEAR_BOOK)]

    def fetch(self, http: VenueClient, book: Book) -> list[RawPayload]:
        parameters = {"currency": book.name, "kind": "option"}
        instruments = http.get(
            book.name,
            INSTRUMENTS,
            f"{API}/get_instruments",
            parameters | {"expired": "false"},
            judge=self.judge,
            pace="instruments_per_second",
        )
        summary = http.get(book.name, SUMMARY, f"{API}/get_book_summary_by_currency", parameters, judge=self.judge)
        payloads = [instruments, summary]
        indexes = _indexes([*self.read(instruments), *self.read(summary)], book.name)
        for index in indexes:
            try:
                payloads.append(http.get(book.name, f"{INDEX}{index}", f"{API}/get_index_price", {"index_name": index}, judge=self.judge))
            except VenueRefused:  # of one underlying of the book; `parse` says so, to that one alone
                continue
        for index in indexes:  # last, when the chain is there
            try:
                payloads.append(
                    http.get(book.name, f"{DELIVERY}{index}", f"{API}/get_delivery_prices", delivery_query(index), judge=self.judge)
                )
            except VenueError:  # `parse` warns that they are missing; raw/ has the reply, and a rest that is asked for is kept
                continue
        return payloads

    def read(self, payload: RawPayload) -> Any:
        """The `result` of a JSON-RPC reply: a list of rows, also of delivery prices, or the price of an index."""
        document = read_envelope(payload)
        refused = document.get("error") if isinstance(document, dict) else None
        if isinstance(refused, dict):
            says = f"code {refused.get('code')}, {refused.get('message')}"
            if refused.get("code") in HEALING_CODES:
                raise VenueBusy(self.name, f"{says}, for `{payload.name}` of book {payload.book}. Try later")
            data = refused.get("data")
            says += f", parameter {data['param']}" if isinstance(data, dict) and "param" in data else ""
            raise refusal_by_status(payload, says) or VenueRefused(self.name, f"{says}, for `{payload.name}` of book {payload.book}")
        refusal = refusal_by_status(payload)
        if refusal:
            raise refusal
        result = document.get("result") if isinstance(document, dict) else None
        if payload.name.startswith(DELIVERY):
            result = result.get("data") if isinstance(result, dict) else None
        if not isinstance(result, dict if payload.name.startswith(INDEX) else list):
            raise unexpected(payload, "result is missing, or of another type")
        if isinstance(result, dict):
            price = price_in(result, "index_price", [])
            if price is None:
                raise unexpected(payload, "index_price is no price")
            return price
        return result

    def parse(self, payloads: Sequence[RawPayload], underlying: str, calendar: TradingCalendar) -> ParsedChain:
        shares = [self._share(payloads, book.name, underlying) for book in self.books(underlying)]
        prices = [(share.book, f"{INDEX}{index}") for share in shares for index in share.indexes]
        if not prices and underlying not in INVERSE_BOOKS:  # an inverse book exists even while it is empty
            raise UnknownSymbol(self.name, f"lists no options on {underlying}. Check the symbol, or leave this venue out for it")
        spot, used = None, [part.payload for share in shares for part in share.columns]
        if prices:
            reply, spot = self.newest(payloads, *prices)
            used.append(reply)

        notes = [note for share in shares for part in share.columns for note in part.warnings]
        instants = [instant for share in shares if (instant := share.quoted_at) is not None]
        delivered = self.delivered(payloads, underlying, [(share.book, index) for share in shares for index in share.indexes])
        notes += delivered.notes
        if not instants:
            notes.append("no row says when it was made, so the time of the reply counts")
            instants = [self.sent_at(share.columns[-1].payload) for share in shares]
        unknown: Counter[str] = Counter()
        for share in shares:
            for part in share.columns:
                unknown.update(part.unknown_fields)
        return ParsedChain(
            underlying=underlying,
            venue=self.name,
            market=self.market,
            venue_instant=max(instants),
            received_at=max(payload.received_at for payload in used),
            session_date=None,
            spot=spot,
            spot_source="index" if spot is not None else None,
            spot_current=None,
            spot_close=None,
            prev_day_close=None,
            quotes=quotes_table([share.quotes for share in shares]),
            rejected=rejected_table([*(part.rejected() for share in shares for part in share.columns), *delivered.refused]),
            warnings=tuple(notes),
            unknown_fields=dict(sorted(unknown.items())),
            settlements=delivered.prices,
        )

    def delivered(self, payloads: Sequence[RawPayload], underlying: str, indexes: Sequence[tuple[str, str]]) -> DeliveryReplies:
        """What the replies say of past settlements, by each (book, index) of an underlying."""
        replies = DeliveryReplies()
        for book, index in indexes:
            try:
                replies.add(*self.newest(payloads, (book, f"{DELIVERY}{index}")), underlying, index)
            except VenueError:
                replies.notes.append(f"no delivery prices of {index} came with the chain")
        return replies

    def sent_at(self, payload: RawPayload) -> datetime:
        """When the venue sent a reply, by its own clock (`usOut`, microseconds)."""
        sent = read_json(payload).get("usOut")
        is_time = isinstance(sent, int) and FIRST_MS <= sent // 1000 <= LAST_MS
        return EPOCH + timedelta(microseconds=sent) if is_time else payload.received_at

    def _share(self, payloads: Sequence[RawPayload], book: str, underlying: str) -> _Share:
        """What a book holds of one underlying."""
        parts: list[Columns] = []
        own: list[Any] = []
        for name, documented in ((INSTRUMENTS, INSTRUMENT_FIELDS), (SUMMARY, SUMMARY_FIELDS)):
            payload, rows = self.newest(payloads, (book, name))
            bases = [_base_of(row, book) for row in rows]
            own += [row for row, base in zip(rows, bases, strict=True) if base == underlying]
            # A row that names nobody is everybody's: it must be refused somewhere.
            row_numbers = [number for number, base in enumerate(bases) if base in (underlying, None)]
            part = Columns(payload, [rows[number] for number in row_numbers], key=KEY, documented=documented, row_numbers=row_numbers)
            if KEY in part.gone_fields:
                raise unexpected(payload, f"no row has the field {KEY}")
            parts.append(part)
        listed, quoted = parts
        made_at = quoted.instant_ms("creation_timestamp")
        quotes = _quotes(listed, quoted, book)
        newest_row = quoted.accepted(quoted.table([made_at]))["creation_timestamp"].max()
        quoted_at = newest_row.replace(tzinfo=UTC) if isinstance(newest_row, datetime) else None
        return _Share(book, (listed, quoted), quotes, quoted_at, _indexes(own, book))


@dataclass(frozen=True)
class _Share:
    """What one book holds of one underlying."""

    book: str
    columns: tuple[Columns, Columns]  # of the instruments, of the summary
    quotes: pl.DataFrame
    quoted_at: datetime | None  # instant of the newest summary row
    indexes: list[str]  # names of its price index; none when nothing is listed


def _quotes(listed: Columns, quoted: Columns, book: str) -> pl.DataFrame:
    """Contracts as `ParsedQuotes`: the summary's rows in its order, then those that only the instruments list, without quotes."""
    terms = listed.table(
        [
            *(listed.text(field) for field in ("option_type", "instrument_type")),
            *(listed.number(field) for field in ("strike", "contract_size", "min_trade_amount")),
            listed.instant_ms("expiration_timestamp"),
        ]
    )
    listed.refuse_duplicates()
    summary = quoted.table(
        [
            quoted.number("open_interest", is_essential=True),
            *(quoted.number(field) for field in ("volume", "bid_price", "ask_price", "mark_price", "mark_iv", "underlying_price")),
        ]
    )
    # A contract that only the summary has is read from its name; on the instruments' rows the summary's columns stay NULL.
    priced = summary.join(listed.accepted(terms).drop(ORIGIN), on="instrument", how="left", maintain_order="left")
    unpriced = listed.accepted(terms).join(summary, on="instrument", how="anti", maintain_order="left")
    if priced.is_empty() and unpriced.is_empty():  # the linear book of many an underlying
        return QUOTES_NONE
    contracts = _with_terms(priced, quoted)
    if unpriced.height:
        contracts = pl.concat([contracts, _with_terms(unpriced, listed)], how="diagonal")
    contracts = contracts.with_columns(
        # One book lists one kind of contract per underlying, so a missing size is that of its neighbours.
        pl.col("contract_size").fill_null(pl.col("contract_size").max()),
        pl.col("min_trade_amount").fill_null(pl.col("min_trade_amount").min()),
        *missing_when_zero("bid_price", "ask_price", "mark_iv", "underlying_price"),
        is_inverse=_is_inverse(),
    )
    has_price = pl.any_horizontal(pl.col("bid_price", "ask_price", "mark_price").is_not_null())
    without_forward = contracts.select((pl.col("is_inverse") & has_price & pl.col("underlying_price").is_null()).sum()).item()
    quoted.note(without_forward, "contracts have premiums in coin but no underlying_price, so none in USD")
    quoted.note(contracts["contract_size"].null_count(), "contracts have no contract_size; 1 is assumed")

    usd = pl.when("is_inverse").then("underlying_price").otherwise(1.0)  # per unit of a premium
    return contracts.select(
        "instrument", "option_type", "strike", "expires_at", "payload_sha256", "row_number",
        quoted.lots(contracts["open_interest"], contracts["min_trade_amount"]).alias("oi_base"),
        quoted.lots(contracts["volume"], contracts["min_trade_amount"]).alias("volume_base"),
        root=pl.lit(book),
        book=pl.lit(book),
        expiry=pl.col("expires_at").dt.date(),
        is_adjusted=False,
        exercise=pl.lit("european"),
        multiplier=pl.col("contract_size").fill_null(1.0),
        bid=pl.col("bid_price") * usd,
        ask=pl.col("ask_price") * usd,
        mark=pl.col("mark_price") * usd,
        venue_iv=(pl.col("mark_iv") / 100).round(12),  # 32.69 is 0.3269, not 0.32689999999999997
        venue_forward="underlying_price",
        **dict.fromkeys(("venue_delta", "venue_gamma", "venue_vega", "venue_theta"), pl.lit(None, dtype=pl.Float64)),
    )  # fmt: skip


def _with_terms(contracts: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """Contracts with option_type, strike and expires_at; refuses those that neither fields nor name tell, and those that come twice."""
    terms = ("option_type", "strike", "expires_at")
    filled = contracts.with_columns(
        *missing_when_zero("strike", "contract_size", "min_trade_amount"),
        option_type=pl.col("option_type").replace_strict({"call": "C", "put": "P"}, default=None, return_dtype=pl.String),
        expires_at="expiration_timestamp",
    )
    if any(filled[term].null_count() for term in terms):
        is_to_be_read = pl.any_horizontal(pl.col(terms).is_null())
        name = pl.when(is_to_be_read).then("instrument").str.extract_groups(NAME).struct
        day = (name.field("d").str.zfill(2) + name.field("mon") + "20" + name.field("yy")).str.to_date("%d%b%Y", strict=False)
        filled = filled.with_columns(
            pl.coalesce("option_type", name.field("cp")),
            pl.coalesce("strike", name.field("k").str.replace("(?i)d", ".").cast(pl.Float64)),
            pl.coalesce("expires_at", day.dt.combine(SETTLES_AT)),
        )
        columns.refuse_rows(filled.filter(pl.any_horizontal(pl.col(terms).is_null()))["row"], "bad_name", KEY)
    columns.refuse_duplicates()
    return columns.accepted(filled)


def _is_inverse() -> pl.Expr:
    """Premiums are in coin: the instruments say `reversed`; without them the name has no quote currency."""
    return pl.coalesce(pl.col("instrument_type") == "reversed", ~pl.col("instrument").str.contains("_", literal=True))


def _base_of(row: Any, book: str) -> str | None:
    """The underlying of a row, by its book or name; None when it names none."""
    if book in INVERSE_BOOKS:
        return book
    fields = row if isinstance(row, dict) else {}
    name, base = fields.get(KEY), fields.get("base_currency")
    if isinstance(name, str) and f"_{LINEAR_BOOK}-" in name:
        return name.partition("_")[0]
    return base if isinstance(base, str) else None


def _indexes(rows: Iterable[Any], book: str) -> list[str]:
    """Names of the price indexes of a book's rows: those that the instruments name, else the usual one of the underlying."""
    named: dict[str, set[str]] = {}
    for base, index in {(_base_of(row, book), _index_of(row)) for row in rows}:
        if base is not None:
            named.setdefault(base, set()).update([index] if index is not None and INDEX_NAME.fullmatch(index) else [])
    currency = "usd" if book in INVERSE_BOOKS else "usdc"
    return sorted({index for base, known in named.items() for index in known or {f"{base.lower()}_{currency}"}})


def _index_of(row: Any) -> str | None:
    """The price index that a row names."""
    index = row.get("price_index") if isinstance(row, dict) else None
    return index if isinstance(index, str) else None
