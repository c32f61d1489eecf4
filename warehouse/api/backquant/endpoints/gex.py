"""`/v2/gex`: levels, profiles, heatmap, max pain."""

from __future__ import annotations

from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Query, Response

from warehouse.api.backquant.by_venue import by_venue, unattributed
from warehouse.api.backquant.convert import (
    both,
    cents,
    interest,
    measured_sum,
    number,
    oi_columns,
    pain,
    ranked,
    total,
    whole,
    whole_usd,
)  # fmt: skip
from warehouse.api.backquant.envelope import Envelope, reply
from warehouse.api.backquant.errors import ERRORS, DialectRoute, NoData
from warehouse.api.backquant.levels import levels_data, zero_dte_pain
from warehouse.api.backquant.models.gex import ExpiryProfile, GexLevels, Heatmap, MaxPain, StrikeProfile
from warehouse.api.backquant.parameters import (
    AtLeastZero,
    Days,
    Expiry,
    Moneyness,
    OneSymbol,
    Positioning,
    Window,
    names,
    ordered,
    positioned,
)  # fmt: skip
from warehouse.api.backquant.scope import Scope
from warehouse.api.backquant.tokens import token_of

router = APIRouter(prefix="/v2/gex", tags=["gex"], route_class=DialectRoute, responses=ERRORS)

SECTIONS = ("candles", "expected_move", "max_pain", "ranked", "spot", "zones")
UNIT = "usd_per_1pct_move"
NO_CANDLES = {"sections": ["candles"], "reason": "No candle series is stored."}
EXPOSURES = ("net_gex_usd_1pct", "call_gex_usd_1pct", "put_gex_usd_1pct")
INTEREST = ("call_oi", "put_oi", "call_oi_contracts", "put_oi_contracts")


@router.get("/levels", response_model=Envelope[GexLevels])
def levels(
    query: OneSymbol, include: Annotated[str | None, Query(description=f"any of {', '.join(SECTIONS)}")] = None,
    positioning: Positioning = "flow",
) -> Response:  # fmt: skip
    """Walls, hvl and, when included, ranked strikes, 0DTE max pain, the move of one day, flip zones and spot."""
    wanted = names(include, "include", SECTIONS)
    data = levels_data(query.scope, wanted) | {"positioning": "std"}
    missing = NO_CANDLES if "candles" in wanted else None
    return reply(query.request, GexLevels, data, **query.meta(**positioned(positioning), unavailable_sections=missing))


@router.get("/strike-profile", response_model=Envelope[StrikeProfile])
def strike_profile(
    query: OneSymbol, expiry: Expiry = "all", positioning: Positioning = "flow", strike_min: AtLeastZero = None,
    strike_max: AtLeastZero = None, moneyness_min: Moneyness = None, moneyness_max: Moneyness = None, spot_window_pct: Window = None,
) -> Response:  # fmt: skip
    """Exposure and open interest by strike; filters act before ranks."""
    ordered(strike_min, strike_max, "strike")
    ordered(moneyness_min, moneyness_max, "moneyness")
    scope = query.scope
    strikes = {
        "strike_min": strike_min, "strike_max": strike_max, "moneyness_min": moneyness_min, "moneyness_max": moneyness_max,
        "window_pct": spot_window_pct,
    }  # fmt: skip
    echo, dte, only = _expiries_of(scope, expiry)
    profile = scope.read("gex_profile", **strikes, **only)
    top = scope.read("gex_ranked", **strikes, **only).filter(pl.col("scope_expiry") == "all")
    listed = scope.ask("oi_by_venue").join(profile.select("strike"), on="strike", how="semi")
    if only:
        instants = scope.zero_dte if echo == "0dte" else scope.instants.filter(pl.col("expiry") == only.get("expiry"))
        listed = listed.join(instants.select("expires_at"), on="expires_at", how="semi")
    blocks = by_venue(scope, listed)
    call, put = (profile[name].to_list() for name in oi_columns(scope.market))
    data = {
        "expiry": echo,
        "dte": dte,
        "strikes": profile["strike"].to_list(),
        **{name: whole(profile[f"{name}_usd_1pct"]) for name in ("net_gex", "call_gex", "put_gex")},
        "call_oi": [interest(value) for value in call],
        "put_oi": [interest(value) for value in put],
        "total_oi": [interest(both(*sides)) for sides in zip(call, put, strict=True)],
        "ranked_top_10": ranked(top),
        "filtered_strike_window": _window(scope.spot, **strikes),
        "positioning": "std",
        "by_venue": blocks,
        "by_venue_unattributed": unattributed(scope, blocks, total(call), total(put)),
        "by_venue_note": None,
    }
    return reply(query.request, StrikeProfile, data, **query.meta(**positioned(positioning)))


def _expiries_of(scope: Scope, text: str) -> tuple[str, int | None, dict[str, Any]]:
    """Resolve `expiry=`: its echo, days left of a single expiry, and the filter of the macros."""
    token = text.strip()
    if token.lower() == "all":
        return "all", None, {}
    if token.lower() == "0dte":
        only = scope.zero_dte_filter()
        # an instant that does not exist selects no rows
        return "0dte", scope.zero_dte_days(), only or {"expires_at": scope.captured_at}
    expiry = scope.expiry_of(token)
    return token_of(expiry), scope.dte_of(expiry), {"expiry": expiry}


def _window(
    spot: float | None, *, strike_min: float | None, strike_max: float | None, moneyness_min: float | None,
    moneyness_max: float | None, window_pct: float | None,
) -> dict[str, float | None] | None:  # fmt: skip
    """The strike range that all filters together allow."""
    given = (strike_min, strike_max, moneyness_min, moneyness_max, window_pct)
    if all(value is None for value in given):
        return None
    low = [strike_min, *(_at(spot, share) for share in (moneyness_min, None if window_pct is None else max(1 - window_pct / 100, 0)))]
    high = [strike_max, *(_at(spot, share) for share in (moneyness_max, None if window_pct is None else 1 + window_pct / 100))]
    return {
        "min": number(max((value for value in low if value is not None), default=None), 6),
        "max": number(min((value for value in high if value is not None), default=None), 6),
    }


def _at(spot: float | None, share: float | None) -> float | None:
    return None if spot is None or share is None else spot * share


@router.get("/strike-expiry-heatmap", response_model=Envelope[Heatmap])
def heatmap(
    query: OneSymbol, positioning: Positioning = "flow", dte_min: Days = None, dte_max: Days = None, moneyness_min: Moneyness = None,
    moneyness_max: Moneyness = None, spot_window_pct: Window = None,
    max_strikes: Annotated[int, Query(ge=10, le=400, description="those closest to spot are kept")] = 60,
    max_expiries: Annotated[int, Query(ge=2, le=60, description="the nearest are kept")] = 20,
) -> Response:  # fmt: skip
    """Net GEX by strike and expiry; filters act before caps."""
    ordered(dte_min, dte_max, "dte")
    ordered(moneyness_min, moneyness_max, "moneyness")
    scope = query.scope
    strikes_of = {"moneyness_min": moneyness_min, "moneyness_max": moneyness_max, "window_pct": spot_window_pct}
    cells = scope.read("gex_heatmap", "expiry", "strike", "net_gex_usd_1pct", **strikes_of)
    pooled = cells.group_by("expiry", "strike").agg(measured_sum("net_gex_usd_1pct"))
    days = _within(scope.calendar, dte_min, dte_max).join(pooled.select("expiry").unique(), on="expiry", how="semi").sort("expiry")
    pooled = pooled.join(days.select("expiry"), on="expiry", how="semi")
    strikes = pooled.select(pl.col("strike").unique()).with_columns(from_spot=(pl.col("strike") - scope.spot).abs())
    rows = strikes.sort("from_spot", "strike").head(max_strikes)["strike"].sort().to_list()
    columns = days.head(max_expiries)
    shown = pooled.filter(pl.col("strike").is_in(rows)).join(columns.select("expiry"), on="expiry", how="semi")
    at = {(strike, expiry): net for expiry, strike, net in shown.select("expiry", "strike", "net_gex_usd_1pct").iter_rows()}
    grid = [[at.get((strike, expiry)) for expiry in columns["expiry"].to_list()] for strike in rows]
    data = {
        "unit": UNIT,
        "spot_price": cents(scope.spot),
        "strikes": rows,
        **_axis(columns),
        "net_gex": [[whole_usd(net) for net in row] for row in grid],
        "strike_totals": [whole_usd(total(row) or 0) for row in grid],
        "expiry_totals": [whole_usd(total(column) or 0) for column in zip(*grid, strict=True)],
        "matched_strikes": strikes.height,
        "matched_expiries": days.height,
        "truncated": strikes.height > max_strikes or days.height > max_expiries,
        "positioning": "std",
    }
    return reply(query.request, Heatmap, data, **query.meta(**positioned(positioning)))


def _within(calendar: pl.DataFrame, dte_min: int | None, dte_max: int | None) -> pl.DataFrame:
    """Expiries of a range of days, as this dialect counts them."""
    return calendar.filter(pl.col("dte") >= (dte_min or 0), True if dte_max is None else pl.col("dte") <= dte_max)


def _axis(calendar: pl.DataFrame) -> dict[str, list[Any]]:
    """The expiries of a columnar reply."""
    dates = calendar["expiry"].to_list()
    return {
        "expiries": [token_of(expiry) for expiry in dates],
        "expiry_dates": [expiry.isoformat() for expiry in dates],
        "dtes": calendar["dte"].to_list(),
        "types": calendar["type"].to_list(),
    }


@router.get("/expiry-profile", response_model=Envelope[ExpiryProfile])
def expiry_profile(
    query: OneSymbol, positioning: Positioning = "flow", dte_min: Days = None, dte_max: Days = None,
    weekly_only: Annotated[bool, Query(description="without monthly and quarterly expiries")] = False,
) -> Response:  # fmt: skip
    """Exposure by expiry, and its share of all."""
    ordered(dte_min, dte_max, "dte")
    scope = query.scope
    cells = scope.read("gex_by_expiry", "expiry", *EXPOSURES, *INTEREST)
    pooled = cells.group_by("expiry").agg(measured_sum(name) for name in (*EXPOSURES, *INTEREST))
    days = _within(scope.calendar, dte_min, dte_max)
    if weekly_only:
        days = days.filter(~pl.col("is_anchor"))
    frame = days.join(pooled, on="expiry").sort("expiry")
    nets = frame["net_gex_usd_1pct"].to_list()
    gross = sum(abs(net) for net in nets if net is not None)
    sides = zip(*(frame[name].to_list() for name in oi_columns(scope.market)), strict=True)
    data = {
        "unit": UNIT,
        "total_gex": whole_usd(total(nets)),
        **_axis(frame),
        "is_anchor": frame["is_anchor"].to_list(),
        **{name: whole(frame[f"{name}_usd_1pct"]) for name in ("net_gex", "call_gex", "put_gex")},
        "abs_gex_share_pct": [None if net is None or not gross else number(abs(net) / gross, 2, times=100.0) for net in nets],
        "total_oi": [interest(both(call, put)) for call, put in sides],
        "positioning": "std",
    }
    aggregation = f"oi_sum:{','.join(scope.venues)}"
    return reply(query.request, ExpiryProfile, data, **query.meta(**positioned(positioning), aggregation=aggregation))


@router.get("/max-pain", response_model=Envelope[MaxPain])
def max_pain(query: OneSymbol, expiry: Expiry = "all") -> Response:
    """Max pain per expiry, of 0DTE, or of one expiry with its curve."""
    scope = query.scope
    which = expiry.strip().lower()
    if which == "all":
        data: dict[str, Any] = {"expiry": "all", "per_expiry": _per_expiry(scope)}
    elif which == "0dte":
        data = _zero_dte(scope)
    else:
        data = _single(scope, expiry.strip())
    return reply(query.request, MaxPain, data, **query.meta())


def _per_expiry(scope: Scope) -> list[dict[str, Any]]:
    return [
        {
            "expiry": token_of(row["expiry"]),
            "dte": scope.dte_of(row["expiry"]),
            "max_pain": pain(row["max_pain_strike"], row["max_pain_usd"]),
        }
        for row in scope.by_date("max_pain").rows(named=True)
    ]


def _zero_dte(scope: Scope) -> dict[str, Any]:
    dates = scope.zero_dte["expiry"].unique().sort().to_list()
    if not dates:
        raise NoData(f"No 0DTE contracts for {scope.symbol}")
    return {
        "expiry": "0dte",
        "dte": scope.zero_dte_days(),
        "expiry_tokens": [token_of(one) for one in dates],
        "max_pain": zero_dte_pain(scope),
    }


def _single(scope: Scope, text: str) -> dict[str, Any]:
    expiry = scope.expiry_of(text)
    pains = scope.read("max_pain", "max_pain_strike", "max_pain_usd", expiry=expiry)
    strike, usd = (None, None) if pains.is_empty() else (pains["max_pain_strike"][0], pains["max_pain_usd"][0])
    curve = scope.read("pain_curve", expiry=expiry)
    legs = [whole(curve[f"{leg}_pain_usd"]) for leg in ("total", "call", "put")]
    points = zip(curve["strike"].to_list(), *legs, strict=True)
    return {
        "expiry": token_of(expiry),
        "dte": scope.dte_of(expiry),
        "max_pain": pain(strike, usd),
        "pain_curve": [dict(zip(("strike", "pain", "call_pain", "put_pain"), point, strict=True)) for point in points],
    }
