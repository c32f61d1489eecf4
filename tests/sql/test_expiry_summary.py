"""The expiry summary on hand-made smiles: means over books as the model has them, one day, and why a number is not there (definitions §7)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import duckdb
import polars as pl
import pytest

from models.contracts.registry import TABLES
from models.market.calendar import TradingCalendar, classify_expiries
from models.pricing.forwards import MICROSECONDS_PER_YEAR
from models.pricing.scope_smile import SCOPE_SMILE, one_day_move, scope_smile
from tests.sql.relations import CAPTURED_AT, cells, run_relation, scope

SMILE = {name: column.dtype for name, column in TABLES["core.expiry_smile"].columns().items()}
NEARLY = 1.01e-11  # the last of twelve digits may be rounded the other way
NEXT_DAY = CAPTURED_AT + timedelta(days=1)


def smiles(rows: Sequence[dict[str, Any]], *, quoted_at: datetime = CAPTURED_AT) -> pl.DataFrame:
    """Rows of core.expiry_smile; what is not said is not measured, for the reason `no_iv`."""
    common = dict.fromkeys(SMILE) | {
        "snapshot_id": "XYZ-20260302T220000Z", "venue": "cboe", "book": "XYZ", "spot": 100.0, "discount": 1.0, "oi_base": 1.0,
        "density_quotes": 0, "density_reason": "few_quotes",
    }  # fmt: skip
    full = []
    for row in rows:
        tau = (row["expires_at"] - row.get("quoted_at", quoted_at)) // timedelta(microseconds=1) / MICROSECONDS_PER_YEAR
        reasons = {f"{name}_reason": "no_iv" for name in ("atm_iv", "straddle") if row.get(name) is None}
        full.append({"tau": tau} | reasons | row)
    return pl.DataFrame([{name: (common | row)[name] for name in SMILE} for row in full], schema=SMILE)


def summary(
    smile: pl.DataFrame, calendar: TradingCalendar, *, market: str = "us", venues: str = "cboe", spot: float = 100.0
) -> pl.DataFrame:
    """Rows of marts.expiry_summary of one scope; each expiry lists one strike with an open interest of 7."""
    name = venues if "," not in venues else "all"
    instants = smile["expires_at"].unique().sort()
    interest = {100.0: {"call_oi": 5.0, "put_oi": 2.0, "call": 3, "put": -1}}
    given = {
        "core.scopes": scope(spot, market=market, scope_venue=name).with_columns(
            venues=pl.lit(venues), is_only_venue=pl.lit(name != "all")
        ),
        "core.expiry_smile": smile,
        "marts.gex_heatmap": pl.concat([cells(interest, expires_at=instant, scope_venue=name) for instant in instants]),
        "core.calendar": classify_expiries(pl.DataFrame({"market": market, "expires_at": instants}), calendar),
        "core.sessions": calendar.sessions,
    }
    return run_relation("marts.expiry_summary", given).sort("expires_at")


def random_book(dice: random.Random, expires_at: datetime, venue: str, book: str) -> dict[str, Any]:
    def perhaps(low: float, high: float) -> float | None:
        return None if dice.random() < 0.2 else float(f"{dice.uniform(low, high):.11e}")

    spot = perhaps(99, 101)
    return {
        "expires_at": expires_at, "venue": venue, "book": book, "spot": spot, "forward": perhaps(98, 103), "discount": dice.uniform(0.9, 1),
        "oi_base": dice.choice([None, 0.0, dice.uniform(0, 1e4), dice.uniform(0, 1e4)]), "atm_iv": perhaps(0.1, 1.5),
        "put_25d_iv": perhaps(0.1, 1.5), "call_25d_iv": perhaps(0.1, 1.5), "straddle": perhaps(1, 30),
        "quoted_at": CAPTURED_AT + timedelta(seconds=dice.randint(-90, 0)),
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_means_over_venues_and_books_are_those_of_the_model(calendar: TradingCalendar, seed: int) -> None:
    dice = random.Random(seed)
    instants = [CAPTURED_AT + timedelta(hours=hours) for hours in (10, 34, 24 * 18 + 10)]
    names = list(product(("bybit", "deribit", "okx"), ("BTC", "USDC")))
    smile = smiles(
        [random_book(dice, instant, venue, book) for instant in instants for venue, book in dice.sample(names, dice.randint(1, 6))]
    )
    at = CAPTURED_AT.replace(tzinfo=UTC)
    expected = scope_smile(smile, spot=100.3, measured_at=at)
    ours = summary(smile, calendar, market="crypto", venues="bybit,deribit,okx", spot=100.3)
    for name, dtype in SCOPE_SMILE.items():
        mine, theirs = ours[name].cast(dtype), expected[name]
        assert mine.is_null().equals(theirs.is_null()), name
        if dtype == pl.Float64:
            assert ((mine - theirs).abs() <= NEARLY * theirs.abs()).fill_null(True).all(), name
        else:
            assert mine.equals(theirs), name
    day = one_day_move(expected, market="crypto", measured_at=at, calendar=calendar).row(0, named=True)
    row = ours.row(0, named=True)
    assert row["expiry_used"] == day["expiry_used"] and row["expected_move_1d_reason"] == day["one_day_reason"]
    if day["one_day_move_1sd"] is not None:
        assert row["expected_move_1d_1sd"] == pytest.approx(day["one_day_move_1sd"], rel=NEARLY)


def test_a_single_book_is_passed_on_with_its_reasons(calendar: TradingCalendar) -> None:
    smile = smiles([{"expires_at": NEXT_DAY, "forward": 101.0, "atm_strike": 100.0, "straddle": 3.0, "straddle_source": "quotes"}])
    (row,) = summary(smile, calendar).rows(named=True)
    assert (row["forward"], row["straddle"], row["straddle_source"], row["atm_strike"], row["books"]) == (101.0, 3.0, "quotes", 100.0, 1)
    assert (row["atm_iv"], row["atm_iv_reason"], row["straddle_reason"]) == (None, "no_iv", None)
    assert (row["expected_move_1sd"], row["skew_25d"], row["density_reason"]) == (None, None, "few_quotes")
    assert (row["total_oi"], float(row["notional_oi_usd"]), float(row["net_gex_usd_1pct"])) == (7.0, 700.0, 2.0)


def test_of_several_books_the_largest_says_why_and_sources_are_joined(calendar: TradingCalendar) -> None:
    rows = [
        {"expires_at": NEXT_DAY, "venue": "deribit", "atm_iv_reason": "no_iv", "straddle": 2.0, "straddle_source": "quotes", "atm_strike": 100.0},
        {"expires_at": NEXT_DAY, "venue": "okx", "atm_iv_reason": "no_bracket", "oi_base": 3.0, "straddle": 4.0, "straddle_source": "model", "atm_strike": 101.0},
    ]  # fmt: skip
    (row,) = summary(smiles(rows), calendar, market="crypto", venues="deribit,okx").rows(named=True)
    assert (row["atm_iv_reason"], row["straddle_reason"], row["straddle_source"]) == ("no_bracket", None, "model+quotes")
    assert (row["straddle"], row["atm_strike"], row["density_reason"], row["density_mean"]) == (3.5, None, "several_books", None)


def test_time_counts_from_the_capture_for_several_venues_and_else_from_the_quotes(calendar: TradingCalendar) -> None:
    early = CAPTURED_AT - timedelta(seconds=90, microseconds=7)
    rows = [{"expires_at": NEXT_DAY, "venue": venue, "atm_iv": 0.5, "quoted_at": early} for venue in ("deribit", "okx")]
    both = summary(smiles(rows), calendar, market="crypto", venues="deribit,okx")
    one = summary(smiles(rows[:1]), calendar, market="crypto", venues="deribit")
    index = summary(smiles([{"expires_at": NEXT_DAY, "atm_iv": 0.5, "quoted_at": early}]), calendar)
    longer = (86_400e6 + 90_000_007) / MICROSECONDS_PER_YEAR
    assert (both["tau"].item(), one["tau"].item(), index["tau"].item()) == (1 / 365, longer, longer)


def test_friday_evening_describes_monday(calendar: TradingCalendar) -> None:
    friday, monday = datetime(2026, 3, 6, 21), datetime(2026, 3, 9, 20)
    (row,) = summary(smiles([{"expires_at": monday, "atm_iv": 0.2}], quoted_at=friday), calendar).rows(named=True)
    assert (row["expiry_used"], row["sessions_used"]) == (monday, 1)
    assert row["expected_move_1d_1sd"] == row["expected_move_1sd"]


@pytest.mark.parametrize(
    ("hours", "used"),
    [([23, 24, 72], 24), ([23, 25], 25), ([12, 23], None), ([23.9999, 240], 240)],
    ids=str,
)
def test_one_day_takes_the_nearest_expiry_of_a_day_or_more(calendar: TradingCalendar, hours: list[float], used: float | None) -> None:
    rows = [{"expires_at": CAPTURED_AT + timedelta(hours=hour), "atm_iv": 0.4} for hour in hours]
    summarised = summary(smiles([row | {"venue": "deribit"} for row in rows]), calendar, market="crypto", venues="deribit").row(
        0, named=True
    )
    if used is None:
        assert (summarised["expiry_used"], summarised["expected_move_1d_1sd"], summarised["expected_move_1d_reason"]) == (
            None,
            None,
            "no_expiry",
        )
    else:
        assert summarised["expiry_used"] == CAPTURED_AT + timedelta(hours=used) and summarised["sessions_used"] is None
        assert summarised["expected_move_1d_1sd"] == pytest.approx(100 * 0.4 * (1 / 365) ** 0.5, rel=1e-11)


def test_an_expiry_without_volatility_gives_no_day(calendar: TradingCalendar) -> None:
    rows = [{"expires_at": CAPTURED_AT + timedelta(days=days), "atm_iv": iv} for days, iv in ((1, None), (3, 0.4))]
    assert set(summary(smiles(rows), calendar)["expiry_used"]) == {CAPTURED_AT + timedelta(days=3)}


def test_strikes_narrow_the_exposure_and_leave_the_smile(warehouse: duckdb.DuckDBPyConnection) -> None:
    whole, part = (
        warehouse.execute(f"from expiry_summary('IDX'{argument})").pl() for argument in ("", ", strike_min := 95, strike_max := 100")
    )
    interest = ["total_oi", "notional_oi_usd", "net_gex_usd_1pct"]
    assert part.drop(interest).equals(whole.drop(interest))
    assert (part["total_oi"] < whole["total_oi"]).all()


def test_every_live_expiry_has_a_summary(warehouse: duckdb.DuckDBPyConnection) -> None:
    key = ["snapshot_id", "scope_venue", "expires_at"]
    rows = warehouse.execute(f"select {', '.join(key)}, books, tau from marts.expiry_summary").pl()
    assert rows.select(key).sort(key).equals(warehouse.execute(f"select {', '.join(key)} from marts.max_pain").pl().sort(key))
    assert rows["books"].null_count() == 0 and (rows["tau"] > 0).all()
