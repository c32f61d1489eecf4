"""Gamma exposure by other conventions: other units, signs, gammas and volatilities, summed over the same contracts."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import polars as pl

from models.pricing.black76 import Floats, spot_free_greeks
from models.pricing.forwards import SECONDS_PER_YEAR
from models.rounding import round_usd
from warehouse.explain.chain import Chain
from warehouse.explain.explanation import Alternative, Row
from warehouse.settings import load_settings

USD_1PCT = "USD per 1 % move"
# convention → aspect, unit, meaning
_UNITS: dict[str, tuple[str, str, str]] = {
    "per-point": ("unit", "USD per 1 USD move of spot", "divided by 1 % of each venue's spot"),
    "shares-per-point": ("unit", "units of the underlying per 1 USD move", "gamma × open interest, without a price: shares or coins"),
    "per-100-percent": ("unit", "USD per 100 % move", "gamma × S² × open interest, without the 0.01"),
    "contracts": ("unit", USD_1PCT, "open interest in contracts, the multiplier forgotten"),
    "venue-gamma": ("definition", USD_1PCT, "the venue's own gamma × its spot², where it gives one"),
    "at-forward": ("definition", USD_1PCT, "gamma × forward² instead of gamma × spot²"),
}
_SIGNS = {
    "short_both": "dealers are short calls and puts",
    "inverted": "dealers are short calls and long puts",
    "gross": "both sides added",
}


def alternatives(chain: Chain, scenarios: list[Row]) -> tuple[Alternative, ...]:
    """Net gamma exposure of the requested contracts by each other convention."""
    question = chain.question
    by_convention = {
        row["convention"]: row["net_gex"]
        for row in chain.ask(
            "gex_conventions", id=chain.facts.snapshot_id, venues=chain.venues, expiry=question.expiry, expires_at=question.expires_at,
            strike=question.strike,
        ).rows(named=True)
    }  # fmt: skip
    lines = [Alternative(name, about, meaning, by_convention.get(name), unit) for name, (about, unit, meaning) in _UNITS.items()]
    lines += [
        Alternative(row["scenario"].replace("_", "-"), "sign", f"{_SIGNS[row['scenario']]} instead of long calls and short puts",
                    row["net_gex_usd_1pct"], USD_1PCT)
        for row in scenarios if row["scenario"] in _SIGNS
    ]  # fmt: skip
    live = chain.contracts.filter("is_live")
    own_iv = "each contract at its own volatility, not the one of the out-of-the-money side per strike"
    no_carry = "Black–Scholes on spot without rates: forward = spot, no discount"
    lines.append(Alternative("own-iv", "definition", own_iv, _at_own_iv(live), USD_1PCT))
    lines.append(Alternative("no-carry", "definition", no_carry, _without_carry(live), USD_1PCT))
    return (*lines, *_dialects(by_convention.get("ours")), *_scopes(chain), *_by_venue(chain, live), *_time(chain))


def added_up(gamma_s2: Floats, contracts: pl.DataFrame) -> Decimal | None:
    """Σ sign · gamma·S² · open interest · 0.01 as DECIMAL, each rounded to the cent; null values are left out as in the marts."""
    oi = contracts["oi_base"].cast(pl.Float64).to_numpy()
    sign = np.where((contracts["option_type"] == "C").to_numpy(), 1.0, -1.0)
    values = round_usd(np.where(oi == 0, 0.0, gamma_s2 * sign * oi * 0.01)).drop_nulls()
    return None if values.is_empty() else sum(values.to_list(), Decimal(0))


def _at_own_iv(contracts: pl.DataFrame) -> Decimal | None:
    return added_up(_gamma_s2(contracts, vol="venue_iv", forward="forward", discount=None), contracts)


def _without_carry(contracts: pl.DataFrame) -> Decimal | None:
    return added_up(_gamma_s2(contracts, vol="iv", forward="spot", discount=1.0), contracts)


def _gamma_s2(contracts: pl.DataFrame, *, vol: str, forward: str, discount: float | None) -> Floats:
    """Gamma·S² of Black-76 at other inputs; tau is floored as in the exposures (definitions §3)."""
    floats = {name: contracts[name].cast(pl.Float64).to_numpy() for name in (forward, "strike", "tau", vol, "discount")}
    tau = np.maximum(floats["tau"], load_settings().models.tau_floor_seconds / SECONDS_PER_YEAR)
    is_call = (contracts["option_type"] == "C").to_numpy()
    discounts = floats["discount"] if discount is None else np.full(contracts.height, discount)
    return spot_free_greeks(floats[forward], floats["strike"], tau, floats[vol], is_call, discounts).gamma_s2


def _dialects(net: Decimal | None) -> tuple[Alternative, ...]:
    rounded = None if net is None else round(net)
    flow = "; its default `flow` takes dealers' signs from a trade tape, which is not stored, so that one cannot be recomputed"
    return (
        Alternative("flashalpha", "definition", "gamma × OI × 100 × S² × 0.01, puts negative: ours", net, USD_1PCT),
        Alternative("backquant", "definition", f"the same in coins, to 1 USD, positioning `std`{flow}", rounded, USD_1PCT),
    )


def _scopes(chain: Chain) -> tuple[Alternative, ...]:
    """Over all live expiries and strikes, and over 0DTE."""
    levels = dict(chain.macro("gex_levels", expiry=None, expires_at=None).select("scope_expiry", "net_gex_usd_1pct").rows())
    return (
        Alternative("all-expiries", "scope", "over all live expiries and strikes", levels["all"], USD_1PCT),
        Alternative("0dte", "scope", "over 0DTE alone, all strikes", levels["0dte"], USD_1PCT),
    )


def _by_venue(chain: Chain, live: pl.DataFrame) -> tuple[Alternative, ...]:
    if len(chain.venues) < 2:
        return ()
    sums = dict(live.group_by("venue").agg(pl.col("gex_usd_1pct").sum()).rows())
    return tuple(
        Alternative(f"venue-{one}", "scope", f"of {one} alone", sums.get(one), USD_1PCT) for one in chain.venues
    )  # fmt: skip


def _time(chain: Chain) -> tuple[Alternative, ...]:
    facts = chain.facts
    meaning = f"open interest of {facts.oi_as_of}, quotes of {facts.session_date}: gamma moves with spot and time, so minutes matter"
    return (Alternative("other-time", "time", meaning, None),)
