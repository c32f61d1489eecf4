"""Comparing a mart with a second opinion: text, dates and decimals must be equal, doubles to the last digits that rounding leaves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

NEARLY = 1e-12


def is_same(ours: Any, theirs: Any, *, within: float = NEARLY) -> bool:
    if isinstance(ours, float) and isinstance(theirs, int | float):
        return math.isclose(ours, theirs, rel_tol=within, abs_tol=1e-9)
    return bool(ours == theirs)


def assert_row(ours: Mapping[str, Any], theirs: Mapping[str, Any], columns: Iterable[str]) -> None:
    """The same values in these columns of two rows."""
    differing = {name: (ours[name], theirs[name]) for name in columns if not is_same(ours[name], theirs[name])}
    assert not differing, differing


def assert_frames(ours: pl.DataFrame, theirs: pl.DataFrame, *, key: list[str]) -> None:
    """The same rows in all columns of `theirs`: strikes, decimals and integers exactly, other doubles to 1e-12."""
    assert ours.height == theirs.height, f"{ours.height} rows, expected {theirs.height}"
    ours, theirs = ours.sort(key), theirs.sort(key)
    for name in theirs.columns:
        mine, other = ours[name], theirs[name]
        if mine.dtype.is_float() and name not in key:
            assert mine.is_null().equals(other.is_null()), f"{name}: nulls differ"
            off = (mine - other).abs() > NEARLY * other.abs() + 1e-9
            assert not off.fill_null(False).any(), (
                name,
                ours.filter(off.fill_null(False)).head(3).rows(),
                other.filter(off.fill_null(False)).head(3),
            )
        else:
            same = mine.eq_missing(other.cast(mine.dtype, strict=False) if mine.dtype.is_numeric() else other)
            assert same.all(), (name, mine.filter(~same).head(3).to_list(), other.filter(~same).head(3).to_list())
