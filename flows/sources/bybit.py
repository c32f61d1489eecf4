"""Bybit v5 options: one coin is fetched whole, and its contracts are in two books, USDC- and USDT-settled. Pages of a list, one chain.

What to know: an error is a `retCode` inside HTTP 200; everything is a string, and "0" is missing but for open interest, volume, delta, vega
and theta; a contract is one coin, so open interest, volume and prices need no conversion; whether open interest counts one side or both is
not said (`option_oi_sides`); the strike stands in the symbol only, days in it have one digit when they can; a symbol without suffix settles
in USDC; `underlyingPrice` is taken for the forward of the expiry (`underlying_price`), `indexPrice` is the index; the envelope's `time` is
the venue's instant; leaving out `baseCoin` means BTC. An instrument that is not trading yet (`PreLaunch`) and has no ticker is no contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from flows.sources.parsing.columns import Columns, field_names, quotes_table
from flows.sources.parsing.contracts import Stack, contracts, crypto_chain, instant_in, own_rows
from flows.sources.source import Probe, Source, read_envelope, refusal_by_status, unexpected
from models.chain import Book, ParsedChain, RawPayload
from models.errors import MalformedReply, UnknownSymbol, VenueBusy, VenueError, VenueRefused
from models.market.calendar import TradingCalendar
from warehouse.settings import BybitSettings

if TYPE_CHECKING:
    from flows.sources.http import VenueClient

API = "/v5/market"
INSTRUMENTS, TICKERS = "instruments-", "tickers"  # the list comes in numbered pages
PAGE_ROWS = "1000"
MAX_PAGES = 50  # the largest list of 2026 has two
KEY = "symbol"
NAME = (
    r"^(?P<base>[A-Z0-9]+)-(?P<d>[0-9]{1,2})(?P<mon>[A-Z]{3})(?P<yy>[0-9]{2})-(?P<k>[0-9]{1,12}(?:\.[0-9]{1,12})?)-(?P<cp>[CP])"
    r"(?:-(?P<settle>USDT|USDC))?$"
)
HEALING_CODES = (10006, 10016)  # too many visits; server error
REGION_CODES = (10009, 10024)
INVALID_PARAMETER, INVALID_SYMBOL = 10001, 10029
REST_AFTER_403 = timedelta(minutes=10)  # the venue asks for at least so long
OTHER_HOST = "Set sources.bybit.base_url to a host of your region"
RESET_HEADER = "x-bapi-limit-reset-timestamp"
INSTRUMENT_FIELDS = field_names(
    "symbol displayName status baseCoin quoteCoin settleCoin optionsType launchTime deliveryTime deliveryFeeRate priceFilter lotSizeFilter "
    "symbolId qtyStep"
)
TICKER_FIELDS = field_names(
    "symbol bid1Price bid1Size bid1Iv ask1Price ask1Size ask1Iv lastPrice highPrice24h lowPrice24h markPrice indexPrice markIv "
    "underlyingPrice openInterest turnover24h volume24h totalVolume totalTurnover delta gamma vega theta predictedDeliveryPrice change24h"
)


class Reply(NamedTuple):
    """What a reply holds."""

    rows: list[Any]
    cursor: str | None  # of the next page; empty on the last, None where the reply does not say
    made_at: datetime | None


class Bybit(Source):
    """Option chains of Bybit's public API v5."""

    name = "bybit"
    market = "crypto"
    probe = Probe("delivery-price", "/v5/market/delivery-price", {"category": "option", "baseCoin": "BTC", "limit": "1"})
    settings: BybitSettings

    def books(self, underlying: str) -> list[Book]:
        # What is fetched in one go is a coin; its rows say which of the books USDC and USDT they belong to.
        return [Book(self.name, underlying)]

    def fetch(self, http: VenueClient, book: Book) -> list[RawPayload]:
        parameters = {"category": "option", "baseCoin": book.name}
        pages: list[RawPayload] = []
        next_page: dict[str, str] = {}
        while not pages or next_page:
            if len(pages) == MAX_PAGES:
                raise MalformedReply(self.name, f"its list of {book.name} options has no end: {MAX_PAGES} pages, and each names another")
            name, wanted = f"{INSTRUMENTS}{len(pages) + 1}", parameters | {"limit": PAGE_ROWS} | next_page
            pages.append(http.get(book.name, name, f"{API}/instruments-info", wanted, judge=self.judge))
            cursor = self.read(pages[-1]).cursor
            next_page = {"cursor": cursor} if cursor else {}
        return [*pages, http.get(book.name, TICKERS, f"{API}/tickers", parameters, judge=self.judge)]

    def read(self, payload: RawPayload) -> Reply:
        """Rows, next page and instant, out of the envelope."""
        if payload.status == 403:
            raise self._forbidden(payload)
        document = read_envelope(payload)
        code = document.get("retCode") if isinstance(document, dict) else None
        if code != 0:
            raise self._refusal(payload, document, code)
        refusal = refusal_by_status(payload)
        if refusal:
            raise refusal
        result = document.get("result")
        rows = result.get("list") if isinstance(result, dict) else None
        if not isinstance(rows, list):
            raise unexpected(payload, "result.list is missing, or of another type")
        cursor = str(result["nextPageCursor"] or "") if "nextPageCursor" in result else None
        return Reply(rows, cursor, instant_in(document.get("time")))

    def parse(self, payloads: Sequence[RawPayload], underlying: str, calendar: TradingCalendar) -> ParsedChain:
        pages: list[Columns] = []
        while True:
            page, reply = self.newest(payloads, (underlying, f"{INSTRUMENTS}{len(pages) + 1}"))
            pages.append(own_rows(page, _with_step(reply.rows), key=KEY, documented=INSTRUMENT_FIELDS, starts=f"{underlying}-"))
            if not reply.cursor:
                is_whole = reply.cursor is not None
                break
        chain, reply = self.newest(payloads, (underlying, TICKERS))
        tickers = own_rows(chain, reply.rows, key=KEY, documented=TICKER_FIELDS, starts=f"{underlying}-")
        rows, parts = _contracts(pages, tickers), [*pages, tickers]

        sides, price = self.settings.option_oi_sides, self.settings.underlying_price
        notes = [
            f"open interest counts {sides} side{'s'[: sides - 1]} of a trade, and underlyingPrice is the {price}: the venue does not say "
            "(sources.bybit.option_oi_sides, .underlying_price)"
        ]
        if not is_whole:
            notes.append("the list of instruments does not say whether another page follows")
        if reply.made_at is None:
            notes.append("the reply `tickers` does not say when it was made, so the time of its arrival counts")
        spot = rows["indexPrice"].median()
        return crypto_chain(
            self,
            underlying,
            instant=reply.made_at or chain.received_at,
            spot=spot if isinstance(spot, float) else None,
            used=[part.payload for part in parts],
            parts=parts,
            quotes=_quotes(rows, tickers, sides, is_forward=price == "forward"),
            notes=notes,
        )

    def _forbidden(self, payload: RawPayload) -> VenueError:
        """HTTP 403: asked too often, or from a country that is not served. The venue has one status for both."""
        what = f"HTTP 403 for `{payload.name}` of book {payload.book}"
        if b"country" in payload.body.lower():
            return VenueRefused(self.name, f"{what}: it does not serve this country. {OTHER_HOST}")
        again = f"If it says so after the rest too, it does not serve this country. {OTHER_HOST}"
        return VenueBusy(self.name, f"{what}: access too frequent. {again}", payload.received_at + REST_AFTER_403)

    def _refusal(self, payload: RawPayload, document: Any, code: Any) -> VenueError:
        """The error that a retCode stands for."""
        says = f"retCode {code}, {document.get('retMsg')}".rstrip(".") if code is not None else ""
        where = f"for `{payload.name}` of book {payload.book}"
        if code in HEALING_CODES:
            return VenueBusy(self.name, f"{says}, {where}. Try later", _reset_at(payload, document))
        if code == INVALID_SYMBOL or (code == INVALID_PARAMETER and "basecoin" in says.lower()):
            check = "Check the symbol, or leave this venue out for it"
            return UnknownSymbol(self.name, f"lists no options on {payload.book} ({says}). {check}")
        if code in REGION_CODES:
            return VenueRefused(self.name, f"{says}, {where}: it does not serve this region. {OTHER_HOST}")
        if code is None:
            return refusal_by_status(payload) or unexpected(payload, "retCode is missing")
        return refusal_by_status(payload, says) or VenueRefused(self.name, f"{says}, {where}")


def _contracts(pages: Sequence[Columns], tickers: Columns) -> pl.DataFrame:
    """Contracts with their tickers, in the tickers' order, then those that are only listed."""
    listed = Stack(
        [
            (
                page,
                [
                    *(page.text(field) for field in ("settleCoin", "optionsType", "status")),
                    page.number("qtyStep", missing=0.0),
                    page.instant_ms("deliveryTime").alias("settles_at"),
                ],
            )
            for page in pages
        ],
        key=KEY,
        side=pl.col("optionsType").replace_strict({"Call": "C", "Put": "P"}, default=None, return_dtype=pl.String),
        strike=pl.lit(None, dtype=pl.Float64),  # it stands in the symbol only
    )
    prices = ("bid1Price", "ask1Price", "markPrice", "markIv", "underlyingPrice", "indexPrice", "gamma")
    values = [
        tickers.number("openInterest", is_essential=True),
        tickers.number("volume24h"),
        tickers.number("vega"),
        *(tickers.number(field, missing=0.0) for field in prices),
        *(tickers.number(field, is_signed=True) for field in ("delta", "theta")),
    ]
    return contracts(Stack([(tickers, values)], key=KEY), listed, NAME, is_waiting=pl.col("status") == "PreLaunch")


def _quotes(rows: pl.DataFrame, tickers: Columns, sides: int, *, is_forward: bool) -> pl.DataFrame:
    """Contracts as `ParsedQuotes`."""
    suffix = pl.when(pl.col("settleCoin").is_null()).then("instrument").str.extract_groups(NAME).struct.field("settle")
    book = pl.coalesce("settleCoin", suffix, pl.lit("USDC"))
    return quotes_table(
        [
            rows.select(
                "instrument", "option_type", "strike", "expires_at", "payload_sha256", "row_number",
                tickers.lots(rows["openInterest"] / sides, rows["qtyStep"]).alias("oi_base"),
                tickers.lots(rows["volume24h"], rows["qtyStep"]).alias("volume_base"),
                root=book,
                book=book,
                expiry=pl.col("expires_at").dt.date(),
                is_adjusted=False,
                exercise=pl.lit("european"),
                multiplier=1.0,
                bid="bid1Price",
                ask="ask1Price",
                mark="markPrice",
                venue_iv="markIv",
                venue_delta="delta",
                venue_gamma="gamma",
                venue_vega="vega",
                venue_theta="theta",
                venue_forward=pl.col("underlyingPrice") if is_forward else pl.lit(None, dtype=pl.Float64),
            )
        ]
    )  # fmt: skip


def _with_step(rows: Sequence[Any]) -> Sequence[Any]:
    """Rows of instruments, as just decoded, with the step of their amounts put into them: it lies one level deeper."""
    for row in rows:
        lots = row.get("lotSizeFilter") if isinstance(row, dict) else None
        if isinstance(lots, dict) and "qtyStep" in lots:
            row["qtyStep"] = lots["qtyStep"]
    return rows


def _reset_at(payload: RawPayload, document: Any) -> datetime | None:
    """When requests count anew, by the headers; measured on the venue's own clock, which need not agree with ours."""
    reset, sent = instant_in(payload.headers.get(RESET_HEADER)), instant_in(document.get("time"))
    if reset is None or (sent is not None and reset <= sent):
        return None
    return payload.received_at + (reset - sent) if sent is not None else reset
