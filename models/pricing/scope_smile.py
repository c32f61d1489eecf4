"""Smile and expected moves of a scope of venues: means over its venues and books, and the move of one day (definitions §2, §7)."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import polars as pl

from models.market.calendar import TradingCalendar
from models.pricing.forwards import MICROSECONDS_PER_YEAR
from models.pricing.smile import DEVIATIONS, STRADDLE_TO_DEVIATION
from models.rounding import round_significant

ONE_DAY = 1.0 / 365.0  # years
NO_EXPIRY = "no_expiry"  # no expiry of a day or more has an expected move

SCOPE_SMILE = pl.Schema(
    {
        "expires_at": pl.Datetime("us"),
        "books": pl.UInt32(),  # number of books in scope, with or without values
        "spot": pl.Float64(),
        "forward": pl.Float64(),
        "tau": pl.Float64(),
        "straddle": pl.Float64(),
        "straddle_1sd": pl.Float64(),
        "straddle_2sd": pl.Float64(),
        "atm_iv": pl.Float64(),
        "put_25d_iv": pl.Float64(),
        "call_25d_iv": pl.Float64(),
        "skew_25d": pl.Float64(),
        "risk_reversal_25d": pl.Float64(),
        "butterfly_25d": pl.Float64(),
        "expected_move_1sd": pl.Float64(),
        "expected_move_2sd": pl.Float64(),
    }
)

ONE_DAY_MOVE = pl.Schema(
    {
        "expiry_used": pl.Datetime("us"),
        "sessions": pl.Int64(),  # US: that close between the quotes and settlement, at least 1
        "one_day_move_1sd": pl.Float64(),
        "one_day_move_2sd": pl.Float64(),
        "one_day_straddle_1sd": pl.Float64(),
        "one_day_reason": pl.String(),
    }
)


def scope_smile(smile: pl.DataFrame, *, spot: float, measured_at: datetime) -> pl.DataFrame:
    """Smile of a scope, as `SCOPE_SMILE`. One row per expires_at, sorted.

    `smile`: rows of `core.expiry_smile` of the venues in scope; `spot`: the scope's; `measured_at` (aware): from which its tau counts,
    captured_at for crypto over all venues, else quoted_at of the venue. Volatilities, F/S and straddle are means weighted by open
    interest over the (venue, book)s that have one, with equal weights without any; skew, moves and the rest follow from these means.
    """
    ordered = smile.sort("expires_at", "venue", "book").with_columns(ratio=pl.col("forward") / pl.col("spot"))
    means = ("atm_iv", "put_25d_iv", "call_25d_iv", "straddle", "ratio", "discount")
    blended = ordered.group_by("expires_at", maintain_order=True).agg(pl.len().alias("books"), *(_weighted_mean(name) for name in means))
    # By numpy: polars divides a column by a number through its reciprocal, but not when there is one row only.
    tau = (blended["expires_at"] - _naive_utc(measured_at)).dt.total_microseconds().to_numpy() / MICROSECONDS_PER_YEAR
    root = pl.when(pl.col("tau") > 0).then(pl.col("tau").sqrt())
    put, call = pl.col("put_25d_iv"), pl.col("call_25d_iv")
    move = spot * pl.col("atm_iv") * root
    straddle_move = pl.col("straddle") / pl.col("discount") * STRADDLE_TO_DEVIATION / pl.col("ratio")
    blended = blended.with_columns(spot=pl.lit(spot), tau=pl.Series(tau)).with_columns(
        forward=spot * pl.col("ratio"),
        straddle_1sd=straddle_move,
        straddle_2sd=DEVIATIONS * straddle_move,
        skew_25d=put - call,
        risk_reversal_25d=call - put,
        butterfly_25d=0.5 * (put + call) - pl.col("atm_iv"),
        expected_move_1sd=move,
        expected_move_2sd=DEVIATIONS * move,
    )
    return _rounded(blended.select(SCOPE_SMILE.names()).cast(SCOPE_SMILE), keep=("spot", "tau"))


def one_day_move(expiries: pl.DataFrame, *, market: str, measured_at: datetime, calendar: TradingCalendar) -> pl.DataFrame:
    """Expected move of one day, as `ONE_DAY_MOVE`: one row, null with a reason where no expiry of a day or more has a move.

    `expiries`: one row per expires_at with tau, expected_move_1sd, straddle_1sd (`scope_smile`, or `core.expiry_smile` of one book);
    `market`: `us` or `crypto`; `measured_at` (aware): from which tau counts. The nearest expiry is scaled: crypto by the square
    root of time, US by that of the sessions, so that on Friday evening it covers Monday, not Saturday.
    """
    quoted_at = _naive_utc(measured_at)
    # By instants: a stored tau of exactly one day can be a last bit short of 1/365.
    is_a_day_away = pl.col("expires_at") >= quoted_at + timedelta(days=1)
    usable = expiries.filter(is_a_day_away & pl.col("expected_move_1sd").is_not_null()).sort("expires_at").head(1)
    if usable.is_empty():
        return pl.DataFrame([{"one_day_reason": NO_EXPIRY}], schema=ONE_DAY_MOVE)
    used = usable.row(0, named=True)
    sessions = None
    if market == "us":
        closes = calendar.sessions["closes_at"]
        sessions = max(1, int(((closes > quoted_at) & (closes <= used["expires_at"])).sum()))
    scale = math.sqrt(ONE_DAY / used["tau"] if sessions is None else 1.0 / sessions)
    row = {
        "expiry_used": used["expires_at"],
        "sessions": sessions,
        "one_day_move_1sd": scale * used["expected_move_1sd"],
        "one_day_move_2sd": DEVIATIONS * scale * used["expected_move_1sd"],
        "one_day_straddle_1sd": None if used["straddle_1sd"] is None else scale * used["straddle_1sd"],
    }
    return _rounded(pl.DataFrame([row], schema=ONE_DAY_MOVE))


def _weighted_mean(name: str) -> pl.Expr:
    value = pl.col(name)
    weight = pl.when(value.is_not_null()).then(pl.col("oi_base").fill_null(0.0))
    return pl.when(weight.sum() > 0).then((weight * value).sum() / weight.sum()).otherwise(value.mean()).alias(name)


def _rounded(frame: pl.DataFrame, keep: tuple[str, ...] = ()) -> pl.DataFrame:
    floats = [name for name, dtype in frame.schema.items() if dtype == pl.Float64 and name not in keep]
    rounded = (pl.Series(name, round_significant(frame[name].to_numpy())) for name in floats)
    return frame.with_columns(rounded).with_columns(pl.col(floats).fill_nan(None))


def _naive_utc(instant: datetime) -> datetime:
    """Frames hold naive UTC."""
    return instant.astimezone(UTC).replace(tzinfo=None)
