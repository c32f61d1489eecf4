"""Contracts of the `marts` tables about gamma over spot levels, its roots, and the strikes that carry most of it."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from models.contracts.core import PERCENT, USD
from models.contracts.marts import ScopedRow


class NetGamma(dy.Schema):
    """Gamma exposure of calls and puts together. Calls count +, puts − (scenario `std`)."""

    call_gex_usd_1pct = dy.Decimal(18, 2, nullable=True, description="gamma exposure of calls per 1 % move", metadata=USD)
    put_gex_usd_1pct = dy.Decimal(18, 2, nullable=True, description="gamma exposure of puts per 1 % move, negative", metadata=USD)
    net_gex_usd_1pct = dy.Decimal(18, 2, nullable=True, description="call + put gamma exposure", metadata=USD)
    abs_gex_usd_1pct = dy.Decimal(18, 2, nullable=True, description="|call| + |put| gamma exposure", metadata=USD)
    net_to_gross = dy.Float64(nullable=True, description="net / gross gamma exposure, −1 to 1; null without any")


class SpotLevelRow(ScopedRow):
    """A row about one level of spot."""

    scope_expiry = dy.String(
        primary_key=True,
        description="all, 0dte, ex_next (without the next settlement), ex_anchor (without the next monthly or quarterly)",
    )
    spot_level = dy.Float64(primary_key=True, min_exclusive=0, description="where spot would stand: spot · spot_factor", metadata=USD)
    spot_factor = dy.Float64(min=0.8, max=1.2, description="0.80 to 1.20 in 161 steps of 0.0025")


class GammaProfile(SpotLevelRow, NetGamma):
    """Gamma exposure if spot stood elsewhere. One row per snapshot_id, scope_venue, scope_expiry, spot_level.

    The forward moves with spot, volatilities are held, gamma is the model's; venues are added at the same factor of their own spots.
    """


class GammaFlipZones(ScopedRow):
    """Levels within 20 % of spot where net gamma changes sign. One row per snapshot_id, scope_venue, scope_expiry, method, level."""

    scope_expiry = dy.String(primary_key=True, description="all, or 0dte")
    method = dy.String(
        primary_key=True, description="spot_ladder (re-priced total over spot levels) or cumulative_by_strike (running sum over strikes)"
    )
    level = dy.Float64(primary_key=True, min_exclusive=0, description="where it is zero, linear between its neighbours", metadata=USD)
    direction = dy.String(description="rising (from negative to positive) or falling")
    lower_level = dy.Float64(description="spot level or strike below it; start of the stretch that is exactly zero", metadata=USD)
    upper_level = dy.Float64(description="spot level or strike above it; end of the stretch that is exactly zero", metadata=USD)
    lower_strike = dy.Float64(nullable=True, description="highest strike of the profile at or below the level", metadata=USD)
    upper_strike = dy.Float64(nullable=True, description="lowest strike of the profile at or above the level", metadata=USD)
    spot = dy.Float64(nullable=True, description="spot of the scope", metadata=USD)
    distance_pct = dy.Float64(nullable=True, min=0, description="|spot − level| / spot", metadata=PERCENT)

    @dy.rule()
    def level_lies_between_its_neighbours(cls) -> pl.Expr:
        """The root is where the sign changes."""
        return pl.col("level").is_between(pl.col("lower_level"), pl.col("upper_level"))


class RankedStrike(ScopedRow):
    """A strike and its place among those of its profile."""

    scope_expiry = dy.String(primary_key=True, description="all, or 0dte")
    rank = dy.Int64(primary_key=True, min=1, max=10, description="1 carries most; ties: nearest spot, then lower")
    strike = dy.Float64(min_exclusive=0, description="strike", metadata=USD)
    spot = dy.Float64(nullable=True, description="spot of the scope", metadata=USD)
    distance_pct = dy.Float64(nullable=True, min=0, description="|spot − strike| / spot", metadata=PERCENT)


class GexRanked(RankedStrike, NetGamma):
    """The ten strikes of largest |net gamma exposure|. One row per snapshot_id, scope_venue, scope_expiry, rank."""
