"""/v1/exposure/gex, levels, summary and term-structure: what dealers hedge, by strike, over the chain and by expiration."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

import polars as pl
from pydantic import Field

from warehouse.api.flashalpha.chain import Chain, OfChain
from warehouse.api.flashalpha.convert import contracts, day, known, negated, number, share_pct, sided
from warehouse.api.flashalpha.envelope import Count, Day, OfSymbol, Part, Percent, Usd, Usd1Pct, Usd1Vol, UsdDay
from warehouse.api.flashalpha.max_pain import Regime, volumes_by_strike
from warehouse.api.flashalpha.parameters import Expiration, MinOi, read_date

BUCKETS = (("0-7d", 0, 7), ("8-30d", 8, 30), ("31-60d", 31, 60), ("61-180d", 61, 180), ("180d+", 181, 2147483647))


class GexAtStrike(Part):
    """Gamma exposure and open interest of a strike; puts negative."""

    strike: Usd
    call_gex: Usd1Pct | None
    put_gex: Usd1Pct | None
    net_gex: Usd1Pct | None
    call_oi: Count | None
    put_oi: Count | None
    call_volume: Count | None
    put_volume: Count | None
    call_oi_change: Count | None = Field(description="against the snapshot with the open interest before; null for a new listing")
    put_oi_change: Count | None


class Gex(OfSymbol):
    """Gamma exposure by strike."""

    gamma_flip: Usd | None
    gamma_flip_status: str
    net_gex: Usd1Pct | None
    net_gex_label: Literal["positive", "negative"] | None
    strikes: list[GexAtStrike]


class Levels(Part):
    """Key levels of the whole chain."""

    gamma_flip: Usd | None = Field(description="a price, not a strike")
    gamma_flip_status: str
    max_positive_gamma: Usd | None
    max_negative_gamma: Usd | None
    call_wall: Usd | None = Field(description="strike, anywhere, of the largest call exposure")
    put_wall: Usd | None = Field(description="strike, anywhere, of the largest put exposure")
    highest_oi_strike: Usd | None
    zero_dte_magnet: Usd | None = Field(description="strike of the largest net exposure of 0DTE")


class ExposureLevels(OfSymbol):
    """Key levels."""

    levels: Levels


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


class DteBucket(Part):
    """Exposures of a range of days to expiration."""

    bucket: str
    dte_range: tuple[int, int] = Field(description="inclusive")
    net_gex: Usd1Pct
    net_dex: Usd
    net_vex: Usd1Vol
    net_chex: UsdDay
    contract_count: int


class ExpirationExposure(Part):
    """Exposures of one expiration date."""

    expiration: Day
    dte: int
    is_opex: bool = Field(description="monthly or quarterly")
    is_triple_witching: bool
    net_gex: Usd1Pct
    net_dex: Usd
    net_vex: Usd1Vol
    net_chex: UsdDay
    pct_of_chain_gex: Percent


class TermStructure(OfSymbol):
    """Exposures by time to expiration; ranges without contracts are left out."""

    by_dte_bucket: list[DteBucket]
    by_expiry: list[ExpirationExposure]


def gex(chain: OfChain, expiration: Expiration = None, min_oi: MinOi = 0) -> Gex:
    """Gamma exposure by strike, of all expirations or one; `min_oi` filters `strikes` only."""
    asked = read_date("expiration", expiration)
    if asked is not None:
        chain.expires_at(asked)
    levels = chain.levels(asked)
    net = number(levels["net_gex_usd_1pct"])
    return Gex(
        **chain.head(),
        gamma_flip=number(levels["gamma_flip"], 4),
        gamma_flip_status=levels["gamma_flip_status"],
        net_gex=net,
        net_gex_label=None if net is None else "positive" if net >= 0 else "negative",
        strikes=_strikes(chain, asked, min_oi),
    )


def _strikes(chain: Chain, asked: date | None, min_oi: int) -> list[GexAtStrike]:
    market = chain.market
    profile = chain.mart("gex_profile", asked).join(volumes_by_strike(chain, asked), on="strike", how="left", maintain_order="left")
    changes = oi_changes(chain, asked)
    rows = []
    for row in profile.sort("strike").iter_rows(named=True):
        call_oi, put_oi = (contracts(sided(row, side, market), market) for side in ("call_oi", "put_oi"))
        if (call_oi or 0) + (put_oi or 0) < min_oi:
            continue
        rows.append(
            GexAtStrike(
                strike=row["strike"],
                **{f"{side}_gex": number(row[f"{side}_gex_usd_1pct"]) for side in ("call", "put", "net")},
                call_oi=call_oi,
                put_oi=put_oi,
                **{f"{side}_volume": contracts(row[f"{side}_volume"], market) for side in ("call", "put")},
                call_oi_change=contracts(changes.get((row["strike"], "C")), market),
                put_oi_change=contracts(changes.get((row["strike"], "P")), market),
            )
        )
    return rows


def oi_changes(chain: Chain, asked: date | None) -> dict[tuple[float, str], float | None]:
    """Change of open interest by strike and option type, in contracts or coins; None where nothing could be compared."""
    column = "oi_change_contracts" if chain.market == "us" else "oi_change"
    frame = chain.report("oi_change", expiry=asked).select("strike", "option_type", column)
    return {(strike, side): change for strike, side, change in frame.iter_rows()}


def exposure_levels(chain: OfChain) -> ExposureLevels:
    """Key levels of the whole chain."""
    row = chain.levels()
    return ExposureLevels(
        **chain.head(),
        levels=Levels(
            gamma_flip_status=row["gamma_flip_status"],
            gamma_flip=number(row["gamma_flip"], 4),
            **{name: number(row[name]) for name in Levels.model_fields if not name.startswith("gamma_flip")},
        ),
    )


def exposure_summary(chain: OfChain) -> ExposureSummary:
    """Exposures of the whole chain, what dealers do about a move of 1 %, and the part of 0DTE."""
    levels = chain.levels()
    expiries = chain.mart("gex_by_expiry")
    exposures = net_exposures(expiries.to_dicts())
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
        zero_dte=_zero_dte_share(chain, exposures["net_gex"]),
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


def zero_dte_dates(chain: Chain) -> list[date]:
    """Dates of the expiries that count as 0DTE."""
    dates: list[date] = chain.report("expiries").filter(pl.col("is_zero_dte"))["expiry"].unique().sort().to_list()
    return dates


def _zero_dte_share(chain: Chain, total: float | None) -> ZeroDteShare:
    dates = zero_dte_dates(chain)
    rows = chain.mart("gex_by_expiry").filter(pl.col("expiry").is_in(dates)).to_dicts() if dates else []
    net = net_exposures(rows)["net_gex"] if rows else None
    return ZeroDteShare(net_gex=net, pct_of_total_gex=share_pct(net, total), expiration=day(dates[0]) if dates else None)


def term_structure(chain: OfChain) -> TermStructure:
    """Exposures by expiration and by range of days."""
    rows = chain.mart("gex_by_expiry").to_dicts()
    if not rows:
        raise chain.nothing(None)
    counts = dict(chain.report("expiries").select("expires_at", "contracts").iter_rows())
    types = {row["expires_at"]: row for row in chain.mart("opex_calendar").to_dicts()}
    dates = sorted({row["expiry"] for row in rows})
    of_date = {one: [row for row in rows if row["expiry"] == one] for one in dates}
    whole = sum(abs(known(net_exposures(of_date[one])["net_gex"])) for one in dates)
    return TermStructure(
        **chain.head(),
        by_dte_bucket=[found for bucket in BUCKETS if (found := _bucket(bucket, rows, counts)) is not None],
        by_expiry=[_expiration(chain, one, of_date[one], types, whole) for one in dates],
    )


def _bucket(bucket: tuple[str, int, int], rows: list[dict[str, Any]], counts: dict[Any, int]) -> DteBucket | None:
    name, low, high = bucket
    inside = [row for row in rows if low <= row["dte"] <= high]
    if not inside:
        return None
    exposures = {key: known(value) for key, value in net_exposures(inside).items()}
    return DteBucket(bucket=name, dte_range=(low, high), contract_count=sum(counts[row["expires_at"]] for row in inside), **exposures)


def _expiration(
    chain: Chain, expiry: date, rows: list[dict[str, Any]], types: dict[Any, dict[str, Any]], whole: float
) -> ExpirationExposure:
    exposures = {key: known(value) for key, value in net_exposures(rows).items()}
    kinds = [types[row["expires_at"]] for row in rows]
    is_quarterly = any(kind["type"] == "quarterly" for kind in kinds)
    return ExpirationExposure(
        expiration=day(expiry),
        dte=max(row["dte"] for row in rows),
        is_opex=any(kind["is_anchor"] for kind in kinds),
        is_triple_witching=is_quarterly if chain.market == "crypto" else any(kind["is_triple_witching"] for kind in kinds),
        pct_of_chain_gex=round(100 * abs(exposures["net_gex"]) / whole, 2) if whole else 0.0,
        **exposures,
    )
