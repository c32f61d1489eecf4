"""A settlement price distributed as a mixture of lognormals: option prices, probabilities, density, moments (definitions §7, density).

Weighted sums are by einsum and not by matrix product: that one is free to split its sums over threads.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from models.black76 import Bools, Floats


class LogMoments(NamedTuple):
    """Moments of ln(settlement price / some fixed price)."""

    mean: float
    sd: float
    skewness: float
    excess_kurtosis: float


class LognormalMixture(NamedTuple):
    """Kernel i is a lognormal of mean `means[i]` (USD) whose logarithm has the standard deviation `widths[i]`; weights add up to one."""

    means: Floats
    widths: Floats
    weights: Floats

    def probability_below(self, levels: Floats) -> Floats:
        """Probability of settling below each level: 0 at 0, 1 at infinity."""
        kernels = np.asarray(ndtr(_distances(levels, self.means, self.widths)), dtype=np.float64)
        return _weighted(kernels, self.weights)

    def density(self, levels: Floats) -> Floats:
        """Probability per USD at each positive level."""
        z = _distances(levels, self.means, self.widths)
        kernels = np.exp(-0.5 * z * z) / (math.sqrt(2.0 * math.pi) * self.widths * np.asarray(levels)[:, None])
        return _weighted(kernels, self.weights)

    def prices(self, strike: Floats, is_put: Bools) -> Floats:
        """Undiscounted price of each option."""
        return _weighted(kernel_prices(strike, is_put, self.means, self.widths), self.weights)

    def log_moments(self, unit: float) -> LogMoments:
        """Moments of ln(price / unit)."""
        place = np.log(self.means / unit) - 0.5 * self.widths**2
        variance = self.widths**2
        mean = float(np.sum(self.weights * place))
        off = place - mean
        second = float(np.sum(self.weights * (off**2 + variance)))
        third = float(np.sum(self.weights * (off**3 + 3.0 * off * variance)))
        fourth = float(np.sum(self.weights * (off**4 + 6.0 * off**2 * variance + 3.0 * variance**2)))
        return LogMoments(mean, math.sqrt(second), third / second**1.5, fourth / second**2 - 3.0)


def kernel_prices(strike: Floats, is_put: Bools, means: Floats, widths: Floats) -> Floats:
    """Undiscounted price of each option (rows) under each kernel alone (columns)."""
    sign = np.where(is_put, -1.0, 1.0)[:, None]
    d2 = -_distances(strike, means, widths)
    prices: Floats = sign * (means * ndtr(sign * (d2 + widths)) - strike[:, None] * ndtr(sign * d2))
    return prices


def _weighted(kernels: Floats, weights: Floats) -> Floats:
    return np.asarray(np.einsum("ij,j->i", kernels, weights), dtype=np.float64)


def _distances(levels: Floats, means: Floats, widths: Floats) -> Floats:
    """Standard deviations from the middle of each kernel (columns) to each level (rows)."""
    with np.errstate(divide="ignore"):
        return (np.log(np.asarray(levels))[:, None] - (np.log(means) - 0.5 * widths**2)) / widths
