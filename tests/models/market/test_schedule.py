"""What becomes of a run that is due: the edges; whole years are played in tests/flows/prefect_app/test_simulated_year.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from models.market.calendar import TradingCalendar
from models.market.schedule import CRYPTO, LATE, RUN, SKIPPED, US, decide, decide_all, part_of_day

GRACE = timedelta(minutes=10)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def new_york(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}-05:00")  # in winter


@pytest.mark.parametrize(
    ("due", "start", "outcome"),
    [
        ("2028-01-18T09:15", "2028-01-18T09:15:03", RUN),
        ("2028-01-18T09:15", "2028-01-18T09:25", RUN),  # the grace is included
        ("2028-01-18T09:15", "2028-01-18T09:25:01", LATE),
        ("2028-01-18T09:15", "2028-01-18T09:29:59", LATE),
        ("2028-01-18T09:15", "2028-01-18T09:30", SKIPPED),  # open
        ("2028-01-18T15:50", "2028-01-18T15:59:59", RUN),
        ("2028-01-18T15:50", "2028-01-18T16:00", SKIPPED),  # closed, grace or not
        ("2028-01-14T16:45", "2028-01-18T09:29:59", LATE),  # Friday's close, before the open after a weekend and a holiday
        ("2028-01-14T16:45", "2028-01-18T09:30", SKIPPED),
        ("2028-01-17T16:45", "2028-01-17T16:45", SKIPPED),  # Martin Luther King's day
        ("2028-11-24T13:15", "2028-11-24T13:15", RUN),  # an early close moves nothing
        ("2028-11-24T16:45", "2028-11-24T20:00", LATE),
        ("2028-11-24T12:55", "2028-11-24T13:00", SKIPPED),  # it has closed early
    ],
)
def test_a_us_run_is_right_until_the_next_bell(calendar: TradingCalendar, due: str, start: str, outcome: str) -> None:
    assert decide(US, new_york(due), new_york(start), next_due=None, calendar=calendar, grace=GRACE).outcome == outcome


@pytest.mark.parametrize(
    ("due", "start", "outcome"),
    [
        ("2028-01-17T10:00", "2028-01-17T10:10", RUN),  # no holiday
        ("2028-01-17T10:00", "2028-01-17T10:10:01", LATE),
        ("2028-01-17T07:55", "2028-01-17T07:59:59", RUN),
        ("2028-01-17T07:55", "2028-01-17T08:00", SKIPPED),  # settled
        ("2028-01-17T08:00", "2028-01-17T08:05", RUN),
        ("2028-01-17T08:00", "2028-01-18T07:59", LATE),
        ("2028-01-17T08:00", "2028-01-18T08:00", SKIPPED),
    ],
)
def test_a_crypto_run_is_right_until_the_settlement(calendar: TradingCalendar, due: str, start: str, outcome: str) -> None:
    assert decide(CRYPTO, utc(due), utc(start), next_due=None, calendar=calendar, grace=GRACE).outcome == outcome


def test_without_grace_every_delay_is_late(calendar: TradingCalendar) -> None:
    due = utc("2028-01-17T10:00")
    assert decide(CRYPTO, due, due, next_due=None, calendar=calendar, grace=timedelta(0)).outcome == RUN
    assert decide(CRYPTO, due, due + timedelta(seconds=1), next_due=None, calendar=calendar, grace=timedelta(0)).outcome == LATE


def test_a_holiday_does_not_replace_the_close_before_it(calendar: TradingCalendar) -> None:
    dues = [new_york(f"2028-04-{day}") for day in ("13T08:15", "13T15:45", "14T08:15", "14T15:45")]  # Good Friday; in summer an hour later
    decisions = decide_all(US, dues, utc("2028-04-15T12:00"), calendar, GRACE)
    assert [one.outcome for one in decisions] == [SKIPPED, LATE, SKIPPED, SKIPPED]
    assert decisions[0].reason == "the run due at 2028-04-13 20:45 UTC has taken its place"
    assert decisions[2].reason == "2028-04-14 is no US session"


def test_what_is_due_later_is_left_for_later(calendar: TradingCalendar) -> None:
    dues = [utc("2028-01-17T10:00"), utc("2028-01-17T11:00")]
    (only,) = decide_all(CRYPTO, dues, utc("2028-01-17T10:01"), calendar, GRACE)
    assert (only.due_at, only.outcome, only.reason) == (dues[0], RUN, None)
    assert decide_all(CRYPTO, [], utc("2028-01-17T10:01"), calendar, GRACE) == []


@pytest.mark.parametrize(
    ("market", "due", "words"),
    [
        (US, new_york("2028-01-18T09:15"), "before the open"),
        (US, new_york("2028-01-18T12:00"), "in the session"),
        (US, new_york("2028-01-18T16:45"), "after the close"),
        (US, new_york("2028-11-24T09:15"), "before the open, early close at 13:00"),
        (US, new_york("2028-11-24T16:45"), "after the early close at 13:00"),
        (US, new_york("2028-12-25T16:45"), "skipped: 2028-12-25 is no US session"),
        (CRYPTO, utc("2028-12-25T07:55"), "before the settlement"),
        (CRYPTO, utc("2028-12-25T08:00"), ""),
    ],
)
def test_the_list_says_what_an_instant_is_to_its_market(calendar: TradingCalendar, market: str, due: datetime, words: str) -> None:
    assert part_of_day(market, due, calendar) == words
