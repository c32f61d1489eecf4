"""Key levels of a scope, as `/v2/gex/levels` and the multi-symbol endpoint show them (definitions §6, §7)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import polars as pl

from warehouse.api.backquant.convert import cents, pain, ranked
from warehouse.api.backquant.scope import Scope

ALL, ZERO_DTE = "all", "0dte"
DIRECTIONS = {"rising": "negative_to_positive", "falling": "positive_to_negative"}
WALLS = ("call_resistance", "call_wall_2", "call_wall_3", "put_support", "put_wall_2", "put_wall_3")


def running_sum(cells: pl.DataFrame) -> dict[float, Any]:
    """Net exposure summed from the lowest strike up, by strike; nulls add nothing. `cells`: rows of the heatmap."""
    profile = cells.group_by("strike").agg(pl.col("net_gex_usd_1pct").sum()).sort("strike")
    sums = profile["net_gex_usd_1pct"].cum_sum()
    return dict(zip(profile["strike"].to_list(), sums.to_list(), strict=True))


def quieter_strike(running: dict[float, Any], lower: float | None, upper: float | None, spot: float | None) -> float | None:
    """Of a crossing's two strikes the one with the smaller absolute running sum; ties: nearest spot, then lower."""
    if lower is None or upper is None or spot is None:
        return None
    return min((lower, upper), key=lambda strike: (abs(running[strike]), abs(strike - spot), strike))


def levels_data(scope: Scope, include: Collection[str]) -> dict[str, Any]:
    """`all_expiry`, `odte` and the sections included, of section 3.1 of the contract."""
    columns = ("scope_expiry", "hvl_lower_strike", "hvl_upper_strike", *WALLS)
    rows = {row["scope_expiry"]: row for row in scope.read("gex_levels", *columns).rows(named=True)}
    cells = scope.read("gex_heatmap", "expires_at", "strike", "net_gex_usd_1pct")
    today = cells.join(scope.zero_dte.select("expires_at"), on="expires_at", how="semi")
    running = {ALL: running_sum(cells), ZERO_DTE: running_sum(today)}
    data: dict[str, Any] = {
        "all_expiry": _levels(rows.get(ALL), running[ALL], scope, WALLS),
        "odte": _levels(rows.get(ZERO_DTE), running[ZERO_DTE], scope, ("call_resistance", "put_support")),
    }
    if "ranked" in include:
        top = scope.read("gex_ranked")
        data["ranked"] = {
            f"{name}_top_10": ranked(top.filter(pl.col("scope_expiry") == which))
            for name, which in (("all_expiry", ALL), ("odte", ZERO_DTE))
        }
    if "max_pain" in include:
        data["max_pain"] = zero_dte_pain(scope)
    if "expected_move" in include:
        summary = scope.read("expiry_summary", "expires_at", "straddle_1d_1sd", "expiry_used")
        data["expected_move"] = day_move(scope.spot, one_day(summary)[0])
    if "zones" in include:
        data["gamma_flip_zones"] = _zones(scope, running[ALL])
    if "spot" in include:
        data["spot"] = {"spot_price": cents(scope.spot), "perps_price": None}
    return data


def _levels(row: dict[str, Any] | None, running: dict[float, Any], scope: Scope, walls: Collection[str]) -> dict[str, Any]:
    if row is None:
        return dict.fromkeys(("hvl", *walls))
    hvl = quieter_strike(running, row["hvl_lower_strike"], row["hvl_upper_strike"], scope.spot)
    return {"hvl": hvl} | {wall: row[wall] for wall in walls}


def _zones(scope: Scope, running: dict[float, Any]) -> list[dict[str, Any]]:
    frame = scope.read("gamma_flip_zones").filter(pl.col("scope_expiry") == ALL).sort("level", "method")
    return [_zone(row, running, scope.spot) for row in frame.rows(named=True)]


def _zone(row: dict[str, Any], running: dict[float, Any], spot: float | None) -> dict[str, Any]:
    if row["method"] == "cumulative_by_strike":
        lower, upper = row["lower_level"], row["upper_level"]
        strike = quieter_strike(running, lower, upper, spot)
    else:
        lower, upper = row["lower_strike"], row["upper_strike"]
        around = [one for one in (lower, upper) if one is not None]
        strike = min(around, key=lambda one: (abs(one - row["level"]), one), default=None)
    return {
        "lower_strike": lower,
        "upper_strike": upper,
        "strike": strike,
        "price": cents(row["level"]),
        "direction": DIRECTIONS[row["direction"]],
        "method": row["method"],
    }


def zero_dte_pain(scope: Scope) -> dict[str, Any] | None:
    """Max pain of the 0DTE contracts, pooled where several settle; null without any."""
    only = scope.zero_dte_filter()
    if only is None:
        return None
    frame = scope.read("max_pain_pooled" if "dte_max" in only else "max_pain", **only)
    return None if frame.is_empty() else pain(frame["max_pain_strike"][0], frame["max_pain_usd"][0])


def one_day(summary: pl.DataFrame) -> tuple[float | None, Any]:
    """One deviation of one day by the straddle, USD, and the settlement instant that it is scaled from; it is the same in all rows."""
    if summary.is_empty():
        return None, None
    return summary["straddle_1d_1sd"][0], summary["expiry_used"][0]


def day_move(spot: float | None, move: float | None) -> dict[str, float | None]:
    """Bounds of one and two deviations around spot."""
    sides = {"upper_1sd": 1.0, "lower_1sd": -1.0, "upper_2sd": 2.0, "lower_2sd": -2.0}
    return {name: None if spot is None or move is None else cents(spot + times * move) for name, times in sides.items()}
