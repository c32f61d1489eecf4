"""The forward of each expiry of one snapshot, and its source (definitions §3, Forward).

In order: the venue's own (`venue`), put–call parity (`parity`), another book's F/S at the same instant (`cross_venue`), carry (`carry`).
"""

from __future__ import annotations

import statistics
from functools import partial

import numpy as np
import polars as pl

from models.line_numbers import Indices, LineNumbers, first_rows, line_numbers
from models.pricing.black76 import Floats
from models.rounding import round_significant

SECONDS_PER_YEAR = 31_536_000  # ACT/365 (definitions §2)
MICROSECONDS_PER_YEAR = SECONDS_PER_YEAR * 1_000_000
PARITY_STRIKES = 6  # strikes nearest the forward that are used
PARITY_MIN_STRIKES = 2
PARITY_ROUNDS = 2
# |ln(F/S) − r·tau| above this is a bad quote or a wrong spot, not a dividend.
MAX_BASIS, MAX_BASIS_PER_YEAR = 0.02, 0.10

EXPIRY = ["venue", "book", "expires_at"]

EXPIRY_FORWARDS = pl.Schema(
    {
        "venue": pl.String(),
        "book": pl.String(),
        "expires_at": pl.Datetime("us"),
        "spot": pl.Float64(),
        "rate": pl.Float64(),
        "tau": pl.Float64(),
        "discount": pl.Float64(),
        "forward": pl.Float64(),
        "forward_source": pl.String(),
    }
)


def is_two_sided() -> pl.Expr:
    """Whether a quote has both sides: bid above 0, ask at least the bid."""
    return ((pl.col("bid") > 0) & (pl.col("ask") >= pl.col("bid")) & pl.col("ask").is_finite()).fill_null(False)


def expiry_forwards(quotes: pl.DataFrame, spots: pl.DataFrame, *, lines: LineNumbers | None = None) -> pl.DataFrame:
    """Forward, its source, tau and discount factor of each expiry. One row per venue, book, expires_at; sorted by them.

    `quotes`: the live contracts of one snapshot over its venues (venue, root, book, option_type, strike, expires_at, bid, ask,
    venue_forward, quoted_at, rate); `spots`: venue, spot; `lines`: those of the quotes, if available. Out: `EXPIRY_FORWARDS`,
    where spot and forward are USD per unit, tau is in years from the quotes to settlement, `discount` = e^(−rate·tau). Forward and
    source are null only where the venue has neither spot nor forward.
    """
    lines = lines or line_numbers(quotes)
    starts = first_rows(lines.series, EXPIRY)
    of_series = np.repeat(np.arange(starts.size), np.diff(starts, append=lines.series.height))
    expiries = lines.series[starts][EXPIRY].hstack(_quoted(quotes, of_series[lines.of_line][lines.of_row]))
    expiries = _with_own_forwards(expiries, spots).with_row_index("place")
    for source, find in (
        ("parity", partial(_parity, quotes, lines, of_series[lines.of_line])),
        ("cross_venue", _cross_venue),
        ("carry", _carry),
    ):
        if expiries["forward"].null_count() > 0:
            expiries = _fill(expiries, find(expiries), source)
    return expiries[EXPIRY_FORWARDS.names()].cast(EXPIRY_FORWARDS)


def _quoted(quotes: pl.DataFrame, expiry: Indices) -> pl.DataFrame:
    """Common values of the quotes of each expiry, and the median of their own forwards; `expiry`: the number of each quote's."""
    own = pl.col("venue_forward")
    numbered = quotes[["quoted_at", "rate", "venue_forward"]].hstack([pl.Series("expiry", expiry)])
    shared = numbered.group_by("expiry").agg(
        pl.col("quoted_at").max(), pl.col("rate").max(), forward=own.filter(own.is_finite() & (own > 0)).median()
    )
    return shared.sort("expiry").drop("expiry")


def _with_own_forwards(expiries: pl.DataFrame, spots: pl.DataFrame) -> pl.DataFrame:
    """Expiries with spot, time, discount factor, and the venue's own forward, if it has one."""
    expiries = expiries.join(spots[["venue", "spot"]], on="venue", how="left", maintain_order="left")
    # divided in numpy: polars multiplies a column of several rows by the reciprocal, so the last bit would depend on how many there are
    microseconds = (expiries["expires_at"] - expiries["quoted_at"]).dt.total_microseconds().to_numpy()
    expiries = expiries.with_columns(pl.Series("tau", microseconds / MICROSECONDS_PER_YEAR, dtype=pl.Float64))
    return expiries.with_columns(
        pl.Series("discount", np.exp(-expiries["rate"].to_numpy() * expiries["tau"].to_numpy())),
        _rounded(expiries["forward"]),
        forward_source=pl.when(pl.col("forward").is_not_null()).then(pl.lit("venue")),
    )


def _parity(quotes: pl.DataFrame, lines: LineNumbers, expiry: Indices, expiries: pl.DataFrame) -> pl.DataFrame:
    """Forwards from put–call parity for the expiries without one: row index and `candidate`; `expiry`: the row index of each line's."""
    missing = expiries.filter(pl.col("forward").is_null() & (pl.col("spot") > 0))
    sides = quotes.select(is_quoted=is_two_sided(), is_call=pl.col("option_type") == "C")
    is_quoted, is_call = sides["is_quoted"].to_numpy(), sides["is_call"].to_numpy()
    call, put = lines.first(is_quoted & is_call), lines.first(is_quoted & ~is_call)
    pairs = np.flatnonzero((call >= 0) & (put >= 0))
    pairs = pairs[np.lexsort((lines.strike[pairs], expiry[pairs]))]
    mid = ((quotes["bid"] + quotes["ask"]) / 2.0).to_numpy()
    strike, expiry = lines.strike[pairs], expiry[pairs]
    implied = strike + (mid[call[pairs]] - mid[put[pairs]]) / expiries["discount"].to_numpy()[expiry]
    carried = missing["spot"].to_numpy() * np.exp(missing["rate"].to_numpy() * missing["tau"].to_numpy())
    lows, highs = (np.searchsorted(expiry, missing["place"].to_numpy(), side=side).tolist() for side in ("left", "right"))
    medians = [
        _parity_forward(strike[low:high], implied[low:high], start) for low, high, start in zip(lows, highs, carried.tolist(), strict=True)
    ]
    basis = (pl.col("candidate") / pl.col("spot")).log() - pl.col("rate") * pl.col("tau")
    return missing.hstack([pl.Series("candidate", medians, pl.Float64)]).filter(_is_sane(basis))


def _parity_forward(strike: Floats, implied: Floats, start: float) -> float | None:
    """The median parity forward over the strikes nearest `start`, then over those nearest that median; pairs ascend by strike.

    Strikes are counted, not pairs: roots that settle at one instant share them.
    """
    strikes = np.unique(strike)
    if strikes.size < PARITY_MIN_STRIKES:
        return None
    forward = start
    for _ in range(PARITY_ROUNDS):
        at = int(np.searchsorted(strikes, forward))
        around = strikes[max(at - PARITY_STRIKES, 0) : at + PARITY_STRIKES]
        nearest = around[np.argsort(np.abs(around - forward), kind="stable")[:PARITY_STRIKES]]  # on a tie the lower
        low, high = np.searchsorted(strike, nearest.min(), side="left"), np.searchsorted(strike, nearest.max(), side="right")
        forward = statistics.median(implied[low:high].tolist())
    return forward


def _cross_venue(expiries: pl.DataFrame) -> pl.DataFrame:
    """F/S of another book at the same instant, times the own spot.

    Of several: a book of the same venue, then a venue's own forward before one from parity, then by name of venue and book.
    """
    given = expiries.filter(pl.col("forward").is_not_null() & (pl.col("spot") > 0)).select(
        "expires_at",
        ratio=pl.col("forward") / pl.col("spot"),
        is_parity=pl.col("forward_source") == "parity",
        other="venue",
        other_book="book",
    )
    missing = expiries.filter(pl.col("forward").is_null() & (pl.col("spot") > 0))
    ranked = missing.join(given, on="expires_at").sort("place", pl.col("venue") != pl.col("other"), "is_parity", "other", "other_book")
    return ranked.unique("place", keep="first", maintain_order=True).with_columns(candidate=pl.col("spot") * pl.col("ratio"))


def _carry(expiries: pl.DataFrame) -> pl.DataFrame:
    """Spot carried at the rate of the book's nearest expiry (the earlier of two) that has a forward, else at `rate`.

    A rate taken from an expiry of hours turns a basis of a few points into any number a year later: if it violates the bound
    for parity, `rate` is used too.
    """
    tau = pl.col("tau")
    implied = (pl.col("forward") / pl.col("spot")).log() / tau
    given = expiries.filter(pl.col("forward").is_not_null() & (pl.col("spot") > 0) & (tau > 0))
    given = given.select("venue", "book", near="expires_at", implied=implied)
    missing = expiries.filter(pl.col("forward").is_null() & (pl.col("spot") > 0))
    nearest = missing.join(given, on=["venue", "book"], how="left").sort("place", (pl.col("near") - pl.col("expires_at")).abs(), "near")
    nearest = nearest.unique("place", keep="first", maintain_order=True)
    is_sane = _is_sane((pl.col("implied") - pl.col("rate")) * tau)
    nearest = nearest.with_columns(rate=pl.when(is_sane).then("implied").otherwise("rate"))
    carried = nearest["spot"].to_numpy() * np.exp(nearest["rate"].to_numpy() * nearest["tau"].to_numpy())
    return nearest.hstack([pl.Series("candidate", carried)])


def _is_sane(basis: pl.Expr) -> pl.Expr:
    """Whether |ln(F/S) − r·tau| is small enough to be plausible; false for NaN and null."""
    return (basis.is_not_nan() & (basis.abs() <= MAX_BASIS + MAX_BASIS_PER_YEAR * pl.col("tau"))).fill_null(False)


def _fill(expiries: pl.DataFrame, candidates: pl.DataFrame, source: str) -> pl.DataFrame:
    """Fill missing forwards of expiries, by row index and rounded as stored."""
    forwards = np.full(expiries.height, np.nan)
    forwards[candidates["place"].to_numpy()] = _rounded(candidates["candidate"]).to_numpy()
    is_filled = pl.col("forward").is_null() & pl.Series(~np.isnan(forwards))
    return expiries.with_columns(
        forward_source=pl.when(is_filled).then(pl.lit(source)).otherwise("forward_source"),
        forward=pl.coalesce("forward", pl.Series(forwards, nan_to_null=True)),
    )


def _rounded(values: pl.Series) -> pl.Series:
    return pl.Series(values.name, round_significant(values.to_numpy()), nan_to_null=True)
