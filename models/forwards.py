"""The forward of each expiry of one snapshot, and how it was found (definitions §3, Forward).

In order: the venue's own (`venue`), put–call parity (`parity`), another book's F/S at the same instant (`cross_venue`), carry (`carry`).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from models.rounding import round_significant

SECONDS_PER_YEAR = 31_536_000  # ACT/365 (definitions §2)
MICROSECONDS_PER_YEAR = SECONDS_PER_YEAR * 1_000_000
PARITY_STRIKES = 6  # strikes nearest the forward that take part
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


def expiry_forwards(quotes: pl.DataFrame, spots: pl.DataFrame) -> pl.DataFrame:
    """Forward, its source, tau and discount factor of each expiry. One row per venue, book, expires_at; sorted by them.

    `quotes`: the live contracts of one snapshot over its venues (venue, root, book, option_type, strike, expires_at, bid, ask,
    venue_forward, quoted_at, rate); `spots`: venue, spot. Out: `EXPIRY_FORWARDS`, where spot and forward are USD per unit, tau is in
    years from the quotes to settlement, `discount` = e^(−rate·tau). Forward and source are null only where the venue has
    neither spot nor forward.
    """
    expiries = _expiries(quotes, spots)
    expiries = _fill(expiries, _parity(quotes, expiries), "parity")
    expiries = _fill(expiries, _cross_venue(expiries), "cross_venue")
    expiries = _fill(expiries, _carry(expiries), "carry")
    return expiries.sort(EXPIRY).select(EXPIRY_FORWARDS.names()).cast(EXPIRY_FORWARDS)


def _expiries(quotes: pl.DataFrame, spots: pl.DataFrame) -> pl.DataFrame:
    """One row per expiry with its venue's own forward, where that gives one."""
    own = pl.col("venue_forward")
    expiries = quotes.group_by(EXPIRY, maintain_order=True).agg(
        pl.col("quoted_at").max(), pl.col("rate").max(), forward=own.filter(own.is_finite() & (own > 0)).median()
    )
    expiries = expiries.join(spots.select("venue", "spot"), on="venue", how="left", maintain_order="left")
    # divided in numpy: polars multiplies a column of several rows by the reciprocal, so the last bit would depend on how many there are
    microseconds = (expiries["expires_at"] - expiries["quoted_at"]).dt.total_microseconds().to_numpy()
    expiries = expiries.with_columns(pl.Series("tau", microseconds / MICROSECONDS_PER_YEAR, dtype=pl.Float64))
    return expiries.with_columns(
        pl.Series("discount", np.exp(-expiries["rate"].to_numpy() * expiries["tau"].to_numpy())),
        _rounded(expiries["forward"]),
        forward_source=pl.when(pl.col("forward").is_not_null()).then(pl.lit("venue")),
    )


def _parity(quotes: pl.DataFrame, expiries: pl.DataFrame) -> pl.DataFrame:
    """Forwards from put–call parity for the expiries without one: the expiry's key and `found`."""
    missing = expiries.filter(pl.col("forward").is_null() & (pl.col("spot") > 0))
    side = quotes.join(missing, on=EXPIRY, how="semi").filter(is_two_sided())
    pair = [*EXPIRY, "root", "strike"]
    mid = ((pl.col("bid") + pl.col("ask")) / 2.0).alias("mid")
    calls, puts = (
        side.filter(pl.col("option_type") == kind).select(*pair, mid).unique(pair, keep="first", maintain_order=True) for kind in "CP"
    )
    implied = pl.col("strike") + (pl.col("mid") - pl.col("mid_put")) / pl.col("discount")
    pairs = calls.join(puts, on=pair, suffix="_put").join(missing.select(*EXPIRY, "discount"), on=EXPIRY).with_columns(implied=implied)
    carried = missing["spot"].to_numpy() * np.exp(missing["rate"].to_numpy() * missing["tau"].to_numpy())
    forwards = missing.select(*EXPIRY, "spot", "rate", "tau", pl.Series("found", carried))
    for _ in range(PARITY_ROUNDS):
        forwards = forwards.drop("found").join(_parity_round(pairs, forwards), on=EXPIRY)
    basis = (pl.col("found") / pl.col("spot")).log() - pl.col("rate") * pl.col("tau")
    return forwards.filter(_is_sane(basis)).select(*EXPIRY, "found")


def _parity_round(pairs: pl.DataFrame, forwards: pl.DataFrame) -> pl.DataFrame:
    """The median parity forward over the strikes nearest the forward of the round before."""
    near = pairs.join(forwards.select(*EXPIRY, "found"), on=EXPIRY).with_columns(distance=(pl.col("strike") - pl.col("found")).abs())
    # Strikes are counted, not pairs: roots that settle at one instant share them.
    rank = pl.struct("distance", "strike").rank("dense").over(EXPIRY)
    near = near.filter(rank <= PARITY_STRIKES)
    medians = near.group_by(EXPIRY).agg(pl.col("implied").median().alias("found"), strikes=pl.col("strike").n_unique())
    return medians.filter(pl.col("strikes") >= PARITY_MIN_STRIKES).drop("strikes")


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
    missing = expiries.filter(pl.col("forward").is_null() & (pl.col("spot") > 0)).select(*EXPIRY, "spot")
    ranked = missing.join(given, on="expires_at").sort(*EXPIRY, pl.col("venue") != pl.col("other"), "is_parity", "other", "other_book")
    return ranked.unique(EXPIRY, keep="first", maintain_order=True).select(*EXPIRY, found=pl.col("spot") * pl.col("ratio"))


def _carry(expiries: pl.DataFrame) -> pl.DataFrame:
    """Spot carried at the rate of the book's nearest expiry (the earlier of two) that has a forward, else at `rate`.

    A rate taken from an expiry of hours turns a basis of a few points into any number a year later: where it leads out of the bound
    that parity must keep, `rate` is used too.
    """
    tau = pl.col("tau")
    implied = (pl.col("forward") / pl.col("spot")).log() / tau
    given = expiries.filter(pl.col("forward").is_not_null() & (pl.col("spot") > 0) & (tau > 0))
    given = given.select("venue", "book", near="expires_at", implied=implied)
    missing = expiries.filter(pl.col("forward").is_null() & (pl.col("spot") > 0))
    nearest = missing.join(given, on=["venue", "book"], how="left").sort(*EXPIRY, (pl.col("near") - pl.col("expires_at")).abs(), "near")
    nearest = nearest.unique(EXPIRY, keep="first", maintain_order=True)
    is_sane = _is_sane((pl.col("implied") - pl.col("rate")) * tau)
    nearest = nearest.with_columns(rate=pl.when(is_sane).then("implied").otherwise("rate"))
    carried = nearest["spot"].to_numpy() * np.exp(nearest["rate"].to_numpy() * nearest["tau"].to_numpy())
    return nearest.select(*EXPIRY, pl.Series("found", carried))


def _is_sane(basis: pl.Expr) -> pl.Expr:
    """Whether |ln(F/S) − r·tau| is small enough to be believed; false for NaN and null."""
    return (basis.is_not_nan() & (basis.abs() <= MAX_BASIS + MAX_BASIS_PER_YEAR * pl.col("tau"))).fill_null(False)


def _fill(expiries: pl.DataFrame, found: pl.DataFrame, source: str) -> pl.DataFrame:
    """Expiries with the forwards that were found, rounded as stored, where there was none."""
    found = found.with_columns(_rounded(found["found"]))
    joined = expiries.join(found, on=EXPIRY, how="left", maintain_order="left")
    return joined.with_columns(
        forward_source=pl.when(pl.col("forward").is_null() & pl.col("found").is_not_null())
        .then(pl.lit(source))
        .otherwise("forward_source"),
        forward=pl.coalesce("forward", "found"),
    ).drop("found")


def _rounded(values: pl.Series) -> pl.Series:
    return pl.Series(values.name, round_significant(values.to_numpy()), nan_to_null=True)
