"""The initial strike range of a chart, and the widths of its bars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

Range = tuple[float, float]
LEAST_PCT, MOST_PCT = 3.0, 20.0


def strikes_in_view(
    strikes: Sequence[float], weights: Sequence[float | None], spot: float | None, *, levels: Iterable[float | None] = (),
    zoom_pct: float | None = None, share: float = 0.95,
) -> Range:  # fmt: skip
    """The range around spot that holds `share` of the weights: within 3 to 20 % of it, wide enough for `levels` that lie within 20 %.

    `zoom_pct` sets the percentage instead. Without a spot, the range of strikes that carry 98 % of the weights.
    """
    at, weight = np.asarray(strikes, float), np.abs(np.array([0.0 if one is None else float(one) for one in weights]))
    order = np.argsort(at, kind="stable")
    at, weight = at[order], weight[order]
    if spot is None:
        inner = at[_inner(weight)] if weight.any() else at
        return _padded(inner.min(), inner.max())
    if zoom_pct is not None:
        return spot * (1 - zoom_pct / 100), spot * (1 + zoom_pct / 100)
    away = np.abs(at / spot - 1) * 100
    nearest = np.argsort(away, kind="stable")
    reached = np.cumsum(weight[nearest])
    pct = MOST_PCT if reached[-1] <= 0 else away[nearest][np.searchsorted(reached, share * reached[-1])]
    distances = [abs(level / spot - 1) * 100 for level in levels if level is not None]
    pct = 1.04 * max([min(max(float(pct), LEAST_PCT), MOST_PCT), *(one for one in distances if one <= MOST_PCT)])  # the last bar whole
    return max(spot * (1 - pct / 100), float(at[0]) - 0.01 * spot), min(spot * (1 + pct / 100), float(at[-1]) + 0.01 * spot)


def within(strikes: Sequence[float], view: Range) -> np.ndarray:
    """Mask of the strikes in view."""
    at = np.asarray(strikes, float)
    inside: np.ndarray = (at >= view[0]) & (at <= view[1])
    return inside


def bar_widths(strikes: Sequence[float]) -> list[float]:
    """A width per bar: most of the gap to the nearer neighbour, at most 1.6 times the usual one, so that no bar covers another."""
    at = np.asarray(strikes, float)
    if len(at) < 2:
        return [float(at[0]) * 0.005] if len(at) else []
    gaps = np.diff(at)
    nearer = np.minimum(np.append(gaps, gaps[-1]), np.insert(gaps, 0, gaps[0]))
    widths: list[float] = (np.minimum(nearer, 1.6 * np.median(nearer)) * 0.86).tolist()
    return widths


def _inner(weight: np.ndarray) -> np.ndarray:
    share = weight / weight.sum()
    reached = np.cumsum(share)
    inner: np.ndarray = (reached >= 0.01) & (reached - share <= 0.99)
    return inner


def _padded(low: float, high: float) -> Range:
    pad = 0.03 * (high - low) or 0.03 * high
    return float(low - pad), float(high + pad)
