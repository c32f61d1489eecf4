"""Evidence for a gamma flip or an hvl: the roots, and the ladder around the one nearest spot."""

from __future__ import annotations

import polars as pl

from warehouse.explain.chain import Chain
from warehouse.explain.explanation import Number, Row, Table
from warehouse.explain.kinds.level_meanings import STATUS_MEANINGS

METHODS = {"hvl": "cumulative_by_strike", "gamma_flip": "spot_ladder"}
STEPS_AROUND = 3  # of the ladder, to either side


def flip_inputs(row: Row, parameters: Row, level: str) -> list[Number]:
    """Status of the flip, and the settings that decide it."""
    if level != "gamma_flip":
        return []
    status = row["gamma_flip_status"]
    return [
        Number("gamma_flip_status", status, None, STATUS_MEANINGS[status]),
        Number("gamma_flip_distance_pct", row["gamma_flip_distance_pct"], "percent of spot"),
        Number("regime", row["regime"], None, "positive_gamma when spot is at or above the flip"),
        Number("flip_min_strikes", parameters["flip_min_strikes"], "strikes", "with open interest and volatility on either side of spot"),
        Number("flip_min_window_pct", parameters["flip_min_window_pct"], "percent of spot", "within at least so far"),
        Number("flip_sensitive_pct", parameters["flip_sensitive_pct"], "percent of spot", "a second root so near spoils it"),
        Number("gamma_source", parameters["gamma_source"]),
    ]


def flip_tables(chain: Chain, level: str) -> list[Table]:
    """Roots of the level's method, nearest spot first, and for the flip the ladder around the first of them."""
    scope_expiry = "0dte" if chain.question.zero_dte else "all"
    zones = chain.macro("gamma_flip_zones").filter((pl.col("scope_expiry") == scope_expiry) & (pl.col("method") == METHODS[level]))
    nearest = zones.sort("distance_pct", "level")
    columns = ["level", "direction", "lower_level", "upper_level", "lower_strike", "upper_strike", "distance_pct"]
    tables = [Table("Sign changes within 20 % of spot, nearest first", tuple(nearest.select(columns).rows(named=True)))]
    if level == "gamma_flip":
        ladder = chain.macro("gamma_profile").filter(pl.col("scope_expiry") == scope_expiry).sort("spot_level")
        centre = nearest["level"][0] if nearest.height else chain.facts.spot
        if centre is not None and ladder.height:
            index = ladder["spot_level"].search_sorted(centre)
            shown = ladder.slice(max(index - STEPS_AROUND, 0), 2 * STEPS_AROUND)
            columns = ["spot_level", "spot_factor", "call_gex_usd_1pct", "put_gex_usd_1pct", "net_gex_usd_1pct"]
            tables.append(Table("The ladder around the nearest of them (USD per 1 % move)", tuple(shown.select(columns).rows(named=True))))
    return tables
