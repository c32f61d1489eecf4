"""Sections of the zero-dte view computed from its contracts: decay, volatility, liquidity, quality."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl

from warehouse.api.flashalpha.chain import Chain
from warehouse.api.flashalpha.convert import known, number, percent, ratio, score
from warehouse.api.flashalpha.zero_dte.models import Decay, Liquidity, Metadata, VolContext
from warehouse.api.flashalpha.zero_dte.sections import Closeup
from warehouse.api.flashalpha.zero_dte.strikes import iv_smoothness

OLD_SECONDS = 1800


def decay_of(near: Closeup) -> Decay:
    """Time decay per day, with the effects of charm and gamma."""
    theta, charm = _theta(near), near.exposures["net_chex"]
    way = "neutral" if not charm else "buy" if charm > 0 else "sell"
    later = week_of(near.chain, near.expiry)
    acceleration = ratio(atm_gamma(near.chain, near.expiry), atm_gamma(near.chain, later) if later else None, 2)
    words = {
        "buy": "adds dealer buying into the close",
        "sell": "adds dealer selling into the close",
        "neutral": "moves dealers neither way",
    }
    against = (
        "cannot be compared with that of the 7-day expiry"
        if acceleration is None
        else f"is {acceleration:g} times that of the 7-day expiry"
    )
    return Decay(
        net_theta_dollars=number(theta, 2),
        theta_per_hour_remaining=ratio(theta, near.session.hours_left, 2) if near.session.is_open else None,
        charm_regime="neutral" if way == "neutral" else "time_decay_dealers_buy" if way == "buy" else "time_decay_dealers_sell",
        charm_description=f"Time decay {words[way]}.",
        gamma_acceleration=acceleration,
        description=f"ATM gamma {against}.",
    )


def _theta(near: Closeup) -> float | None:
    """Theta × open interest, USD per day; where a mid is known no contract loses more than its time value."""
    spot = near.chain.spot
    quoted = near.chain.contracts(near.expiry).filter(pl.col("theta").is_not_null() & pl.col("oi_base").is_not_null())
    if quoted.is_empty() or spot is None:
        return None
    side = pl.when(pl.col("option_type") == "C").then(1.0).otherwise(-1.0)
    time_value = (pl.col("mid") - (side * (spot - pl.col("strike"))).clip(lower_bound=0)).clip(lower_bound=0)
    lost = pl.max_horizontal(pl.col("theta"), -time_value)  # without a mid: theta
    return float(quoted.select((lost * pl.col("oi_base")).sum()).item())


def week_of(chain: Chain, expiry: date) -> date | None:
    """The expiration nearest 7 days, other than the one shown; of two equally near the earlier."""
    others = [row for row in chain.instants if row["expiry"] != expiry]
    return min(others, key=lambda row: (abs(row["dte"] - 7), row["expires_at"]))["expiry"] if others else None


def atm_gamma(chain: Chain, expiry: date) -> float | None:
    """Gamma at the strike nearest the forward (spot where there is none), of calls and puts alike."""
    centre = number(chain.settlement(expiry, "expiry_summary")["forward"]) or chain.spot
    quoted = chain.contracts(expiry).filter(pl.col("gamma").is_not_null())
    if quoted.is_empty() or centre is None:
        return None
    return number(quoted.sort((pl.col("strike") - centre).abs(), "strike")["gamma"].item(0))


def vol_context_of(near: Closeup) -> VolContext:
    """Volatility against that of a week, VIX, skew and vanna."""
    later = week_of(near.chain, near.expiry)
    today = number(near.settlement["atm_iv"])
    week = number(near.chain.settlement(later, "expiry_summary")["atm_iv"]) if later else None
    vanna = near.exposures["net_vex"]
    both = None not in (today, week)
    return VolContext(
        zero_dte_atm_iv=percent(today),
        seven_dte_atm_iv=percent(week),
        iv_ratio_0dte_7dte=ratio(today, week, 2),
        vix=_vix(near.chain),
        skew_25d=_skew(near),
        vanna_exposure=vanna,
        vanna_interpretation="neutral" if not vanna else "vol_up_dealers_sell" if vanna > 0 else "vol_up_dealers_buy",
        description=f"IV {100 * known(today):.1f} % against {100 * known(week):.1f} % at 7 days." if both else "No volatility to compare.",
    )


def _vix(chain: Chain) -> float | None:
    snapshot = chain.when.snapshot("VIX", chain.captured_at)
    return None if snapshot is None else number(snapshot["spot"])


def _skew(near: Closeup) -> float | None:
    """IV of the put nearest delta −0.25 less that of the call nearest 0.25, in points; None when none is within 0.20 of it."""
    quoted = near.chain.contracts(near.expiry).filter(pl.col("iv").is_not_null() & pl.col("delta").is_not_null())

    def at(option_type: str, target: float) -> float | None:
        away = (pl.col("delta") - target).abs()
        side = quoted.filter((pl.col("option_type") == option_type) & (away <= 0.20)).sort(away, "strike")
        return number(side["iv"].item(0)) if side.height else None

    put, call = at("P", -0.25), at("C", 0.25)
    return None if put is None or call is None else round(100 * (put - call), 2)


def liquidity_of(near: Closeup, window: pl.DataFrame) -> Liquidity:
    """Spreads at the money and in the window, and a score of both with depth."""
    spot = near.chain.spot
    spreads = pl.mean_horizontal("call_spread_pct", "put_spread_pct")
    quoted = near.frame.filter(pl.col("call_spread_pct").is_not_null() | pl.col("put_spread_pct").is_not_null())
    if quoted.is_empty() or spot is None:
        return Liquidity(atm_spread_pct=None, weighted_spread_pct=None, execution_score=None)
    nearest = quoted.sort((pl.col("strike") - spot).abs(), "strike").head(1)
    atm = known(nearest.select(spreads).item())
    depth = known(nearest.select(pl.sum_horizontal("call_oi", "put_oi")).item())
    return Liquidity(
        atm_spread_pct=round(atm, 2),
        weighted_spread_pct=_weighted_spread(window),
        execution_score=score(70 * max(0.0, 1 - atm / 10) + 30 * min(1.0, depth / 1000)),
    )


def _weighted_spread(window: pl.DataFrame) -> float | None:
    sides = [window.select(spread=f"{side}_spread_pct", oi=f"{side}_oi").drop_nulls() for side in ("call", "put")]
    both = pl.concat(sides)
    return ratio((both["spread"] * both["oi"]).sum(), both["oi"].sum(), 2)


def metadata_of(near: Closeup, window: pl.DataFrame) -> Metadata:
    """Age at the requested moment (default: now), contracts, quality and smoothness."""
    quoted = near.chain.contracts(near.expiry)
    when: Any = near.chain.when.at or near.chain.when.now.replace(microsecond=0)
    newest = near.chain.report("quoted_at")["quoted_at"].item(0)
    age = None if newest is None else max((when - newest).total_seconds(), 0.0)
    with_oi, without_iv = int(quoted["with_oi"].sum()), int(quoted["without_iv"].sum())
    quality = 100 - (100 * without_iv / with_oi if with_oi else 0) - (10 if age is not None and age > OLD_SECONDS else 0)
    smoothness = iv_smoothness(window)
    return Metadata(
        snapshot_age_seconds=number(age, 1),
        chain_contract_count=int(quoted["contracts"].sum()),
        data_quality_score=score(quality),
        greek_smoothness_score=None if smoothness is None else score(smoothness),
    )
