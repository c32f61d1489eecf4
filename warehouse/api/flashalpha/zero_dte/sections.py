"""Sections of the zero-dte view computed from levels, profile and smile of its expiration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from statistics import pstdev
from typing import Any

import polars as pl

from warehouse.api.flashalpha.chain import Chain
from warehouse.api.flashalpha.convert import contracts, contracts_or_0, known, number, ratio, score, share_pct
from warehouse.api.flashalpha.exposure.summary import hedge
from warehouse.api.flashalpha.session import Session
from warehouse.api.flashalpha.zero_dte.models import Flow, PinComponents, PinRisk, ZeroDteHedging, ZeroDteLevels, ZeroDteMove, ZeroDteRegime
from warehouse.api.flashalpha.zero_dte.strikes import convexity, magnet_of

HOURS_A_YEAR = 8760
MOVES = {"10bp": 0.001, "25bp": 0.0025, "half_pct": 0.005, "1pct": 0.01}


@dataclass(frozen=True)
class Closeup:
    """The inputs of all sections."""

    chain: Chain
    expiry: date
    session: Session
    frame: pl.DataFrame  # by strike, see `strikes_of`
    levels: dict[str, Any]  # gex_levels of this expiration
    settlement: dict[str, Any]  # see `Chain.settlement`
    exposures: dict[str, float | None]

    @property
    def session_1sd(self) -> float | None:
        """One deviation of a whole session, USD: S · iv · √(hours / 8760)."""
        spot, iv = self.chain.spot, number(self.settlement["atm_iv"])
        return None if spot is None or iv is None else spot * iv * math.sqrt(self.session.hours / HOURS_A_YEAR)

    @property
    def remaining_1sd(self) -> float | None:
        """One deviation of the rest of the session, USD; 0 when closed."""
        whole = self.session_1sd
        return None if whole is None else whole * math.sqrt(self.session.hours_left / self.session.hours)

    @property
    def magnet(self) -> dict[str, Any] | None:
        """The strike of the largest |net exposure|."""
        return magnet_of(self.frame, self.chain.spot)

    def total(self, name: str) -> float:
        """Sum of a column over all strikes; missing values add 0."""
        return float(self.frame[name].sum())


def regime_of(near: Closeup) -> ZeroDteRegime:
    """Position of spot relative to the flip."""
    spot, flip, label = near.chain.spot, number(near.levels["gamma_flip"]), near.levels["regime"]
    words = {"positive_gamma": "is positive at spot", "negative_gamma": "is negative at spot"}
    unknown = f"cannot be told: {near.levels['gamma_flip_status']}"
    away = None if spot is None or flip is None else abs(spot - flip)
    deviation = near.remaining_1sd if near.session.is_open else near.session_1sd
    return ZeroDteRegime(
        label=label,
        description=f"Dealer gamma of this expiry {words.get(label, unknown)}.",
        gamma_flip=number(flip, 4),
        gamma_flip_status=near.levels["gamma_flip_status"],
        spot_vs_flip=None if away is None else "above" if known(spot) >= known(flip) else "below",
        spot_to_flip_pct=None if away is None else share_pct(known(spot) - known(flip), spot),
        distance_to_flip_dollars=number(away, 2),
        distance_to_flip_sigmas=ratio(away, deviation, 2),
    )


def move_of(near: Closeup) -> ZeroDteMove:
    """Expected moves of the session."""
    spot, whole, left = near.chain.spot, near.session_1sd, near.remaining_1sd
    is_measured = spot is not None and left is not None
    return ZeroDteMove(
        implied_1sd_dollars=number(whole, 4),
        implied_1sd_pct=share_pct(whole, spot, 4),
        remaining_1sd_dollars=number(left, 4),
        remaining_1sd_pct=share_pct(left, spot, 4),
        upper_bound=round(known(spot) + known(left), 2) if is_measured else None,
        lower_bound=round(known(spot) - known(left), 2) if is_measured else None,
        straddle_price=number(near.settlement["straddle"], 4),
        atm_iv=number(near.settlement["atm_iv"], 6),
    )


def pin_risk_of(near: Closeup) -> PinRisk:
    """The score `pin_v1` around the magnet (definitions §9), with the session's time and remaining move."""
    spot, magnet, left = near.chain.spot, near.magnet, near.remaining_1sd
    away = None if magnet is None or spot is None else abs(spot - magnet["strike"])
    oi = near.frame.select(pl.col("call_oi").fill_null(0) + pl.col("put_oi").fill_null(0)).to_series()
    concentration = share_pct(oi.top_k(3).sum(), oi.sum(), 4)
    largest: Any = near.frame["abs_gex_usd_1pct"].max()
    proximity = None if away is None or left is None else 100 * math.exp(-away / left) if left else 100.0 * (away == 0)
    parts = (concentration, proximity, near.session.elapsed_pct, share_pct(magnet["abs_gex_usd_1pct"], largest, 6) if magnet else None)
    total = score(sum(weight * known(part) for weight, part in zip((0.30, 0.25, 0.25, 0.20), parts, strict=True)))
    magnet_text = f" at {magnet['strike']:g}" if magnet else ""
    concentration_text = f"; the three largest strikes hold {concentration:.0f} % of open interest" if concentration is not None else ""
    return PinRisk(
        magnet_strike=magnet["strike"] if magnet else None,
        magnet_gex=number(magnet["net_gex_usd_1pct"]) if magnet else None,
        distance_to_magnet_pct=share_pct(away, spot),
        pin_score=total,
        components=PinComponents(**dict(zip(PinComponents.model_fields, map(score, parts), strict=True))),
        max_pain=number(near.settlement["max_pain_strike"]),
        oi_concentration_top3_pct=number(concentration, 2),
        description=f"Pin score {total} of 100{magnet_text}{concentration_text}.",
    )


def hedging_of(near: Closeup) -> ZeroDteHedging:
    """What dealers trade, linear in the move."""
    net = near.exposures["net_gex"]
    moves = {
        f"spot_{way}_{name}": hedge(near.chain, net, sign * size, is_signed=True)
        for name, size in MOVES.items()
        for way, sign in (("up", 1), ("down", -1))
    }
    return ZeroDteHedging(**moves, convexity_at_spot=convexity(near.frame, near.chain.spot))


def flow_of(near: Closeup) -> Flow:
    """Volume and open interest of the whole expiration."""
    market, spot = near.chain.market, near.chain.spot
    calls, puts = near.total("call_volume"), near.total("put_volume")
    call_oi, put_oi = near.total("call_oi"), near.total("put_oi")
    by_strike = near.frame.select("strike", volume=pl.col("call_volume").fill_null(0) + pl.col("put_volume").fill_null(0))
    near_spot = None if spot is None else by_strike.filter((pl.col("strike") - spot).abs() <= 0.005 * spot)["volume"].sum()
    return Flow(
        total_volume=contracts_or_0(calls + puts, market),
        call_volume=contracts_or_0(calls, market),
        put_volume=contracts_or_0(puts, market),
        net_call_minus_put_volume=contracts_or_0(calls - puts, market),
        total_oi=contracts_or_0(call_oi + put_oi, market),
        call_oi=contracts_or_0(call_oi, market),
        put_oi=contracts_or_0(put_oi, market),
        pc_ratio_volume=ratio(puts, calls, 3),
        pc_ratio_oi=ratio(put_oi, call_oi, 3),
        volume_to_oi_ratio=ratio(calls + puts, call_oi + put_oi, 3),
        atm_volume_share_pct=share_pct(near_spot, calls + puts, 1),
        top3_strike_volume_pct=share_pct(by_strike["volume"].top_k(3).sum(), calls + puts, 1),
    )


def levels_of(near: Closeup) -> ZeroDteLevels:
    """Walls with their strength, and how close all levels lie together."""
    spot, magnet = near.chain.spot, near.magnet
    highest = near.levels["highest_oi_strike"]
    walls: dict[str, Any] = {}
    for side in ("call", "put"):
        strike = number(near.levels[f"{side}_wall"])
        column = f"{side}_gex_usd_1pct"
        exposures = near.frame.filter(pl.col("strike") == strike)[column].to_list() if strike is not None else []
        walls |= {
            f"{side}_wall": strike,
            f"{side}_wall_gex": number(exposures[0]) if exposures else None,
            f"{side}_wall_strength": ratio(exposures[0] if exposures else None, near.frame[column].sum(), 3),
            f"distance_to_{side}_wall_pct": None if strike is None or spot is None else share_pct(strike - spot, spot),
        }
    of_highest = near.frame.filter(pl.col("strike") == highest) if highest is not None else near.frame.clear()
    total = of_highest.select(pl.sum_horizontal("call_oi", "put_oi")).to_series().to_list()
    return ZeroDteLevels(
        **walls,
        distance_to_magnet_dollars=round(abs(spot - magnet["strike"]), 2) if magnet and spot is not None else None,
        highest_oi_strike=number(highest),
        highest_oi_total=contracts(total[0], near.chain.market) if total else None,
        max_positive_gamma=number(near.levels["max_positive_gamma"]),
        max_negative_gamma=number(near.levels["max_negative_gamma"]),
        level_cluster_score=_cluster_score(near, magnet),
    )


def _cluster_score(near: Closeup, magnet: dict[str, Any] | None) -> int | None:
    """100 · exp(−standard deviation of the levels / 1 sd of a session)."""
    levels = near.levels
    strikes = [levels[name] for name in ("highest_oi_strike", "call_wall", "put_wall")]
    candidates = (levels["gamma_flip"], magnet["strike"] if magnet else None, near.settlement["max_pain_strike"], *strikes)
    prices = [float(one) for one in candidates if one is not None]
    whole = near.session_1sd
    return score(100 * math.exp(-pstdev(prices) / whole)) if prices and whole else None
