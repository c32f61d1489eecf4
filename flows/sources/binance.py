"""Binance options (EAPI), all settled in USDT: marks and quotes come for all underlyings at once, open interest per expiry.

What to know: numbers are strings but for some integers, a missing price is "0" and a missing volatility -1; prices are per contract of
`unit` coins, strikes and index per coin; `sumOpenInterest` may count coins or contracts, which its value in USD over the index decides
(`oi_basis`); a contract that was just listed has no open interest yet, which is then unknown; there is no forward in any reply; vega is
per 1.00 in some rows and per 0.01 in others and theta cannot be told, so neither is taken; stock options may share the feed; the time of
the index is the venue's instant. Every reply counts a weight in a header, and an address that asks on at the limit is banned for days.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from flows.sources.parsing.columns import Columns, field_names, number_in, price_in, quotes_table
from flows.sources.parsing.contracts import SETTLES_AT, Stack, contracts, crypto_chain, instant_in, join_reply, own_rows
from flows.sources.source import Probe, Source, read_json, refusal_by_status, unexpected
from models.chain import Book, ParsedChain, RawPayload
from models.errors import UnknownSymbol, VenueBusy, VenueError, VenueRefused
from models.market.calendar import TradingCalendar
from warehouse.settings import BinanceSettings

if TYPE_CHECKING:
    from flows.sources.http import VenueClient

API = "/eapi/v1"
GLOBAL = "global"  # the replies that hold all underlyings; lower case, so that no underlying is called so
BOOK, CRYPTO = "USDT", "CRYPTO"
LISTING, MARK, TICKER, INDEX, OPEN_INTEREST = "exchange-info", "mark", "ticker", "index", "open-interest-"
WEIGHTS = {LISTING: 1, MARK: 5, INDEX: 1, OPEN_INTEREST: 0}  # of the ticker: `ticker_weight_all`
WEIGHT_HEADER = "x-mbx-used-weight-1m"
WEIGHT_LIMIT = 2400  # a minute; exchangeInfo's rateLimits may say otherwise
WEIGHT_SHARE = 0.9  # the rest is for others behind the same address
KEY = "symbol"
NAME = r"^(?P<base>[A-Z0-9]+)-(?P<ymd>[0-9]{6})-(?P<k>[0-9]{1,12}(?:\.[0-9]{1,12})?)-(?P<cp>[CP])$"
LOT = 0.01  # contracts and coins (definitions §2)
MAX_INDEX_MOVE = 0.01  # between two replies of one fetch, and between a count and its value
TOO_MANY_REQUESTS, OVERLOADED, INVALID_SYMBOL = -1003, -1008, -1121
REST = timedelta(minutes=10)  # after a ban that does not say how long, and after a block by the firewall
LISTING_FIELDS = field_names(
    "symbol side strikePrice underlying unit expiryDate minQty maxQty priceScale quantityScale quoteAsset contractType underlyingType "
    "nakedSell status filters liquidationFeeRate initialMargin maintenanceMargin minInitialMargin minMaintenanceMargin makerFeeRate "
    "takerFeeRate contractId id"
)
MARK_FIELDS = field_names("symbol markPrice bidIV askIV markIV delta theta gamma vega highPriceLimit lowPriceLimit riskFreeInterest")
TICKER_FIELDS = field_names(
    "symbol lastPrice lastQty priceChange priceChangePercent open high low volume amount bidPrice askPrice openTime closeTime firstTradeId "
    "tradeCount strikePrice exercisePrice"
)
OI_FIELDS = field_names("symbol sumOpenInterest sumOpenInterestUsd timestamp")


class Index(NamedTuple):
    """The index of an underlying."""

    price: float
    made_at: datetime | None


class Binance(Source):
    """Option chains of Binance's European options API."""

    name = "binance"
    market = "crypto"
    probe = Probe("index", "/eapi/v1/index", {"underlying": "BTCUSDT"})
    settings: BinanceSettings

    def books(self, underlying: str) -> list[Book]:
        return [Book(self.name, GLOBAL), Book(self.name, underlying)]

    def fetch(self, http: VenueClient, book: Book) -> list[RawPayload]:
        payloads: list[RawPayload] = []
        limit = WEIGHT_LIMIT

        def ask(name: str, path: str, weight: int, **params: str) -> Any:
            if payloads:
                _slow_down(http, payloads[-1], weight, limit)
            payloads.append(http.get(book.name, name, f"{API}/{path}", params, judge=self.judge))
            return self.read(payloads[-1])

        if book.name == GLOBAL:
            ask(MARK, "mark", WEIGHTS[MARK])
            ask(TICKER, "ticker", self.settings.ticker_weight_all)
            return payloads
        listing = ask(LISTING, "exchangeInfo", WEIGHTS[LISTING])
        limit = _weight_limit(listing)
        own = _symbols(listing, book.name)
        if not own and listing["optionSymbols"]:
            raise self._unknown(book.name)
        ask(INDEX, "index", WEIGHTS[INDEX], underlying=f"{book.name}USDT")
        for expiry in _expiries(own, listing):
            ask(f"{OPEN_INTEREST}{expiry}", "openInterest", WEIGHTS[OPEN_INTEREST], underlyingAsset=book.name, expiration=expiry)
        return payloads

    def read(self, payload: RawPayload) -> Any:
        """The document of exchangeInfo, the price and time of an index, the rows of any other reply."""
        try:
            document = read_json(payload)
        except VenueError as error:
            raise self._refusal(payload, None, "") or error from None
        code = document.get("code") if isinstance(document, dict) else None
        failure = self._refusal(payload, code, f"code {code}, {document.get('msg')}".rstrip(".") if code is not None else "")
        if failure:
            raise failure
        if payload.name == LISTING:
            rows = document.get("optionSymbols") if isinstance(document, dict) else None
            if not isinstance(rows, list):
                raise unexpected(payload, "optionSymbols is missing, or of another type")
            if rows and not any(isinstance(row, dict) and KEY in row for row in rows):
                raise unexpected(payload, f"no row has the field {KEY}")
            return document
        if payload.name == INDEX:
            fields = document if isinstance(document, dict) else {}
            price = price_in(fields, "indexPrice", [])
            if price is None:
                raise unexpected(payload, "indexPrice is no price")
            return Index(price, instant_in(fields.get("time")))
        if not isinstance(document, list):
            raise unexpected(payload, "the list of rows is missing")
        return document

    def parse(self, payloads: Sequence[RawPayload], underlying: str, calendar: TradingCalendar) -> ParsedChain:
        listing, document = self.newest(payloads, (underlying, LISTING))
        own = _symbols(document, underlying)
        if not own and document["optionSymbols"]:
            raise self._unknown(underlying)
        index_reply, index = self.newest(payloads, (underlying, INDEX))

        def part(book: str, name: str, fields: frozenset[str]) -> Columns:
            payload, rows = self.newest(payloads, (book, name))
            return own_rows(payload, rows, key=KEY, documented=fields, starts=f"{underlying}-")

        listed = own_rows(listing, document["optionSymbols"], key=KEY, documented=LISTING_FIELDS, starts=f"{underlying}-")
        interest = [part(underlying, f"{OPEN_INTEREST}{expiry}", OI_FIELDS) for expiry in _expiries(own, document)]
        mark, ticker = part(GLOBAL, MARK, MARK_FIELDS), part(GLOBAL, TICKER, TICKER_FIELDS)
        basis = self.settings.oi_basis
        rows = _contracts(listed, interest or [own_rows(listing, [], key=KEY, documented=OI_FIELDS, starts="")], mark, ticker, basis)
        others = _other_options(document)
        if others:
            rows = rows.filter(~pl.col("instrument").is_in(others))
        coins, notes = _open_interest(rows, index.price, basis)
        if index.made_at is None:
            notes.append("the index does not say when it was made, so the time of its arrival counts")
        parts = [listed, *interest, mark, ticker]
        return crypto_chain(
            self,
            underlying,
            instant=index.made_at or index_reply.received_at,
            spot=index.price,
            used=[index_reply, *(each.payload for each in parts)],
            parts=parts,
            quotes=_quotes(rows.with_columns(coins), ticker),
            notes=notes,
        )

    def _unknown(self, underlying: str, says: str = "") -> UnknownSymbol:
        return UnknownSymbol(self.name, f"lists no options on {underlying}{says}. Check the symbol, or leave this venue out for it")

    def _refusal(self, payload: RawPayload, code: Any, says: str) -> VenueError | None:
        """The error that a status or code stands for, if any."""
        what = f"HTTP {payload.status} for `{payload.name}` of book {payload.book}" + (f": {says}" if says else "")
        if payload.status == 418:
            return VenueBusy(self.name, f"{what}. This address is banned for a while", _banned_until(payload))
        if payload.status == 403:
            return VenueBusy(self.name, f"{what}. Its firewall blocks this address for a while", payload.received_at + REST)
        if code in (TOO_MANY_REQUESTS, OVERLOADED):
            return VenueBusy(self.name, f"{what}. Try later")
        if code == INVALID_SYMBOL:
            return self._unknown(payload.book, f" ({says})")
        return refusal_by_status(payload, says) or (VenueRefused(self.name, what) if code is not None else None)


def _contracts(listed: Columns, interest: Sequence[Columns], mark: Columns, ticker: Columns, basis: str) -> pl.DataFrame:
    """Contracts with open interest, terms and quotes as the venue gives them: those with open interest first, by expiry."""
    terms = [
        listed.text("side"),
        listed.number("strikePrice").alias("strike"),
        listed.number("unit", missing=0.0),
        listed.instant_ms("expiryDate").alias("settles_at"),
    ]
    side = pl.col("side").replace_strict({"CALL": "C", "PUT": "P"}, default=None, return_dtype=pl.String)
    by_value = basis == "usd_over_index"
    amounts = [
        (part, [part.number("sumOpenInterest", is_essential=not by_value), part.number("sumOpenInterestUsd", is_essential=by_value)])
        for part in interest
    ]
    interest_rows, listing = Stack(amounts, key=KEY), Stack([(listed, terms)], key=KEY, side=side)
    rows = contracts(interest_rows, listing, NAME, is_waiting=pl.lit(False))
    # One underlying has one size, so a missing one is that of the neighbours.
    rows = rows.with_columns(pl.col("unit").fill_null(pl.col("unit").max()).fill_null(1.0))
    known = pl.concat([interest_rows.names, listing.names])
    marks = [*(mark.number(field, missing=0.0) for field in ("markPrice", "gamma")), mark.number("delta", is_signed=True)]
    rows = join_reply(rows, mark, [*marks, mark.number("markIV", missing=-1.0)], known)
    prices = [ticker.number(field, missing=0.0) for field in ("bidPrice", "askPrice")]
    return join_reply(rows, ticker, [*prices, ticker.number("volume")], known)


def _open_interest(rows: pl.DataFrame, index: float, basis: str) -> tuple[pl.Series, list[str]]:
    """Open interest in coins, and notes on how it was told (venues §4.4).

    The value in USD over the index says whether a count is of coins or of contracts. It is then the count that is taken, since the
    index moves a little between the two replies; where neither fits, the value over the index itself.
    """
    count, unit, by_value = pl.col("sumOpenInterest"), pl.col("unit"), pl.col("sumOpenInterestUsd") / index
    if basis != "usd_over_index":
        coins = count if basis == "coins" else count * unit
        return rows.select(coins.round(2).alias("oi_base")).to_series(), [f"sumOpenInterest counts {basis} (sources.binance.oi_basis)"]
    is_coins = (count - by_value).abs() <= MAX_INDEX_MOVE * by_value
    is_contracts = (count * unit - by_value).abs() <= MAX_INDEX_MOVE * by_value
    coins = pl.when(by_value.is_null()).then(None).when(is_coins).then(count).when(is_contracts).then(count * unit).otherwise(by_value)
    is_clear = is_coins | is_contracts | count.is_null()
    counted = rows.select("unit", ratio=count / by_value, is_clear=is_clear, oi_base=(coins / LOT).round() * LOT)
    notes = []
    unclear = counted.filter(~pl.col("is_clear"))
    if unclear.height:
        what = f"sumOpenInterest of {unclear.height} contracts is neither coins nor contracts by its value in USD"
        notes.append(f"{what}, ratio {_middle(unclear)}: the value over the index counts")
    if counted.filter(pl.col("unit") != 1).height:
        what = "whether sumOpenInterest counts coins or contracts of several is told by its value in USD (sources.binance.oi_basis)"
        notes.append(f"{what}: ratio {_middle(counted)}")
    return counted["oi_base"].round(2), notes


def _middle(counted: pl.DataFrame) -> str:
    ratio = counted.filter(pl.col("ratio").is_finite())["ratio"].median()
    return f"{ratio:g}" if isinstance(ratio, float) else "unknown"


def _quotes(rows: pl.DataFrame, ticker: Columns) -> pl.DataFrame:
    """Contracts as `ParsedQuotes`."""
    unit = pl.col("unit")
    return quotes_table(
        [
            rows.select(
                "instrument", "option_type", "strike", "expires_at", "payload_sha256", "row_number", "oi_base",
                ticker.lots(rows["volume"] * rows["unit"], rows["unit"] * LOT).alias("volume_base"),
                root=pl.lit(BOOK),
                book=pl.lit(BOOK),
                expiry=pl.col("expires_at").dt.date(),
                is_adjusted=False,
                exercise=pl.lit("european"),
                multiplier=unit,
                bid=pl.col("bidPrice") / unit,
                ask=pl.col("askPrice") / unit,
                mark=pl.col("markPrice") / unit,
                venue_iv=pl.when(pl.col("markIV") > 0).then("markIV"),
                venue_delta="delta",
                venue_gamma="gamma",
                **dict.fromkeys(("venue_vega", "venue_theta", "venue_forward"), pl.lit(None, dtype=pl.Float64)),
            )
        ]
    )  # fmt: skip


def _symbols(document: Mapping[str, Any], underlying: str) -> list[dict[str, Any]]:
    """The instruments of an underlying that are options on a coin."""
    rows = [row for row in document["optionSymbols"] if isinstance(row, dict) and str(row.get(KEY)).startswith(f"{underlying}-")]
    return [row for row in rows if row.get("underlyingType") in (None, CRYPTO)]


def _other_options(document: Mapping[str, Any]) -> list[str]:
    """Names of instruments that are no options on a coin: stock options may share the feed."""
    rows = [row for row in document["optionSymbols"] if isinstance(row, dict)]
    return [str(row.get(KEY)) for row in rows if row.get("underlyingType") not in (None, CRYPTO)]


def _expiries(own: Sequence[Mapping[str, Any]], document: Mapping[str, Any]) -> list[str]:
    """The expiries of these instruments as YYMMDD, but for those that have settled by the venue's clock."""
    days = {match["ymd"] for row in own if (match := re.match(NAME, row[KEY]))}
    now = instant_in(document.get("serverTime"))
    settled = f"{now - timedelta(hours=SETTLES_AT.hour):%y%m%d}" if now else ""  # the last of them
    return sorted(day for day in days if day > settled)


def _slow_down(http: VenueClient, last: RawPayload, weight: int, limit: int) -> None:
    """Waits for the next minute when a request of this weight would use up the present one."""
    used = number_in(last.headers.get(WEIGHT_HEADER))
    if used is not None and used + weight > WEIGHT_SHARE * limit:
        what = f"requests from this address, also of other programs, weigh {used:.0f} of {limit} in this minute"
        http.pause(61 - last.received_at.second, what)


def _weight_limit(document: Mapping[str, Any]) -> int:
    """The weight of requests that a minute may hold, as exchangeInfo says."""
    limits = document.get("rateLimits")
    for limit in limits if isinstance(limits, list) else []:
        if isinstance(limit, dict) and (limit.get("rateLimitType"), limit.get("interval")) == ("REQUEST_WEIGHT", "MINUTE"):
            value = limit.get("limit")
            return value if isinstance(value, int) and value > 0 else WEIGHT_LIMIT
    return WEIGHT_LIMIT


def _banned_until(payload: RawPayload) -> datetime | None:
    """The end of a ban: a header says it in seconds, which the client reads, else the message names it, else we rest for long."""
    if "retry-after" in payload.headers:
        return None
    named = re.search(rb"until ([0-9]{13})\b", payload.body)
    until = instant_in(named[1].decode()) if named else None
    return until or payload.received_at + REST
