"""OKX v5 options: families of an underlying, coin-margined (`BTC-USD`, inverse) and USD-margined (`BTC-USD_UM`, linear). Five replies each.

What to know: an error is a `code` inside HTTP 200 or beside it; everything is a string and "" is missing; both families have the `uly`
BTC-USD, so requests and rows are told apart by family; a contract is ctVal × ctMult coins, and `oiCcy` is open interest in coins, which
`oi` × ctVal × ctMult must equal; a contract without a row of open interest has an unknown one (the venue leaves out only some of those
that have none); opt-summary leaves out contracts, also held ones; it has two sets of greeks, of which only the BS ones are Black-Scholes
in USD; premiums are in coin, times the forward `fwdPx` (`inverse_premium`), but for `_UM`: USD per coin; the replies come from caches of
different age. A suspended contract stays one; an instrument that opens later (`preopen`) and is not held is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from flows.sources.parsing.columns import Columns, field_names, price_in, quotes_table
from flows.sources.parsing.contracts import Stack, contracts, crypto_chain, join_reply, own_rows
from flows.sources.source import Probe, Source, read_envelope, refusal_by_status, unexpected
from models.chain import Book, ParsedChain, RawPayload
from models.errors import UnknownSymbol, VenueBusy, VenueError, VenueRefused
from models.market.calendar import TradingCalendar
from warehouse.settings import OkxSettings

if TYPE_CHECKING:
    from flows.sources.http import VenueClient

LINEAR = "_UM"
PUBLIC, MARKET = "/api/v5/public", "/api/v5/market"
INSTRUMENTS, OPEN_INTEREST, SUMMARY, MARK, TICKERS, INDEX = "instruments", "open-interest", "opt-summary", "mark-price", "tickers", "index"
PATHS = {
    INSTRUMENTS: f"{PUBLIC}/instruments",
    OPEN_INTEREST: f"{PUBLIC}/open-interest",
    SUMMARY: f"{PUBLIC}/opt-summary",
    MARK: f"{PUBLIC}/mark-price",
    TICKERS: f"{MARKET}/tickers",
}
KEY = "instId"
NAME = r"^(?P<family>[A-Z0-9]+-USD(?:_UM)?)-(?P<ymd>[0-9]{6})-(?P<k>[0-9]{1,12}(?:\.[0-9]{1,12})?)-(?P<cp>[CP])$"
HEALING_CODES = ("50001", "50011", "50013", "50026", "50040")  # unavailable, too many requests, busy, system error, too frequent
NO_SUCH_INSTRUMENT = "51001"
MAX_OI_DIFFERENCE = 0.5  # contracts: oiCcy may be rounded
MAX_DISAGREEING_SHARE = 0.5  # of contracts; with more, units have changed and no row can be trusted
MAX_CACHE_AGE = timedelta(minutes=1)
FIELDS = {
    INSTRUMENTS: field_names(
        "alias auctionEndTime baseCcy category ctMult ctType ctVal ctValCcy contTdSwTime expTime futureSettlement groupId instFamily "
        "instId instType lever listTime lotSz maxIcebergSz maxLmtAmt maxLmtSz maxMktAmt maxMktSz maxStopSz maxTriggerSz maxTwapSz minSz "
        "openType optType quoteCcy ruleType settleCcy state stk tickSz uly"
    ),
    OPEN_INTEREST: field_names("instId instType oi oiCcy oiUsd ts"),
    SUMMARY: field_names(
        "askVol bidVol delta deltaBS fwdPx gamma gammaBS instId instType lever markVol realVol theta thetaBS ts uly vega vegaBS volLv"
    ),
    MARK: field_names("instId instType markPx ts"),
    TICKERS: field_names("instType instId last lastSz askPx askSz bidPx bidSz open24h high24h low24h sodUtc0 sodUtc8 volCcy24h vol24h ts"),
}


class Okx(Source):
    """Option chains of OKX's public API v5."""

    name = "okx"
    market = "crypto"
    probe = Probe("index-tickers", "/api/v5/market/index-tickers", {"instId": "BTC-USD"})
    settings: OkxSettings

    def books(self, underlying: str) -> list[Book]:
        families = [f"{underlying}-USD"] if underlying in self.settings.coin_margined else []
        return [Book(self.name, family) for family in (*families, f"{underlying}-USD{LINEAR}")]

    def fetch(self, http: VenueClient, book: Book) -> list[RawPayload]:
        family = {"instFamily": book.name}
        kind = {"instType": "OPTION"}
        payloads = [
            http.get(book.name, name, path, family if name == SUMMARY else kind | family, judge=self.judge) for name, path in PATHS.items()
        ]
        if book.name.endswith(LINEAR):  # the families of an underlying share one index, and every underlying has a linear one
            index = {"instId": book.name.removesuffix(LINEAR)}
            payloads.append(http.get(book.name, INDEX, f"{MARKET}/index-tickers", index, judge=self.judge))
        return payloads

    def read(self, payload: RawPayload) -> Any:
        """The `data` of a reply: a list of rows, or the price of an index, which an empty list leaves out."""
        document = read_envelope(payload)
        code = document.get("code") if isinstance(document, dict) else None
        if code != "0":
            raise self._refusal(payload, document, code)
        refusal = refusal_by_status(payload)
        if refusal:
            raise refusal
        rows = document.get("data")
        if not isinstance(rows, list):
            raise unexpected(payload, "data is missing, or of another type")
        if payload.name == INDEX:
            index = payload.book.removesuffix(LINEAR)
            price = next((price_in(row, "idxPx", []) for row in rows if isinstance(row, dict) and row.get(KEY) == index), None)
            if rows and price is None:
                raise unexpected(payload, f"there is no price idxPx of {index}")
            return price
        return rows

    def parse(self, payloads: Sequence[RawPayload], underlying: str, calendar: TradingCalendar) -> ParsedChain:
        linear = f"{underlying}-USD{LINEAR}"
        # What was fetched counts, whatever the settings say by now.
        fetched = {payload.book for payload in payloads} & {f"{underlying}-USD", linear}
        families = [self._family(payloads, name) for name in sorted(fetched or {book.name for book in self.books(underlying)})]
        index, spot = self.newest(payloads, (linear, INDEX))
        price = self.settings.inverse_premium
        quotes = quotes_table([_quotes(family, spot if price == "index" else None) for family in families])
        notes = [note for family in families for note in _old_caches(family)]
        if any(not family.name.endswith(LINEAR) for family in families):
            notes.append(f"premiums in coin are taken times the {price}: the venue does not say (sources.okx.inverse_premium)")
        made = [instant for family in families if (instant := family.made_at(TICKERS)) is not None]
        if not made:
            notes.append("no ticker says when it was made, so the time of their arrival counts")
            made = [family.parts[TICKERS].payload.received_at for family in families]
        parts = [part for family in families for part in family.parts.values()]
        used = [index, *(part.payload for part in parts)]
        return crypto_chain(self, underlying, instant=max(made), spot=spot, used=used, parts=parts, quotes=quotes, notes=notes)

    def _family(self, payloads: Sequence[RawPayload], name: str) -> _Family:
        """One family's replies."""
        parts = {}
        for reply in PATHS:
            payload, rows = self.newest(payloads, (name, reply))
            parts[reply] = own_rows(payload, rows, key=KEY, documented=FIELDS[reply], starts=f"{name}-")
        return _Family(name, parts, {reply: part.instant_ms("ts") for reply, part in parts.items() if reply != INSTRUMENTS})

    def _refusal(self, payload: RawPayload, document: Any, code: Any) -> VenueError:
        """The error that a code stands for."""
        says = f"code {code}, {document.get('msg')}".rstrip(".") if code is not None else ""
        where = f"for `{payload.name}` of book {payload.book}"
        if code in HEALING_CODES:
            return VenueBusy(self.name, f"{says}, {where}. Try later")
        if code == NO_SUCH_INSTRUMENT and payload.name == INSTRUMENTS:
            check = "Check the symbol, or leave this venue out for it"
            if not payload.book.endswith(LINEAR):
                check += "; a family that has gone can be left out by sources.okx.coin_margined"
            return UnknownSymbol(self.name, f"lists no options of the family {payload.book} ({says}). {check}")
        if code is None:
            return refusal_by_status(payload) or unexpected(payload, "code is missing")
        return refusal_by_status(payload, says) or VenueRefused(self.name, f"{says}, {where}")


@dataclass(frozen=True)
class _Family:
    """One family's replies."""

    name: str
    parts: dict[str, Columns]  # by reply
    made: dict[str, pl.Series]  # when each row was made; the list of instruments does not say

    def made_at(self, reply: str) -> datetime | None:
        """The instant of a reply's newest row."""
        newest = self.made[reply].max()
        return newest.replace(tzinfo=UTC) if isinstance(newest, datetime) else None


def _quotes(family: _Family, index: float | None) -> pl.DataFrame:
    """Contracts as `ParsedQuotes`: those with a row of open interest in that reply's order, then the others that are listed.

    `index`: the price that premiums in coin are taken times; without it their forward.
    """
    rows, part = _contracts(family), family.parts
    if family.name.endswith(LINEAR):
        rows = rows.with_columns(usd=pl.lit(1.0))  # per unit of a premium
    elif index is not None:
        rows = rows.with_columns(usd=pl.lit(index))
    else:
        # A contract that opt-summary leaves out takes the forward of its expiry.
        rows = rows.with_columns(usd=pl.coalesce("fwdPx", pl.col("fwdPx").median().over("expires_at")))
    has_price = pl.any_horizontal(pl.col("bidPx", "askPx", "markPx").is_not_null())
    unpriced = rows.select((has_price & pl.col("usd").is_null()).sum()).item()
    part[SUMMARY].note(unpriced, "contracts have premiums in coin and their expiry has no forward, so none in USD")
    lots = rows["lotSz"] * rows["coins"]
    return rows.select(
        "instrument", "option_type", "strike", "expires_at", "payload_sha256", "row_number",
        part[OPEN_INTEREST].lots(rows["oiCcy"], lots).alias("oi_base"),
        part[TICKERS].lots(rows["volCcy24h"], lots).alias("volume_base"),
        root=pl.lit(family.name),
        book=pl.lit(family.name),
        expiry=pl.col("expires_at").dt.date(),
        is_adjusted=False,
        exercise=pl.lit("european"),
        multiplier=pl.col("coins").fill_null(1.0),
        bid=pl.col("bidPx") * pl.col("usd"),
        ask=pl.col("askPx") * pl.col("usd"),
        mark=pl.col("markPx") * pl.col("usd"),
        venue_iv="markVol",
        venue_delta="deltaBS",
        venue_gamma="gammaBS",
        venue_vega="vegaBS",
        venue_theta="thetaBS",
        venue_forward="fwdPx",
    )  # fmt: skip


def _contracts(family: _Family) -> pl.DataFrame:
    """Contracts with open interest, terms and quotes as the venue gives them, and `coins` per contract."""
    listing, interest, summary, marks, tickers = (family.parts[reply] for reply in PATHS)
    terms = [
        *(listing.text(field) for field in ("optType", "state")),
        listing.number("stk").alias("strike"),
        *(listing.number(field, missing=0.0) for field in ("ctVal", "ctMult", "lotSz")),
        listing.instant_ms("expTime").alias("settles_at"),
    ]
    side = pl.when(pl.col("optType").is_in(["C", "P"])).then("optType")
    listed = Stack([(listing, terms)], key=KEY, side=side, coins=(pl.col("ctVal") * pl.col("ctMult")).round(12))
    interest_rows = Stack([(interest, [interest.number("oiCcy", is_essential=True), interest.number("oi")])], key=KEY)
    rows = contracts(interest_rows, listed, NAME, is_waiting=pl.col("state") == "preopen")
    # One family has one size, so a missing one is that of the neighbours.
    rows = rows.with_columns(pl.col("coins").fill_null(pl.col("coins").max()), pl.col("lotSz").fill_null(pl.col("lotSz").min()))
    interest.note(rows["coins"].null_count(), "contracts have no size; 1 coin is assumed, and oi is not compared with oiCcy")
    rows = _with_agreeing_interest(rows, interest_rows)

    bs_greeks = [summary.number(field, is_signed=True) for field in ("deltaBS", "vegaBS", "thetaBS")]
    known = pl.concat([interest_rows.names, listed.names])
    rows = join_reply(
        rows, summary, [*(summary.number(field, missing=0.0) for field in ("markVol", "fwdPx", "gammaBS")), *bs_greeks], known
    )
    rows = join_reply(rows, marks, [marks.number("markPx", missing=0.0)], known)
    prices = [tickers.number(field, missing=0.0) for field in ("bidPx", "askPx")]
    return join_reply(rows, tickers, [*prices, tickers.number("volCcy24h")], known)


def _with_agreeing_interest(rows: pl.DataFrame, interest_rows: Stack) -> pl.DataFrame:
    """Rows without those whose oi and oiCcy disagree, which are refused. Raises `MalformedReply` when most of them do."""
    is_stated = pl.col("oi").is_not_null() & pl.col("coins").is_not_null() & (pl.col("oiCcy") + pl.col("oi") > 0)
    wrong = rows.filter(is_stated & ((pl.col("oi") - pl.col("oiCcy") / pl.col("coins")).abs() > MAX_OI_DIFFERENCE))
    if wrong.is_empty():
        return rows
    stated_count = rows.select(is_stated.sum()).item()
    if wrong.height > MAX_DISAGREEING_SHARE * stated_count:
        what = f"oiCcy is not oi × ctVal × ctMult on {wrong.height} of {stated_count} contracts, so units have changed,"
        raise unexpected(interest_rows.columns[0].payload, what)
    interest_rows.refuse(wrong, "conflicting_oi", "oiCcy")
    return rows.join(wrong, on="instrument", how="anti", maintain_order="left")


def _old_caches(family: _Family) -> list[str]:
    """Notes on replies that are much older than the tickers."""
    newest = family.made_at(TICKERS)
    made = {reply: family.made_at(reply) for reply in (OPEN_INTEREST, SUMMARY, MARK)}
    ages = {reply: newest - at for reply, at in made.items() if newest is not None and at is not None}
    return [
        f"`{reply}` of book {family.name} is {age.total_seconds():.0f} s older than its tickers"
        for reply, age in ages.items()
        if age > MAX_CACHE_AGE
    ]
