"""Spot ladder, smile and implied density of one snapshot, from its stored rows (definitions §6, §7)."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from models.contracts.analytics import ExpirySmile, GammaLadder, ImpliedDensity
from models.pricing.density import implied_density
from models.pricing.forwards import EXPIRY
from models.pricing.gamma_ladder import gamma_ladder
from models.pricing.smile import expiry_smile
from models.pricing.strike_lines import strike_lines
from models.snapshot import OK, GreeksRules, as_rows


def analytics_of(venues: pl.DataFrame, quotes: pl.DataFrame, greeks: pl.DataFrame, *, rules: GreeksRules) -> dict[str, pl.DataFrame]:
    """Rows of `core.gamma_ladder`, `core.expiry_smile` and `core.implied_density`, by that name.

    Arguments: rows of `core.snapshot_venues`, `core.option_quotes` and `core.option_greeks` of one snapshot with a usable venue.
    """
    usable = venues.filter(pl.col("status") == OK)
    lines = strike_lines(quotes, greeks, usable.select("venue", "spot"), rate=rules.rates[usable["market"][0]])
    smile = expiry_smile(lines)
    density, kernels = implied_density(lines, smile)
    rows: dict[str, tuple[pl.DataFrame, type[dy.Schema]]] = {
        "core.gamma_ladder": (gamma_ladder(lines, tau_floor_seconds=rules.tau_floor_seconds), GammaLadder),
        "core.expiry_smile": (smile.hstack(density[density.columns[len(EXPIRY) :]]), ExpirySmile),
        "core.implied_density": (kernels, ImpliedDensity),
    }
    snapshot_id = usable["snapshot_id"][:1]
    return {
        name: as_rows(frame.hstack([snapshot_id.new_from_index(0, frame.height)]), contract) for name, (frame, contract) in rows.items()
    }
