"""The normal distribution function in SQL, and the probability that settlement falls between two prices (definitions §7, density)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from scipy.special import ndtr

from models.pricing.density import probability_between
from tests.conftest import Demo
from warehouse.catalog.relations import functions_sql
from warehouse.read.query import open_published

KEY = ["venue", "book", "expires_at"]


@pytest.fixture(scope="module")
def published(demo: Demo) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_published(demo.home) as con:
        yield con


@pytest.fixture
def between(published: duckdb.DuckDBPyConnection) -> Any:
    """`between("SPX", 7000, None)` gives the rows of the macro."""

    def rows(underlying: str, low: float | None, high: float | None, **arguments: Any) -> pl.DataFrame:
        named = "".join(f", {name} := ${name}" for name in arguments)
        query = f"from probability_between($underlying, $low, $high{named})"
        return published.execute(query, {"underlying": underlying, "low": low, "high": high, **arguments}).pl()

    return rows


def kernels(con: duckdb.DuckDBPyConnection, underlying: str) -> pl.DataFrame:
    newest = f"select snapshot_id from latest.snapshots where underlying = '{underlying}'"
    return con.execute(f"from core.implied_density where snapshot_id = ({newest}) order by venue, book, expires_at, kernel").pl()


def normal_cdf(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    with duckdb.connect() as con:
        con.execute(functions_sql())
        con.register("given", pl.DataFrame({"x": values}))
        return np.asarray(con.execute("select normal_cdf(x) as y from given").pl()["y"].to_numpy())


def test_the_normal_distribution_function_agrees_with_scipy() -> None:
    edges = [0.67448975, math.sqrt(32), 38.5, 0.0]
    x = np.concatenate([np.linspace(-40, 40, 80_001), [*edges, *(-edge for edge in edges), *np.nextafter(edges, 50)]])
    ours, theirs = normal_cdf(x), ndtr(x)
    assert np.abs(ours - theirs).max() <= 1e-15
    lower = (x > -37.5) & (x < 0)  # beyond, doubles lose their digits
    assert np.abs(ours[lower] / theirs[lower] - 1).max() <= 1e-12, "small probabilities keep their digits"
    assert (np.diff(ours[:80_001]) >= -1.2e-16).all()


def test_the_normal_distribution_function_at_its_ends_and_at_nothing() -> None:
    assert normal_cdf(np.array([-np.inf, -1e300, 0, 1e300, np.inf])).tolist() == [0, 0, 0.5, 1, 1]
    with duckdb.connect() as con:
        con.execute(functions_sql())
        assert con.execute("select normal_cdf(null), normal_cdf(1), significant(2.0 / 3), significant(-4e-9 / 3)").fetchall() == [
            (None, pytest.approx(0.8413447460685429, rel=1e-15), 0.666666666667, pytest.approx(-1.33333333333e-9, rel=1e-15))
        ]


@pytest.mark.parametrize("underlying", ["SPX", "SPY", "BTC", "ETH"])
def test_probabilities_are_those_of_the_model(published: duckdb.DuckDBPyConnection, between: Any, underlying: str) -> None:
    density = kernels(published, underlying)
    spot = published.execute(f"select spot from latest.snapshots where underlying = '{underlying}'").fetchall()[0][0]
    assert density["expires_at"].n_unique() >= 3
    for low, high in ((0.97, 1.03), (0.0, 0.9), (1.1, math.inf), (0.5, 0.6), (1.0, 1.0)):
        expected = probability_between(density, low * spot, high * spot)
        ours = between(underlying, low * spot, high * spot).filter(pl.col("density_reason").is_null())
        assert ours.select(KEY).equals(expected.select(KEY))
        assert (ours["probability"] - expected["probability"]).abs().max() <= 1e-12


def test_all_prices_together_have_probability_one(between: Any) -> None:
    for everything in (between("SPX", None, None), between("BTC", 0, math.inf), between("SPY", -5, 1e12)):
        known = everything.filter(pl.col("density_reason").is_null())
        assert known.height and (known["probability"] - 1).abs().max() <= 1e-11
        assert known["probability"].max() <= 1


@pytest.mark.slow
def test_parts_add_up_and_none_is_negative(between: Any) -> None:
    levels = [0.0, 2000, 5000, *range(6000, 9000, 50), 10_000, math.inf]
    parts = [between("SPX", low, high)["probability"] for low, high in pairwise(levels)]
    known = parts[0].is_not_null()
    assert all(part.filter(known).min() >= 0 for part in parts)
    total = sum(part.filter(known) for part in parts)
    assert (total - 1).abs().max() <= 1e-11
    whole = between("SPX", 6000, 8000)["probability"]
    inner = sum(part for part, (low, high) in zip(parts, pairwise(levels), strict=True) if low >= 6000 and high <= 8000)
    assert (whole - inner).abs().max() <= 1e-12


def test_the_distribution_rises_with_the_price(between: Any) -> None:
    below = [between("BTC", None, level)["probability"] for level in (0, 1, 40_000, 60_000, 75_000, 80_000, 90_000, 200_000, None)]
    assert below[0].drop_nulls().to_list() == [0] * below[0].count()
    assert all((after >= before).drop_nulls().all() for before, after in pairwise(below))


def test_weights_of_every_density_are_probabilities(published: duckdb.DuckDBPyConnection) -> None:
    density = published.execute("from core.implied_density").pl()
    assert density["weight"].min() >= 0
    sums = density.group_by("snapshot_id", *KEY).agg(pl.col("weight").sum(), (pl.col("weight") * pl.col("mean")).sum().alias("mean"))
    assert (sums["weight"] - 1).abs().max() <= 1e-9


def test_an_expiry_without_a_density_says_why(between: Any, published: duckdb.DuckDBPyConnection) -> None:
    every = pl.concat([between(underlying, 1, 1e9) for underlying in ("SPX", "SPY", "BTC", "ETH")])
    assert every["probability"].is_null().equals(every["density_reason"].is_not_null())
    smiles = published.execute("from core.expiry_smile where snapshot_id in (select snapshot_id from latest.snapshots)").pl()
    assert smiles["density_reason"].n_unique() > 1, "some have a density and some have not"
    columns = ["snapshot_id", *KEY, "density_reason"]
    assert every.select(columns).sort(columns).equals(smiles.select(columns).sort(columns))


def test_bounds_the_wrong_way_round_hold_nothing(between: Any) -> None:
    assert set(between("SPX", 8000, 7000)["probability"].drop_nulls()) == {0}


def test_the_arguments_of_other_macros_choose_the_expiries(between: Any, warehouse: duckdb.DuckDBPyConnection) -> None:
    every = between("SPX", 7000, 7500)
    near = between("SPX", 7000, 7500, dte_max=7)
    assert 0 < near.height < every.height and near["dte"].max() <= 7
    day = every["expiry"][0]
    assert between("SPX", 7000, 7500, expiry=day)["expires_at"].to_list() == [every.filter(expiry=day)["expires_at"][-1]]
    assert between("NOTHING", 1, 2).is_empty()
    venues = (
        "select distinct venue from probability_between('COIN', 90, 110, venues := 'okx,deribit', as_of := '2026-03-02 22:30') order by all"
    )
    assert warehouse.execute(venues).fetchall() == [("deribit",), ("okx",)]
