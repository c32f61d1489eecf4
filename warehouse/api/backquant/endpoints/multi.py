"""`/v2/multi/gex/levels`: levels of several symbols in one reply."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from warehouse.api.backquant.convert import cents
from warehouse.api.backquant.envelope import Envelope, instant_text, reply
from warehouse.api.backquant.errors import ERRORS, DialectRoute, NoData, invalid
from warehouse.api.backquant.levels import levels_data
from warehouse.api.backquant.models.gex import MultiLevels
from warehouse.api.backquant.parameters import AsOf, Exchanges, Positioning, Reader, listed, moment, names, positioned, venue_filter
from warehouse.api.backquant.scope import Moment, Scope, VenueFilter, open_scope
from warehouse.api.backquant.symbols import PUBLISHED, VENUES, supported
from warehouse.api.dependencies import now_of
from warehouse.client.warehouse import Warehouse

router = APIRouter(prefix="/v2/multi/gex", tags=["gex"], route_class=DialectRoute, responses=ERRORS)

SECTIONS = ("ranked", "max_pain", "expected_move", "zones")
MOST_SYMBOLS = 8


@router.get("/levels", response_model=Envelope[MultiLevels])
def multi_levels(
    request: Request, wh: Reader, symbols: Annotated[str, Query(description="comma-separated, at most 8")] = ",".join(PUBLISHED),
    include: Annotated[str | None, Query(description=f"any of {', '.join(SECTIONS)}")] = None, exchanges: Exchanges = None,
    positioning: Positioning = "flow", as_of: AsOf = None,
) -> Response:  # fmt: skip
    """Levels of each symbol; one without data does not fail the others."""
    now = now_of(request)
    at = moment(as_of, now)
    wanted = names(include, "include", SECTIONS)
    requested = listed(symbols)
    if not 1 <= len(requested) <= MOST_SYMBOLS:
        raise invalid("symbols", "value_error", f"{len(requested)} symbols; name 1 to {MOST_SYMBOLS}")
    known = supported(wh)
    markets = {known[symbol][1] for symbol in requested if symbol in known}
    allowed = [venue for market in VENUES if not markets or market in markets for venue in VENUES[market]]
    venues = venue_filter(exchanges, allowed)
    scopes = {symbol: _scope(wh, symbol, *known[symbol], venues, at) for symbol in requested if symbol in known}
    available = {symbol: scope for symbol, scope in scopes.items() if scope is not None}
    data = {
        "results": {symbol: None if scope is None else _entry(scope, wanted) for symbol, scope in scopes.items()},
        "requested": requested,
        "served": list(available),
        "missing": [symbol for symbol, scope in scopes.items() if scope is None],
        "invalid": [symbol for symbol in requested if symbol not in known],
    }
    request.state.may_keep = True
    return reply(request, MultiLevels, data, **_meta(list(available.values()), venues, now, positioned(positioning)))


def _scope(wh: Warehouse, symbol: str, underlying: str, market: str, venues: VenueFilter | None, at: Moment | None) -> Scope | None:
    """A symbol's scope; None without data, or when none of the requested venues lists its market."""
    if venues is not None and not set(venues.accepted) & set(VENUES[market]):
        return None
    try:
        return open_scope(wh, symbol, underlying, market, venues, at)
    except NoData:
        return None


def _entry(scope: Scope, wanted: tuple[str, ...]) -> dict[str, Any]:
    return levels_data(scope, wanted) | {"spot_price": cents(scope.spot), "computed_at": instant_text(scope.captured_at)}


def _meta(scopes: list[Scope], venues: VenueFilter | None, now: Any, positioning: dict[str, Any]) -> dict[str, Any]:
    """`meta` over several symbols: the oldest snapshot, and all venues behind the numbers; without symbol and spot."""
    if not scopes:
        accepted = None if venues is None else list(venues.accepted)
        return {"exchanges_filtered": accepted, "extra": {name: value for name, value in positioning.items() if value is not None}}
    oldest = min(scopes, key=lambda scope: scope.captured_at)
    meta = oldest.meta(now, **positioning)
    sources = {venue for scope in scopes for venue in scope.venues}
    ranked = [venue for market in VENUES.values() for venue in market if venue in sources]
    return meta | {"symbol": None, "spot_price": None, "source": ranked or None}
