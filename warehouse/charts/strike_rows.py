"""Rows for charts by strike: the profile, its levels and its max pain."""

from __future__ import annotations

from typing import Any, NamedTuple

import polars as pl


class StrikeRows(NamedTuple):
    """Rows of the macros gex_profile, gex_levels (of the requested expiries) and max_pain_pooled."""

    profile: pl.DataFrame
    levels: dict[str, Any]
    max_pain: dict[str, Any]
