"""Contracts that several venues list, as one: means weighted by open interest, sums of interest and volume (definitions §7)."""

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

    Columns: these and expiry, oi, oi_base, volume (null where no venue says), iv, delta, gamma, theta, mid, spread_pct (null where no venue
    with weight has one; without open interest all weigh the same), contracts, with_oi, without_iv (counts).
    """
    is_first = pl.struct(*CONTRACT[:1], *CONTRACT[2:]).rle_id().diff().fill_null(1) != 0
    starts = listed.select(is_first.arg_true()).to_series().to_numpy()
    if not len(starts):
        return listed.select(*CONTRACT, *SUMS, *MEANS, contracts=pl.lit(0), with_oi=pl.lit(0), without_iv=pl.lit(0))
    groups = np.diff(np.append(starts, listed.height))
    weight = listed["oi_base"].fill_null(0.0).to_numpy()
    weight = np.where(np.repeat(_sums(weight, starts) > 0, groups), weight, 1.0)
    columns: dict[str, Any] = {name: _exact_sums(listed[name], starts) for name in SUMS}
    columns |= {name: _means(listed[name], weight, starts) for name in MEANS}
    with_oi = (listed["oi_base"] > 0).fill_null(False).to_numpy()
    columns |= {"contracts": groups, "with_oi": _sums(with_oi.astype(np.int64), starts)}
    columns |= {"without_iv": _sums((with_oi & listed["iv"].is_null().to_numpy()).astype(np.int64), starts)}
    contracts: pl.DataFrame = listed[starts.tolist()].select(*CONTRACT)
    return contracts.with_columns(pl.Series(name, values) for name, values in columns.items())


def _sums(values: Any, starts: Any) -> Any:
    """Sum of each group, one after the other, so that the last bits are those of a loop; a contract has few rows."""
    sizes = np.diff(np.append(starts, len(values)))
    sums = values[starts]
    for place in range(1, int(sizes.max())):
        longer = np.flatnonzero(sizes > place)
        sums[longer] += values[starts[longer] + place]
    return sums


def _exact_sums(column: pl.Series, starts: Any) -> pl.Series:
    measured = column.is_not_null().to_numpy()
    sums = _sums(np.rint(column.fill_null(0.0).to_numpy() * EXACT).astype(np.int64), starts) / EXACT
    return _or_null(sums, _sums(measured.astype(np.int64), starts) > 0)


def _means(column: pl.Series, weight: Any, starts: Any) -> pl.Series:
    measured = column.is_not_null().to_numpy()
    above = _sums(np.where(measured, column.fill_null(0.0).to_numpy() * weight, 0.0), starts)
    below = _sums(np.where(measured, weight, 0.0), starts)
    has_weight = below != 0
    return _or_null(above / np.where(has_weight, below, 1.0), has_weight)


def _or_null(values: Any, is_known: Any) -> pl.Series:
    return pl.select(pl.when(pl.Series(is_known)).then(pl.Series(values))).to_series()
