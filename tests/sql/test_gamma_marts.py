"""Gamma over spot levels, ranked strikes and 0DTE by strike, from contracts to marts (definitions §5, §6, §8)."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.contracts.core import Calendar
from models.market.calendar import TradingCalendar
from tests.chains import FRIDAY, NEXT_FRIDAY, ONE_THREAD, chain, listed, on_venue, only, snapshot
from tests.loads import Loader
from tests.sql.oracle_gamma import FACTORS
from tests.sql.relations import CAPTURED_AT, cells, net, run_relation, scope
from tests.sql.test_chain_properties import FEW, Line, near_the_money, rows_of, volatilities
from tests.sql.test_gamma_flip import ladder, through
from warehouse.settings import ModelSettings, Settings

SIDES = ["call_gex_usd_1pct", "put_gex_usd_1pct", "net_gex_usd_1pct"]
GAMMA_OF_VENUE = Settings(storage=ONE_THREAD, models=ModelSettings(gamma_source="venue"))
TODAY = CAPTURED_AT.replace(hour=23)


def calendar_of(*anchors: datetime, market: str = "us") -> pl.DataFrame:
    """Rows of core.calendar that are anchors; what is not in it is none."""
    schema = {name: column.dtype for name, column in Calendar.columns().items()}
    common = dict.fromkeys(schema) | {"market": market, "type": "monthly", "is_anchor": True}
    return pl.DataFrame([common | {"expires_at": anchor} for anchor in anchors], schema=schema)


def profile_of(instants: dict[datetime, float], anchors: tuple[datetime, ...]) -> dict[str, float]:
    """Net exposure at spot by scope_expiry, of expiries whose ladders are flat at these values."""
    given = {
        "core.scopes": scope(100),
        "core.calendar": pl.concat([calendar_of(*anchors), calendar_of(FRIDAY, market="crypto")]),
        "marts.gex_heatmap": pl.concat([cells(net(k100=value), expires_at=instant) for instant, value in instants.items()]),
        "core.gamma_ladder": pl.concat([ladder(through((0, value)), expires_at=instant) for instant, value in instants.items()]),
    }
    rows = run_relation("marts.gamma_profile", given)
    assert rows.group_by("scope_expiry").agg(pl.len())["len"].unique().to_list() == [161]
    assert rows["spot_level"].min() == 80 and rows["spot_level"].max() == pytest.approx(120)
    return {name: float(value) for name, value in rows.filter(spot_factor=1.0).select("scope_expiry", "net_gex_usd_1pct").iter_rows()}


def test_the_profile_leaves_out_the_next_expiry_and_the_next_anchor() -> None:
    third_friday_am, third_friday_pm = datetime(2026, 3, 20, 13, 30), datetime(2026, 3, 20, 20)
    instants = {TODAY: 1.0, FRIDAY: 20.0, third_friday_am: 300.0, third_friday_pm: 4000.0}
    anchors = (third_friday_am, third_friday_pm, datetime(2026, 3, 18))
    assert profile_of(instants, anchors) == {"all": 4321, "0dte": 1, "ex_next": 4320, "ex_anchor": 4021}, "an anchor nobody lists is none"
    del instants[TODAY]
    assert profile_of(instants, anchors) == {"all": 4320, "ex_next": 4300, "ex_anchor": 4020}
    assert profile_of({FRIDAY: 20.0, NEXT_FRIDAY: 5.0}, ()) == {"all": 25, "ex_next": 5}, "no anchor, nothing to leave out"
    assert profile_of({FRIDAY: 20.0}, (FRIDAY,)) == {"all": 20}, "nothing is left"


def test_ranks_go_by_size_whatever_the_sign_then_by_distance_then_to_the_lower_strike() -> None:
    profile = net(k80=1, k90=-7, k95=-5, k99=0, k105=5, k108=5, k110=9) | {100.0: {"call": None}}
    rows = run_relation("marts.gex_ranked", {"core.scopes": scope(100), "marts.gex_heatmap": cells(profile)}).filter(scope_expiry="all")
    assert rows.select("rank", "strike").rows() == [(1, 110), (2, 90), (3, 95), (4, 105), (5, 108), (6, 80), (7, 99)]
    assert rows["distance_pct"].to_list() == pytest.approx([10, 10, 5, 5, 8, 20, 1])


def test_only_ten_strikes_are_ranked_and_0dte_by_itself() -> None:
    many = {80.0 + index: {"call": 100 - index} for index in range(15)}
    both = pl.concat([cells(many), cells(net(k95=-3), expires_at=TODAY)])
    rows = run_relation("marts.gex_ranked", {"core.scopes": scope(100), "marts.gex_heatmap": both})
    assert rows.filter(scope_expiry="all")["strike"].to_list() == [80.0 + index for index in range(10)]
    assert rows.filter(scope_expiry="0dte").select("rank", "strike", "net_gex_usd_1pct").rows() == [(1, 95, Decimal(-3))]


@pytest.mark.parametrize(
    ("market", "at", "settles"),
    [("crypto", datetime(2026, 3, 2, 22, tzinfo=UTC), 8), ("us", datetime(2026, 3, 3, 15, tzinfo=UTC), 21)],
    ids=["within 24 hours", "today"],
)
def test_0dte_by_strike_is_the_profile_of_days_to_expiry_zero(
    work: duckdb.DuckDBPyConnection, calendar: TradingCalendar, market: str, at: datetime, settles: int
) -> None:
    rows: list[dict[str, Any]] = []
    for days in range(3):
        instant = datetime(2026, 3, 3, settles) + timedelta(days=days)
        rows += [row for strike in (90, 100, 110) for row in listed(strike, call=strike * (days + 1), put=7, expires_at=instant)]
    Loader(work, calendar)(chain(rows, underlying="ONE", market=market, at=at, multiplier=1.0))
    ours = work.execute("select strike, net_gex_usd_1pct, call_oi from gex_profile('ONE', dte_max := 0)").pl()
    assert ours["call_oi"].to_list() == [90, 100, 110], "the first expiry alone"
    zero = "scope_venue = 'all' and scope_expiry = '0dte'"
    assert work.execute(f"select net_gex_usd_1pct from marts.gex_levels where {zero}").fetchall() == [(ours["net_gex_usd_1pct"].sum(),)]
    ranked = work.execute(f"select strike, net_gex_usd_1pct from marts.gex_ranked where {zero} order by strike").fetchall()
    assert ranked == ours.select("strike", "net_gex_usd_1pct").rows()
    of_today = work.execute(
        "select gamma_flip, gamma_flip_status from gex_levels('ONE', dte_max := 0) where scope_expiry = 'all'"
    ).fetchall()
    assert of_today == work.execute(f"select gamma_flip, gamma_flip_status from marts.gex_levels where {zero}").fetchall()


def smiling(calls_above: float, puts_below: float) -> list[dict[str, Any]]:
    """A chain around 100 with open interest of puts below and calls above spot: gamma turns from negative to positive in between."""
    rows = []
    for strike in range(80, 121):
        vol = 0.2 + (100 - strike) / 250
        call, put = (0, puts_below) if strike < 100 else (calls_above, 0)
        rows += listed(strike, call=call, put=put, expires_at=NEXT_FRIDAY, venue_iv=vol)
    return rows


def exact_net(tables: dict[str, pl.DataFrame], factor: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Net exposure of all contracts at any factor, not rounded (definitions §3, §6)."""
    rows = tables["core.option_quotes"].join(tables["core.option_greeks"], on=["venue", "instrument"])
    forward, strike, tau, iv, oi = (rows[name].to_numpy()[:, None] for name in ("forward", "strike", "tau", "iv", "oi_base"))
    sign = np.where(rows["option_type"] == "C", 1, -1)[:, None]
    total = iv * np.sqrt(tau)
    d1 = np.log(forward * factor / strike) / total + total / 2
    return np.asarray(
        (sign * oi * np.exp(-0.04 * tau) * forward * factor * np.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi) / total).sum(axis=0)
    )


@pytest.mark.parametrize(("calls", "puts"), [(100, 100), (100, 300), (250, 100)])
def test_the_flip_is_where_a_fine_search_finds_it(calendar: TradingCalendar, calls: float, puts: float) -> None:
    tables = snapshot(chain(smiling(calls, puts)), calendar=calendar)
    row = only(tables["marts.gex_levels"], scope_expiry="all")
    fine = np.linspace(0.8, 1.2, 40_001)
    values = exact_net(tables, fine)
    crossings = [100 * (low + high) / 2 for (low, high), (a, b) in zip(pairwise(fine), pairwise(values), strict=True) if a * b < 0]
    zones = tables["marts.gamma_flip_zones"].filter(method="spot_ladder", scope_expiry="all")
    assert zones["level"].to_list() == pytest.approx(crossings, abs=0.25, rel=0), "never off by more than the grid's step"
    assert row["gamma_flip"] == pytest.approx(min(crossings, key=lambda level: abs(level - 100)), abs=0.01, rel=0)
    assert (row["gamma_flip_status"], row["regime"]) == (
        "available",
        "positive_gamma" if row["gamma_flip"] <= 100 else "negative_gamma",
    )


@FEW
@given(st.lists(near_the_money, min_size=1, max_size=2), near_the_money, volatilities)
def test_profiles_of_venues_add_up_and_at_spot_are_the_stored_exposure(
    calendar: TradingCalendar, expiries: list[list[Line]], other: list[Line], vols: list[float | None]
) -> None:
    ours = chain(rows_of(expiries, vols), market="crypto", venue="deribit", multiplier=1.0)
    theirs = chain(rows_of([other, *expiries[1:]], vols[::-1]), market="crypto", venue="okx", multiplier=0.01, spot=101.0)
    tables = snapshot(ours, theirs, calendar=calendar)
    profile = tables["marts.gamma_profile"].filter(pl.col("scope_expiry").is_in(["all", "ex_next"]))
    key = ["scope_expiry", "spot_factor"]
    known = (pl.when(pl.col(side).count() > 0).then(pl.col(side).sum()).alias(side) for side in SIDES)
    parts = profile.filter(pl.col("scope_venue") != "all").group_by(key).agg(known).sort(key)
    whole = profile.filter(scope_venue="all").sort(key)
    assert whole.height == 161 * len(expiries) and whole.select(*key, *SIDES).equals(parts.select(whole.select(*key, *SIDES).columns))
    at_spot = profile.filter(scope_expiry="all", spot_factor=1.0).select("scope_venue", "net_gex_usd_1pct").sort("scope_venue")
    levels = tables["marts.gex_levels"].filter(scope_expiry="all").select("scope_venue", "net_gex_usd_1pct").sort("scope_venue")
    assert at_spot.rows() == levels.rows(), "to the cent, with gamma_source = model"


def test_with_the_gamma_of_the_venue_the_profile_stays_the_models(calendar: TradingCalendar) -> None:
    rows = [row | {"venue_gamma": 0.5} for row in smiling(100, 100)]
    model, venue = (snapshot(chain(rows), calendar=calendar, settings=settings) for settings in (None, GAMMA_OF_VENUE))
    assert model["marts.gamma_profile"].equals(venue["marts.gamma_profile"])
    net_by_venue, net_by_model = (only(one["marts.gex_levels"], scope_expiry="all")["net_gex_usd_1pct"] for one in (venue, model))
    assert net_by_venue != net_by_model
    at_spot = only(model["marts.gamma_profile"], scope_expiry="all", spot_factor=1.0)
    assert at_spot["net_gex_usd_1pct"] == net_by_model


def test_levels_of_the_profile_are_those_of_its_scope(calendar: TradingCalendar) -> None:
    one = chain(smiling(100, 100), market="crypto", venue="deribit", multiplier=1.0)
    tables = snapshot(one, on_venue(one, "okx", spot=102.0), calendar=calendar)
    for venue, spot in (("deribit", 100.0), ("okx", 102.0), ("all", 101.0)):
        rows = tables["marts.gamma_profile"].filter(scope_venue=venue, scope_expiry="all").sort("spot_level")
        assert rows["spot_level"].to_list() == [spot * factor for factor in FACTORS]
