"""A second opinion on every mart: the definitions once more, in polars and plain Python, from core.option_quotes and core.option_greeks.

Written from definitions §1 and §4–§6 and not from sql/; it takes the naive way wherever there is one (strikes × strikes).
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import polars as pl

ADDITIVE = ("gex_usd_1pct", "dex_usd", "vex_usd_1vol", "chex_usd_day")
Row = dict[str, Any]


class Scope(NamedTuple):
    name: str
    venues: list[str]
    spot: float


class Snapshot(NamedTuple):
    """What the oracle reads of one snapshot: its row of core.snapshots, its usable venues, live contracts with their greeks, smiles."""

    row: Row
    scopes: list[Scope]
    contracts: pl.DataFrame
    smiles: pl.DataFrame


def read(tables: dict[str, pl.DataFrame], snapshot_id: str) -> Snapshot:
    row = tables["core.snapshots"].row(by_predicate=pl.col("snapshot_id") == snapshot_id, named=True)
    venues = tables["core.snapshot_venues"].filter(snapshot_id=snapshot_id, status="ok").sort("venue")
    spots = dict(venues.select("venue", "spot").iter_rows())
    scopes = [Scope("all", list(spots), median(spots.values())), *(Scope(name, [name], spot) for name, spot in spots.items())]
    quotes = tables["core.option_quotes"].filter(pl.col("snapshot_id") == snapshot_id, "is_live", pl.col("venue").is_in(list(spots)))
    greeks = tables["core.option_greeks"].filter(snapshot_id=snapshot_id)
    contracts = quotes.join(greeks, on=["snapshot_id", "venue", "instrument"], how="left", validate="1:1")
    return Snapshot(row, scopes, contracts, tables["core.expiry_smile"].filter(snapshot_id=snapshot_id))


def heatmap(snapshot: Snapshot, scope: Scope, by: tuple[str, ...] = ("expires_at", "expiry", "strike")) -> pl.DataFrame:
    """Open interest and exposures per cell; missing values as definitions §1 has them."""
    contracts = snapshot.contracts.filter(pl.col("venue").is_in(scope.venues))
    oi, is_left_out = pl.col("oi_base"), (pl.col("oi_base") > 0) & pl.col("gex_usd_1pct").is_null()
    cells = contracts.group_by(by, maintain_order=True)
    sums: list[pl.Expr] = []
    for side, kind in (("call", "C"), ("put", "P")):
        of_side = pl.col("option_type") == kind
        for name, value in ((f"{side}_oi", oi), (f"{side}_oi_contracts", oi / pl.col("multiplier"))):
            sums.append(_sum_or_null((value * 1e6).round().cast(pl.Int64).filter(of_side)).truediv(1e6).alias(name))
        sums += [_sum_or_null(pl.col(f"{name}").filter(of_side)).alias(f"{side}_{name}") for name in ADDITIVE]
    table = cells.agg(*sums, oi_without_iv=((oi * 1e6).round().cast(pl.Int64).filter(is_left_out).sum() / 1e6))
    for name in ADDITIVE:
        call, put = pl.col(f"call_{name}"), pl.col(f"put_{name}")
        table = table.with_columns(
            pl.when(call.is_null()).then(put).when(put.is_null()).then(call).otherwise(call + put).alias(f"net_{name}"),
            pl.when(call.is_null())
            .then(put.abs())
            .when(put.is_null())
            .then(call.abs())
            .otherwise(call.abs() + put.abs())
            .alias(f"abs_{name}"),
        )
    total = pl.sum_horizontal("call_oi", "put_oi")
    return table.with_columns(oi_without_iv_pct=pl.when(total > 0).then(100 * pl.col("oi_without_iv") / total)).sort(by)


def dte(snapshot: Snapshot, expires_at: datetime, expiry: date) -> int:
    if snapshot.row["market"] == "us":
        return (expiry - snapshot.row["local_date"]).days
    return int((expires_at - snapshot.row["captured_at"]).total_seconds() // 86_400)


def zero_dte(snapshot: Snapshot, instants: list[tuple[datetime, date]]) -> list[datetime]:
    """Instants of the 0DTE profile (definitions §6)."""
    today = [instant for instant, expiry in instants if expiry == snapshot.row["local_date"]]
    if today or snapshot.row["market"] == "us":
        return today
    return [instant for instant, _ in instants if (instant - snapshot.row["captured_at"]).total_seconds() <= 86_400]


def pain(strikes: list[float], calls: list[float | None], puts: list[float | None]) -> list[tuple[float, float]]:
    """Call and put pain at each strike, strikes × strikes (definitions §4)."""
    k, oi_c, oi_p = np.array(strikes), *(np.array([value or 0.0 for value in side]) for side in (calls, puts))
    paid = k[:, None] - k[None, :]  # settlement × strike
    return list(zip((np.maximum(paid, 0) @ oi_c).tolist(), (np.maximum(-paid, 0) @ oi_p).tolist(), strict=True))


def minimum(strikes: list[float], cells: pl.DataFrame, spot: float) -> Row:
    """Max pain, its interval, the totals and where spot stands (definitions §4, §9)."""
    total = [call + put for call, put in pain(strikes, cells["call_oi"].to_list(), cells["put_oi"].to_list())]
    known = {side: [oi for oi in cells[f"{side}_oi"] if oi is not None] for side in ("call", "put")}
    sums = {side: round(sum(round(oi * 1e6) for oi in values)) / 1e6 if values else None for side, values in known.items()}
    row: Row = {"call_oi": sums["call"], "put_oi": sums["put"]}
    row["total_oi"] = None if sums["call"] is None and sums["put"] is None else (sums["call"] or 0) + (sums["put"] or 0)
    row["pcr"] = sums["put"] / sums["call"] if sums["call"] and sums["put"] is not None else None
    for side in ("call", "put"):
        contracts = [value for value in cells[f"{side}_oi_contracts"] if value is not None]
        row[f"{side}_oi_contracts"] = sum(contracts) if contracts else None
    names = ("max_pain_strike", "max_pain_low", "max_pain_high", "max_pain_usd", "distance_abs", "distance_pct", "direction", "signal")
    row |= {"spot": spot, **dict.fromkeys(names)}
    if not row["total_oi"]:
        return row
    least = min(total)
    tied = [strike for strike, value in zip(strikes, total, strict=True) if value - least <= 1e-9 * max(least, 1)]
    at = tied[0]
    distance = abs(spot - at) / spot * 100
    row |= {"max_pain_strike": at, "max_pain_low": at, "max_pain_high": tied[-1], "max_pain_usd": least}
    row |= {"distance_abs": abs(spot - at), "distance_pct": distance}
    row["direction"] = "at" if round(spot, 2) == round(at, 2) else "above" if spot > at else "below"
    row["signal"] = "neutral" if distance < 5 else "bullish" if spot < at else "bearish"
    return row


def levels(profile: pl.DataFrame, spot: float, *, min_share: float = 0.02) -> Row:
    """Levels of one profile by strike (definitions §6), without the spot-ladder flip."""
    rows = profile.sort("strike").rows(named=True)
    net = {row["strike"]: row["net_gex_usd_1pct"] for row in rows if row["net_gex_usd_1pct"] is not None}
    peak = max((abs(value) for value in net.values()), default=Decimal(0))

    def best(values: dict[float, Any]) -> list[float]:
        """Strikes by value, largest first; ties nearest spot, then lower."""
        return sorted(values, key=lambda strike: (-values[strike], abs(strike - spot), strike))

    def first(values: dict[float, Any]) -> float | None:
        return next(iter(best(values)), None)

    result: Row = {"spot": spot, "net_gex_usd_1pct": sum(net.values()) if net else None}
    gross = [row["abs_gex_usd_1pct"] for row in rows if row["abs_gex_usd_1pct"] is not None]
    result["abs_gex_usd_1pct"] = sum(gross) if gross else None
    result["net_to_gross"] = float(result["net_gex_usd_1pct"]) / float(sum(gross)) if gross and sum(gross) else None
    for names, is_side in (
        (("call_resistance", "call_wall_2", "call_wall_3"), lambda strike: strike > spot),
        (("put_support", "put_wall_2", "put_wall_3"), lambda strike: strike < spot),
    ):
        walls = best({strike: value for strike, value in net.items() if is_side(strike) and value > 0})
        walls = [strike for strike in walls if float(net[strike]) / float(peak) >= min_share]
        for rank, name in enumerate(names):
            result[name] = walls[rank] if rank < len(walls) else None
            result[f"{name}_share"] = float(net[walls[rank]]) / float(peak) if rank < len(walls) else None
    for side in ("call", "put"):
        gex = {row["strike"]: abs(row[f"{side}_gex_usd_1pct"]) for row in rows if row[f"{side}_gex_usd_1pct"]}
        result[f"{side}_wall"] = first(gex)
    result["max_positive_gamma"] = first({strike: value for strike, value in net.items() if value > 0})
    result["max_negative_gamma"] = first({strike: -value for strike, value in net.items() if value < 0})
    interest = {row["strike"]: (row["call_oi"] or 0) + (row["put_oi"] or 0) for row in rows}
    result["highest_oi_strike"] = first({strike: oi for strike, oi in interest.items() if oi > 0})
    result["magnet"] = first({strike: abs(value) for strike, value in net.items() if value})
    left_out, total = sum(row["oi_without_iv"] for row in rows), sum(interest.values())
    result["oi_without_iv_pct"] = 100 * left_out / total if total else None
    return result | _hvl(net, spot)


def _hvl(net: dict[float, Decimal], spot: float) -> Row:
    """Where the running sum turns from negative to positive, nearest spot, within a fifth of it."""
    running, path = Decimal(0), []
    for strike, value in net.items():
        running += value
        path.append((strike, float(running)))
    candidates = []
    for (low, below), (high, above) in pairwise(path):
        if below < 0 < above:
            level = low + (high - low) * -below / (above - below)
            if 0.8 * spot <= level <= 1.2 * spot:
                candidates.append((abs(level - spot), level, low, high))
    if not candidates:
        return dict.fromkeys(("hvl", "hvl_lower_strike", "hvl_upper_strike"))
    _, level, low, high = min(candidates)
    return {"hvl": level, "hvl_lower_strike": low, "hvl_upper_strike": high}


def measured_at(snapshot: Snapshot, scope: Scope) -> datetime:
    """The instant from which tau of a scope counts, aware (definitions §2): captured_at of several coin venues, else that of the quotes."""
    if snapshot.row["market"] == "crypto" and len(scope.venues) > 1:
        at = snapshot.row["captured_at"]
    else:
        at = snapshot.contracts.filter(pl.col("venue").is_in(scope.venues))["quoted_at"].min()
    assert isinstance(at, datetime)
    return at.replace(tzinfo=UTC)


def opex_calendar(snapshot: Snapshot, scope: Scope, cells: pl.DataFrame) -> list[Row]:
    """What leaves with each expiry and its own levels (definitions §6, §8), without types; by expires_at."""
    calendar = []
    for (expires_at, expiry), rows in cells.group_by(["expires_at", "expiry"], maintain_order=True):
        strikes = rows["strike"].to_list()
        row = {"expires_at": expires_at, "expiry": expiry, "dte": dte(snapshot, expires_at, expiry)}
        low = minimum(strikes, rows, scope.spot)
        row |= {
            name: low[name]
            for name in ("call_oi", "put_oi", "total_oi", "call_oi_contracts", "put_oi_contracts", "spot", "max_pain_strike")
        }
        own = levels(rows, scope.spot)
        row |= {name: own[name] for name in ("net_gex_usd_1pct", "abs_gex_usd_1pct")}
        row |= {name: own[name] for name in ("call_resistance", "put_support", "call_wall", "put_wall")}
        calendar.append(row)
    for share, of in (("oi_rolloff_pct", "total_oi"), ("gex_rolloff_pct", "abs_gex_usd_1pct")):
        whole = sum(row[of] for row in calendar if row[of] is not None)
        for row in calendar:
            row[share] = 100 * float(row[of]) / float(whole) if whole and row[of] is not None else None
    return calendar


def _sum_or_null(values: pl.Expr) -> pl.Expr:
    """A sum that is null when nothing in it is known."""
    return pl.when(values.count() > 0).then(values.sum())


def shape(cells: pl.DataFrame, pain: Row, spot: float, market: str, atm_iv: float | None, tau: float) -> Row:
    """Depth, slopes and the word for a pain curve's shape, without the width of its flat stretch (definitions §4)."""
    names = ("shape_move_pct", "depth", "left_slope_usd_1pct", "right_slope_usd_1pct", "asymmetry")
    if not pain["max_pain_usd"] or atm_iv is None:
        return dict.fromkeys(names) | ({"shape_move_pct": 100 * atm_iv * min(tau, 30 / 365) ** 0.5} if atm_iv is not None else {})
    move = spot * atm_iv * min(tau, 30 / 365) ** 0.5
    least, at = pain["max_pain_usd"], pain["max_pain_strike"]
    k, oi_c, oi_p = (cells[name].fill_null(0.0).to_numpy() for name in ("strike", "call_oi", "put_oi"))
    left, right = (float((np.maximum(p - k, 0) * oi_c + np.maximum(k - p, 0) * oi_p).sum()) for p in (at - move, at + move))
    per_pct = 100 * move / spot
    slopes = (left - least) / per_pct, (right - least) / per_pct
    return {
        "shape_move_pct": per_pct,
        "depth": 1 - least / ((left + right) / 2),
        "left_slope_usd_1pct": slopes[0],
        "right_slope_usd_1pct": slopes[1],
        "asymmetry": (slopes[1] - slopes[0]) / (slopes[1] + slopes[0]) if sum(slopes) else None,
    }


def pin_score(cells: pl.DataFrame, pain: Row, days: int, market: str, smile: Row) -> Row:
    """pin_v1 and its parts (definitions §9): `cells` by strike, `pain` the minimum of pain, `smile` of the expiry that tells the time."""
    spot, at = pain["spot"], pain["max_pain_strike"]
    interest = sorted(((call or 0) + (put or 0) for call, put in cells.select("call_oi", "put_oi").iter_rows()), reverse=True)
    total, contracts = sum(interest), sum(cells[name].sum() or 0 for name in ("call_oi_contracts", "put_oi_contracts"))
    row: Row = {"oi_part": 100 * sum(interest[:3]) / total if total else None}
    move = None if smile["expected_move_1sd"] is None else min(smile["expected_move_1sd"], spot * smile["atm_iv"] * (7 / 365) ** 0.5)
    row["proximity_part"] = 100 * math.exp(-pain["distance_abs"] / move) if move and pain["distance_abs"] is not None else None
    row["time_part"] = 100 * math.exp(-smile["tau"] * 365 / 7)
    gammas = dict(cells.select("strike", pl.col("abs_gex_usd_1pct").cast(pl.Float64)).iter_rows())
    known = [value for value in gammas.values() if value is not None]
    here = gammas.get(at)
    row["gamma_part"] = 100 * here / max(known) if here is not None and known and max(known) else None
    thin = contracts < 500 if market == "us" else total < 100
    missing = any(part is None for part in row.values())
    row["pin_score_reason"] = "too_far" if days > 35 else "thin" if thin else "missing_part" if missing else None
    weights = {"oi_part": 0.30, "proximity_part": 0.25, "time_part": 0.25, "gamma_part": 0.20}
    row["pin_score"] = None if row["pin_score_reason"] else int(sum(weight * row[part] for part, weight in weights.items()) + 0.5)
    straddle = smile["straddle"]
    row["max_pain_within_expected_range"] = None if straddle is None or at is None else pain["distance_abs"] <= straddle
    return row
