"""`/v2/gex/history`: snapshots in pages, newest page first, with a cursor."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from warehouse.api.backquant.convert import cents, whole
from warehouse.api.backquant.envelope import Envelope, instant_text, reply
from warehouse.api.backquant.errors import ERRORS, DialectRoute
from warehouse.api.backquant.models.gex import History
from warehouse.api.backquant.parameters import OneSymbol, moment
from warehouse.api.backquant.queries import ask

router = APIRouter(prefix="/v2/gex", tags=["gex"], route_class=DialectRoute, responses=ERRORS)


@router.get("/history", response_model=Envelope[History])
def history(
    query: OneSymbol, limit: Annotated[int, Query(ge=1, le=1000, description="rows of a page, the newest that match")] = 200,
    before: Annotated[str | None, Query(description="ISO 8601 instant, exclusive: the next_cursor of the page before")] = None,
) -> Response:  # fmt: skip
    """Total GEX, GEX within 5 % of spot, hvl, walls and spot, over the snapshots stored."""
    scope = query.scope
    cursor = moment(before, query.now, "before")
    page = ask(
        scope.wh,
        "history",
        underlying=scope.underlying,
        venues=None if scope.exchanges is None else list(scope.exchanges.accepted),
        until=scope.captured_at,
        before=None if cursor is None else cursor.naive,
        rows=limit + 1,  # one extra row shows whether older snapshots exist
    )
    rows = page.head(limit).reverse()
    timestamps = [instant_text(at, timespec="seconds") for at in rows["captured_at"].to_list()]
    data = {
        "timestamps": timestamps,
        "total_gex": whole(rows["total_gex"]),
        "net_gex_local_5pct": whole(rows["net_gex_local_5pct"]),
        **{name: rows[name].to_list() for name in ("hvl", "call_wall", "put_wall")},
        "spot_price": [cents(spot) for spot in rows["spot"].to_list()],
        "next_cursor": timestamps[0] if page.height > limit else None,
    }
    return reply(query.request, History, data, **query.meta(positioning="std"))
