"""Random numbers that depend on names and integers only: no state, the same on every machine and in every order of calls."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]
_GOLDEN = 0x9E3779B97F4A7C15


def bits(name: str, *indices: Any) -> NDArray[np.uint64]:
    """64 random bits per element of the (broadcast) integer indices: splitmix64, seeded by a hash of the name."""
    state = np.uint64(int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little"))
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is the point
        mixed = _mix(np.asarray(state))
        for index in indices:
            mixed = _mix(mixed ^ _mix(np.asarray(index).astype(np.int64).view(np.uint64)))
    return mixed


def uniform(name: str, *indices: Any) -> Floats:
    """Uniform numbers in (0, 1), one per element of the indices."""
    # Half a step above the grid: never 0, never 1, so that logarithms and quantiles are finite.
    return np.asarray((bits(name, *indices) >> np.uint64(12)).astype(np.float64) * 2.0**-52 + 2.0**-53)


def normal(name: str, *indices: Any) -> Floats:
    """Standard normal numbers, one per element of the indices."""
    return np.asarray(ndtri(uniform(name, *indices)))


def wandering(name: str, clock: float, *indices: Any) -> Floats:
    """A number per element that moves smoothly with the clock: standard normal at whole numbers, linear between them."""
    node = int(np.floor(clock))
    share = clock - node
    return (1 - share) * normal(name, *indices, node) + share * normal(name, *indices, node + 1)


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    value = value + np.uint64(_GOLDEN)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(value ^ (value >> np.uint64(31)))
