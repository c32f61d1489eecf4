"""Calibration: isotonic fits of past outcomes only, the probability beside a score, and what came of both (definitions §10)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from tests.sql.outcome_tables import views_over

FIRST = datetime(2024, 1, 1, 8)
FITS = ("core.pin_fits",)
Rows = list[dict[str, Any]]


def market_of(days: int, *, seed: int = 1, underlyings: Sequence[str] = ("BTC", "ETH"), horizon: str = "1d") -> Rows:
    """Outcomes day by day: the higher the score, the likelier a pin; chance knows nothing of the score."""
    random, rows = Random(seed), []
    for day in range(days):
        for name in underlyings:
            score = min(100, max(0, round(random.gauss(45, 22))))
            rows.append(
                {
                    "underlying": name, "expires_at": FIRST + timedelta(days=day), "horizon": horizon, "market": "crypto", "pin_score": score,
                    "observed_at": FIRST + timedelta(days=day, hours=-30), "pinned": random.random() < 0.1 + 0.004 * score,
                    "mirror_pinned": random.random() < 0.2, "baseline_prob": round(random.uniform(0.05, 0.5), 6),
                }
            )  # fmt: skip
    return rows


def fits(outcomes: Rows) -> Rows:
    with views_over({"marts.settlement_outcomes": outcomes}, *FITS) as con:
        return con.execute("from core.pin_fits order by all").pl().to_dicts()


def calibration(outcomes: Rows) -> dict[tuple[str, str, int], dict[str, Any]]:
    with views_over({"marts.settlement_outcomes": outcomes}, *FITS, "marts.pin_calibration") as con:
        rows = con.execute("from marts.pin_calibration").pl().to_dicts()
    return {(row["underlying_group"], row["horizon"], row["score_bin"]): row for row in rows}


def probabilities(outcomes: Rows, at: datetime, scores: Sequence[int | None], *, lead_hours: float = 30) -> Rows:
    """Rows of marts.pin_probability of one snapshot, for expiries with these scores."""
    snapshot_id = f"BTC-{at:%Y%m%dT%H%M%SZ}"
    scored = [
        {
            "snapshot_id": snapshot_id, "underlying": "BTC", "captured_at": at, "scope_venue": "all", "pin_score": score,
            "expires_at": at + timedelta(hours=lead_hours, seconds=index),
        }
        for index, score in enumerate(scores)
    ]  # fmt: skip
    tables = {
        "marts.settlement_outcomes": outcomes,
        "marts.pin_score": scored,
        "core.snapshots": [{"snapshot_id": snapshot_id, "market": "crypto"}],
    }
    with views_over(tables, *FITS, "marts.pin_probability") as con:
        return con.execute("from marts.pin_probability order by expires_at").pl().to_dicts()


def isotonic(outcomes: Rows) -> list[float]:
    """Of each bin, by scipy's pool-adjacent-violators: one further observation per bin at the base rate."""
    base = np.mean([row["pinned"] for row in outcomes])
    n, hits = np.ones(10), np.full(10, base)
    for row in outcomes:
        score_bin = min(row["pin_score"] // 10, 9)
        n[score_bin] += 1
        hits[score_bin] += row["pinned"]
    return list(isotonic_regression(hits / n, weights=n).x)


@pytest.mark.parametrize("seed", range(4))
def test_each_fit_is_scipys_isotonic_regression_of_the_outcomes_up_to_there(seed: int) -> None:
    outcomes = market_of(140, seed=seed)
    by_instant: dict[datetime, list[float | None]] = {}
    for row in fits(outcomes):
        by_instant.setdefault(row["fitted_until"], []).append(row["pin_probability_calibrated"])
    assert len(by_instant) == 140
    for instant, fitted in by_instant.items():
        known = [row for row in outcomes if row["expires_at"] <= instant]
        assert fitted == (pytest.approx(isotonic(known), abs=1e-11) if len(known) >= 200 else [None] * 10)
        if len(known) >= 200:
            assert fitted == sorted(fitted, key=float), "a higher score never means less"  # type: ignore[arg-type]
            assert float(fitted[0] or 0) > 0 and float(fitted[-1] or 1) < 1


def test_no_other_monotone_step_is_nearer() -> None:
    """Brute force over a grid: the weighted squared error of the fit is the least."""
    outcomes = market_of(100, seed=9)
    fit = [row["pin_probability_calibrated"] for row in fits(outcomes) if row["fitted_until"] == outcomes[-1]["expires_at"]]
    base = np.mean([row["pinned"] for row in outcomes])
    n, hits = np.ones(10), np.full(10, base)
    for row in outcomes:
        n[min(row["pin_score"] // 10, 9)] += 1
        hits[min(row["pin_score"] // 10, 9)] += row["pinned"]

    def error(steps: Any) -> float:
        return float(np.sum(n * (hits / n - np.asarray(steps)) ** 2))

    # the best monotone step function with values on a grid, bin after bin
    grid = np.linspace(0, 1, 2001)
    cost = np.zeros(len(grid))
    for score_bin in range(10):
        cost = np.minimum.accumulate(cost) + n[score_bin] * (hits[score_bin] / n[score_bin] - grid) ** 2
    assert error(fit) <= cost.min() + 1e-9
    assert error(fit) == pytest.approx(cost.min(), abs=1e-3), "and the grid comes near it"


def test_below_two_hundred_outcomes_there_is_none_and_why() -> None:
    at = FIRST + timedelta(days=300)
    (row,) = probabilities(market_of(199, underlyings=["BTC"]), at, [50])
    assert (row["pin_probability_calibrated"], row["pin_probability_reason"], row["outcomes"]) == (None, "few_outcomes", 199)
    (row,) = probabilities(market_of(200, underlyings=["BTC"]), at, [50])
    assert row["pin_probability_reason"] is None
    assert (row["outcomes"], row["fitted_until"]) == (200, FIRST + timedelta(days=199))


def test_the_reason_is_the_first_that_holds() -> None:
    outcomes, at = market_of(120), FIRST + timedelta(days=300)
    assert [row["pin_probability_reason"] for row in probabilities(outcomes, at, [None, 40])] == ["no_score", None]
    assert [row["pin_probability_reason"] for row in probabilities(outcomes, at, [None, 40], lead_hours=10)] == ["no_score", "no_horizon"]
    assert [row["pin_probability_reason"] for row in probabilities(outcomes, at, [40], lead_hours=3)] == ["few_outcomes"], "of that horizon"
    assert [row["pin_probability_reason"] for row in probabilities([], at, [40])] == ["few_outcomes"]


def test_a_score_gets_the_probability_of_its_bin() -> None:
    outcomes, at = market_of(150), FIRST + timedelta(days=300)
    wanted = isotonic(outcomes)
    scores = [0, 9, 10, 55, 89, 90, 100]
    calibrated = [row["pin_probability_calibrated"] for row in probabilities(outcomes, at, scores)]
    assert calibrated == pytest.approx([wanted[min(score // 10, 9)] for score in scores], abs=1e-11)


def test_what_settles_later_never_changes_a_probability() -> None:
    """No look-ahead: not even an outcome that settles at the very instant of the snapshot."""
    at = FIRST + timedelta(days=150)
    outcomes = market_of(260)
    before = [row for row in outcomes if row["expires_at"] < at]
    otherwise = [row if row["expires_at"] < at else row | {"pinned": not row["pinned"], "pin_score": 100} for row in outcomes]
    calibrated = [probabilities(rows, at, range(0, 101, 10)) for rows in (before, outcomes, otherwise)]
    assert calibrated[0] == calibrated[1] == calibrated[2]
    assert calibrated[0][0]["outcomes"] == len(before) == 300
    assert calibrated[0][0]["fitted_until"] < at


def test_an_outcome_is_predicted_only_by_what_had_settled_when_it_was_seen() -> None:
    outcomes = market_of(260, underlyings=["BTC"])
    total = [row for key, row in calibration(outcomes).items() if key[0] == "BTC"]
    foretold = [row for row in outcomes if sum(other["expires_at"] < row["observed_at"] for other in outcomes) >= 200]
    assert sum(row["n_calibrated"] for row in total) == len(foretold)
    losses = []
    for row in foretold:
        chance = isotonic([other for other in outcomes if other["expires_at"] < row["observed_at"]])[min(row["pin_score"] // 10, 9)]
        losses.append((chance - row["pinned"]) ** 2)
    assert math.fsum(row["brier"] * row["n_calibrated"] for row in total if row["n_calibrated"]) == pytest.approx(
        math.fsum(losses), abs=1e-8
    )


def test_calibration_agrees_with_plain_python() -> None:
    outcomes = market_of(130) + market_of(60, seed=5, horizon="5d", underlyings=["BTC"])
    rows = calibration(outcomes)
    assert {key[:2] for key in rows} == {(group, "1d") for group in ("all", "crypto", "BTC", "ETH")} | {
        (g, "5d") for g in ("all", "crypto", "BTC")
    }
    for (group, horizon, score_bin), row in rows.items():
        own = [
            one
            for one in outcomes
            if one["horizon"] == horizon
            and group in ("all", one["market"], one["underlying"])
            and min(one["pin_score"] // 10, 9) * 10 == score_bin
        ]
        assert row["n"] == len(own)
        assert row["settlements"] == len({one["expires_at"] for one in own})
        hits, chances = np.array([one["pinned"] for one in own]), np.array([one["baseline_prob"] for one in own])
        assert row["mean_score"] == pytest.approx(np.mean([one["pin_score"] for one in own]))
        assert row["pinned_pct"] == pytest.approx(100 * hits.mean())
        assert row["mirror_pinned_pct"] == pytest.approx(100 * np.mean([one["mirror_pinned"] for one in own]))
        assert row["mean_baseline_prob"] == pytest.approx(chances.mean())
        assert row["baseline_brier"] == pytest.approx(np.mean((chances - hits) ** 2))
        assert row["baseline_log_loss"] == pytest.approx(-np.mean(np.log(np.where(hits, chances, 1 - chances))))


def test_the_brier_score_of_the_base_rate_is_its_variance() -> None:
    """And of a forecast that is always right 0, of one that is always wrong 1; log loss stays finite."""
    sure = [row | {"baseline_prob": float(row["pinned"])} for row in market_of(50)]
    wrong = [row | {"baseline_prob": float(not row["pinned"])} for row in market_of(50)]
    for rows, brier, loss in ((sure, 0.0, 0.0), (wrong, 1.0, -math.log(1e-6))):
        for row in calibration(rows).values():
            assert (row["baseline_brier"], row["baseline_log_loss"]) == pytest.approx((brier, loss), abs=1e-9)
    rate = float(np.mean([row["pinned"] for row in market_of(50)]))
    same = calibration([row | {"baseline_prob": rate, "pin_score": 55} for row in market_of(50)])
    assert same["all", "1d", 50]["baseline_brier"] == pytest.approx(rate * (1 - rate), abs=1e-9)


def test_outcomes_without_a_score_or_a_test_are_not_counted() -> None:
    rows = market_of(30)
    odd = [row | {"pin_score": None} for row in rows[:10]] + [row | {"pinned": None} for row in rows[10:20]]
    assert sum(row["n"] for key, row in calibration(odd + rows[20:]).items() if key[0] == "all") == len(rows) - 20
    assert calibration(odd) == {}
    assert fits(odd) == []


def test_calibration_does_not_depend_on_the_order_of_outcomes() -> None:
    rows = market_of(130)
    assert calibration(rows) == calibration(rows[::-1])
    assert fits(rows) == fits(rows[::-1])
