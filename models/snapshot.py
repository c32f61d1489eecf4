"""Builds the rows of one snapshot from parsed chains: its instant, usable venues and contracts. Pure.

A run gives one `VenueReading` per requested venue. `read_venues` turns those of one underlying into rows of
`core.snapshot_venues` and `core.option_quotes`; `describe` and `greeks_of` compute the rest of the snapshot from such rows,
whether they come from a run or from the warehouse.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Literal

import dataframely as dy
import numpy as np
import polars as pl

from models.chain import ParsedChain, ParsedQuotes
from models.contracts.core import OptionGreeks, OptionQuotes, Snapshots, SnapshotVenues
from models.contracts.frame_checks import broken_frame_reason
from models.line_numbers import in_order, line_numbers
from models.market.calendar import TradingCalendar, new_york_date
from models.market.roots import INDEX_UNDERLYINGS
from models.pricing.forwards import expiry_forwards
from models.pricing.option_greeks import option_greeks
from models.rounding import round_significant

# columns that a venue quotes anew; the rest of a row follows from its instrument
QUOTED = ("bid", "ask", "mark", "volume_base", "venue_iv", "venue_delta", "venue_gamma", "venue_vega", "venue_theta", "venue_forward")
OK, FAILED, REJECTED, EMPTY = "ok", "failed", "rejected", "empty"


@dataclass(frozen=True)
class VenueReading:
    """The result of one venue for one underlying in a run: its chain, or why there is none."""

    venue: str
    market: str  # us or crypto
    chain: ParsedChain | None
    error: str | None
    content_hash: str | None  # of the replies that it was parsed from


@dataclass(frozen=True)
class SnapshotRules:
    """Thresholds of a snapshot, from the settings."""

    stale_venue_seconds: float
    min_priced_share: float
    min_side_share: float


@dataclass(frozen=True)
class GreeksRules:
    """Rules of the models, from the settings."""

    rates: dict[str, float]  # market -> r
    tau_floor_seconds: float
    iv_min: float
    iv_max: float
    gamma_source: Literal["model", "venue"]


def snapshot_instant(chains: Sequence[ParsedChain], ahead_s: float) -> datetime:
    """`captured_at` of these chains: their median instant, of an even number the later of the middle two, cut to seconds (definitions §1).

    The later one is right if a venue lags. If that clock was more than `ahead_s` ahead of ours when its reply came, and another's was
    not, only the others count: or else one of two venues that is fast would have the healthy one refused.
    """
    median = _median([chain.venue_instant for chain in chains])
    plausible = [chain.venue_instant for chain in chains if (chain.venue_instant - chain.received_at).total_seconds() <= ahead_s]
    return (median if median in plausible or not plausible else _median(plausible)).replace(microsecond=0)


def _median(instants: Sequence[datetime]) -> datetime:
    return sorted(instants)[len(instants) // 2]


def snapshot_id_of(underlying: str, captured_at: datetime) -> str:
    """`<underlying>-<captured_at as YYYYMMDDTHHMMSSZ>` (definitions §1)."""
    return f"{underlying}-{captured_at:%Y%m%dT%H%M%SZ}"


def read_venues(
    underlying: str, readings: list[VenueReading], *, rules: SnapshotRules, calendar: TradingCalendar, run_id: str, origin: str
) -> tuple[pl.DataFrame, pl.DataFrame] | None:
    """Rows of `core.snapshot_venues` and `core.option_quotes` for one underlying of one run; None when no venue gave an instant.

    A venue further than `stale_venue_seconds` from the snapshot's instant, or with a plainly broken chain, is `rejected`.
    """
    listing = [reading.chain for reading in readings if reading.chain is not None and reading.chain.quotes.height]
    if not listing:
        return None
    captured_at = snapshot_instant(listing, rules.stale_venue_seconds)
    snapshot_id = snapshot_id_of(underlying, captured_at)
    venue_rows, quote_frames = [], []
    for reading in sorted(readings, key=lambda reading: reading.venue):
        chain = reading.chain
        row = dict.fromkeys(SnapshotVenues.column_names())
        row |= {
            "snapshot_id": snapshot_id,
            "venue": reading.venue,
            "underlying": underlying,
            "run_id": run_id,
            "market": reading.market,
            "origin": origin,
            "content_hash": reading.content_hash,
            "status": FAILED,
            "error": reading.error,
        }
        if chain is not None:
            quotes = _quote_rows(chain, snapshot_id, captured_at, calendar)
            reason = _refusal(chain, quotes, captured_at, rules)
            row |= _chain_row(chain, quotes, captured_at, calendar)
            row |= {"status": EMPTY if quotes.is_empty() else REJECTED if reason else OK, "error": reason}
            quote_frames.append(quotes.sort("instrument"))
        venue_rows.append(row)
    venues = pl.DataFrame(venue_rows, schema=_dtypes(SnapshotVenues))
    return venues, pl.concat(quote_frames)  # by venue and instrument


def _refusal(chain: ParsedChain, quotes: pl.DataFrame, captured_at: datetime, rules: SnapshotRules) -> str | None:
    if quotes.is_empty():
        return "the venue lists no contract of it"
    apart = abs((chain.venue_instant - captured_at).total_seconds())
    if apart > rules.stale_venue_seconds:
        return f"stale_clock: its instant {chain.venue_instant:%Y-%m-%d %H:%M:%S} UTC is {apart:.0f} s from the snapshot's"
    if chain.spot is None:
        return "no_spot: the venue gave no spot price"
    return broken_frame_reason(quotes, min_priced_share=rules.min_priced_share, min_side_share=rules.min_side_share)


def _chain_row(chain: ParsedChain, quotes: pl.DataFrame, captured_at: datetime, calendar: TradingCalendar) -> dict[str, object]:
    is_us = chain.market == "us"
    return {
        "captured_at": _naive(chain.venue_instant),
        "received_at": _naive(chain.received_at),
        "session_date": chain.session_date if is_us else captured_at.date(),
        "spot": chain.spot,
        "spot_source": chain.spot_source,
        "spot_current": chain.spot_current,
        "spot_close": chain.spot_close,
        "prev_day_close": chain.prev_day_close,
        "contracts": quotes.height,
        "live_contracts": int(quotes["is_live"].sum()),
        "oi_base_total": _exact_total(quotes["oi_base"]),
        "rejected_rows": int((~chain.rejected["is_row_kept"]).sum()),
        "oi_as_of": calendar.open_interest_date(captured_at) if is_us else captured_at.date(),
        "incomplete_reason": chain.incomplete_reason,
    }


def _quote_rows(chain: ParsedChain, snapshot_id: str, captured_at: datetime, calendar: TradingCalendar) -> pl.DataFrame:
    return chain.quotes.select(
        *_dtypes(ParsedQuotes),
        pl.lit(snapshot_id).alias("snapshot_id"),
        pl.lit(chain.venue).alias("venue"),
        pl.lit(chain.underlying).alias("underlying"),
        ((pl.col("expires_at") > _naive(captured_at)) & ~pl.col("is_adjusted")).alias("is_live"),
        pl.lit(_naive(_quoted_at(chain, calendar))).cast(pl.Datetime("us")).alias("quoted_at"),
    ).select(OptionQuotes.column_names())


def _quoted_at(chain: ParsedChain, calendar: TradingCalendar) -> datetime:
    """From when time to settlement runs: stocks stop at the close, indices and coins do not (definitions §1)."""
    if chain.market != "us" or chain.underlying in INDEX_UNDERLYINGS or chain.session_date is None:
        return chain.venue_instant
    close = calendar.close_of(chain.session_date)
    return chain.venue_instant if close is None else min(chain.venue_instant, close)


def describe(venues: pl.DataFrame, quotes: pl.DataFrame, *, settings_hash: str) -> pl.DataFrame:
    """The row of `core.snapshots` for rows of `core.snapshot_venues` and `core.option_quotes`; empty without a usable venue.

    `is_repeat` and `quotes_changed` depend on other snapshots and are false and null here.
    """
    usable = venues.filter(pl.col("status") == OK).sort("venue")
    if usable.is_empty():
        return pl.DataFrame(schema=_dtypes(Snapshots))
    snapshot_id = usable["snapshot_id"][0]
    market = usable["market"][0]
    captured_at = datetime.strptime(snapshot_id.rsplit("-", 1)[1], "%Y%m%dT%H%M%SZ")  # noqa: DTZ007 - frames hold naive UTC
    missing = sorted(set(venues["venue"]) - set(usable["venue"]))
    used = in_order(_of_venues(quotes, usable) if missing else quotes)
    instants = usable["captured_at"]
    row = {
        "snapshot_id": snapshot_id,
        "underlying": usable["underlying"][0],
        "captured_at": captured_at,
        "session_date": max(usable["session_date"]),
        "market": market,
        "local_date": new_york_date(captured_at.replace(tzinfo=UTC)) if market == "us" else captured_at.date(),
        "spot": usable["spot"].median(),
        "status": "partial" if missing or usable["incomplete_reason"].is_not_null().any() else "complete",
        "venues": ",".join(usable["venue"]),
        "venues_missing": ",".join(missing),
        "venue_spread_seconds": (max(instants) - min(instants)).total_seconds(),
        "origin": max(usable["origin"]),  # live as soon as one venue is
        "oi_hash": _frame_hash(used, "instrument", "oi_base"),
        "quotes_hash": _frame_hash(used, *QUOTED) + _frame_hash(usable, "spot"),
        "is_repeat": False,
        "quotes_changed": None,
        "settings_hash": settings_hash,
        "run_id": max(usable["run_id"]),
    }
    return pl.DataFrame([row], schema=_dtypes(Snapshots))


def greeks_of(venues: pl.DataFrame, quotes: pl.DataFrame, *, rules: GreeksRules) -> pl.DataFrame:
    """Rows of `core.option_greeks` for the live contracts of the usable venues of one snapshot (definitions §3, §5)."""
    usable = venues.filter(pl.col("status") == OK)
    live = quotes.filter("is_live")
    if usable.height < venues.height:
        live = _of_venues(live, usable)
    live = in_order(live).with_columns(rate=pl.lit(rules.rates[usable["market"][0]]))
    lines = line_numbers(live)
    forwards = expiry_forwards(live, usable.select("venue", "spot"), lines=lines)
    greeks = option_greeks(
        live,
        forwards,
        lines=lines,
        tau_floor_seconds=rules.tau_floor_seconds,
        iv_min=rules.iv_min,
        iv_max=rules.iv_max,
        gamma_source=rules.gamma_source,
    )
    return as_rows(greeks.hstack([live["snapshot_id"]]), OptionGreeks)


def with_implied_spots(venues: pl.DataFrame, greeks: pl.DataFrame, *, rules: GreeksRules) -> pl.DataFrame:
    """Rows of `core.snapshot_venues` with `spot_implied` and `spot_basis_bp`, null where no forward is from parity (definitions §2).

    `greeks`: rows of `core.option_greeks` of the snapshot. Index options move on after the index stops; the basis shows by how much.
    """
    parity = greeks[["venue", "instrument", "tau", "forward", "forward_source"]].filter(pl.col("forward_source") == "parity")
    nearest = parity.filter(pl.col("tau") == pl.col("tau").min().over("venue")).sort("venue", "instrument", descending=True)
    by_venue = {venue: (forward, tau) for venue, forward, tau in nearest[["venue", "forward", "tau"]].iter_rows()}  # the first is put last
    forward, tau = np.array([by_venue.get(venue, (math.nan, math.nan)) for venue in venues["venue"]]).T
    rate, spot = np.array([rules.rates[market] for market in venues["market"]]), venues["spot"].to_numpy()
    implied = round_significant(forward * np.exp(-rate * tau))
    basis = round_significant((implied / spot - 1.0) * 10_000.0)
    return venues.with_columns(pl.Series("spot_implied", implied, nan_to_null=True), pl.Series("spot_basis_bp", basis, nan_to_null=True))


def _exact_total(open_interest: pl.Series) -> float | None:
    """Sum of whole lots: exact whatever the order."""
    known = open_interest.drop_nulls()
    if known.is_empty():
        return None
    return math.fsum(np.rint(known.to_numpy() * 1e6)) / 1e6


def _frame_hash(frame: pl.DataFrame, *columns: str) -> str:
    """Hash of some columns, venue by venue, in the frame's order; the same on every machine."""
    digest = hashlib.sha256()
    parts = frame[["venue", *columns]]
    is_one_venue = not frame.is_empty() and frame["venue"][0] == frame["venue"][-1]  # rows are sorted by it
    for part in [parts] if is_one_venue else parts.partition_by("venue", maintain_order=True):
        digest.update(part["venue"][0].encode())
        for column in part[list(columns)].iter_columns():
            if column.dtype == pl.String:
                digest.update(column.str.join("\x1f", ignore_nulls=False)[0].encode())
            elif column.has_nulls():
                digest.update(column.is_null().to_numpy().data)
                digest.update(column.fill_null(0.0).to_numpy().data)
            else:
                digest.update(np.zeros(part.height, dtype=np.bool_).data)
                digest.update(column.to_numpy().data)
    return digest.hexdigest()[:32]


def _of_venues(rows: pl.DataFrame, venues: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("venue").is_in(venues["venue"].to_list()))


def as_rows(frame: pl.DataFrame, contract: type[dy.Schema]) -> pl.DataFrame:
    """The columns of a contract, in its order and types."""
    rows, dtypes = frame[contract.column_names()], _dtypes(contract)
    return rows if rows.schema == dtypes else rows.cast(dtypes)


@cache
def _dtypes(contract: type[dy.Schema]) -> pl.Schema:
    return pl.Schema({name: column.dtype for name, column in contract.columns().items()})


def _naive(instant: datetime) -> datetime:
    """Frames hold naive UTC."""
    return instant.replace(tzinfo=None)
