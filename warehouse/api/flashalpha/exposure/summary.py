"""/v1/exposure/summary: exposures of the whole chain, in numbers and words, and what dealers do about a move."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from warehouse.api.flashalpha.chain import OF_A_SETTLEMENT, Chain, OfChain
from warehouse.api.flashalpha.convert import day, known, negated, number, share_pct
from warehouse.api.flashalpha.envelope import Day, OfSymbol, Part, Percent, Usd, Usd1Pct, Usd1Vol, UsdDay
from warehouse.api.flashalpha.max_pain import Regime


class NetExposures(Part):
    """Exposures of the whole chain."""

    net_gex: Usd1Pct | None
    net_dex: Usd | None = Field(description="natural delta signs, puts negative")
    net_vex: Usd1Vol | None
    net_chex: UsdDay | None = Field(description="positive: dealers buy as time passes")


class Interpretation(Part):
    """One sentence each."""

    gamma: str = Field(min_length=1)
    vanna: str = Field(min_length=1)
    charm: str = Field(min_length=1)


class HedgingMove(Part):
    """What dealers trade when spot moves."""

    dealer_shares_to_trade: float = Field(description="positive: buy")
    direction: Literal["buy", "sell"]
    notional_usd: Usd


class HedgingEstimate(Part):
    """For 1 % either way; notional without a sign."""

    spot_down_1pct: HedgingMove
    spot_up_1pct: HedgingMove


class ZeroDteShare(Part):
    """What of it expires today."""

    net_gex: Usd1Pct | None
    pct_of_total_gex: Percent | None = Field(description="may be negative, or above 100")
    expiration: Day | None


class ExposureSummary(OfSymbol):
    """Exposures of the whole chain, in numbers and words."""

    gamma_flip: Usd | None
    gamma_flip_status: str
    regime: Regime
    exposures: NetExposures
    interpretation: Interpretation
    hedging_estimate: HedgingEstimate
    zero_dte: ZeroDteShare


def exposure_summary(chain: OfChain) -> ExposureSummary:
    """Exposures of the whole chain, what dealers do about a move of 1 %, and the part of 0DTE."""
    levels = chain.levels()
    settlements = chain.stored("gex_by_expiry", OF_A_SETTLEMENT["gex_by_expiry"])
    exposures = net_exposures(settlements)
    return ExposureSummary(
        **chain.head(),
        gamma_flip=number(levels["gamma_flip"], 4),
        gamma_flip_status=levels["gamma_flip_status"],
        regime=levels["regime"],
        exposures=NetExposures(**exposures),
        interpretation=_in_words(exposures),
        hedging_estimate=HedgingEstimate(
            spot_down_1pct=hedge(chain, exposures["net_gex"], -0.01), spot_up_1pct=hedge(chain, exposures["net_gex"], 0.01)
        ),
        zero_dte=_zero_dte_share(chain, settlements, exposures["net_gex"]),
    )


def net_exposures(rows: list[dict[str, Any]]) -> dict[str, float | None]:
    """Sums of rows with this dialect's signs; None where no row has one."""

    def total(name: str) -> Any:
        given = [row[name] for row in rows if row[name] is not None]
        return sum(given) if given else None

    calls, puts = total("call_dex_usd"), total("put_dex_usd")
    return {
        "net_gex": number(total("net_gex_usd_1pct")),
        "net_dex": None if calls is None and puts is None else number((calls or 0) - (puts or 0)),
        "net_vex": number(total("net_vex_usd_1vol")),
        "net_chex": negated(total("net_chex_usd_day")),
    }


def hedge(chain: Chain, net_gex: float | None, move: float, *, is_signed: bool = False) -> HedgingMove:
    """What dealers trade when spot moves by a fraction: a long-gamma book sells rallies and buys dips."""
    spot = chain.spot
    exact = -known(net_gex) / spot * move * 100 if spot else 0.0
    shares = round(exact, 0 if chain.market == "us" else 4) + 0.0  # coins come in parts
    notional = shares * known(spot)
    return HedgingMove(
        dealer_shares_to_trade=shares,
        direction="buy" if shares > 0 or (shares == 0 and move < 0) else "sell",
        notional_usd=round(notional if is_signed else abs(notional), 2),
    )


def _in_words(exposures: dict[str, float | None]) -> Interpretation:
    def sentence(name: str, what: str, positive: str, negative: str) -> str:
        value = exposures[name]
        if not value:
            return f"Net {what} is {'not measured' if value is None else 'zero'}."
        return f"Net {what} is {'positive' if value > 0 else 'negative'}: {positive if value > 0 else negative}."

    return Interpretation(
        gamma=sentence("net_gex", "dealer gamma", "hedging leans against moves", "hedging goes with moves"),
        vanna=sentence("net_vex", "vanna", "falling volatility adds dealer buying", "falling volatility adds dealer selling"),
        charm=sentence("net_chex", "charm", "the passage of time adds dealer buying", "the passage of time adds dealer selling"),
    )


def _zero_dte_share(chain: Chain, settlements: list[dict[str, Any]], total: float | None) -> ZeroDteShare:
    dates = chain.zero_dte_dates
    rows = [row for row in settlements if row["expiry"] in dates]
    net = net_exposures(rows)["net_gex"] if rows else None
    return ZeroDteShare(net_gex=net, pct_of_total_gex=share_pct(net, total), expiration=day(dates[0]) if dates else None)
