"""Folds contracts that several venues list into one: means weighted by open interest, sums of interest and volume (definitions §7)."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

CONTRACT = ("expires_at", "expiry", "strike", "option_type")
SUMS = ("oi", "oi_base", "volume")
MEANS = ("iv", "delta", "gamma", "theta", "mid", "spread_pct")
EXACT = 1e6  # open interest and volume are added as whole millionths, as everywhere (exact_sum in sql/functions.sql)


def folded(listed: pl.DataFrame) -> pl.DataFrame:
    """One row per expires_at, strike, option_type from the rows of sql/api/flashalpha_contracts.sql, which are in order.

    Columns: these and expiry, oi, oi_base, volume (null if not reported), iv, delta, gamma, theta, mid, spread_pct (null where no venue
    with weight has one; without open interest all weigh the same), contracts, with_oi, without_iv (counts).
    """
    if listed.is_empty():
        return listed.select(*CONTRACT, *SUMS, *MEANS, contracts=pl.lit(0), with_oi=pl.lit(0), without_iv=pl.lit(0))
    starts = _starts(listed)
    numbers = {name: listed[name].to_numpy() for name in (*SUMS, *MEANS)}  # numpy has no null
    oi = np.nan_to_num(numbers["oi_base"])
    groups = np.diff(np.append(starts, listed.height))
    weight = np.where(np.repeat(_sums(oi, starts) > 0, groups), oi, 1.0)
    columns = {name: _exact_sums(numbers[name], starts) for name in SUMS}
    columns |= {name: _means(numbers[name], weight, starts) for name in MEANS}
    counts = {"contracts": groups, "with_oi": _sums((oi > 0).astype(np.int64), starts)}
    counts["without_iv"] = _sums(((oi > 0) & np.isnan(numbers["iv"])).astype(np.int64), starts)
    contracts: pl.DataFrame = listed.select(*CONTRACT)[starts]
    return contracts.hstack(
        [
            *(pl.Series(name, values, nan_to_null=True) for name, values in columns.items()),
            *(pl.Series(name, values) for name, values in counts.items()),
        ]
    )


def _starts(listed: pl.DataFrame) -> Any:
    """Where each contract's rows begin."""
    is_first = np.zeros(listed.height, dtype=bool)
    is_first[0] = True
    for values in (listed["expires_at"].to_physical().to_numpy(), listed["strike"].to_numpy(), listed["option_type"].to_numpy()):
        is_first[1:] |= values[1:] != values[:-1]
    return np.flatnonzero(is_first)


def _sums(values: Any, starts: Any) -> Any:
    """Sum of each group, added in row order, so that the result matches a loop bit for bit; groups are small."""
    sizes = np.diff(np.append(starts, len(values)))
    sums = values[starts]
    for offset in range(1, int(sizes.max())):
        longer = np.flatnonzero(sizes > offset)
        sums[longer] += values[starts[longer] + offset]
    return sums


def _exact_sums(values: Any, starts: Any) -> Any:
    is_known = ~np.isnan(values)
    sums = _sums(np.rint(np.where(is_known, values, 0.0) * EXACT).astype(np.int64), starts) / EXACT
    return np.where(_sums(is_known.astype(np.int64), starts) > 0, sums, np.nan)


def _means(values: Any, weight: Any, starts: Any) -> Any:
    is_known = ~np.isnan(values)
    above = _sums(np.where(is_known, values * weight, 0.0), starts)
    below = _sums(np.where(is_known, weight, 0.0), starts)
    return np.where(below != 0, above / np.where(below != 0, below, 1.0), np.nan)
