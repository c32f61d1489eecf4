"""The distribution of the settlement price that an expiry's quotes imply (definitions §7, density)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from models.line_numbers import first_rows
from models.pricing import black76
from models.pricing.black76 import Bools, Floats
from models.pricing.forwards import EXPIRY
from models.pricing.lognormal_mixture import LognormalMixture, kernel_prices
from models.pricing.smile import is_two_sided
from models.rounding import SIGNIFICANT_DIGITS, round_significant

KERNELS = 61
# Kernels lie on a sinh grid in log-moneyness, close at the forward and wide in the tails. Lengths below are in units of v = atm_iv·√τ.
GRID_CURVATURE = 3.0
GRID_REACH = 4.0  # at least this far to either side
GRID_MARGIN = 1.5  # and this far beyond the quotes
MIN_WIDTH = 0.15  # of a kernel: narrower ones would fit single quotes
QUOTES_REACH = 6.0  # quotes further away are left out
LEAST_ERROR = 0.001  # precision of a quote in volatility, however narrow its spread
# The same as a share of the forward, far below any tick: a locked quote without vega would outweigh the rows that fix mass and mean.
LEAST_PRICE_ERROR = 1e-6
SMOOTHNESS = 3.0
CONSTRAINT_WEIGHT = 1e4  # of the rows that fix mass and mean
MIN_QUOTES = 8
MIN_INSIDE_SHARE = 0.8  # of the quotes that the fitted prices must match
MIN_QUOTED_MASS = 0.8  # between the lowest and the highest strike used: more than this in the tails would be extrapolation
MAX_ITERATIONS = 100 * KERNELS
ROUNDING = 1e-11  # of forward and strike: more than rounding means and widths to twelve digits moves a price

_STEPS = np.linspace(-1.0, 1.0, KERNELS)
_GRID_SHAPE = np.sinh(GRID_CURVATURE * _STEPS) / math.sinh(GRID_CURVATURE)
_SECOND_DIFFERENCES = np.diff(np.eye(KERNELS), n=2, axis=0)

# Why there is no density; further reasons are those of the at-the-money volatility.
FEW_QUOTES, NOT_FITTED, OUTSIDE_QUOTES, UNQUOTED_TAILS = "few_quotes", "not_fitted", "outside_bid_ask", "unquoted_tails"

DENSITY_SUMMARY = pl.Schema(
    {
        "venue": pl.String(),
        "book": pl.String(),
        "expires_at": pl.Datetime("us"),
        "density_reason": pl.String(),
        "density_quotes": pl.Int32(),
        "density_inside_share": pl.Float64(),
        "density_quoted_mass": pl.Float64(),
        "density_left_tail": pl.Float64(),
        "density_right_tail": pl.Float64(),
        "density_mean": pl.Float64(),
        "density_log_sd": pl.Float64(),
        "density_log_skewness": pl.Float64(),
        "density_log_excess_kurtosis": pl.Float64(),
    }
)

IMPLIED_DENSITY = pl.Schema(
    {
        "venue": pl.String(),
        "book": pl.String(),
        "expires_at": pl.Datetime("us"),
        "kernel": pl.Int8(),
        "mean": pl.Float64(),  # USD
        "width": pl.Float64(),  # standard deviation of the logarithm
        "weight": pl.Float64(),
    }
)


class _Quotes(NamedTuple):
    """Two-sided out-of-the-money quotes, undiscounted, expiry by expiry in order of strike."""

    expiry: npt.NDArray[np.intp]  # number of its expiry
    strike: Floats
    is_put: Bools
    bid: Floats
    ask: Floats
    vega: Floats

    def some(self, rows: Bools | slice) -> _Quotes:
        """A subset of the quotes."""
        return _Quotes(self.expiry[rows], self.strike[rows], self.is_put[rows], self.bid[rows], self.ask[rows], self.vega[rows])


class _Kernels(NamedTuple):
    """Fixed kernels (columns) of expiries (rows)."""

    means: Floats  # in units of the forward
    widths: Floats
    bends: Floats  # second differences of weights times this are those of the density in log-moneyness


class _Fits(NamedTuple):
    """Fit results of the expiries with enough quotes; NaN if the fit failed."""

    mixtures: LognormalMixture
    inside_share: Floats
    below_lowest: Floats  # probability below the lowest strike used
    below_highest: Floats

    def reasons(self) -> list[str | None]:
        """Why each fit is rejected."""
        is_fitted = np.isfinite(np.stack(self.mixtures)).all(axis=(0, 2)) & np.all(self.mixtures.means > 0, axis=-1)
        checks = (
            (NOT_FITTED, np.logical_not(is_fitted)),
            (OUTSIDE_QUOTES, self.inside_share < MIN_INSIDE_SHARE),
            (UNQUOTED_TAILS, self.below_highest - self.below_lowest < MIN_QUOTED_MASS),
        )
        return [next((reason for reason, fails in checks if fails[index]), None) for index in range(is_fitted.size)]


def implied_density(lines: pl.DataFrame, smile: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Densities of one snapshot: one row per expiry as `DENSITY_SUMMARY`, and their kernels as `IMPLIED_DENSITY`.

    `lines`: what `strike_lines` makes of a snapshot; `smile`: what `expiry_smile` makes of them. Both results are sorted by venue, book,
    expires_at (and kernel). Without a density `density_reason` says why, its moments are null and it has no kernels; the share of quotes
    inside bid–ask, the mass over quoted strikes and both tails stay, being the evidence. `density_mean` is in USD and equals
    the forward; standard deviation, skewness and excess kurtosis are those of ln(settlement / forward), a flat smile having 0 for both.
    """
    starts = first_rows(lines, EXPIRY)
    firsts = lines[starts]
    keys, forward, tau, atm_iv = firsts[EXPIRY], firsts["forward"].to_numpy(), firsts["tau"].to_numpy(), smile["atm_iv"].to_numpy()
    with np.errstate(all="ignore"):  # results beyond double precision are `not_fitted`
        v = atm_iv * np.sqrt(tau)
        quotes = _quotes(lines, np.repeat(np.arange(keys.height), np.diff(starts, append=lines.height)), atm_iv, v)
        count = np.bincount(quotes.expiry, minlength=keys.height)
        tried = np.flatnonzero(count >= MIN_QUOTES)
        quotes = quotes.some(np.isin(quotes.expiry, tried))
        fits = _fit(quotes._replace(expiry=np.searchsorted(tried, quotes.expiry)), forward[tried], v[tried])
        reasons = fits.reasons()
        moments = fits.mixtures.log_moments(forward[tried])
        evidence = {
            "density_inside_share": fits.inside_share,
            "density_quoted_mass": 1.0 - fits.below_lowest - (1.0 - fits.below_highest),
            "density_left_tail": fits.below_lowest,
            "density_right_tail": 1.0 - fits.below_highest,
        }
        measures = {
            "density_mean": np.sum(fits.mixtures.weights * fits.mixtures.means, axis=-1),
            "density_log_sd": moments.sd,
            "density_log_skewness": moments.skewness,
            "density_log_excess_kurtosis": moments.excess_kurtosis,
        }
    reason = [FEW_QUOTES if why_not is None else why_not for why_not in smile["atm_iv_reason"]]
    for index, why_not in zip(tried, reasons, strict=True):
        reason[index] = why_not
    is_density = np.array([why_not is None for why_not in reasons], dtype=np.bool_)
    is_fitted = np.array([why_not != NOT_FITTED for why_not in reasons], dtype=np.bool_)
    columns = {name: np.full(keys.height, np.nan) for name in evidence | measures}
    for name, column in columns.items():
        column[tried] = np.where(is_fitted, evidence[name], np.nan) if name in evidence else np.where(is_density, measures[name], np.nan)
    rounded = round_significant(list(columns.values()))
    summary = keys.hstack(
        [
            pl.Series("density_reason", reason, pl.String),
            pl.Series("density_quotes", count, pl.Int32),
            *(pl.Series(name, values, nan_to_null=True) for name, values in zip(columns, rounded, strict=True)),
        ]
    )
    return summary, _kernel_rows(keys[tried[is_density]], LognormalMixture(*(column[is_density] for column in fits.mixtures)))


def probability_between(kernels: pl.DataFrame, low: float, high: float) -> pl.DataFrame:
    """Probability that each expiry settles above `low` and at most at `high` (USD; 0 and infinity are allowed).

    `kernels`: rows of `IMPLIED_DENSITY`. One row per venue, book, expires_at that has a density, in their order: probability.
    """
    rows = []
    for (venue, book, expires_at), of_expiry in kernels.group_by(EXPIRY, maintain_order=True):
        mixture = LognormalMixture(*(of_expiry[name].to_numpy() for name in ("mean", "width", "weight")))
        below = mixture.probability_below(np.maximum([low, high], 0.0))
        rows.append((venue, book, expires_at, max(float(below[1] - below[0]), 0.0)))
    schema = {name: IMPLIED_DENSITY[name] for name in EXPIRY} | {"probability": pl.Float64()}
    result = pl.DataFrame(rows, schema=schema, orient="row")
    return result.with_columns(pl.Series("probability", round_significant(result["probability"].to_numpy())))


def _quotes(lines: pl.DataFrame, number: npt.NDArray[np.intp], atm_iv: Floats, v: Floats) -> _Quotes:
    """The quotes of lines used in the fit, each with the number of its expiry; at-the-money volatility and v are per expiry."""
    strike, iv, call_bid, call_ask, put_bid, put_ask, forward, tau, discount = (
        lines[name].to_numpy() for name in ("strike", "iv", "call_bid", "call_ask", "put_bid", "put_ask", "forward", "tau", "discount")
    )
    is_put = strike < forward
    bid, ask = np.where(is_put, put_bid, call_bid), np.where(is_put, put_ask, call_ask)
    used = is_two_sided(bid, ask) & (np.abs(np.log(strike / forward)) < QUOTES_REACH * v[number])
    vol = np.where(np.isfinite(iv), iv, atm_iv[number])
    vega = black76.vega(forward, strike, tau, vol, np.ones_like(strike))
    return _Quotes(number, strike, is_put, bid / discount, ask / discount, vega).some(used)


def _fit(quotes: _Quotes, forward: Floats, v: Floats) -> _Fits:
    """The smoothest mixture of non-negative weights near the quotes of each expiry, of mass one and its forward as mean."""
    ends = np.searchsorted(quotes.expiry, np.arange(forward.size), side="right")
    starts = np.concatenate([[0], ends])[:-1]
    lowest, highest = quotes.strike[starts], quotes.strike[ends - 1]
    kernels = _kernels(np.log(lowest / forward), np.log(highest / forward), v)
    weights = np.empty((forward.size, KERNELS))
    prices = np.empty(quotes.strike.size)
    for number, own in enumerate(map(slice, starts, ends)):
        of_expiry = _Kernels(*(column[number] for column in kernels))
        weights[number], prices[own] = _solve(quotes.some(own), of_expiry, float(forward[number]))
    mean = np.sum(weights * kernels.means, axis=-1)  # its row leaves an error of about 1e-7, so the kernels are moved
    means = kernels.means * (forward / mean)[:, None]
    mixtures = LognormalMixture(round_significant(means), round_significant(kernels.widths), weights)
    # No price moves by more than the mean does: only quotes as near to a price as that are priced again by the stored kernels.
    moved = (np.abs(1.0 - mean) * forward)[quotes.expiry] + ROUNDING * (forward[quotes.expiry] + quotes.strike)
    is_close = ~(np.minimum(np.abs(prices - quotes.bid), np.abs(prices - quotes.ask)) > moved)
    again = LognormalMixture(*(column[quotes.expiry[is_close]] for column in mixtures))
    prices[is_close] = again.prices(quotes.strike[is_close], quotes.is_put[is_close])
    is_inside = (quotes.bid <= prices) & (prices <= quotes.ask)
    inside_share = np.bincount(quotes.expiry, weights=is_inside, minlength=forward.size) / (ends - starts)
    each = LognormalMixture(*(column[:, None, :] for column in mixtures))
    below = each.probability_below(np.stack([lowest, highest], axis=-1))
    return _Fits(mixtures, inside_share, below[:, 0], below[:, 1])


def _solve(quotes: _Quotes, kernels: _Kernels, forward: float) -> tuple[Floats, Floats]:
    """The weights of the kernels of one expiry, and the prices that they give its quotes; NaN if the solver fails."""
    from scipy.optimize import nnls

    half_spread = 0.5 * (quotes.ask - quotes.bid)
    error = np.maximum(np.maximum(half_spread, LEAST_ERROR * quotes.vega), LEAST_PRICE_ERROR * forward)
    weight = 1.0 / (error * math.sqrt(quotes.strike.size))
    prices = kernel_prices(quotes.strike, quotes.is_put, forward * kernels.means, kernels.widths)
    mids = 0.5 * (quotes.bid + quotes.ask)
    constraints = CONSTRAINT_WEIGHT * np.stack([np.ones(KERNELS), kernels.means])
    rows = np.vstack([prices * weight[:, None], SMOOTHNESS * (_SECOND_DIFFERENCES * kernels.bends), constraints])
    aims = np.concatenate([mids * weight, np.zeros(len(_SECOND_DIFFERENCES)), [CONSTRAINT_WEIGHT, CONSTRAINT_WEIGHT]])
    try:
        solution, _ = nnls(rows, aims, maxiter=MAX_ITERATIONS)
    except (RuntimeError, ValueError):  # no convergence; numbers beyond double precision
        solution = np.zeros(KERNELS)
    if not solution.sum() > 0:
        return np.full(KERNELS, np.nan), np.full(quotes.strike.size, np.nan)
    weights = _whole(solution / solution.sum())
    return weights, np.einsum("ij,j->i", prices, weights)


def _whole(weights: Floats) -> Floats:
    """Weights to twelve decimals that add up to one exactly: the largest takes the rounding remainder."""
    units = np.rint(weights * 10.0**SIGNIFICANT_DIGITS).astype(np.int64)
    units[np.argmax(units)] += 10**SIGNIFICANT_DIGITS - units.sum()
    return np.asarray(units / 10.0**SIGNIFICANT_DIGITS, dtype=np.float64)


def _kernels(lowest: Floats, highest: Floats, v: Floats) -> _Kernels:
    """Kernels of each expiry, around its forward, as far as the log-moneyness of the quotes requires."""
    low = np.minimum(-GRID_REACH * v, lowest) - GRID_MARGIN * v
    high = np.maximum(GRID_REACH * v, highest) + GRID_MARGIN * v
    log_mean = np.where(_STEPS < 0, -low[:, None], high[:, None]) * _GRID_SHAPE
    spacing = np.gradient(log_mean, axis=1)
    return _Kernels(np.exp(log_mean), np.maximum(spacing, MIN_WIDTH * v[:, None]), v[:, None] / spacing)


def _kernel_rows(keys: pl.DataFrame, mixtures: LognormalMixture) -> pl.DataFrame:
    kernel = np.tile(np.arange(KERNELS, dtype=np.int8), keys.height)
    numbers = zip(("mean", "width", "weight"), mixtures, strict=True)
    columns = [pl.Series("kernel", kernel), *(pl.Series(name, values.ravel()) for name, values in numbers)]
    return keys[np.repeat(np.arange(keys.height), KERNELS)].hstack(columns)
