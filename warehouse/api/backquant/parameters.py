"""Query parameters shared by endpoints: their types, validation and defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request

from warehouse.api.backquant.errors import InFuture, invalid
from warehouse.api.backquant.scope import Moment, Scope, VenueFilter, open_scope
from warehouse.api.backquant.symbols import VENUES, supported, underlying_of
from warehouse.api.dependencies import now_of, warehouse
from warehouse.client.warehouse import Warehouse

FALLBACK = "no_aggressor_tape_for_symbol"

Reader = Annotated[Warehouse, Depends(warehouse)]
Symbol = Annotated[str, Query(description="BTCUSDT, ETHUSDT, SOLUSDT, HYPEUSDT, or any stored underlying: crypto {BASE}USDT, US by ticker")]
Exchanges = Annotated[str | None, Query(description="comma-separated venues to add up; unknown ones are ignored; default: all")]
AsOf = Annotated[str | None, Query(description="ISO 8601 instant, UTC without an offset: the last snapshot at or before it")]
Positioning = Annotated[
    Literal["flow", "std"], Query(description="flow is accepted, std runs: no trade tape is stored; meta.extra says so")
]
Days = Annotated[int | None, Query(ge=0, le=720, description="whole days to settlement")]
AtLeastZero = Annotated[float | None, Query(ge=0, allow_inf_nan=False)]
Moneyness = Annotated[float | None, Query(ge=0, le=10, allow_inf_nan=False, description="strike / spot")]
Window = Annotated[float | None, Query(ge=0, le=200, allow_inf_nan=False, description="within so many percent of spot, either side")]
Expiry = Annotated[str, Query(description="all, 0dte, a token such as 27NOV26, or YYYY-MM-DD")]


def listed(text: str) -> tuple[str, ...]:
    """The parts of a comma-separated list, each once, in the caller's order."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def names(text: str | None, name: str, allowed: Sequence[str]) -> tuple[str, ...]:
    """The names of a comma-separated list, each once, in the caller's order; raises `Invalid` for one that is not allowed."""
    chosen = listed((text or "").lower())
    for one in chosen:
        if one not in allowed:
            raise invalid(name, "literal_error", f"{one!r} is not one of {', '.join(allowed)}")
    return chosen


def moment(text: str | None, now: datetime, name: str = "as_of") -> Moment | None:
    """Parse an instant; raises `Invalid` when it is not one, `InFuture` for an `as_of` later than now."""
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
        utc = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise invalid(name, "datetime_parsing", "not an ISO 8601 instant; write it like 2026-11-13T02:00:00Z") from None
    if name == "as_of" and utc > now:
        raise InFuture([{"type": "datetime_past", "loc": ["query", name], "msg": "lies in the future"}])
    return Moment(utc)


def venue_filter(text: str | None, known: Sequence[str]) -> VenueFilter | None:
    """The requested venues; None without any name. Raises `Invalid` when no name is known, rather than read all venues."""
    requested = listed((text or "").lower())
    if not requested:
        return None
    accepted = tuple(one for one in requested if one in known)
    if not accepted:
        raise invalid("exchanges", "value_error", f"no venue of {', '.join(requested)} is known; known are {', '.join(known)}")
    return VenueFilter(accepted, tuple(one for one in requested if one not in known))


def ordered(low: float | None, high: float | None, name: str) -> None:
    """Raise `Invalid` for a range that ends before it begins; `name` without `_min`."""
    if low is not None and high is not None and low > high:
        raise invalid(f"{name}_min", "value_error", f"{name}_min is larger than {name}_max")


def positioned(requested: str) -> dict[str, Any]:
    """`meta.extra` about the sign model that ran."""
    return {
        "positioning": "std",
        "positioning_requested": requested,
        "positioning_fallback_reason": FALLBACK if requested == "flow" else None,
    }


@dataclass(frozen=True)
class SymbolQuery:
    """A request about one symbol: its scope and its time of receipt."""

    request: Request
    scope: Scope
    now: datetime

    def meta(self, **extra: Any) -> dict[str, Any]:
        """`meta` of the reply."""
        return self.scope.meta(self.now, **extra)


def about_one(request: Request, wh: Reader, symbol: Symbol = "BTCUSDT", exchanges: Exchanges = None, as_of: AsOf = None) -> SymbolQuery:
    """Symbol, venues and moment of a request."""
    now = now_of(request)
    at = moment(as_of, now)
    underlying, market = underlying_of(symbol, supported(wh))
    scope = open_scope(wh, symbol, underlying, market, venue_filter(exchanges, VENUES[market]), at)
    request.state.may_keep = True  # responses are deterministic per generation and query, except the clock in `meta`
    return SymbolQuery(request, scope, now)


def about_all_venues(request: Request, wh: Reader, symbol: Symbol = "BTCUSDT", as_of: AsOf = None) -> SymbolQuery:
    """The same for endpoints without a venue filter."""
    return about_one(request, wh, symbol, None, as_of)


OneSymbol = Annotated[SymbolQuery, Depends(about_one)]
AllVenues = Annotated[SymbolQuery, Depends(about_all_venues)]
