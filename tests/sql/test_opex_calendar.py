"""The OPEX calendar: published expiry dates, what a chain has and the rules foresee, and what leaves with each expiry (definitions §8)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
import pytest

from models.market.calendar import TradingCalendar, scheduled_expiries
from tests.chains import NEXT_FRIDAY, chain, listed, snapshot
from tests.loads import Loader
from tests.small_warehouse import FIRST, LAST, THIRD_FRIDAY_AM, THIRD_FRIDAY_PM, snapshot_id
from tests.sql.relations import cells, net, run_relation, scope

FLAGS = ("is_month_end", "is_quarter_end", "is_am_settled", "is_triple_witching", "is_holiday_shifted", "is_vix_settlement")


@pytest.fixture
def opex(warehouse: duckdb.DuckDBPyConnection) -> Any:
    """`opex("SPX", until="2028-12-31")` gives the rows of the macro."""

    def rows(underlying: str, **arguments: Any) -> pl.DataFrame:
        named = "".join(f", {name} := ${name}" for name in arguments)
        return warehouse.execute(f"from opex_calendar($underlying{named})", {"underlying": underlying, **arguments}).pl()

    return rows


def dates(frame: pl.DataFrame) -> list[str]:
    return [str(day) for day in frame["expiry"]]


def test_monthlies_that_a_holiday_moves_are_on_the_thursday(opex: Any) -> None:
    anchors = opex("SPY", as_of="2025-01-01", until="2027-12-31").filter("is_anchor")
    moved = anchors.filter("is_holiday_shifted")
    assert dates(moved) == ["2025-04-17", "2026-06-18", "2027-06-17"]
    assert set(moved["expiry"].dt.weekday()) == {4}
    assert anchors.height == 36


def test_triple_witching_of_2026(opex: Any) -> None:
    witching = opex("QQQ", as_of="2026-01-01", until="2026-12-31").filter("is_triple_witching")
    assert dates(witching) == ["2026-03-20", "2026-06-18", "2026-09-18", "2026-12-18"]
    assert set(witching["type"]) == {"quarterly"}


def test_deribit_anchors_are_the_last_fridays_at_eight(opex: Any) -> None:
    year = opex("BTC", as_of="2026-01-01 12:00", until="2026-12-31")
    assert year.height == 364, "every day from the next one on"
    assert set(year["expires_at"].dt.hour()) == {8}
    types = dict(year.select(pl.col("expiry").cast(pl.String), "type").iter_rows())
    assert (types["2026-03-27"], types["2026-01-30"], types["2026-01-23"], types["2026-01-24"]) == (
        "quarterly",
        "monthly",
        "weekly",
        "daily",
    )
    assert year["next_anchor"].unique().to_list() == [datetime(2026, 1, 30, 8)]


def test_a_third_friday_of_spx_is_two_expiries_of_monthly_type(opex: Any) -> None:
    both = opex("SPX", as_of="2026-08-01", until="2026-08-31").filter(expiry=date(2026, 8, 21))
    assert both["expires_at"].to_list() == [datetime(2026, 8, 21, 13, 30), datetime(2026, 8, 21, 20)]
    assert both["type"].to_list() == ["monthly", "monthly"]
    assert both["is_am_settled"].to_list() == [True, False]
    assert both["next_anchor"].to_list() == [datetime(2026, 8, 21, 13, 30)] * 2


def test_a_quarter_end_of_spy_is_a_daily_with_a_flag(opex: Any) -> None:
    (row,) = opex("SPY", as_of="2026-09-01", until="2026-12-31", expiry="2026-09-30").rows(named=True)
    assert (row["type"], row["is_quarter_end"], row["is_month_end"], row["is_anchor"]) == ("daily", True, True, False)


def test_vix_settles_on_the_tuesday_before_a_holiday(opex: Any) -> None:
    year = opex("VIX", as_of="2026-01-01", until="2026-12-31")
    settlements = year.filter("is_vix_settlement")
    assert dates(settlements.filter("is_holiday_shifted")) == ["2026-05-19"]
    assert settlements.height == 12 and settlements["is_anchor"].all() and year["is_am_settled"].all()
    assert year.group_by(pl.col("expiry").dt.truncate("1w")).len()["len"].max() == 1, "one a week"


def test_early_closes_end_at_one_in_new_york(opex: Any, calendar: TradingCalendar) -> None:
    early = calendar.sessions.filter("is_early_close", pl.col("session_date").is_between(date(2026, 1, 1), date(2028, 12, 31)))[
        "session_date"
    ]
    assert [str(day) for day in early.head(3)] == ["2026-11-27", "2026-12-24", "2027-11-26"]
    rows = opex("SPY", as_of="2026-01-01", until="2028-12-31").filter(pl.col("expiry").is_in(early.to_list()))
    assert rows.height == early.len()
    local = rows["expires_at"].dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York")
    assert set(local.dt.hour()) == {13} and set(local.dt.minute()) == {0}


def test_an_unknown_us_symbol_lists_the_last_session_of_each_week(opex: Any) -> None:
    weeks = opex("NOTHING", as_of="2026-03-30", until="2026-07-10")
    assert dates(weeks)[0] == "2026-04-02", "before Good Friday"
    assert weeks["expiry"].dt.truncate("1w").is_unique().all() and weeks.height == 15
    assert not weeks["is_listed"].any() and weeks["total_oi"].null_count() == weeks.height
    assert dates(weeks.filter("is_anchor")) == ["2026-04-17", "2026-05-15", "2026-06-18"]


def test_days_to_expiry_count_from_the_local_date(opex: Any) -> None:
    late = datetime(2026, 3, 3, 1)  # still the evening of March 2 in New York
    assert opex("SPY", as_of=late, until="2026-03-04")["dte"].to_list() == [1, 2]
    assert opex("BTC", as_of=late, until="2026-03-04")["dte"].to_list() == [0, 1]


def test_a_calendar_without_as_of_begins_now(opex: Any) -> None:
    now = datetime.now(UTC)
    rows = opex("SPY", until=(now + timedelta(days=14)).date())
    assert rows["expires_at"].min() > now.replace(tzinfo=None)
    first = rows["dte"][0]
    assert first == (rows["expiry"][0] - now.astimezone(ZoneInfo("America/New_York")).date()).days


def test_without_until_only_what_a_chain_has(opex: Any) -> None:
    assert opex("SPX").is_empty()
    assert opex("IDX")["is_listed"].all()


def test_until_adds_what_the_chain_lacks_and_cuts_what_lies_beyond(opex: Any) -> None:
    plain, more = opex("IDX"), opex("IDX", until="2026-04-17")
    assert plain.height == 3
    assert more.filter("is_listed").equals(plain), "the shares and the next anchor are the same"
    assert dates(more.filter(~pl.col("is_listed"))) == ["2026-03-13", "2026-03-27", "2026-04-02", "2026-04-10", "2026-04-17"]
    assert set(more["snapshot_id"]) == {snapshot_id("IDX", FIRST)} and set(more["next_anchor"]) == {THIRD_FRIDAY_AM}
    cut = opex("IDX", until="2026-03-19")
    assert dates(cut) == ["2026-03-06", "2026-03-13"]
    assert cut.filter("is_listed")["oi_rolloff_pct"].to_list() == plain["oi_rolloff_pct"].to_list()[:1], "still of the whole chain"
    assert set(cut["next_anchor"]) == {THIRD_FRIDAY_AM}, "though it lies beyond"


def test_filters_hide_listed_expiries_and_never_make_them_unlisted(opex: Any) -> None:
    assert opex("IDX", until="2026-03-20", strike_min=1000)["expires_at"].to_list() == [datetime(2026, 3, 13, 20)]
    assert opex("IDX", until="2026-04-17", dte_min=20, dte_max=32)["is_listed"].to_list() == [False, False]
    both = opex("IDX", until="2026-04-17", expiry="2026-03-20")
    assert both["expires_at"].to_list() == [THIRD_FRIDAY_PM] and both["is_listed"].all(), "AM and PM are pooled, and AM is listed"


def test_the_market_of_a_chain_decides_on_the_rules(opex: Any) -> None:
    rows = opex("COIN", until="2026-03-10")
    assert rows["expires_at"].dt.hour().unique().to_list() == [8]
    assert dates(rows) == [f"2026-03-{day:02d}" for day in range(3, 11)]
    assert rows.filter("is_listed")["expiry"].to_list() == [date(2026, 3, 6)]


def test_the_key_of_the_mart_is_snapshot_and_instant(warehouse: duckdb.DuckDBPyConnection) -> None:
    rows = warehouse.execute("from marts.opex_calendar").pl()
    assert rows.select("snapshot_id", "expires_at").is_unique().all()
    assert set(rows["scope_venue"]) == {"all"}
    interest = "select snapshot_id, expires_at, total_oi from marts.max_pain where scope_venue = 'all' order by all"
    assert rows.select("snapshot_id", "expires_at", "total_oi").sort("snapshot_id", "expires_at").equals(warehouse.execute(interest).pl())


def test_walls_are_those_of_the_expiry_alone() -> None:
    near, far = cells(net(k90=5, k95=50, k105=-70, k110=60)), cells(net(k90=80, k95=-60, k105=70, k110=2), expires_at=NEXT_FRIDAY)
    heatmap = pl.concat([near, far])
    types = pl.DataFrame({"market": "us", "expires_at": heatmap["expires_at"].unique(), "expiry": heatmap["expiry"].unique()}).with_columns(
        pl.lit("weekly").alias("type"), *(pl.lit(False).alias(name) for name in ("is_anchor", *FLAGS))
    )
    calendar = run_relation("marts.opex_calendar", {"core.scopes": scope(100), "marts.gex_heatmap": heatmap, "core.calendar": types})
    levels = calendar.sort("expires_at").select("call_resistance", "put_support", "call_wall", "put_wall").rows()
    assert levels == [(110, 95, 110, 105), (105, 90, 90, 95)]
    assert calendar["next_anchor"].null_count() == 2
    shares = [100 * 185 / 397, 100 * 212 / 397]
    assert calendar.sort("expires_at")["gex_rolloff_pct"].to_list() == pytest.approx(shares)


def test_a_chain_without_open_interest_has_no_shares(calendar: TradingCalendar) -> None:
    tables = snapshot(chain([row for strike in (95, 105) for row in listed(strike, call=0, put=0)]), calendar=calendar)
    measured = tables["marts.opex_calendar"].select("total_oi", "oi_rolloff_pct", "gex_rolloff_pct", "max_pain_strike", "call_wall")
    assert measured.rows() == [(0, None, None, None, None)]


def test_an_expiry_at_an_unusual_instant_stays_and_is_never_foreseen(work: duckdb.DuckDBPyConnection, calendar: TradingCalendar) -> None:
    saturday, evening = datetime(2026, 3, 7, 21), datetime(2026, 3, 5, 22)
    rows = [row for at in (saturday, evening) for row in listed(100, call=5, put=5, expires_at=at)]
    Loader(work, calendar)(chain(rows))
    types = work.execute("select expires_at, type from marts.opex_calendar order by all").fetchall()
    assert types == [(evening, "daily"), (saturday, "unknown")]
    assert work.execute("select count(*) from opex_calendar('SPY', as_of := '2026-03-05 21:30', until := '2026-03-08')").fetchall() == [
        (1,)
    ]


def test_the_calendar_of_a_warehouse_is_the_schedule_and_what_was_seen(
    warehouse: duckdb.DuckDBPyConnection, calendar: TradingCalendar
) -> None:
    stored = warehouse.execute("from core.calendar order by market, expires_at").pl()
    scheduled = scheduled_expiries(calendar)
    assert stored.equals(scheduled.select(stored.columns)), "the small warehouse has seen nothing unusual"
    assert scheduled.select("market", "expires_at").is_unique().all()
    assert "unknown" not in set(scheduled["type"])
    assert scheduled.filter(market="crypto").height == (date(2040, 12, 31) - date(2000, 1, 1)).days + 1
    closes = scheduled.join(calendar.sessions, left_on="expires_at", right_on="closes_at", how="semi")
    assert closes.height == calendar.sessions.height


def test_the_newest_snapshot_is_the_one_of_the_calendar(opex: Any) -> None:
    assert set(opex("COIN")["snapshot_id"]) == {snapshot_id("COIN", LAST)}
    assert set(opex("COIN", as_of=FIRST.replace(tzinfo=None))["snapshot_id"]) == {snapshot_id("COIN", FIRST)}
