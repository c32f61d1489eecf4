"""/v1/maxpain/{symbol}: pain curve, open interest by strike, alignment with the dealers' levels, pin score."""

from __future__ import annotations

from datetime import date, datetime
from operator import itemgetter
from typing import Any, Literal

import polars as pl
from pydantic import Field

from warehouse.api.flashalpha.chain import Chain, OfChain
from warehouse.api.flashalpha.convert import contracts_or_0, day, known, number, percent, sided
from warehouse.api.flashalpha.envelope import Count, Day, OfSymbol, Part, Percent, Score, Usd
from warehouse.api.flashalpha.parameters import Expiration, read_date

PAINS = ("call_pain_usd", "put_pain_usd", "total_pain_usd")
INTEREST = ("call_oi", "put_oi", "call_oi_contracts", "put_oi_contracts")
Regime = Literal["positive_gamma", "negative_gamma", "unknown"]


class Distance(Part):
    """From spot to max pain."""

    absolute: Usd | None
    percent: Percent | None = Field(description="of spot")
    direction: Literal["above", "below", "at"] | None = Field(description="where spot stands relative to max pain")


class PainPoint(Part):
    """What holders are paid if the underlying settles at a strike."""

    strike: Usd
    call_pain: Usd
    put_pain: Usd
    total_pain: Usd


class OiAtStrike(Part):
    """Open interest and volume of a strike."""

    strike: Usd
    call_oi: Count
    put_oi: Count
    total_oi: Count
    call_volume: Count
    put_volume: Count


class MaxPainOfExpiration(Part):
    """Max pain of one expiration date."""

    expiration: Day
    max_pain_strike: Usd | None
    dte: int
    total_oi: Count


class DealerAlignment(Part):
    """How max pain stands to the levels at which dealers hedge."""

    alignment: Literal["converging", "moderate", "diverging", "unknown"]
    description: str = Field(min_length=1)
    gamma_flip: Usd | None
    gamma_flip_status: str | None
    call_wall: Usd | None
    put_wall: Usd | None


class MaxPainMove(Part):
    """How far the market expects to move until `expiration`."""

    straddle_price: Usd | None
    atm_iv: Percent | None
    max_pain_within_expected_range: bool | None


class MaxPain(OfSymbol):
    """Max pain of one expiration, or of the whole chain pooled, which is no settlement event."""

    max_pain_strike: Usd | None
    distance: Distance
    signal: Literal["bullish", "bearish", "neutral"] | None
    expiration: Day = Field(description="the one asked for; otherwise the front expiration")
    put_call_oi_ratio: float | None
    pain_curve: list[PainPoint]
    oi_by_strike: list[OiAtStrike]
    max_pain_by_expiration: list[MaxPainOfExpiration] | None = Field(description="null when one expiration was asked for")
    dealer_alignment: DealerAlignment
    regime: Regime
    expected_move: MaxPainMove
    pin_probability: Score | None = Field(description="a score, not a probability; null where none is published")


def max_pain(chain: OfChain, expiration: Expiration = None) -> MaxPain:
    """Max pain with its curve; without `expiration` pooled over every expiration."""
    requested = read_date("expiration", expiration)
    if requested is None:
        by_date = chain.report("pain_by_date")
        if by_date.is_empty():
            raise chain.nothing(None)
        curve = by_date.filter(pl.col("expiry").is_null()).to_dicts()
        front, minimum = by_date["expiry"].drop_nulls().to_list()[0], chain.row("max_pain_pooled")
        regime, smile = chain.levels()["regime"], chain.settlement(front, "expiry_summary")
    else:
        by_date, front, minimum = None, requested, chain.settlement(requested, "max_pain", "pin_score", "expiry_summary")
        once = minimum["settles_once"]
        curve = _curve(chain, once) if once else chain.report("pain_by_date").filter(pl.col("expiry") == requested).to_dicts()
        regime, smile = _regime(minimum), minimum
    return MaxPain(
        **chain.head(),
        max_pain_strike=number(minimum["max_pain_strike"]),
        distance=Distance(
            absolute=number(minimum["distance_abs"], 4), percent=number(minimum["distance_pct"], 2), direction=minimum["direction"]
        ),
        signal=minimum["signal"],
        expiration=day(front),
        put_call_oi_ratio=number(minimum["pcr"], 3),
        pain_curve=_points(curve),
        oi_by_strike=_open_interest(chain, curve, requested),
        max_pain_by_expiration=None if by_date is None else _by_expiration(chain, by_date),
        dealer_alignment=_alignment(minimum),
        regime=regime,
        expected_move=_move(chain, smile, minimum["max_pain_strike"]),
        pin_probability=minimum["pin_score"],
    )


def _regime(row: dict[str, Any]) -> Regime:
    """Of a settlement by its own flip (definitions §6)."""
    flip, spot = row["gamma_flip"], row["spot"]
    return "unknown" if flip is None else "positive_gamma" if known(spot) >= flip else "negative_gamma"


def _curve(chain: Chain, expires_at: datetime) -> list[dict[str, Any]]:
    """The pain curve of one settlement as stored, with open interest by strike."""
    pains = chain.stored("pain_curve", ("strike", *PAINS), expires_at=expires_at)
    cells = chain.stored("gex_heatmap", ("strike", *INTEREST), expires_at=expires_at)
    return [pain | cell for pain, cell in zip(pains, cells, strict=True)]


def _points(curve: list[dict[str, Any]]) -> list[PainPoint]:
    names = dict(zip(("call_pain", "put_pain", "total_pain"), PAINS, strict=True))
    return [PainPoint(strike=row["strike"], **{name: row[column] for name, column in names.items()}) for row in curve]


def _open_interest(chain: Chain, curve: list[dict[str, Any]], expiry: date | None) -> list[OiAtStrike]:
    volumes, market, rows = chain.volumes(expiry), chain.market, []
    for row in curve:
        call, put = (contracts_or_0(sided(row, side, market), market) for side in ("call_oi", "put_oi"))
        call_volume, put_volume = (contracts_or_0(volumes.get((row["strike"], side)), market) for side in ("C", "P"))
        rows.append(
            OiAtStrike(strike=row["strike"], call_oi=call, put_oi=put, total_oi=call + put, call_volume=call_volume, put_volume=put_volume)
        )
    return rows


def _by_expiration(chain: Chain, by_date: pl.DataFrame) -> list[MaxPainOfExpiration]:
    dtes = {row["expiry"]: row["dte"] for row in sorted(chain.instants, key=itemgetter("dte"))}  # the largest of a date
    suffix = "_contracts" if chain.market == "us" else ""
    oi = pl.sum_horizontal(pl.col(f"call_oi{suffix}").sum(), pl.col(f"put_oi{suffix}").sum())
    best = pl.col("strike").filter(pl.col("is_max_pain")).first()
    dates = by_date.drop_nulls("expiry").group_by("expiry", maintain_order=True).agg(strike=best, total_oi=oi)
    return [
        MaxPainOfExpiration(
            expiration=day(expiry), max_pain_strike=strike, dte=dtes[expiry], total_oi=contracts_or_0(total_oi, chain.market)
        )
        for expiry, strike, total_oi in dates.iter_rows()
    ]


def _alignment(pin: dict[str, Any]) -> DealerAlignment:
    return DealerAlignment(
        alignment=pin["alignment"],
        description=pin["description"],
        gamma_flip=number(pin["gamma_flip"], 4),
        gamma_flip_status=pin["gamma_flip_status"],
        call_wall=number(pin["call_wall"]),
        put_wall=number(pin["put_wall"]),
    )


def _move(chain: Chain, smile: dict[str, Any], max_pain_strike: float | None) -> MaxPainMove:
    straddle = number(smile["straddle"])
    is_measured = None not in (straddle, max_pain_strike, chain.spot)
    return MaxPainMove(
        straddle_price=number(straddle, 4),
        atm_iv=percent(smile["atm_iv"]),
        max_pain_within_expected_range=abs(known(chain.spot) - known(max_pain_strike)) <= known(straddle) if is_measured else None,
    )
