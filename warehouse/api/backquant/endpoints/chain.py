"""`/v2/options/chain`: one row per contract, venues folded."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Annotated, Any, Literal

import polars as pl
from fastapi import APIRouter, Query, Response

from warehouse.api.backquant.convert import (
    DAYS_A_YEAR,
    VOL_POINTS,
    cents,
    greek,
    interest,
    percent,
    put_call_ratio,
    total,
    whole_usd,
)  # fmt: skip
from warehouse.api.backquant.envelope import Envelope, reply
from warehouse.api.backquant.errors import ERRORS, DialectRoute
from warehouse.api.backquant.models.options import Chain
from warehouse.api.backquant.parameters import AtLeastZero, Days, Moneyness, OneSymbol, listed, names, ordered
from warehouse.api.backquant.scope import Scope
from warehouse.api.backquant.tokens import token_of

router = APIRouter(prefix="/v2/options", tags=["options"], route_class=DialectRoute, responses=ERRORS)

FIELDS = ("aggregates", "available_expiries", "contracts")
GROUPS = ("oi", "iv", "greeks", "bid_ask", "volume", "gex")
AbsoluteDelta = Annotated[float | None, Query(ge=0, le=1, allow_inf_nan=False, description="of the size of delta")]


@router.get("/chain", response_model=Envelope[Chain])
def chain(
    query: OneSymbol, expiries: Annotated[str | None, Query(description="comma-separated tokens or dates")] = None,
    dte_min: Days = None, dte_max: Days = None, oi_min: AtLeastZero = None, oi_max: AtLeastZero = None,
    delta_min: AbsoluteDelta = None, delta_max: AbsoluteDelta = None, strike_min: AtLeastZero = None, strike_max: AtLeastZero = None,
    moneyness_min: Moneyness = None, moneyness_max: Moneyness = None, option_type: Literal["call", "put", "both"] = "both",
    max_contracts: Annotated[int, Query(ge=1, le=5000, description="those closest to spot are kept")] = 2000,
    fields: Annotated[str | None, Query(description=f"sections: any of {', '.join(FIELDS)}")] = None,
    include: Annotated[str | None, Query(description=f"parts of a row: any of {', '.join(GROUPS)}")] = None,
) -> Response:  # fmt: skip
    """Contracts that match all filters, the closest to spot of them, and sums over all that match."""
    scope = query.scope
    ranges = {
        "dte": (dte_min, dte_max), "oi": (oi_min, oi_max), "delta": (delta_min, delta_max), "strike": (strike_min, strike_max),
        "moneyness": (moneyness_min, moneyness_max),
    }  # fmt: skip
    for name, (low, high) in ranges.items():
        ordered(low, high, name)
    sections = names(fields, "fields", FIELDS) or FIELDS
    groups = names(include, "include", GROUPS) or GROUPS
    dates = sorted({scope.expiry_of(token, "expiries") for token in listed(expiries or "")})
    matching = _matching(scope, dates, ranges, option_type)
    data: dict[str, Any] = {
        "truncated": matching.height > max_contracts, "total_matching_count": matching.height, "max_contracts": max_contracts,
    }  # fmt: skip
    if "contracts" in sections:
        nearest = matching.sort("from_spot", "strike", "expiry", "option_type").head(max_contracts)
        data["contracts"] = [_row(row, groups) for row in nearest.sort("expiry", "strike", "option_type").rows(named=True)]
    if "aggregates" in sections:
        data["aggregates"] = _aggregates(scope, matching)
    if "available_expiries" in sections:
        data["available_expiries"] = [token_of(expiry) for expiry in scope.calendar["expiry"].to_list()]
    filters = {"expiries": [token_of(one) for one in dates], "option_type": option_type, **ranges}
    return reply(query.request, Chain, data, **query.meta(filter_hash=_hash(filters)))


def _hash(filters: dict[str, Any]) -> str:
    """Hash of the normalized filters: equal filters have equal hashes."""
    return sha256(json.dumps(filters, sort_keys=True).encode()).hexdigest()[:8]


def _matching(scope: Scope, dates: list[Any], ranges: dict[str, tuple[Any, Any]], option_type: str) -> pl.DataFrame:
    """Contracts that pass every filter; a null value fails a filter on it."""
    unit = "contracts" if scope.market == "us" else "base"
    frame = scope.ask("chain").join(scope.calendar.select("expiry", "dte"), on="expiry")
    spot = pl.lit(scope.spot, dtype=pl.Float64)
    frame = frame.with_columns(
        oi=pl.col(f"oi_{unit}"),
        volume=pl.col(f"volume_{unit}"),
        notional_volume=pl.col("volume_base") * spot,
        from_spot=(pl.col("strike") - spot).abs(),
    )
    values = {
        "dte": pl.col("dte"), "oi": pl.col("oi"), "delta": pl.col("delta").abs(), "strike": pl.col("strike"),
        "moneyness": pl.col("strike") / spot,
    }  # fmt: skip
    for name, (low, high) in ranges.items():
        if low is not None:
            frame = frame.filter(values[name] >= low)
        if high is not None:
            frame = frame.filter(values[name] <= high)
    if dates:
        frame = frame.filter(pl.col("expiry").is_in(dates))
    if option_type != "both":
        frame = frame.filter(pl.col("option_type") == option_type[0].upper())
    return frame.sort("expiry", "strike", "option_type")


def _row(row: dict[str, Any], groups: tuple[str, ...]) -> dict[str, Any]:
    """One contract with the requested groups of fields."""
    parts: dict[str, dict[str, Any]] = {
        "oi": {"oi": interest(row["oi"])},
        "iv": {"iv": percent(row["iv"])},
        "bid_ask": {name: row[name] for name in ("mark", "bid", "ask")},
        "volume": {"volume": interest(row["volume"]), "notional_volume": cents(row["notional_volume"]), "trade_count": None},
        "greeks": {
            **{name: greek(row[name]) for name in ("delta", "gamma", "theta", "vanna")},
            "vega": greek(row["vega"], VOL_POINTS),
            "charm": greek(row["charm"], DAYS_A_YEAR),
        },
        "gex": {"gex": whole_usd(row["gex_usd_1pct"])},
    }
    kind = "call" if row["option_type"] == "C" else "put"
    shown = {"strike": row["strike"], "expiry": token_of(row["expiry"]), "dte": row["dte"], "type": kind}
    for group in groups:
        shown |= parts[group]
    return shown


def _aggregates(scope: Scope, matching: pl.DataFrame) -> dict[str, Any]:
    sums: dict[str, Any] = {}
    for side, kind in (("call", "C"), ("put", "P")):
        part = matching.filter(pl.col("option_type") == kind)
        sums[f"{side}_gex"], sums[f"{side}_oi"] = total(part["gex_usd_1pct"].to_list()), total(part["oi"].to_list())
    atm_iv = None
    if matching.height:
        nearest = scope.main_rows(scope.read("expiry_summary")).filter(pl.col("expiry") == matching["expiry"].min())
        atm_iv = nearest["atm_iv"][0] if nearest.height else None
    return {
        "net_gex": whole_usd(total(matching["gex_usd_1pct"].to_list())),
        "call_gex": whole_usd(sums["call_gex"]),
        "put_gex": whole_usd(sums["put_gex"]),
        "total_oi": interest(total(matching["oi"].to_list())),
        "call_oi": interest(sums["call_oi"]),
        "put_oi": interest(sums["put_oi"]),
        "pcr": put_call_ratio(sums["call_oi"], sums["put_oi"]),
        "atm_iv": percent(atm_iv),
        "contract_count": matching.height,
    }
