"""Every mart, all columns, against the definitions written a second time in polars: on the demo's chains, and on two venues."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pytest

from models.calendar import TradingCalendar, classify_expiries
from models.scope_smile import SCOPE_SMILE, one_day_move, scope_smile
from tests.conftest import Demo
from tests.sql import oracle
from tests.sql.compare import assert_frames, assert_row, is_same
from tests.sql.oracle import ADDITIVE, Scope, Snapshot
from warehouse.compute import compute_snapshot
from warehouse.query import open_published, query_on
from warehouse.settings import Settings

INPUTS = ("core.snapshots", "core.snapshot_venues", "core.option_quotes", "core.option_greeks", "core.calendar", "core.expiry_smile")
MARTS = ("gex_heatmap", "gex_by_strike", "pain_curve", "max_pain", "max_pain_pooled", "gex_levels", "opex_calendar", "expiry_summary")
OI = ("call_oi", "put_oi", "call_oi_contracts", "put_oi_contracts", "oi_without_iv", "oi_without_iv_pct")
EXPOSURES = tuple(f"{part}_{name}" for name in ADDITIVE for part in ("call", "put", "net", "abs"))
EXPIRY = ["expires_at", "expiry"]
ONE_DAY = {
    "expiry_used": "expiry_used", "sessions_used": "sessions", "expected_move_1d_1sd": "one_day_move_1sd",
    "expected_move_1d_2sd": "one_day_move_2sd", "straddle_1d_1sd": "one_day_straddle_1sd", "expected_move_1d_reason": "one_day_reason",
}  # fmt: skip

Tables = dict[str, pl.DataFrame]


@pytest.fixture(scope="module")
def published(demo: Demo) -> Tables:
    """All published tables that marts are made of, and the marts."""
    names = (*INPUTS, *(f"marts.{mart}" for mart in MARTS))
    with open_published(demo.home) as con:
        return {name: query_on(con, f"from {name}") for name in names}


@pytest.fixture(scope="module")
def on_two_venues(published: Tables, calendar: TradingCalendar) -> Tables:
    """A snapshot of BTC where a second venue lists other strikes and another open interest at another spot; computed by the project."""
    snapshot_id = published["core.snapshots"].filter(underlying="BTC")["snapshot_id"].max()
    venues, quotes = (published[name].filter(snapshot_id=snapshot_id) for name in ("core.snapshot_venues", "core.option_quotes"))
    listed = pl.col("strike") % 4000 != 0
    other_oi = pl.when(pl.col("row_number") % 7 == 0).then(None).otherwise((pl.col("oi_base") * 3 / 7).round(2))
    no_price = {name: pl.when(pl.col("row_number") % 5 == 0).then(None).otherwise(name) for name in ("venue_iv", "bid", "mark")}
    second = quotes.filter(listed).with_columns(venue=pl.lit("okx"), oi_base=other_oi, multiplier=pl.lit(0.01)).with_columns(**no_price)
    both = pl.concat([venues, venues.with_columns(venue=pl.lit("okx"), spot=pl.col("spot") * 1.001)])
    computed = compute_snapshot(both, pl.concat([quotes, second]).sort("venue", "instrument"), calendar=calendar, settings=Settings())
    assert computed.tables["core.snapshots"]["status"].to_list() == ["complete"], computed.check_results
    return computed.tables


def snapshots(tables: Tables) -> Iterator[tuple[Snapshot, Scope, Tables]]:
    """Each snapshot and scope, with its marts."""
    for snapshot_id in tables["core.snapshots"]["snapshot_id"]:
        snapshot = oracle.read(tables, snapshot_id)
        for scope in snapshot.scopes:
            marts = {mart: tables[f"marts.{mart}"].filter(snapshot_id=snapshot_id, scope_venue=scope.name) for mart in MARTS}
            yield snapshot, scope, marts


@pytest.fixture(params=["published", "on_two_venues"])
def cases(request: pytest.FixtureRequest) -> list[tuple[Snapshot, Scope, Tables]]:
    return list(snapshots(request.getfixturevalue(request.param)))


def test_cases_cover_am_and_pm_both_markets_and_two_venues(published: Tables, on_two_venues: Tables) -> None:
    quotes = published["core.option_quotes"]
    assert set(quotes["underlying"]) == {"SPX", "SPY", "BTC", "ETH"}
    assert quotes.filter(underlying="SPX").group_by("expiry").agg(pl.col("expires_at").n_unique())["expires_at"].max() == 2
    heatmap = on_two_venues["marts.gex_heatmap"]
    assert set(heatmap["scope_venue"]) == {"all", "deribit", "okx"}
    assert heatmap.filter(scope_venue="okx")["oi_without_iv"].sum() > 0
    assert heatmap.filter(scope_venue="okx")["call_oi"].null_count() > 0


def test_heatmap(cases: list[tuple[Snapshot, Scope, Tables]]) -> None:
    for snapshot, scope, marts in cases:
        expected = oracle.heatmap(snapshot, scope)
        days = [oracle.dte(snapshot, *instant) for instant in expected.select(EXPIRY).iter_rows()]
        expected = expected.with_columns(pl.Series("dte", days))
        assert_frames(marts["gex_heatmap"], expected.select(*EXPIRY, "dte", "strike", *OI, *EXPOSURES), key=["expires_at", "strike"])


def test_profile_by_strike(cases: list[tuple[Snapshot, Scope, Tables]]) -> None:
    for snapshot, scope, marts in cases:
        expected = oracle.heatmap(snapshot, scope, by=("strike",))
        assert_frames(marts["gex_by_strike"], expected.select("strike", *OI, *EXPOSURES), key=["strike"])


def test_pain_curve_and_max_pain_of_each_expiry(cases: list[tuple[Snapshot, Scope, Tables]]) -> None:
    for snapshot, scope, marts in cases:
        cells = oracle.heatmap(snapshot, scope)
        assert marts["max_pain"].height == cells["expires_at"].n_unique()
        assert marts["pain_curve"].height == cells.height
        for (expires_at, expiry), rows in cells.group_by(EXPIRY, maintain_order=True):
            strikes = rows["strike"].to_list()
            curve = marts["pain_curve"].filter(pl.col("expires_at") == expires_at).sort("strike")
            assert curve["strike"].to_list() == strikes
            pain = oracle.pain(strikes, rows["call_oi"].to_list(), rows["put_oi"].to_list())
            for ours, (call, put) in zip(curve.select("call_pain_usd", "put_pain_usd", "total_pain_usd").rows(), pain, strict=True):
                assert all(is_same(mine, one) for mine, one in zip(ours, (call, put, call + put), strict=True))
            ours = marts["max_pain"].row(by_predicate=pl.col("expires_at") == expires_at, named=True)
            expected = oracle.minimum(strikes, rows, scope.spot)
            assert_row(ours, expected, expected)
            days = oracle.dte(snapshot, expires_at, expiry)
            assert (ours["dte"], ours["expiry"], ours["signal_is_informative"]) == (days, expiry, days <= 60)


def test_pooled_max_pain(cases: list[tuple[Snapshot, Scope, Tables]]) -> None:
    for snapshot, scope, marts in cases:
        cells = oracle.heatmap(snapshot, scope, by=("strike",))
        expected = oracle.minimum(cells["strike"].to_list(), cells, scope.spot)
        ours = marts["max_pain_pooled"].row(0, named=True)
        assert_row(ours, expected, expected)
        assert ours["expiries"] == oracle.heatmap(snapshot, scope)["expires_at"].n_unique()


def test_levels_of_all_expiries_and_of_0dte(cases: list[tuple[Snapshot, Scope, Tables]]) -> None:
    for snapshot, scope, marts in cases:
        instants = oracle.heatmap(snapshot, scope).select(EXPIRY).unique(maintain_order=True).rows()
        today = oracle.zero_dte(snapshot, instants)
        of_today = snapshot._replace(contracts=snapshot.contracts.filter(pl.col("expires_at").is_in(today)))
        zero = oracle.levels(oracle.heatmap(of_today, scope, by=("strike",)), scope.spot)
        for expiries, contracts in (("all", snapshot), ("0dte", of_today)):
            expected = oracle.levels(oracle.heatmap(contracts, scope, by=("strike",)), scope.spot)
            expected |= {"zero_dte_magnet": zero["magnet"]}
            ours = marts["gex_levels"].row(by_predicate=pl.col("scope_expiry") == expiries, named=True)
            assert_row(ours, expected, expected.keys() - {"magnet"})


def test_opex_calendar_of_the_whole_snapshot(cases: list[tuple[Snapshot, Scope, Tables]]) -> None:
    for snapshot, scope, marts in cases:
        if scope.name != "all":
            continue
        ours = marts["opex_calendar"].sort("expires_at")
        cells = oracle.heatmap(snapshot, scope)
        expected = oracle.opex_calendar(snapshot, scope, cells)
        assert ours["expires_at"].to_list() == [row["expires_at"] for row in expected]
        assert ours["is_listed"].all() and ours["oi_rolloff_pct"].sum() == pytest.approx(100) == ours["gex_rolloff_pct"].sum()
        for mine, row in zip(ours.rows(named=True), expected, strict=True):
            assert_row(mine, row, row)


def test_opex_types_are_those_of_the_date_and_the_market(cases: list[tuple[Snapshot, Scope, Tables]], calendar: TradingCalendar) -> None:
    for snapshot, scope, marts in cases:
        if scope.name == "all":
            types = classify_expiries(marts["opex_calendar"].with_columns(market=pl.lit(snapshot.row["market"])), calendar)
            ours = marts["opex_calendar"].sort("expires_at")
            assert ours.select(types.columns[1:]).equals(types.drop("market"))
            anchors = types.filter("is_anchor")["expires_at"]
            assert ours["next_anchor"].unique().to_list() == [anchors.min()]


def test_expiry_summary_is_the_blend_of_its_books(cases: list[tuple[Snapshot, Scope, Tables]], calendar: TradingCalendar) -> None:
    for snapshot, scope, marts in cases:
        at = oracle.measured_at(snapshot, scope)
        smiles = snapshot.smiles.filter(pl.col("venue").is_in(scope.venues))
        expected = scope_smile(smiles, spot=scope.spot, measured_at=at)
        day = one_day_move(expected, market=snapshot.row["market"], measured_at=at, calendar=calendar)
        ours = marts["expiry_summary"].sort("expires_at")
        assert_blend(ours, expected)
        assert day["one_day_move_1sd"][0] is not None
        for name, theirs in ONE_DAY.items():
            assert all(is_same(mine, day[theirs][0]) for mine in ours[name]), name
        cells = oracle.heatmap(snapshot, scope)
        sums = cells.group_by("expires_at").agg(
            pl.col("net_gex_usd_1pct").sum(), pl.sum_horizontal("call_oi", "put_oi").sum().alias("total_oi")
        )
        assert_frames(ours, sums.select("expires_at", "net_gex_usd_1pct", "total_oi"), key=["expires_at"])
        notional = (ours["notional_oi_usd"].cast(pl.Float64) - ours["total_oi"] * scope.spot).abs()
        assert notional.max() <= 0.005 + 1e-15 * ours["total_oi"].max() * scope.spot
        types = classify_expiries(ours.with_columns(market=pl.lit(snapshot.row["market"])), calendar)
        assert ours.select("expires_at", "expiry", "type", "is_anchor").equals(types.select("expires_at", "expiry", "type", "is_anchor"))


def test_a_density_is_that_of_the_only_book(cases: list[tuple[Snapshot, Scope, Tables]]) -> None:
    for snapshot, scope, marts in cases:
        ours = marts["expiry_summary"].sort("expires_at")
        for row in ours.rows(named=True):
            books = snapshot.smiles.filter(pl.col("venue").is_in(scope.venues), pl.col("expires_at") == row["expires_at"])
            numbers = [name for name in books.columns if name.startswith("density_")]
            if books.height == 1:
                assert books.select(numbers).row(0) == tuple(row[name] for name in numbers)
            else:
                assert row["density_reason"] == "several_books" and row["density_quotes"] == books["density_quotes"].sum()
                assert all(row[name] is None for name in numbers if name not in ("density_reason", "density_quotes"))


def assert_blend(ours: pl.DataFrame, theirs: pl.DataFrame) -> None:
    """The same numbers; here and there the last of twelve digits is rounded the other way."""
    assert ours["expires_at"].equals(theirs["expires_at"])
    for name in (name for name in SCOPE_SMILE.names() if name != "expires_at"):
        mine, other = ours[name].cast(pl.Float64), theirs[name].cast(pl.Float64)
        assert mine.is_null().equals(other.is_null()), name
        assert ((mine - other).abs() <= 1.01e-11 * other.abs()).fill_null(True).all(), name
