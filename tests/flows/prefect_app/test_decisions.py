"""Decisions as a process makes them: from settings, clock and published/schedule.json."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flows.prefect_app.decisions import decide_due, note_missed
from models.market.calendar import TradingCalendar
from models.market.schedule import LATE, RUN, SKIPPED
from warehouse.home.paths import Home
from warehouse.publish.schedule_log import read_schedule_log
from warehouse.settings import DEFAULT_WATCHLIST, Settings

SETTINGS = Settings(watchlist={name: DEFAULT_WATCHLIST[name] for name in ("SPX", "BTC")})
EIGHT = datetime(2028, 3, 10, 8, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def decide(
    home: Home, calendar: TradingCalendar, now: datetime, due: datetime, busy: dict[str, str] | None = None
) -> list[tuple[str, str | None]]:
    decided = decide_due(home, SETTINGS, calendar, ["BTC"], now=now, run_id="a-run", busy=busy or {}, due=due)
    return [(one.outcome, one.reason) for one in decided["BTC"]]


def test_a_due_instant_is_decided_once(home: Home, calendar: TradingCalendar) -> None:
    assert decide(home, calendar, EIGHT + SECOND, EIGHT) == [(RUN, None)]
    assert decide(home, calendar, EIGHT + 2 * SECOND, EIGHT) == []


def test_while_a_run_has_not_ended_the_next_is_skipped_and_says_who_runs(home: Home, calendar: TradingCalendar) -> None:
    who = "the run of BTC before this one has not ended: process 4711"
    assert decide(home, calendar, EIGHT + SECOND, EIGHT, busy={"BTC": who}) == [(SKIPPED, who)]
    assert read_schedule_log(home).last()[0]["run_id"] is None


def test_the_first_start_has_missed_nothing(home: Home, calendar: TradingCalendar) -> None:
    assert note_missed(home, SETTINGS, calendar, EIGHT) == {}
    assert read_schedule_log(home).rows == []
    assert decide(home, calendar, EIGHT + timedelta(hours=1), EIGHT) == [(RUN, None)]


def test_a_restart_notes_what_was_missed_and_leaves_the_last_for_a_late_run(home: Home, calendar: TradingCalendar) -> None:
    thursday = datetime(2028, 4, 13, 12, tzinfo=UTC)
    saturday = datetime(2028, 4, 15, 9, 30, tzinfo=UTC)
    note_missed(home, SETTINGS, calendar, thursday)
    close, nine = datetime(2028, 4, 13, 20, 45, tzinfo=UTC), datetime(2028, 4, 15, 9, tzinfo=UTC)
    assert note_missed(home, SETTINGS, calendar, saturday) == {"SPX": close, "BTC": nine}
    assert note_missed(home, SETTINGS, calendar, saturday) == {"SPX": close, "BTC": nine}, "again changes nothing"
    assert {row["outcome"] for row in read_schedule_log(home).rows} == {SKIPPED}

    decided = decide_due(home, SETTINGS, calendar, ["SPX"], now=saturday, run_id="a-run", busy={}, due=close)
    assert [one.outcome for one in decided["SPX"]] == [LATE, SKIPPED, SKIPPED], "Good Friday follows the close"
    rows = [row for row in read_schedule_log(home).rows if row["underlying"] == "SPX"]
    assert [(row["due_at"][:16], row["outcome"], row["run_id"]) for row in rows] == [
        ("2028-04-13T13:15", "skipped", None),
        ("2028-04-13T20:45", "late", "a-run"),
        ("2028-04-14T13:15", "skipped", None),
        ("2028-04-14T20:45", "skipped", None),
    ]
    assert note_missed(home, SETTINGS, calendar, saturday) == {"BTC": nine}
