"""/v1/exposure/gex: gamma exposure by strike."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from warehouse.api.flashalpha.chain import Chain, OfChain
from warehouse.api.flashalpha.convert import contracts, number, sided
from warehouse.api.flashalpha.envelope import Count, OfSymbol, Part, Usd, Usd1Pct
from warehouse.api.flashalpha.parameters import Expiration, MinOi, read_date


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


def gex(chain: OfChain, expiration: Expiration = None, min_oi: MinOi = 0) -> Gex:
    """Gamma exposure by strike, of all expirations or one; `min_oi` filters `strikes` only."""
    requested = read_date("expiration", expiration)
    levels = chain.levels() if requested is None else chain.settlement(requested, "gex_by_expiry", "pin_score")
    net = number(levels["net_gex_usd_1pct"])
    return Gex(
        **chain.head(),
        gamma_flip=number(levels["gamma_flip"], 4),
        gamma_flip_status=levels["gamma_flip_status"],
        net_gex=net,
        net_gex_label=None if net is None else "positive" if net >= 0 else "negative",
        strikes=_strikes(chain, requested, min_oi),
    )


def _strikes(chain: Chain, expiry: date | None, min_oi: int) -> list[GexAtStrike]:
    market = chain.market
    profile, volumes = chain.profile(expiry), chain.volumes(expiry)
    changes = oi_changes(chain, expiry)
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
                call_volume=contracts(volumes.get((row["strike"], "C")), market),
                put_volume=contracts(volumes.get((row["strike"], "P")), market),
                call_oi_change=contracts(changes.get((row["strike"], "C")), market),
                put_oi_change=contracts(changes.get((row["strike"], "P")), market),
            )
        )
    return rows


def oi_changes(chain: Chain, expiry: date | None) -> dict[tuple[float, str], float | None]:
    """Change of open interest by strike and option type, in contracts or coins; None without a snapshot to compare with."""
    column = "oi_change_contracts" if chain.market == "us" else "oi_change"
    frame = chain.report("oi_change", expiry=expiry).select("strike", "option_type", column)
    return {(strike, side): change for strike, side, change in frame.iter_rows()}
