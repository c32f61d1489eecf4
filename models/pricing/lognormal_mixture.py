"""A settlement price distributed as a mixture of lognormals: option prices, probabilities, density, moments (definitions §7, density).

Weighted sums are by einsum and not by matrix product: that one is free to split its sums over threads.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from models.pricing.black76 import Bools, Floats

SATURATED = 8.3  # standard deviations beyond which less than half a rounding of 1 is left


class LogMoments(NamedTuple):
    """Moments of ln(settlement price / some fixed price), of each mixture."""

    mean: Floats
    sd: Floats
    skewness: Floats
    excess_kurtosis: Floats


class LognormalMixture(NamedTuple):
    """Kernel i is a lognormal of mean `means[i]` (USD) whose logarithm has the standard deviation `widths[i]`; weights add up to one.

    Several mixtures at once have axes before that of their kernels; levels, strikes and units then broadcast against those.
    """

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
        kernels = np.exp(-0.5 * z * z) / (math.sqrt(2.0 * math.pi) * self.widths * np.asarray(levels)[..., None])
        return _weighted(kernels, self.weights)

    def prices(self, strike: Floats, is_put: Bools) -> Floats:
        """Undiscounted price of each option."""
        return _weighted(kernel_prices(strike, is_put, self.means, self.widths), self.weights)

    def log_moments(self, unit: float | Floats) -> LogMoments:
        """Moments of ln(price / unit)."""
        location = np.log(self.means / np.asarray(unit)[..., None]) - 0.5 * self.widths**2
        variance = self.widths**2
        mean = np.sum(self.weights * location, axis=-1)
        off = location - mean[..., None]
        second = np.sum(self.weights * (off**2 + variance), axis=-1)
        third = np.sum(self.weights * (off**3 + 3.0 * off * variance), axis=-1)
        fourth = np.sum(self.weights * (off**4 + 6.0 * off**2 * variance + 3.0 * variance**2), axis=-1)
        return LogMoments(mean, np.sqrt(second), third / second**1.5, fourth / second**2 - 3.0)


def kernel_prices(strike: Floats, is_put: Bools, means: Floats, widths: Floats) -> Floats:
    """Undiscounted price of each option (rows) under each kernel alone (columns)."""
    sign = np.where(is_put, -1.0, 1.0)[..., None]
    # In place: these are the largest arrays of a density.
    d2 = _distances(strike, means, widths)
    d2 *= -sign
    d1 = d2 + sign * widths
    prices, at_strike = _probability(d1), _probability(d2)
    prices *= means
    at_strike *= strike[..., None]
    prices -= at_strike
    prices *= sign
    return prices


def _probability(distances: Floats) -> Floats:
    """Normal distribution, exactly 0 or 1 where it is within half a rounding of 1 of that: so far from a quote are most of the kernels."""
    probability = (distances > 0).astype(np.float64)
    is_between = ~(np.abs(distances) > SATURATED)
    probability[is_between] = ndtr(distances[is_between])
    return probability


def _weighted(kernels: Floats, weights: Floats) -> Floats:
    return np.asarray(np.einsum("...j,...j->...", kernels, weights), dtype=np.float64)


def _distances(levels: Floats, means: Floats, widths: Floats) -> Floats:
    """Standard deviations from the middle of each kernel (columns) to each level (rows)."""
    with np.errstate(divide="ignore"):
        distances: Floats = np.log(np.asarray(levels))[..., None] - (np.log(means) - 0.5 * widths**2)
        distances /= widths
        return distances
