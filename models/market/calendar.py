"""US sessions, settlement instants, and what kind of expiry an instant is (definitions §1, §8).

Polars frames hold naive UTC datetimes, Python datetimes are aware. Sessions come from `models.market.nyse_sessions`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import polars as pl

from models.errors import UsageError
from models.market import nyse_sessions

NEW_YORK = ZoneInfo("America/New_York")
# What `nyse_sessions` covers; dates outside are `unknown` (definitions §8).
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2040, 12, 31)
AM_SETTLEMENT = time(9, 30)  # special opening quotation, New York
PM_SETTLEMENT = time(16, 0)  # regular close, New York
CRYPTO_SETTLEMENT = time(8)  # UTC
# Before this hour (New York) feeds still show the open interest of the session before (definitions §1, oi_as_of).
OPEN_INTEREST_IS_UPDATED_AT = time(6, 30)
QUARTER_MONTHS = (3, 6, 9, 12)
FRIDAY = 5  # ISO weekday, as polars counts
VIX_LEAD_DAYS = 30  # VIX settles this long before the third Friday of the next month: a Wednesday

INSTANT = pl.Datetime("us")


def new_york_date(instant: datetime) -> date:
    """New York calendar date of an aware instant."""
    return _aware(instant).astimezone(NEW_YORK).date()


@dataclass(frozen=True, eq=False)
class TradingCalendar:
    """US sessions (XNYS), 2000-01-01 to 2040-12-31.

    `sessions`: session_date (Date), opens_at, closes_at (naive UTC), is_early_close; one row per session, sorted.
    """

    sessions: pl.DataFrame

    @classmethod
    def new_york(cls) -> TradingCalendar:
        """The sessions of the New York Stock Exchange, from the holidays and early closes of `nyse_sessions`."""
        day = pl.col("session_date")
        days = pl.select(session_date=pl.date_range(FIRST_DAY, LAST_DAY)).filter(
            day.dt.weekday() <= FRIDAY, ~day.is_in(nyse_sessions.closed_weekdays())
        )
        closes_early = day.is_in(nyse_sessions.early_closes())
        return cls(
            days.select(
                day,
                opens_at=_new_york_instant("session_date", nyse_sessions.OPENS_AT),
                closes_at=pl.when(closes_early)
                .then(_new_york_instant("session_date", nyse_sessions.CLOSES_EARLY_AT))
                .otherwise(_new_york_instant("session_date", nyse_sessions.CLOSES_AT)),
                is_early_close=closes_early,
            )
        )

    def is_open(self, instant: datetime) -> bool:
        """Whether an aware instant lies inside a regular session, its open included, its close not."""
        at = _naive_utc(instant)
        index = bisect_right(self._opens, at) - 1
        return index >= 0 and at < self._closes[index]

    def close_of(self, day: date) -> datetime | None:
        """The close of that day's session, aware UTC; None when the day has no session."""
        index = bisect_left(self._dates, day)
        if index == len(self._dates) or self._dates[index] != day:
            return None
        return self._closes[index].replace(tzinfo=UTC)

    def is_early_close(self, day: date) -> bool:
        """Whether that day's session closes before 16:00 New York; false when the day has no session."""
        close = self.close_of(day)
        return close is not None and close.astimezone(NEW_YORK).time() < PM_SETTLEMENT

    def next_bell(self, instant: datetime) -> datetime:
        """The next open or close of a session after an aware instant, aware UTC; `UsageError` beyond the calendar."""
        at = _naive_utc(instant)
        index = bisect_right(self._closes, at)  # the session that closes next
        if index == len(self._closes):
            raise UsageError(f"No session is known after {instant}: the calendar holds {FIRST_DAY} to {LAST_DAY}. Check the clock.")
        return (self._opens[index] if self._opens[index] > at else self._closes[index]).replace(tzinfo=UTC)

    def last_session_before(self, day: date) -> date:
        """The last session strictly before a day; `UsageError` when that lies outside the calendar."""
        index = bisect_left(self._dates, day) - 1
        if index < 0 or day > LAST_DAY + timedelta(days=1):
            raise UsageError(f"No session is known before {day}: the calendar holds {FIRST_DAY} to {LAST_DAY}. Check the date of the data.")
        return self._dates[index]

    def last_session_open_for(self, instant: datetime, minutes: int = 15) -> date:
        """The last session that had been open for so many minutes at an aware instant (definitions §1, session_date)."""
        index = bisect_right(self._opens, _naive_utc(instant) - timedelta(minutes=minutes)) - 1
        if index < 0 or new_york_date(instant) > LAST_DAY:
            raise UsageError(
                f"No session is known for {instant}: the calendar holds {FIRST_DAY} to {LAST_DAY}. Check the date of the data."
            )
        return self._dates[index]

    def open_interest_date(self, captured_at: datetime) -> date:
        """The session whose closing open interest a US feed shows at an aware instant (definitions §1, oi_as_of)."""
        local = _aware(captured_at).astimezone(NEW_YORK)
        early = local.time() < OPEN_INTEREST_IS_UPDATED_AT
        return self.last_session_before(local.date() - timedelta(days=1 if early else 0))

    def settlement_instants(self, expiries: pl.Series, is_am_settled: pl.Series) -> pl.Series:
        """Settlement instants of US expiry dates, naive UTC, in the order given (definitions §8).

        AM: 09:30 New York. PM: the session's close, 16:00 New York where the date is no session or out of bounds. Null stays null.
        """
        rows = pl.DataFrame({"session_date": expiries, "is_am_settled": is_am_settled})
        days = rows.select(pl.col("session_date").unique()).join(self.sessions, on="session_date", how="left")  # a chain has few
        instants = days.select(
            "session_date",
            at_open=_new_york_instant("session_date", AM_SETTLEMENT),
            at_close=pl.coalesce("closes_at", _new_york_instant("session_date", PM_SETTLEMENT)),
        )
        dated = rows.join(instants, on="session_date", how="left", maintain_order="left")
        return dated.select(expires_at=pl.when("is_am_settled").then("at_open").otherwise("at_close")).to_series()

    @cached_property
    def days(self) -> pl.DataFrame:
        """Every calendar day within the bounds, with its flags by the US rules of definitions §8.

        expiry (Date), is_session, is_last_of_week, is_monthly, is_month_end, is_vix_monthly, is_vix_weekly, is_vix_scheduled (by the rule),
        is_friday_shifted (stands in for a Friday that is no session), is_vix_shifted (for a Wednesday that cannot settle VIX). Sorted.
        """
        day = pl.col("expiry")
        days = pl.select(expiry=pl.date_range(FIRST_DAY, LAST_DAY))
        sessions = self.sessions.select(expiry="session_date")
        friday = day.dt.truncate("1w") + pl.duration(days=FRIDAY - 1)
        # A week that runs beyond the bounds has no known last session.
        week_ends = sessions.group_by(friday=friday).agg(day.max()).filter(pl.col("friday") <= LAST_DAY)
        month_ends = sessions.group_by(month=day.dt.truncate("1mo")).agg(day.max())
        third_fridays = days.filter((day.dt.weekday() == FRIDAY) & day.dt.day().is_between(15, 21))
        monthlies = third_fridays.rename({"expiry": "nominal"}).join_asof(
            sessions, left_on="nominal", right_on="expiry", strategy="backward", coalesce=False
        )
        vix = self._vix_settlements(days)
        return days.select(
            day,
            is_session=_in(sessions),
            is_last_of_week=_in(week_ends),
            is_monthly=_in(monthlies),
            is_month_end=_in(month_ends),
            is_vix_monthly=_in(vix.filter("is_monthly")),
            # A Wednesday with a session counts even against the shift rule: VIXW listings decide.
            is_vix_weekly=_in(vix) | (_in(sessions) & (day.dt.weekday() == FRIDAY - 2)),
            is_friday_shifted=(_in(week_ends) | _in(monthlies)) & (day.dt.weekday() != FRIDAY),
            is_vix_scheduled=_in(vix),
            is_vix_shifted=_in(vix.filter("is_shifted")),
        )

    def _vix_settlements(self, days: pl.DataFrame) -> pl.DataFrame:
        """One row per Wednesday 30 days before a Friday: expiry, is_monthly (a third Friday's), is_shifted (to the session before)."""
        day, friday = pl.col("expiry"), pl.col("friday")
        nominal = days.filter(day.dt.weekday() == FRIDAY - 2).select(wednesday=day, friday=day + pl.duration(days=VIX_LEAD_DAYS))
        is_session = pl.col("wednesday").is_in(self._dates) & (friday.is_in(self._dates) | (friday > LAST_DAY))
        nominal = nominal.with_columns(is_monthly=friday.dt.day().is_between(15, 21), is_shifted=~is_session)
        nominal = nominal.with_columns(latest=pl.col("wednesday") - pl.duration(days=pl.col("is_shifted").cast(pl.Int64)))
        sessions = self.sessions.select(expiry="session_date")
        return nominal.join_asof(sessions, left_on="latest", right_on="expiry", strategy="backward", coalesce=False).select(
            "expiry", "is_monthly", "is_shifted"
        )

    @cached_property
    def _dates(self) -> list[date]:
        return self.sessions["session_date"].to_list()

    @cached_property
    def _opens(self) -> list[datetime]:
        return self.sessions["opens_at"].to_list()

    @cached_property
    def _closes(self) -> list[datetime]:
        return self.sessions["closes_at"].to_list()


def classify_expiries(expiries: pl.DataFrame, calendar: TradingCalendar) -> pl.DataFrame:
    """Type and flags of every settlement instant (definitions §8). One row per market, expires_at; sorted by both.

    `expiries`: market (`us`, `crypto`), expires_at (naive UTC); other columns and repeated rows are ignored. The instant is all that
    the rules need: in the US a morning instant that is not a monthly by the equity rule can only be VIX.
    Out: market, expires_at, expiry, type (daily, weekly, monthly, quarterly, unknown), is_anchor, is_month_end, is_quarter_end,
    is_am_settled, is_triple_witching (equity and index quarterlies), is_holiday_shifted, is_vix_settlement (any US instant on a day
    on which monthly VIX contracts settle).
    """
    is_us = pl.col("market") == "us"
    local = new_york_time(pl.col("expires_at"))
    day = pl.col("expiry")
    instants = expiries.select("market", pl.col("expires_at").cast(INSTANT)).unique().sort("market", "expires_at")
    rows = instants.with_columns(
        expiry=pl.when(is_us).then(local.dt.date()).otherwise(pl.col("expires_at").dt.date()),
        is_am_settled=is_us & (local.dt.time() < time(12)),
    ).join(calendar.days, on="expiry", how="left", maintain_order="left")

    is_vix = pl.col("is_am_settled") & ~pl.col("is_monthly") & (pl.col("is_vix_monthly") | pl.col("is_vix_weekly"))
    is_last_friday = (day.dt.weekday() == FRIDAY) & ((day + pl.duration(days=7)).dt.month() != day.dt.month())
    crypto = {"monthly": is_last_friday, "weekly": day.dt.weekday() == FRIDAY, "month_end": (day + pl.duration(days=1)).dt.day() == 1}
    monthly = pl.col("is_monthly") | (is_vix & pl.col("is_vix_monthly"))
    weekly = pl.col("is_last_of_week") | is_vix
    is_quarter_month = day.dt.month().is_in(QUARTER_MONTHS)
    is_known = pl.when(is_us).then(pl.col("is_session").fill_null(False)).otherwise(day.is_between(FIRST_DAY, LAST_DAY))
    typed = rows.with_columns(
        type=pl.when(~is_known)
        .then(pl.lit("unknown"))
        .when(pl.when(is_us).then(monthly).otherwise(crypto["monthly"]))
        .then(pl.when(is_quarter_month).then(pl.lit("quarterly")).otherwise(pl.lit("monthly")))
        .when(pl.when(is_us).then(weekly).otherwise(crypto["weekly"]))
        .then(pl.lit("weekly"))
        .otherwise(pl.lit("daily")),
        is_month_end=is_known & pl.when(is_us).then(pl.col("is_month_end")).otherwise(crypto["month_end"]),
        is_vix_settlement=is_us & pl.col("is_vix_monthly"),
        is_holiday_shifted=is_us & pl.when(is_vix).then(pl.col("is_vix_shifted")).otherwise(pl.col("is_friday_shifted")),
        is_triple_witching=is_us & pl.col("is_monthly") & is_quarter_month,
    )
    flags = ("is_month_end", "is_am_settled", "is_triple_witching", "is_holiday_shifted", "is_vix_settlement")
    return typed.with_columns(pl.col(flags).fill_null(False)).select(
        "market",
        "expires_at",
        "expiry",
        "type",
        pl.col("type").is_in(["monthly", "quarterly"]).alias("is_anchor"),
        "is_month_end",
        (pl.col("is_month_end") & is_quarter_month).alias("is_quarter_end"),
        "is_am_settled",
        "is_triple_witching",
        "is_holiday_shifted",
        "is_vix_settlement",
    )


def scheduled_expiries(calendar: TradingCalendar) -> pl.DataFrame:
    """Every instant at which options can settle by a market's rules, typed as by `classify_expiries` (definitions §8).

    US: the close of each session, and 09:30 New York on third Fridays and on VIX days; crypto: 08:00 UTC of each day. 2000 to 2040.
    """
    mornings = calendar.days.filter("is_session", pl.col("is_monthly") | pl.col("is_vix_scheduled"))["expiry"]
    at_open = calendar.settlement_instants(mornings, pl.repeat(True, mornings.len(), dtype=pl.Boolean, eager=True))
    us = pl.concat([calendar.sessions["closes_at"], at_open]).alias("expires_at")
    crypto = calendar.days.select(expires_at=pl.col("expiry").dt.combine(CRYPTO_SETTLEMENT, "us"))
    instants = [
        us.to_frame().select(pl.lit("us").alias("market"), "expires_at"),
        crypto.select(pl.lit("crypto").alias("market"), "expires_at"),
    ]
    return classify_expiries(pl.concat(instants), calendar)


def new_york_time(instant: pl.Expr) -> pl.Expr:
    """A naive UTC datetime column as New York local time."""
    return instant.dt.replace_time_zone("UTC").dt.convert_time_zone(NEW_YORK.key)


def _new_york_instant(day: str, at: time) -> pl.Expr:
    """The naive UTC instant of a New York time on each day of a date column."""
    return pl.col(day).dt.combine(at, "us").dt.replace_time_zone(NEW_YORK.key).dt.convert_time_zone("UTC").dt.replace_time_zone(None)


def _in(days: pl.DataFrame) -> pl.Expr:
    return pl.col("expiry").is_in(days["expiry"].to_list())


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError(f"{instant} has no time zone; a Python datetime must say UTC")
    return instant


def _naive_utc(instant: datetime) -> datetime:
    return _aware(instant).astimezone(UTC).replace(tzinfo=None)
