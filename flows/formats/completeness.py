"""Whether a downloaded US chain is whole: the download page can be told to leave most of it out, and the file does not say so.

A near-the-money download looks valid, but its pain, walls and exposures are those of a few strikes. So is one of a few expiries.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

# The page's near-the-money choice leaves six strikes per expiry; whole chains, also of small stocks, have dozens in most expiries.
FEW_STRIKES = 12
NEAR = 0.10  # of spot: a chain of an expiry reaches further, but for new weeklies, which have dozens of strikes
WING_DELTA = 0.15  # the outermost out-of-the-money contracts of a whole chain have less
SHORTEST_REACH = timedelta(days=60)  # every US class lists two months of its quarterly cycle, so an expiry further away than this


def incomplete_reason(quotes: pl.DataFrame, instant: datetime, spot: float | None) -> str | None:
    """Why a US chain (rows of `ParsedQuotes`) is plainly only a part of what is listed; None when nothing says so."""
    at = instant.replace(tzinfo=None)
    live = quotes.filter((pl.col("expires_at") > at) & ~pl.col("is_adjusted"))
    if live.is_empty() or spot is None:
        return None
    is_call, delta = pl.col("option_type") == "C", pl.col("venue_delta")
    expiries = live.group_by("expires_at").agg(
        strikes=pl.col("strike").n_unique(),
        is_narrow=((pl.col("strike") / spot - 1).abs() <= NEAR).all(),
        has_no_wings=(delta.filter(is_call).min() > WING_DELTA) & (delta.filter(~is_call).max() < -WING_DELTA),
    )
    is_near = (pl.col("strikes") <= FEW_STRIKES) & (pl.col("is_narrow") | pl.col("has_no_wings").fill_null(False))
    near = expiries.filter(is_near).height
    reasons = []
    if 2 * near > expiries.height:
        strikes = live["strike"].sort().to_list()
        most = f"at most {max(expiries['strikes'].to_list())} strikes in an expiry"
        reasons.append(f"near-the-money download: {most}, from {strikes[0]:g} to {strikes[-1]:g}, spot {spot:g}")
    last = expiries["expires_at"].max()
    assert isinstance(last, datetime)
    if last - at < SHORTEST_REACH:
        reasons.append(f"only near expiries: the last one is {(last - at).days} days away")
    return "; ".join(reasons) or None
