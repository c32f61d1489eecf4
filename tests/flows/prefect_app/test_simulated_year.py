"""The whole of 2028, played by the functions that the schedules use, against a calendar that is written here by hand.

SPX runs at 09:15 and 16:45 New York on sessions, BTC each hour and at 07:55 UTC. The year holds ten holidays, two early closes, both changes
to and from daylight-saving time, 29 February, ten days of downtime, three shorter ones, and mornings on which the machine is busy.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import pytest

from flows.prefect_app.due import due_instants, market_of
from models.market.calendar import TradingCalendar
from models.market.schedule import LATE, RUN, SKIPPED, decide_all
from warehouse.settings import DEFAULT_WATCHLIST

Row = tuple[str, datetime, str, datetime, str | None]  # underlying, due, outcome, decided, reason

# By the rules of the New York Stock Exchange. 1 January is a Saturday, and then no Friday is given for it.
HOLIDAYS = {
    date(2028, 1, 17), date(2028, 2, 21), date(2028, 4, 14), date(2028, 5, 29), date(2028, 6, 19),
    date(2028, 7, 4), date(2028, 9, 4), date(2028, 11, 23), date(2028, 12, 25),
}  # fmt: skip
EARLY_CLOSES = {date(2028, 7, 3), date(2028, 11, 24)}
SUMMER = (datetime(2028, 3, 12, 7, tzinfo=UTC), datetime(2028, 11, 5, 6, tzinfo=UTC))  # second Sunday in March, first in November
YEAR = (datetime(2028, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC))
GRACE = timedelta(minutes=10)
STARTS_AFTER = timedelta(seconds=4)  # what it takes to start a run

DOWN = {
    "ten days": (datetime(2028, 8, 7, 12, 30, tzinfo=UTC), datetime(2028, 8, 17, 15, 20, tzinfo=UTC)),  # Monday to Thursday, in the session
    "over the settlement": (datetime(2028, 2, 29, 7, 30, tzinfo=UTC), datetime(2028, 2, 29, 8, 20, tzinfo=UTC)),
    "a holiday": (datetime(2028, 4, 13, 20, 30, tzinfo=UTC), datetime(2028, 4, 15, 9, 5, tzinfo=UTC)),  # Thursday's close, Good Friday
    "an evening": (datetime(2028, 10, 2, 20, 40, tzinfo=UTC), datetime(2028, 10, 2, 23, 30, tzinfo=UTC)),
}
# Another run holds these up: by so many minutes after they were due.
BUSY = {
    datetime(2028, 5, 3, 13, 15, tzinfo=UTC): 12,  # 09:27 New York: late, and still before the open
    datetime(2028, 5, 4, 13, 15, tzinfo=UTC): 16,  # 09:31: the session is open
    datetime(2028, 5, 5, 20, 45, tzinfo=UTC): 100,  # the close is still the close
    datetime(2028, 5, 6, 3, tzinfo=UTC): 25,
    datetime(2028, 5, 6, 7, 55, tzinfo=UTC): 7,  # the run of 08:00 stands for it
}


def new_york_to_utc(day: date, at: time) -> datetime:
    """By the rule of the law: five hours behind, in summer four."""
    winter = datetime.combine(day, at, UTC) + timedelta(hours=5)
    return winter - timedelta(hours=1) if SUMMER[0] <= winter < SUMMER[1] else winter


def days() -> list[date]:
    days_of_year = [date(2028, 1, 1) + timedelta(days=number) for number in range(366)]
    assert days_of_year[-1] == date(2028, 12, 31)
    return days_of_year


def spx_dues() -> list[datetime]:
    return [new_york_to_utc(day, at) for day in days() if day.weekday() < 5 for at in (time(9, 15), time(16, 45))]


def btc_dues() -> list[datetime]:
    hours = [datetime.combine(day, time(hour), UTC) for day in days() for hour in range(24)]
    return sorted([*hours[1:], YEAR[1], *(datetime.combine(day, time(7, 55), UTC) for day in days())])


def expected(underlying: str, dues: list[datetime]) -> Iterator[Row]:
    """The calendar of the year: what was on time, and by hand everything else."""
    odd = odd_rows()
    for due in dues:
        new_york_day = (due - timedelta(hours=5)).date()
        if (underlying, due) in odd:
            yield underlying, due, *odd[underlying, due]
        elif underlying == "SPX" and new_york_day in HOLIDAYS:
            yield underlying, due, SKIPPED, back(due) + STARTS_AFTER, f"{new_york_day} is no US session"
        else:
            down = next((one for one in DOWN.values() if one[0] < due < one[1]), None)
            if down is None:
                yield underlying, due, RUN, due + STARTS_AFTER, None
            else:  # all but what odd_rows names was followed by another one that was due
                followers = [
                    one
                    for one in dues
                    if due < one <= down[1] and not (underlying == "SPX" and (one - timedelta(hours=5)).date() in HOLIDAYS)
                ]
                yield (
                    underlying,
                    due,
                    SKIPPED,
                    down[1] + STARTS_AFTER,
                    f"the run due at {followers[0]:%Y-%m-%d %H:%M} UTC has taken its place",
                )


def back(due: datetime) -> datetime:
    """When the machine was there again."""
    return next((one[1] for one in DOWN.values() if one[0] < due < one[1]), due)


def odd_rows() -> dict[tuple[str, datetime], tuple[str, datetime, str | None]]:
    """Every due instant that was neither on time, nor on a holiday, nor followed by another while the machine was down."""

    def at(text: str) -> datetime:
        return datetime.fromisoformat(f"2028-{text}+00:00")

    def after(text: str, minutes: float = 0) -> datetime:
        return at(text) + STARTS_AFTER + timedelta(minutes=minutes)

    return {
        # ten days: at 15:20 UTC the session of 17 August is open, so the chain of before the open is gone; BTC of 15:00 is not
        ("SPX", at("08-17 13:15")): (SKIPPED, after("08-17 15:20"), "started 2 h 5 min after it was due, and the open at 2028-08-17 13:30 UTC lay between"),
        ("BTC", at("08-17 15:00")): (LATE, after("08-17 15:20"), "started 0 h 20 min after it was due"),
        # leap day: back at 08:20, after the settlement of 08:00, whose own run comes late
        ("BTC", at("02-29 08:00")): (LATE, after("02-29 08:20"), "started 0 h 20 min after it was due"),
        # Maundy Thursday's close, on the Saturday after
        ("SPX", at("04-13 20:45")): (LATE, after("04-15 09:05"), "started 1 d 12 h 20 min after it was due"),
        ("BTC", at("04-15 09:00")): (RUN, after("04-15 09:05"), None),
        ("SPX", at("10-02 20:45")): (LATE, after("10-02 23:30"), "started 2 h 45 min after it was due"),
        ("BTC", at("10-02 23:00")): (LATE, after("10-02 23:30"), "started 0 h 30 min after it was due"),
        ("SPX", at("05-03 13:15")): (LATE, after("05-03 13:15", 12), "started 0 h 12 min after it was due"),
        ("SPX", at("05-04 13:15")): (SKIPPED, after("05-04 13:15", 16), "started 0 h 16 min after it was due, and the open at 2028-05-04 13:30 UTC lay between"),
        ("SPX", at("05-05 20:45")): (LATE, after("05-05 20:45", 100), "started 1 h 40 min after it was due"),
        ("BTC", at("05-06 03:00")): (LATE, after("05-06 03:00", 25), "started 0 h 25 min after it was due"),
        ("BTC", at("05-06 07:55")): (SKIPPED, after("05-06 08:00"), "the run due at 2028-05-06 08:00 UTC has taken its place"),
    }  # fmt: skip


def played(underlying: str, calendar: TradingCalendar) -> list[Row]:
    """The year as the schedule lives it: it starts when something is due, or when the machine is back, and decides what has come due."""
    watch = DEFAULT_WATCHLIST[underlying]
    dues = due_instants(watch, *YEAR)
    starts = {due + STARTS_AFTER + timedelta(minutes=BUSY.get(due, 0) if is_delayed(underlying, due) else 0) for due in dues}
    starts = {start for start in starts if not any(down < start <= back for down, back in DOWN.values())}
    starts |= {back + STARTS_AFTER for _, back in DOWN.values()}
    rows: list[Row] = []
    decided_until = YEAR[0]
    for now in sorted(starts):
        waiting = dues[bisect_right(dues, decided_until) : bisect_right(dues, now)]
        decisions = decide_all(market_of(watch), waiting, now, calendar, GRACE)
        assert sum(one.is_to_run for one in decisions) <= 1, "two runs would overlap"
        rows += [(underlying, one.due_at, one.outcome, one.decided_at, one.reason) for one in decisions]
        decided_until = waiting[-1] if waiting else decided_until
    return rows


def is_delayed(underlying: str, due: datetime) -> bool:
    return (due.minute in (15, 45)) == (underlying == "SPX")


def test_the_calendar_by_hand_has_the_holidays_and_early_closes_of_the_exchange(calendar: TradingCalendar) -> None:
    sessions = {day for day in days() if calendar.close_of(day) is not None}
    assert sessions == {day for day in days() if day.weekday() < 5} - HOLIDAYS
    assert {day for day in days() if calendar.is_early_close(day)} == EARLY_CLOSES


def test_due_instants_follow_the_clocks_of_new_york_through_both_changes(calendar: TradingCalendar) -> None:
    dues = due_instants(DEFAULT_WATCHLIST["SPX"], *YEAR)
    assert dues == spx_dues()
    assert Counter(due.hour for due in dues if due.minute == 15) == {14: 90, 13: 170}, "50 weekdays in winter, 170 in summer, 40 in winter"
    assert due_instants(DEFAULT_WATCHLIST["BTC"], *YEAR) == btc_dues()


@pytest.mark.parametrize(("underlying", "dues"), [("SPX", spx_dues()), ("BTC", btc_dues())])
def test_what_ran_was_skipped_and_was_late_in_2028_is_the_calendar_to_the_row(
    calendar: TradingCalendar, underlying: str, dues: list[datetime]
) -> None:
    assert played(underlying, calendar) == list(expected(underlying, dues))
