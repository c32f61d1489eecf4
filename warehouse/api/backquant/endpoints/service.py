"""`/v2/status`, `/v2/health`, `/v2/symbols`: what is stored, and its freshness."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Depends, Request, Response

from models.errors import PublicationMissing, PublicationUnreadable, WarehouseError
from warehouse.api.backquant.convert import cents
from warehouse.api.backquant.envelope import VERSION, Envelope, instant_text, reply
from warehouse.api.backquant.errors import ERRORS, DialectRoute, Unavailable
from warehouse.api.backquant.models.service import Health, Status, Symbols
from warehouse.api.backquant.parameters import Reader
from warehouse.api.backquant.queries import ask
from warehouse.api.backquant.symbols import VENUES, in_order, symbol_of
from warehouse.api.dependencies import now_of, settings
from warehouse.api.freshness import by_underlying, fresh, watched_states, worst
from warehouse.client.warehouse import Warehouse
from warehouse.home.paths import Home
from warehouse.monitor.freshness import STALE, Freshness
from warehouse.publish.status import read_status
from warehouse.settings import FreshnessSettings, Settings

router = APIRouter(prefix="/v2", tags=["service"], route_class=DialectRoute, responses=ERRORS)

CATEGORIES = ("gex", "options", "chain")  # written together: a snapshot has all or none
ENDPOINTS = (
    "/v2/gex/levels", "/v2/gex/strike-profile", "/v2/gex/strike-expiry-heatmap", "/v2/gex/expiry-profile", "/v2/gex/max-pain",
    "/v2/gex/history", "/v2/options/opex", "/v2/options/expiry-summary", "/v2/options/expected-move", "/v2/options/chain", "/v2/expiries",
)  # fmt: skip
RECENT_HOURS = 24.0  # a run with an empty chain counts for its venue this long
ServerSettings = Annotated[Settings, Depends(settings)]


def thresholds(limits: FreshnessSettings) -> dict[str, int]:
    """Until which age crypto data are healthy, and degraded, in seconds; older ones are stale, shown as unhealthy."""
    return {
        "healthy_max_seconds": round(3600 * limits.crypto_degraded_hours),
        "degraded_max_seconds": round(3600 * limits.crypto_stale_hours),
    }


def sessions_missed(limits: FreshnessSettings) -> dict[str, int]:
    """The same for US data, in sessions that closed without them: they do not age while the market is closed."""
    return {"healthy_max_sessions": limits.us_degraded_sessions - 1, "degraded_max_sessions": limits.us_stale_sessions - 1}


def cells(written: dict[str, Any], records: list[Freshness], now: datetime) -> dict[str, tuple[str, float | None]]:
    """Symbol → state and age in seconds of its best venue's data; `venues` reports the others."""
    markets = {one["underlying"]: one["market"] for one in written["venues"]}
    by_symbol: dict[str, tuple[str, float | None]] = {}
    for underlying, state in by_underlying(records).items():
        captured = [one.captured_at for one in records if one.underlying == underlying and one.captured_at is not None]
        age = (now - max(captured)).total_seconds() if captured else None
        by_symbol[symbol_of(underlying, markets[underlying])] = (state, age)
    return by_symbol


@router.get("/status", response_model=Envelope[Status])
def status(request: Request, wh: Reader, server_settings: ServerSettings) -> Response:
    """How fresh each symbol is, and what each venue gives."""
    now = now_of(request)
    home: Home = request.app.state.home
    try:
        written = read_status(home)
    except (PublicationMissing, PublicationUnreadable):
        raise Unavailable("No run has ended yet, or its status cannot be read") from None
    records = fresh(home, written, server_settings, now)
    by_symbol = cells(written, records, now)
    data = {
        "service": "strikehouse",
        "version": VERSION,
        "current_time": instant_text(now, timespec="seconds"),
        "overall_status": worst([state for state, _ in by_symbol.values()]),
        "symbols": {
            symbol: {category: {"status": state, "freshness_seconds": age} for category in CATEGORIES}
            for symbol, (state, age) in by_symbol.items()
        },
        "thresholds": dict.fromkeys(CATEGORIES, thresholds(server_settings.freshness)),
        "thresholds_us": dict.fromkeys(CATEGORIES, sessions_missed(server_settings.freshness)),
        "venues": venue_states(wh, written, records, server_settings, now),
    }
    return reply(request, Status, data)


def venue_states(
    wh: Warehouse, written: dict[str, Any], records: list[Freshness], server_settings: Settings, now: datetime
) -> dict[str, dict[str, Any]]:
    """Per venue whether its chains come in: `on` with a fresh record, also of an empty chain; `off` when nothing asks for it."""
    try:
        given = ask(wh, "venues")
    except (PublicationMissing, PublicationUnreadable):
        given = pl.DataFrame(schema={"venue": pl.String, "underlying": pl.String, "market": pl.String, "live_contracts": pl.Int64})
    age = (now - datetime.fromisoformat(written["written_at"])).total_seconds() / 3600
    watched = {venue for watch in server_settings.watchlist.values() for venue in watch.venues}
    shown = {}
    for market, venues in VENUES.items():
        for venue in venues:
            mine = [one for one in records if one.venue == venue]
            is_on = any(not one.is_at_least(STALE) or (one.last_status == "empty" and age <= RECENT_HOURS) for one in mine)
            rows = given.filter(pl.col("venue") == venue)
            shown[venue] = {
                "chain": "on" if is_on else "unknown" if mine or venue in watched else "off",
                "tape": "off",
                "chain_symbols": [symbol_of(name, market) for name in rows["underlying"].to_list()],
                "chain_contracts": int(rows["live_contracts"].sum()),
            }
    return shown


@router.get("/health", response_model=Envelope[Health])
def health(request: Request, wh: Reader, server_settings: ServerSettings) -> Response:
    """Always 200: the body tells."""
    home: Home = request.app.state.home
    subsystems = {"warehouse": _is_readable(wh), "raw_store": os.access(home.raw, os.R_OK | os.X_OK)}
    try:
        state = worst([*watched_states(fresh(home, read_status(home), server_settings, now_of(request))).values()])
    except (PublicationMissing, PublicationUnreadable):
        state = "degraded"  # no run has ended yet; an imported home is readable without one
    if not subsystems["warehouse"] or state in ("unhealthy", "unavailable"):
        health_status = "unhealthy"
    else:
        health_status = "ok" if state == "healthy" and subsystems["raw_store"] else "degraded"
    return reply(request, Health, {"status": health_status, "subsystems": subsystems})


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
