"""One expiration by strike: exposures from the profile with quotes and greeks of its contracts."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import polars as pl

from warehouse.api.flashalpha.chain import Chain
from warehouse.api.flashalpha.convert import contracts, negated, number, share_pct
from warehouse.api.flashalpha.zero_dte.models import ZeroDteStrike

QUOTED = ("volume", "iv", "delta", "gamma", "theta", "mid", "spread_pct", "oi")


def strikes_of(chain: Chain, expiry: date) -> pl.DataFrame:
    """gex_profile of an expiration date with `call_` and `put_` columns of its contracts; one row per strike, ascending.

    Of two settlements on the date volumes are added, quotes and greeks are those of the later one that has them.
    """
    quoted = chain.contracts(expiry)
    frame = chain.profile(expiry).drop("call_oi", "put_oi")
    for option_type, side in (("C", "call"), ("P", "put")):
        columns = [
            (
                pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum())
                if name in ("volume", "oi")
                else pl.col(name).drop_nulls().last()
            ).alias(f"{side}_{name}")
            for name in QUOTED
        ]
        one = quoted.filter(pl.col("option_type") == option_type).group_by("strike", maintain_order=True).agg(columns)
        frame = frame.join(one, on="strike", how="left", maintain_order="left")
    return frame.sort("strike")


def in_window(frame: pl.DataFrame, spot: float | None, part: float) -> pl.DataFrame:
    """Strikes within a part of spot; none without spot."""
    return frame.clear() if spot is None else frame.filter((pl.col("strike") - spot).abs() <= part * spot)


def strike_rows(chain: Chain, expiry: date, frame: pl.DataFrame, window: pl.DataFrame) -> list[ZeroDteStrike]:
    """The strikes shown; shares are of the whole expiration."""
    total_gex = number(frame["net_gex_usd_1pct"].cast(pl.Float64).abs().sum())
    total_oi = _sum(frame, "call_oi") + _sum(frame, "put_oi")
    total_volume = _sum(frame, "call_volume") + _sum(frame, "put_volume")
    return [_strike(chain, expiry, row, total_gex, total_oi, total_volume) for row in window.iter_rows(named=True)]


def _strike(
    chain: Chain, expiry: date, row: dict[str, Any], total_gex: float | None, total_oi: float, total_volume: float
) -> ZeroDteStrike:
    spot, market, strike = chain.spot, chain.market, row["strike"]
    call_dex, put_dex = number(row["call_dex_usd"]), negated(row["put_dex_usd"])
    net_gex = number(row["net_gex_usd_1pct"])
    name = f"{chain.symbol}-{expiry:%y%m%d}-{{}}-{strike:.10g}"
    return ZeroDteStrike(
        strike=strike,
        distance_from_spot_pct=None if not spot else round(100 * (strike - spot) / spot, 4),
        call_symbol=name.format("C"),
        put_symbol=name.format("P"),
        call_gex=number(row["call_gex_usd_1pct"]),
        put_gex=number(row["put_gex_usd_1pct"]),
        net_gex=net_gex,
        call_dex=call_dex,
        put_dex=put_dex,
        net_dex=None if call_dex is None and put_dex is None else round((call_dex or 0) + (put_dex or 0), 2),
        net_vex=number(row["net_vex_usd_1vol"]),
        net_chex=negated(row["net_chex_usd_day"]),
        **{f"{side}_{what}": contracts(row[f"{side}_{what}"], market) for side in ("call", "put") for what in ("oi", "volume")},
        gex_share_pct=share_pct(None if net_gex is None else abs(net_gex), total_gex),
        oi_share_pct=share_pct((row["call_oi"] or 0) + (row["put_oi"] or 0), total_oi),
        volume_share_pct=share_pct((row["call_volume"] or 0) + (row["put_volume"] or 0), total_volume),
        **{
            f"{side}_{what}": number(row[f"{side}_{what}"], digits)
            for side in ("call", "put")
            for what, digits in (("iv", 6), ("delta", 6), ("gamma", 9), ("theta", 6), ("mid", 4), ("spread_pct", 2))
        },
    )


def _sum(frame: pl.DataFrame, name: str) -> float:
    return float(frame[name].sum())


def iv_smoothness(window: pl.DataFrame) -> float | None:
    """100 · max(0, 1 − step / 0.05), step the mean change of volatility between neighbouring strikes of the window."""
    iv = window.select(pl.coalesce("call_iv", "put_iv")).to_series().drop_nulls().to_numpy()
    return None if iv.size < 2 else 100 * max(0.0, 1 - float(np.abs(np.diff(iv)).mean()) / 0.05)


def convexity(frame: pl.DataFrame, spot: float | None) -> float | None:
    """Second difference of net exposure over the three strikes nearest spot (of equally near ones the lower): USD per 1 % per USD²."""
    if spot is None:
        return None
    measured = frame.filter(pl.col("net_gex_usd_1pct").is_not_null())
    near = measured.sort((pl.col("strike") - spot).abs(), "strike").head(3).sort("strike")
    if near.height < 3:
        return None
    k, g = near["strike"].to_numpy(), near["net_gex_usd_1pct"].cast(pl.Float64).to_numpy()
    slopes = np.diff(g) / np.diff(k)
    return number(2 * float(slopes[1] - slopes[0]) / float(k[2] - k[0]), 4)


def magnet_of(frame: pl.DataFrame, spot: float | None) -> dict[str, Any] | None:
    """The strike of the largest |net exposure|; ties: nearest spot, then lower (definitions §6)."""
    measured = frame.filter(pl.col("net_gex_usd_1pct").is_not_null()).with_columns(size=pl.col("net_gex_usd_1pct").cast(pl.Float64).abs())
    if measured.is_empty() or spot is None:
        return None
    return measured.sort("size", (pl.col("strike") - spot).abs(), "strike", descending=[True, False, False]).row(0, named=True)


__all__ = ["convexity", "in_window", "iv_smoothness", "magnet_of", "strike_rows", "strikes_of"]
