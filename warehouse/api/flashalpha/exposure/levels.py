"""/v1/exposure/levels: key levels of the whole chain."""

from __future__ import annotations

from pydantic import Field

from warehouse.api.flashalpha.chain import OfChain
from warehouse.api.flashalpha.convert import number
from warehouse.api.flashalpha.envelope import OfSymbol, Part, Usd


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
