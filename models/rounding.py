"""Rounding of what is stored (definitions §12): so that noise in the last bit does not change a row."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

SIGNIFICANT_DIGITS = 12
USD = pl.Decimal(18, 2)
USD_LIMIT = 9.99e15  # the type holds amounts below 1e16; an exposure near it is a wrong open interest
# Nothing we store is measured below this; it also keeps every scale a normal double.
SMALLEST = 1e-280
_LOG10_2 = 0.30102999566398120
_POWERS_OF_TEN = np.array([float(f"1e{exponent}") for exponent in range(309)])


def round_significant(values: npt.ArrayLike, digits: int = SIGNIFICANT_DIGITS) -> npt.NDArray[np.float64]:
    """Values rounded half to even to so many significant decimal digits; below 1e-280 to 0, NaN and infinity stay.

    Only multiplications, divisions and comparisons, which every processor rounds alike: no logarithm, whose last bit differs. From 1e-11
    to 1e34 the result is the double nearest to the decimal number.
    """
    x = np.asarray(values, dtype=np.float64)
    size = np.abs(x)
    is_plain = np.isfinite(x) & (size >= SMALLEST)
    size = np.where(is_plain, size, 1.0)
    # The binary exponent gives the decimal one, or one less.
    exponent = np.floor((np.frexp(size)[1] - 1) * _LOG10_2).astype(np.int64)
    exponent += size >= _power(exponent + 1)
    shift = digits - 1 - exponent
    up, down = _POWERS_OF_TEN[np.clip(shift, 0, 308)], _POWERS_OF_TEN[np.clip(-shift, 0, 308)]
    rounded = np.copysign(np.rint(size * up / down) * down / up, x)
    return np.where(is_plain, rounded, np.where(np.isfinite(x), 0.0, x))


def round_usd(values: npt.ArrayLike) -> pl.Series:
    """Values as DECIMAL(18, 2), rounded half to even after scaling to cents; NaN and what the type cannot hold become null."""
    x = np.asarray(values, dtype=np.float64)
    return pl.Series(np.where(np.abs(x) < USD_LIMIT, x, np.nan), nan_to_null=True).cast(USD)


def _power(exponent: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.where(exponent >= 0, _POWERS_OF_TEN[np.clip(exponent, 0, 308)], 1.0 / _POWERS_OF_TEN[np.clip(-exponent, 0, 308)])
