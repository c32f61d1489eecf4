"""`/v2/options` except the chain, and `/v2/expiries`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Query, Response

from warehouse.api.backquant.by_venue import by_venue, unattributed
from warehouse.api.backquant.convert import both, cents, interest, number, oi_columns, pain, percent, ratio, whole_usd
from warehouse.api.backquant.envelope import Envelope, reply
from warehouse.api.backquant.errors import ERRORS, DialectRoute
from warehouse.api.backquant.levels import day_move, one_day
from warehouse.api.backquant.models.options import ExpectedMove, Expiries, ExpirySummary, Opex
from warehouse.api.backquant.parameters import AllVenues, OneSymbol, names
from warehouse.api.backquant.scope import Scope
from warehouse.api.backquant.tokens import token_of

router = APIRouter(prefix="/v2", tags=["options"], route_class=DialectRoute, responses=ERRORS)

TYPES = ("daily", "weekly", "monthly", "quarterly")


def _listed(row: dict[str, Any]) -> dict[str, Any]:
    """Fields that identify an expiry, from a row of the calendar."""
    return {
        "expiry": token_of(row["expiry"]),
        "expiry_date": row["expiry"].isoformat(),
        "dte": row["dte"],
        "type": row["type"],
        "is_anchor": row["is_anchor"],
    }


def _by_expiry(frame: pl.DataFrame) -> dict[Any, dict[str, Any]]:
    return {row["expiry"]: row for row in frame.rows(named=True)}


def _interest(row: dict[str, Any], scope: Scope) -> dict[str, Any]:
    """Open interest of a row of `marts.max_pain`."""
    call, put = (row[name] for name in oi_columns(scope.market))
    base = row["total_oi"]
    return {
        "call_oi": interest(call),
        "put_oi": interest(put),
        "total_oi": interest(both(call, put)),
        "pcr": ratio(row["pcr"]),
        "notional_oi_usd": None if base is None or scope.spot is None else cents(base * scope.spot),
    }


def _volatility(row: dict[str, Any]) -> dict[str, Any]:
    return {name: percent(row[name]) for name in ("atm_iv", "skew_25d", "put_25d_iv", "call_25d_iv")}


def _net_by_expiry(scope: Scope) -> dict[Any, Any]:
    frame = scope.read("gex_by_expiry", "expiry", "net_gex_usd_1pct")
    nets: dict[Any, Any] = {}
    for expiry, net in zip(frame["expiry"].to_list(), frame["net_gex_usd_1pct"].to_list(), strict=True):
        nets[expiry] = both(nets.get(expiry), net)
    return nets


def _type_counts(types: Iterable[str]) -> dict[str, int]:
    counted = Counter(types)
    return {kind: counted[kind] for kind in TYPES}


@router.get("/options/opex", response_model=Envelope[Opex])
def opex(
    query: OneSymbol, horizon: Annotated[int, Query(ge=1, le=365, description="days")] = 30,
    types: Annotated[str | None, Query(description=f"any of {', '.join(TYPES)}; default: all, and unknown")] = None,
) -> Response:  # fmt: skip
    """Expiries by date with open interest, volatility, exposure and own walls."""
    scope = query.scope
    wanted = names(types, "types", TYPES)
    days = scope.calendar.filter(pl.col("dte") <= horizon, pl.col("type").is_in(wanted) if wanted else True)
    pains, walls = _by_expiry(scope.by_date("max_pain")), _by_expiry(scope.by_date("opex_calendar"))
    smiles = _by_expiry(scope.main_rows(scope.read("expiry_summary")))
    nets = _net_by_expiry(scope)
    rows = [
        {
            **_listed(day),
            "oi": _interest(pains[day["expiry"]], scope),
            "iv": _volatility(smiles[day["expiry"]]),
            "gamma": {
                "net_gex": whole_usd(nets[day["expiry"]]),
                "call_resistance": walls[day["expiry"]]["call_resistance"],
                "put_support": walls[day["expiry"]]["put_support"],
                "max_pain": pain(pains[day["expiry"]]["max_pain_strike"], pains[day["expiry"]]["max_pain_usd"]),
            },
        }
        for day in days.rows(named=True)
    ]
    anchors = [_listed(day) for day in scope.calendar.filter("is_anchor").rows(named=True)]
    data = {
        "symbol": scope.symbol,
        "horizon_days": horizon,
        "spot_price": cents(scope.spot),
        "expirations": rows,
        "count": len(rows),
        "type_counts": _type_counts(row["type"] for row in rows),
        "next_anchor": {name: anchors[0][name] for name in ("type", "expiry", "expiry_date", "dte")} if anchors else None,
        "filtered_types": list(wanted) or None,
    }
    return reply(query.request, Opex, data, **query.meta(expiry_count=len(rows)))


@router.get("/options/expiry-summary", response_model=Envelope[ExpirySummary])
def expiry_summary(query: OneSymbol) -> Response:
    """All live expiries with volatility, open interest by venue, exposure and max pain."""
    scope = query.scope
    pains = _by_expiry(scope.by_date("max_pain"))
    smiles = _by_expiry(scope.main_rows(scope.read("expiry_summary")))
    nets = _net_by_expiry(scope)
    venues = scope.ask("oi_by_venue").partition_by("expiry", as_dict=True)
    rows = []
    for day in scope.calendar.rows(named=True):
        expiry = day["expiry"]
        pain_row = pains[expiry]
        blocks = by_venue(scope, venues[expiry,])
        call, put = (pain_row[name] for name in oi_columns(scope.market))
        rows.append(
            {
                **_listed(day),
                **_volatility(smiles[expiry]),
                **_interest(pain_row, scope),
                "net_gex": whole_usd(nets[expiry]),
                "max_pain": pain(pain_row["max_pain_strike"], pain_row["max_pain_usd"]),
                "by_venue": blocks,
                "by_venue_unattributed": unattributed(scope, blocks, call, put),
            }
        )
    data = {
        "expiries": rows,
        "anchor_count": sum(row["is_anchor"] for row in rows),
        "type_counts": _type_counts(row["type"] for row in rows),
    }
    return reply(query.request, ExpirySummary, data, **query.meta())


@router.get("/options/expected-move", response_model=Envelope[ExpectedMove])
def expected_move(query: OneSymbol) -> Response:
    """Move of one day and to each expiry, by the price of the straddle."""
    scope = query.scope
    summary = scope.read("expiry_summary")
    move, used = one_day(summary)
    dates = dict(zip(summary["expires_at"].to_list(), summary["expiry"].to_list(), strict=True))
    data = {
        "horizon_days": 1,
        "spot_price": cents(scope.spot),
        "expiry_used": None if used is None else token_of(dates[used]),
        "move_1sd_usd": cents(move),
        **day_move(scope.spot, move),
        "per_expiry": [_move_to(row, scope) for row in scope.main_rows(summary).rows(named=True)],
    }
    return reply(query.request, ExpectedMove, data, **query.meta())


def _move_to(row: dict[str, Any], scope: Scope) -> dict[str, Any]:
    move = row["straddle_1sd"]
    return {
        "expiry": token_of(row["expiry"]),
        "expiry_date": row["expiry"].isoformat(),
        "dte": scope.dte_of(row["expiry"]),
        "atm_iv": percent(row["atm_iv"]),
        "straddle_usd": cents(row["straddle"]),
        "move_1sd_usd": cents(move),
        "move_1sd_pct": None if move is None or not scope.spot else number(move / scope.spot, 3, times=100.0),
        **day_move(scope.spot, move),
    }


@router.get("/expiries", response_model=Envelope[Expiries])
def expiries(query: AllVenues) -> Response:
    """Live expiries, the nearest first."""
    rows = [_listed(day) for day in query.scope.calendar.rows(named=True)]
    return reply(query.request, Expiries, {"symbol": query.scope.symbol, "count": len(rows), "expiries": rows}, **query.meta())
