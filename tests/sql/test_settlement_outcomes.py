"""Outcomes: what was seen before a settlement, and whether it came within a strike of max pain; against plain Python (definitions §10)."""

from __future__ import annotations

import math
from bisect import bisect_left
from datetime import datetime, timedelta
from random import Random
from typing import Any

import duckdb
import pytest
from scipy.stats import norm

from models.market.calendar import TradingCalendar
from tests.chains import AT, chain, listed, only, settled, snapshot
from tests.loads import Loader
from tests.sql.outcome_tables import views_over

EXPIRES = datetime(2026, 3, 6, 8)
UNDERLYINGS = ("BTC", "SPX")


def seen(lead_hours: float, **numbers: Any) -> dict[str, Any]:
    return {
        "underlying": "BTC", "expires_at": EXPIRES, "lead": timedelta(hours=lead_hours), "max_pain": 100.0, "gap": 5.0, "forward": 101.0,
        "atm_iv": 0.5, "tau": lead_hours / 8760, "score": 50, "mirror": 100.0, "mirror_gap": 5.0,
    } | numbers  # fmt: skip


def outcomes(observations: list[dict[str, Any]], prices: dict[tuple[str, datetime], float]) -> list[dict[str, Any]]:
    """Rows of the view over such snapshots and settlement prices."""
    tables: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("core.snapshots", "marts.max_pain", "marts.pin_score", "marts.expiry_summary", "core.pin_bands")
    }
    snapshots = set()
    for one in observations:
        at = one["expires_at"] - one["lead"]
        key = {"snapshot_id": f"{one['underlying']}-{at:%Y%m%dT%H%M%SZ}", "scope_venue": "all", "expires_at": one["expires_at"]}
        row = key | {"underlying": one["underlying"], "captured_at": at}
        if key["snapshot_id"] not in snapshots:
            market = "crypto" if one["underlying"] == "BTC" else "us"
            tables["core.snapshots"].append({"snapshot_id": key["snapshot_id"], "underlying": one["underlying"], "market": market})
            snapshots.add(key["snapshot_id"])
        tables["marts.max_pain"].append(
            row | {"expiry": one["expires_at"].date(), "spot": 101.0, "distance_pct": 1.0, "max_pain_strike": one["max_pain"]}
        )
        tables["marts.pin_score"].append(row | {"pin_score": one["score"]})
        tables["marts.expiry_summary"].append(row | {name: one[name] for name in ("forward", "atm_iv", "tau")})
        tables["core.pin_bands"].append(
            key | {"strike_gap": one["gap"], "mirror_strike": one["mirror"], "mirror_strike_gap": one["mirror_gap"]}
        )
    settled_rows = [
        {"underlying": name, "expires_at": at, "settlement_price": price, "source": "x"} for (name, at), price in prices.items()
    ]
    with views_over({**tables, "core.settlement_prices": settled_rows}, "marts.settlement_outcomes") as con:
        return con.execute("from marts.settlement_outcomes order by underlying, expires_at, horizon").pl().to_dicts()


def outcome(settlement: float, **numbers: Any) -> dict[str, Any]:
    (row,) = outcomes([seen(30, **numbers)], {("BTC", EXPIRES): settlement})
    return row


@pytest.mark.parametrize(
    ("lead", "horizon"),
    [
        (0.99, None), (1, "1h"), (6, "1h"), (6.01, None), (23.9, None), (24, "1d"), (96, "1d"), (96.01, None), (119.9, None), (120, "5d"),
        (216, "5d"), (216.1, None),
    ],
)  # fmt: skip
def test_a_horizon_has_a_least_and_a_greatest_lead(lead: float, horizon: str | None) -> None:
    rows = outcomes([seen(lead)], {("BTC", EXPIRES): 100.0})
    assert [row["horizon"] for row in rows] == ([horizon] if horizon else [])
    assert [row["lead_hours"] for row in rows] == ([pytest.approx(lead)] if horizon else [])


def test_the_last_snapshot_within_a_horizon_counts() -> None:
    rows = outcomes([seen(hours) for hours in (0.5, 2, 5, 23, 30, 90, 130, 200, 300)], {("BTC", EXPIRES): 100.0})
    assert {row["horizon"]: row["lead_hours"] for row in rows} == {"1h": 2, "1d": 30, "5d": 130}


def test_without_a_settlement_price_there_is_no_outcome() -> None:
    assert outcomes([seen(30)], {("BTC", EXPIRES + timedelta(days=1)): 100.0, ("ETH", EXPIRES): 100.0}) == []


@pytest.mark.parametrize(("settlement", "is_pinned"), [(100.0, True), (105.0, True), (95.0, True), (105.01, False), (94.99, False)])
def test_pinned_is_within_the_smaller_gap(settlement: float, is_pinned: bool) -> None:
    row = outcome(settlement)
    assert row["pinned"] is is_pinned
    assert row["settlement_distance_abs"] == pytest.approx(abs(settlement - 100))
    assert row["settlement_distance_pct"] == pytest.approx(100 * abs(settlement - 100) / settlement)


def test_one_tick_of_a_cheap_coin_is_exactly_one_tick() -> None:
    """1.3 − 1.2 is more than 0.1 in floating point."""
    assert 1.3 - 1.2 > 0.1
    assert outcome(1.3, max_pain=1.2, gap=0.1, forward=1.2)["pinned"] is True


@pytest.mark.parametrize(("settlement", "is_near"), [(200.0, True), (201.0, True), (201.01, False), (199.01, True), (199.0, False)])
def test_half_a_percent_is_of_the_settlement(settlement: float, is_near: bool) -> None:
    assert outcome(settlement, max_pain=200.0, forward=200.0)["pinned_half_pct"] is is_near


def test_what_is_not_known_is_null() -> None:
    row = outcome(100.0, max_pain=None, gap=None, score=None)
    assert (row["pinned"], row["baseline_prob"], row["pin_score"]) == (None, None, None)
    row = outcome(100.0, atm_iv=None)
    assert (row["pinned"], row["baseline_prob"], row["baseline_half_pct_prob"]) == (True, None, None)
    assert outcome(100.0, mirror=None, mirror_gap=None)["mirror_pinned"] is None


def test_a_band_that_reaches_zero_has_no_lower_end() -> None:
    row = outcome(1.0, max_pain=1.0, gap=1.0, forward=1.2, atm_iv=2.0, tau=0.25)
    assert row["baseline_prob"] == pytest.approx(norm.cdf(math.log(2 / 1.2) / 1.0 + 0.5), abs=1e-12)


def test_every_number_agrees_with_plain_python() -> None:
    random = Random(10)
    observations, prices = [], {}
    for name in UNDERLYINGS:
        for day in range(12):
            expires_at = EXPIRES + timedelta(days=day)
            if random.random() < 0.9:
                prices[name, expires_at] = round(random.gauss(100, 4), 2)
            leads = sorted(random.sample(range(1, 240), random.randint(1, 40)))
            for hours in leads:
                vol = random.choice([0.2, 0.8, None]) if hours % 3 == 0 else 0.5
                observations.append(
                    seen(
                        hours, underlying=name, expires_at=expires_at, max_pain=float(random.randrange(90, 111)), gap=random.choice([1.0, 2.5, 5.0]),
                        forward=round(random.gauss(100, 2), 3), atm_iv=vol, mirror=float(random.randrange(90, 111)), score=random.randrange(101),
                    )
                )  # fmt: skip
    rows = outcomes(observations, prices)
    expected = oracle(observations, prices)
    assert [(row["underlying"], row["expires_at"], row["horizon"]) for row in rows] == [key for key, _ in expected]
    assert len(rows) > 40
    for row, (_, want) in zip(rows, expected, strict=True):
        for name, value in want.items():
            assert row[name] == (pytest.approx(value, rel=1e-10, abs=1e-13) if isinstance(value, float) else value), name


def oracle(observations: list[dict[str, Any]], prices: dict[tuple[str, datetime], float]) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """The same by loops, one settlement after the other."""
    outcomes = []
    for (name, expires_at), price in prices.items():
        for horizon, least, most in (("1d", 24, 96), ("1h", 1, 6), ("5d", 120, 216)):
            inside = [
                one
                for one in observations
                if (one["underlying"], one["expires_at"]) == (name, expires_at) and least <= one["lead"] / timedelta(hours=1) <= most
            ]
            if not inside:
                continue
            one = min(inside, key=lambda one: one["lead"])
            away, chance, half = abs(price - one["max_pain"]), None, None
            if one["atm_iv"] is not None:
                v = one["atm_iv"] * math.sqrt(one["tau"])
                law = norm(math.log(one["forward"]) - v * v / 2, v)
                chance = float(law.cdf(math.log(one["max_pain"] + one["gap"])) - law.cdf(math.log(one["max_pain"] - one["gap"])))
                half = float(law.cdf(math.log(one["max_pain"] / 0.995)) - law.cdf(math.log(one["max_pain"] / 1.005)))
            outcomes.append(
                (
                    (name, expires_at, horizon),
                    {
                        "pinned": round(away, 6) <= one["gap"],
                        "pinned_half_pct": round(away, 6) <= round(0.005 * price, 9),
                        "mirror_pinned": round(abs(price - one["mirror"]), 6) <= one["mirror_gap"],
                        "baseline_prob": chance,
                        "baseline_half_pct_prob": half,
                        "pin_score": one["score"],
                        "lead_hours": one["lead"] / timedelta(hours=1),
                        "observed_at": expires_at - one["lead"],
                    },
                )
            )
    return sorted(outcomes, key=lambda one: one[0])


@pytest.mark.parametrize(
    ("strikes", "pain_at"),
    [((80, 90, 95, 105, 120), 95), ((80, 90, 95, 105, 120), 80), ((80, 90, 95, 105, 120), 120), ((1.1, 1.2, 1.3, 1.5), 1.3), ((100,), 100)],
)
def test_bands_are_gaps_between_listed_strikes(calendar: TradingCalendar, strikes: tuple[float, ...], pain_at: float) -> None:
    spot = 100.0 if pain_at > 2 else 1.25
    rows = [
        row
        for strike in strikes
        for row in listed(
            strike, call=999 if strike == pain_at else 1, put=999 if strike == pain_at else 1, expires_at=EXPIRES, venue_forward=spot
        )
    ]
    tables = snapshot(chain(rows, underlying="COIN", venue="deribit", market="crypto", multiplier=1.0, spot=spot), calendar=calendar)
    assert only(tables["marts.max_pain"])["max_pain_strike"] == pain_at
    forward = only(tables["marts.expiry_summary"])["forward"]
    band = only(tables["core.pin_bands"])
    mirror = min(strikes, key=lambda strike: (round(abs(strike - (2 * forward - pain_at)), 6), strike))
    assert (band["strike_gap"], band["mirror_strike"], band["mirror_strike_gap"]) == (gap(strikes, pain_at), mirror, gap(strikes, mirror))


def gap(strikes: tuple[float, ...], strike: float) -> float | None:
    index = bisect_left(strikes, strike)
    neighbours = [strikes[n] for n in (index - 1, index + 1) if 0 <= n < len(strikes)]
    return min((round(abs(strike - other), 6) for other in neighbours), default=None)


def test_a_chain_and_its_delivery_price_give_an_outcome(work: duckdb.DuckDBPyConnection, calendar: TradingCalendar) -> None:
    """Through the whole load, in both orders."""
    from flows.run.parse import settlement_rows
    from warehouse.load.settlements import load_settlements

    load = Loader(work, calendar)
    rows = [row for strike in (90, 100, 110) for row in listed(strike, call=50, put=50, expires_at=EXPIRES, venue_iv=0.5)]
    load_settlements(work, settlement_rows([settled("COIN", {EXPIRES: 104.0})], run_id="r", origin="live"))
    load(chain(rows, underlying="COIN", venue="deribit", market="crypto", multiplier=1.0, at=AT, spot=101.0))
    facts = "select horizon, observed_snapshot_id, settlement_price, max_pain_strike, strike_gap, pinned, mirror_pinned from marts.settlement_outcomes"
    assert load.rows(facts) == [("1d", "COIN-20260302T220000Z", 104.0, 100.0, 10.0, True, True)]
