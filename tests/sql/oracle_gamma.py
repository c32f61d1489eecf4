"""A second opinion on the marts about gamma over spot: each contract priced at each level, and sign changes found by walking along.

Written from definitions §3 and §6, from core.option_quotes and core.option_greeks; nothing here reads core.gamma_ladder or sql/.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from models.pricing.scope_smile import scope_smile
from tests.sql.oracle import Row, Scope, Snapshot

FACTORS = [k / 400 for k in range(320, 481)]
HOUR = 3600 / 31_536_000
RATES = {"us": 0.04, "crypto": 0.0}


class Root(NamedTuple):
    """A sign change: where, and its neighbours."""

    level: float
    lower: float
    upper: float
    direction: str


def ladder(contracts: pl.DataFrame, market: str) -> dict[str, list[float] | None]:
    """Call, put and net gamma exposure per 1 % at 161 levels, in USD; None for a side without anything measured."""
    totals: dict[str, list[float] | None] = {}
    for side, kind, sign in (("call", "C", 1), ("put", "P", -1)):
        rows = contracts.filter(pl.col("option_type") == kind, pl.col("oi_base").is_not_null())
        rows = rows.filter((pl.col("oi_base") == 0) | (pl.col("iv").is_not_null() & pl.col("forward").is_not_null()))
        if rows.is_empty():
            totals[side] = None
            continue
        oi, strike, forward, tau, iv = (
            rows.filter(pl.col("oi_base") > 0)[name].to_numpy() for name in ("oi_base", "strike", "forward", "tau", "iv")
        )
        discount, total = np.exp(-RATES[market] * tau), iv * np.sqrt(np.maximum(tau, HOUR))
        totals[side] = []
        for factor in FACTORS:
            d1 = np.log(forward * factor / strike) / total + total / 2
            gamma_s2 = discount * forward * factor * np.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi) / total
            totals[side].append(sign * float(np.round(gamma_s2 * oi * 0.01, 2).sum()))
    sides = [side for side in totals.values() if side is not None]
    totals["net"] = [sum(values) for values in zip(*sides, strict=True)] if sides else None
    return totals


def roots(path: Sequence[tuple[float, float]], spot: float) -> list[Root]:
    """Sign changes along (level, total) within a fifth of spot; a stretch that is exactly zero counts as one when the sign changes over it."""
    crossings = []
    solid = [index for index, (_, total) in enumerate(path) if total != 0]
    for before, after in pairwise(solid):
        (low, below), (high, above) = path[before], path[after]
        if below * above > 0:
            continue
        direction = "rising" if above > 0 else "falling"
        if after == before + 1:
            crossings.append(Root(low + (high - low) * -below / (above - below), low, high, direction))
        else:
            first, last = path[before + 1][0], path[after - 1][0]
            crossings.append(Root((first + last) / 2, first, last, direction))
    return [root for root in crossings if 0.8 * spot <= root.level <= 1.2 * spot]


def cumulative(profile: pl.DataFrame) -> list[tuple[float, float]]:
    """Running sum of net exposure over ascending strikes."""
    path, running = [], None
    for strike, net in profile.sort("strike").select("strike", "net_gex_usd_1pct").iter_rows():
        if net is not None:
            running = net if running is None else running + net
        if running is not None:
            path.append((strike, float(running)))
    return path


def reach(snapshot: Snapshot, scope: Scope, smile: pl.DataFrame) -> float:
    """How far from spot strikes count as near."""
    captured_at: datetime = snapshot.row["captured_at"]
    of_scope = smile.filter(pl.col("snapshot_id") == snapshot.row["snapshot_id"], pl.col("venue").is_in(scope.venues))
    blend = scope_smile(of_scope, spot=scope.spot, measured_at=captured_at.replace(tzinfo=UTC))
    later = blend.filter(pl.col("expires_at") >= captured_at + timedelta(days=7), pl.col("atm_iv").is_not_null())
    wide = later["atm_iv"][0] * math.sqrt(30 / 365) if later.height else 0.0
    return scope.spot * max(0.05, wide)


def flip(contracts: pl.DataFrame, ladder_roots: list[Root], spot: float, near: float) -> Row:
    """The flip, why there is none, and the regime, with gamma_source = model and no filter on strikes."""
    solid = contracts.filter((pl.col("oi_base") > 0) & pl.col("iv").is_not_null())["strike"].unique()
    sides = [sum(sign * (strike - spot) > 0 and abs(strike - spot) <= near for strike in solid) for sign in (-1, 1)]
    nearest = min(ladder_roots, key=lambda root: (abs(root.level - spot), root.level), default=None)
    row: Row = {"gamma_flip": None, "gamma_flip_distance_pct": None, "regime": "unknown"}
    if min(sides) < 3:
        return row | {"gamma_flip_status": "insufficient_local_coverage"}
    if nearest is None:
        return row | {"gamma_flip_status": "no_boundary"}
    if nearest.direction == "falling":
        return row | {"gamma_flip_status": "uncertain_root_path"}
    if any(other is not nearest and abs(other.level - nearest.level) <= 0.0025 * spot for other in ladder_roots):
        return row | {"gamma_flip_status": "sensitive_root"}
    return {
        "gamma_flip": nearest.level,
        "gamma_flip_status": "available",
        "gamma_flip_distance_pct": abs(nearest.level - spot) / spot * 100,
        "regime": "positive_gamma" if spot >= nearest.level else "negative_gamma",
    }


def ranked(profile: pl.DataFrame, spot: float) -> list[tuple[float, Any]]:
    """Strike and net exposure of the ten that carry most."""
    known = profile.filter(pl.col("net_gex_usd_1pct").is_not_null()).select("strike", "net_gex_usd_1pct").rows()
    return sorted(known, key=lambda row: (-abs(row[1]), abs(row[0] - spot), row[0]))[:10]
