"""`/v2/status`, `/v2/health`, `/v2/symbols`: what is stored, and how fresh it is."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Depends, Request, Response

from models.errors import PublicationMissing, PublicationUnreadable, WarehouseError
from warehouse.api.access import settings
from warehouse.api.backquant.convert import cents
from warehouse.api.backquant.envelope import VERSION, Envelope, instant_text, now_of, reply
from warehouse.api.backquant.errors import ERRORS, DialectRoute, Unavailable
from warehouse.api.backquant.models_service import Health, Status, Symbols
from warehouse.api.backquant.parameters import Reader
from warehouse.api.backquant.queries import ask
from warehouse.api.backquant.symbols import VENUES, in_order, symbol_of
from warehouse.frames import Warehouse
from warehouse.home import Home
from warehouse.settings import FreshnessSettings, Settings
from warehouse.status import HEALTHY, STALE, UNAVAILABLE, freshness, read_status

router = APIRouter(prefix="/v2", tags=["service"], route_class=DialectRoute, responses=ERRORS)

CATEGORIES = ("gex", "options", "chain")  # written together: a snapshot has all or none
STATES = ("healthy", "degraded", "unhealthy", "unavailable")  # from best to worst
ENDPOINTS = (
    "/v2/gex/levels", "/v2/gex/strike-profile", "/v2/gex/strike-expiry-heatmap", "/v2/gex/expiry-profile", "/v2/gex/max-pain",
    "/v2/gex/history", "/v2/options/opex", "/v2/options/expiry-summary", "/v2/options/expected-move", "/v2/options/chain", "/v2/expiries",
)  # fmt: skip
# The freshness settings are three intervals of a schedule (crypto: hourly, 3 h); one and a half of them are still healthy.
HEALTHY_SHARE = 0.5
ServerSettings = Annotated[Settings, Depends(settings)]


def thresholds(limits: FreshnessSettings) -> dict[str, dict[str, int]]:
    """Per market until which age data are healthy, and degraded, in seconds; older ones are stale, shown as unhealthy."""
    hours = {"crypto": limits.crypto_stale_hours, "us": limits.us_stale_hours}
    return {
        market: {"healthy_max_seconds": round(3600 * stale * HEALTHY_SHARE), "degraded_max_seconds": round(3600 * stale)}
        for market, stale in hours.items()
    }


def cells(wh: Warehouse, status: dict[str, Any], limits: FreshnessSettings, now: datetime) -> dict[str, tuple[str, float | None]]:
    """Symbol → state and age in seconds of its newest usable data. US data do not age while the market is closed."""
    markets = {one["underlying"]: one["market"] for one in status["venues"]}
    traded_at = last_trading(wh, now) if "us" in markets.values() else now
    newest: dict[str, tuple[str, float | None]] = {}
    for underlying in sorted(markets):
        market = markets[underlying]
        rows = {**status, "venues": [one for one in status["venues"] if one["underlying"] == underlying]}
        aged = freshness(rows, limits, traded_at if market == "us" else now)
        captured = [one.captured_at for one in aged if one.captured_at is not None]
        limit = thresholds(limits)[market]
        if not captured:
            newest[symbol_of(underlying, market)] = ("unavailable", None)
            continue
        age = ((traded_at if market == "us" else now) - max(captured)).total_seconds()
        states = {one.state for one in aged} - {UNAVAILABLE}
        state = "unhealthy" if states == {STALE} else "healthy" if age <= limit["healthy_max_seconds"] else "degraded"
        newest[symbol_of(underlying, market)] = (state, (now - max(captured)).total_seconds())
    return newest


def last_trading(wh: Warehouse, now: datetime) -> datetime:
    """The last instant at which the US market was open; now, where the published sessions cannot be read."""
    try:
        at: datetime | None = ask(wh, "last_trading", now=now.astimezone(UTC).replace(tzinfo=None)).item()
    except (PublicationMissing, PublicationUnreadable):
        return now
    return now if at is None else at.replace(tzinfo=UTC)


def worst(states: list[str]) -> str:
    """The worst of several states; nothing at all is unavailable."""
    return max(states, key=STATES.index, default="unavailable")


@router.get("/status", response_model=Envelope[Status])
def status(request: Request, wh: Reader, kept: ServerSettings) -> Response:
    """How fresh each symbol is, and what each venue gives."""
    now = now_of(request)
    home: Home = request.app.state.home
    try:
        written = read_status(home)
    except (PublicationMissing, PublicationUnreadable):
        raise Unavailable("No run has ended yet, or its status cannot be read") from None
    found = cells(wh, written, kept.freshness, now)
    limits = thresholds(kept.freshness)
    data = {
        "service": "strikehouse",
        "version": VERSION,
        "current_time": instant_text(now, timespec="seconds"),
        "overall_status": worst([state for state, _ in found.values()]),
        "symbols": {
            symbol: {category: {"status": state, "freshness_seconds": age} for category in CATEGORIES}
            for symbol, (state, age) in found.items()
        },
        "thresholds": dict.fromkeys(CATEGORIES, limits["crypto"]),
        "thresholds_us": dict.fromkeys(CATEGORIES, limits["us"]),
        "venues": venue_states(wh, written, kept, now),
    }
    return reply(request, Status, data)


def venue_states(wh: Warehouse, written: dict[str, Any], kept: Settings, now: datetime) -> dict[str, dict[str, Any]]:
    """Per venue whether its chains come in: `on` with a fresh record, also of an empty chain; `off` when nothing asks for it."""
    try:
        given = ask(wh, "venues")
    except (PublicationMissing, PublicationUnreadable):
        given = pl.DataFrame(schema={"venue": pl.String, "underlying": pl.String, "market": pl.String, "live_contracts": pl.Int64})
    records = freshness(written, kept.freshness, now)
    age = (now - datetime.fromisoformat(written["written_at"])).total_seconds() / 3600
    watched = {venue for watch in kept.watchlist.values() for venue in watch.venues}
    shown = {}
    for market, venues in VENUES.items():
        limit = kept.freshness.us_stale_hours if market == "us" else kept.freshness.crypto_stale_hours
        for venue in venues:
            mine = [one for one in records if one.venue == venue]
            is_on = any(one.state == HEALTHY or (one.last_status == "empty" and age <= limit) for one in mine)
            rows = given.filter(pl.col("venue") == venue)
            shown[venue] = {
                "chain": "on" if is_on else "unknown" if mine or venue in watched else "off",
                "tape": "off",
                "chain_symbols": [symbol_of(name, market) for name in rows["underlying"].to_list()],
                "chain_contracts": int(rows["live_contracts"].sum()),
            }
    return shown


@router.get("/health", response_model=Envelope[Health])
def health(request: Request, wh: Reader, kept: ServerSettings) -> Response:
    """Always 200: the body tells."""
    home: Home = request.app.state.home
    subsystems = {"warehouse": _is_readable(wh), "raw_store": os.access(home.raw, os.R_OK | os.X_OK)}
    try:
        state = worst([one for one, _ in cells(wh, read_status(home), kept.freshness, now_of(request)).values()])
    except (PublicationMissing, PublicationUnreadable):
        state = "degraded"  # no run has ended; an imported home can be read all the same
    if not subsystems["warehouse"] or state in ("unhealthy", "unavailable"):
        told = "unhealthy"
    else:
        told = "ok" if state == "healthy" and subsystems["raw_store"] else "degraded"
    return reply(request, Health, {"status": told, "subsystems": subsystems})


def _is_readable(wh: Warehouse) -> bool:
    try:
        return wh.generation > 0
    except WarehouseError:
        return False


@router.get("/symbols", response_model=Envelope[Symbols])
def symbols(request: Request, wh: Reader) -> Response:
    """Everything that is stored, and since when."""
    now = now_of(request)
    rows = []
    for row in ask(wh, "symbols").rows(named=True):
        category = {"available": True, "freshness_seconds": (now - row["last_snapshot"].replace(tzinfo=UTC)).total_seconds()}
        rows.append(
            {
                "symbol": symbol_of(row["underlying"], row["market"]),
                "base": row["underlying"],
                "market": row["market"],
                "spot_price": cents(row["spot"]),
                "expiry_count": row["expiry_count"],
                "venues": list(in_order(row["venues"], row["market"])),
                "categories": dict.fromkeys(CATEGORIES, category),
                "first_snapshot": instant_text(row["first_snapshot"], timespec="seconds"),
                "last_snapshot": instant_text(row["last_snapshot"], timespec="seconds"),
            }
        )
    return reply(request, Symbols, {"symbols": rows, "count": len(rows), "endpoints": list(ENDPOINTS)})
