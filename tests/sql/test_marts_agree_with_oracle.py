"""Every mart, all columns, against the definitions written a second time in polars: on the demo's chains, and on two venues."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pytest

from models.market.calendar import TradingCalendar, classify_expiries
from models.pricing.scope_smile import SCOPE_SMILE, one_day_move, scope_smile
from tests.conftest import Demo
from tests.sql import oracle, oracle_gamma
from tests.sql.compare import assert_frames, assert_row, is_same
from tests.sql.oracle import ADDITIVE, Row, Scope, Snapshot
from warehouse.catalog.relations import SQL_FOLDER
from warehouse.load.compute import compute_snapshot
from warehouse.read.query import open_published, query_on
from warehouse.settings import Settings

INPUTS = ("core.snapshots", "core.snapshot_venues", "core.option_quotes", "core.option_greeks", "core.expiry_smile", "core.calendar")
MARTS = (
    "gex_heatmap", "gex_by_strike", "gex_by_expiry", "gex_ranked", "pain_curve", "max_pain", "max_pain_pooled", "gex_levels", "gamma_profile",
    "gamma_flip_zones", "opex_calendar", "expiry_summary", "pin_score",
)  # fmt: skip
OI = ("call_oi", "put_oi", "call_oi_contracts", "put_oi_contracts", "oi_without_iv", "oi_without_iv_pct")
RATIOS = {
    "gex_usd_1pct": "net_to_gross",
    "dex_usd": "dex_net_to_gross",
    "vex_usd_1vol": "vex_net_to_gross",
    "chex_usd_day": "chex_net_to_gross",
}
EXPOSURES = (*(f"{part}_{name}" for name in ADDITIVE for part in ("call", "put", "net", "abs")), *RATIOS.values())
A_FEW_CENTS = 0.05  # where a contract's exposure falls on half a cent, the last bit decides
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


def test_every_mart_has_an_oracle() -> None:
    """A new one belongs here; views over several snapshots have theirs in test_history_views.py and test_scanner.py."""
    assert {path.stem for path in (SQL_FOLDER / "marts").glob("*.sql")} == set(MARTS)


def test_heatmap(cases: list[tuple[Snapshot, Scope, Tables]]) -> None:
    for snapshot, scope, marts in cases:
        expected = with_ratios(oracle.heatmap(snapshot, scope))
        days = [oracle.dte(snapshot, *instant) for instant in expected.select(EXPIRY).iter_rows()]
        expected = expected.with_columns(pl.Series("dte", days))
        assert_frames(marts["gex_heatmap"], expected.select(*EXPIRY, "dte", "strike", *OI, *EXPOSURES), key=["expires_at", "strike"])


def test_profile_by_strike(cases: list[tuple[Snapshot, Scope, Tables]]) -> None:
    for snapshot, scope, marts in cases:
        expected = with_ratios(oracle.heatmap(snapshot, scope, by=("strike",)))
        assert_frames(marts["gex_by_strike"], expected.select("strike", *OI, *EXPOSURES), key=["strike"])


def test_totals_by_expiry(cases: list[tuple[Snapshot, Scope, Tables]]) -> None:
    for snapshot, scope, marts in cases:
        cells = oracle.heatmap(snapshot, scope)
        assert marts["gex_by_expiry"].height == cells["expires_at"].n_unique()
        for (expires_at,), rows in cells.group_by("expires_at"):
            ours = marts["gex_by_expiry"].row(by_predicate=pl.col("expires_at") == expires_at, named=True)
            expected: Row = {name: total(rows[name]) for name in EXPOSURES if name not in RATIOS.values()}
            assert_row(ours, expected | ratios(expected), EXPOSURES)
            assert (ours["dte"], ours["expiry"]) == (oracle.dte(snapshot, expires_at, rows["expiry"][0]), rows["expiry"][0])  # type: ignore[arg-type]
            amounts: Row = {name: total(rows[name]) for name in OI if name != "oi_without_iv_pct"}
            total_oi = (amounts["call_oi"] or 0) + (amounts["put_oi"] or 0)
            amounts["oi_without_iv_pct"] = 100 * amounts["oi_without_iv"] / total_oi if total_oi else None
            assert_row(ours, amounts, OI)


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
            profile = oracle.heatmap(contracts, scope, by=("strike",))
            sums = {f"{part}_{name}": total(profile[f"{part}_{name}"]) for name in ADDITIVE for part in ("net", "abs")}
            expected |= sums | ratios(sums)
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


def parts(snapshot: Snapshot, scope: Scope, calendar: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Contracts of a scope by scope_expiry (definitions §6, §8); without an anchor there is none to leave out."""
    contracts = snapshot.contracts.filter(pl.col("venue").is_in(scope.venues))
    instants = contracts.select(EXPIRY).unique().sort(EXPIRY).rows()
    anchors = set(calendar.filter(pl.col("market") == snapshot.row["market"], "is_anchor")["expires_at"])
    later = {"all": {instant for instant, _ in instants}, "0dte": set(oracle.zero_dte(snapshot, instants))}
    later["ex_next"] = later["all"] - {instants[0][0]}
    next_anchor = min(later["all"] & anchors, default=None)
    later["ex_anchor"] = later["all"] - {next_anchor} if next_anchor else set()
    return {name: contracts.filter(pl.col("expires_at").is_in(list(chosen))) for name, chosen in later.items()}


def test_gamma_profile_agrees_with_one_contract_after_the_other(request: pytest.FixtureRequest) -> None:
    scopes_seen: set[tuple[str, str]] = set()
    for tables in (request.getfixturevalue("published"), request.getfixturevalue("on_two_venues")):
        for snapshot, scope, marts in snapshots(tables):
            for scope_expiry, contracts in parts(snapshot, scope, tables["core.calendar"]).items():
                ours = marts["gamma_profile"].filter(scope_expiry=scope_expiry).sort("spot_level")
                assert ours.height == (161 if contracts.height else 0)
                if contracts.is_empty():
                    continue
                scopes_seen.add((snapshot.row["underlying"], scope_expiry))
                assert ours["spot_level"].to_list() == [scope.spot * factor for factor in oracle_gamma.FACTORS]
                for side, values in oracle_gamma.ladder(contracts, snapshot.row["market"]).items():
                    column = ours[f"{side}_gex_usd_1pct"]
                    assert (values is None) == (column.null_count() == 161)
                    assert values is None or column.cast(pl.Float64).to_list() == pytest.approx(values, abs=A_FEW_CENTS, rel=0)
    assert scopes_seen >= {(name, part) for name in ("SPX", "SPY", "BTC", "ETH") for part in ("all", "ex_next", "ex_anchor")}
    assert {("BTC", "0dte"), ("ETH", "0dte")} <= scopes_seen


def test_flip_zones_and_regime(request: pytest.FixtureRequest) -> None:
    statuses, seen = set(), set()
    for tables in (request.getfixturevalue("published"), request.getfixturevalue("on_two_venues")):
        for snapshot, scope, marts in snapshots(tables):
            near = oracle_gamma.reach(snapshot, scope, tables["core.expiry_smile"])
            chosen = parts(snapshot, scope, tables["core.calendar"])
            for scope_expiry in ("all", "0dte"):
                contracts = chosen[scope_expiry]
                net = oracle_gamma.ladder(contracts, snapshot.row["market"])["net"] or []
                on_ladder = oracle_gamma.roots(
                    [(scope.spot * f, value) for f, value in zip(oracle_gamma.FACTORS, net, strict=False)], scope.spot
                )
                profile = oracle.heatmap(snapshot._replace(contracts=contracts), scope, by=("strike",))
                by_strike = oracle_gamma.roots(oracle_gamma.cumulative(profile), scope.spot)
                zones = marts["gamma_flip_zones"].filter(scope_expiry=scope_expiry).sort("method", "level")
                for method, expected in (("spot_ladder", on_ladder), ("cumulative_by_strike", by_strike)):
                    actual = zones.filter(method=method)
                    assert actual["direction"].to_list() == [root.direction for root in expected]
                    assert actual["level"].to_list() == pytest.approx([root.level for root in expected], rel=1e-9)
                    assert actual["lower_level"].to_list() == pytest.approx([root.lower for root in expected], rel=1e-15)
                    assert actual["upper_level"].to_list() == pytest.approx([root.upper for root in expected], rel=1e-15)
                    strikes = profile["strike"]
                    for level, low, high in actual.select("level", "lower_strike", "upper_strike").iter_rows():
                        assert (low, high) == (strikes.filter(strikes <= level).max(), strikes.filter(strikes >= level).min())
                    seen |= {(method, root.direction) for root in expected}
                ours = marts["gex_levels"].row(by_predicate=pl.col("scope_expiry") == scope_expiry, named=True)
                row = oracle_gamma.flip(contracts, on_ladder, scope.spot, near)
                assert {name: ours[name] for name in ("gamma_flip_status", "regime")} == {
                    n: row[n] for n in ("gamma_flip_status", "regime")
                }
                for name in ("gamma_flip", "gamma_flip_distance_pct"):
                    assert (ours[name] is None) == (row[name] is None)
                    assert row[name] is None or ours[name] == pytest.approx(row[name], rel=1e-9)
                statuses.add(ours["gamma_flip_status"])
    assert {"available", "insufficient_local_coverage"} <= statuses
    assert seen >= {("spot_ladder", "rising"), ("cumulative_by_strike", "rising")}


def test_ranked_strikes(cases: list[tuple[Snapshot, Scope, Tables]]) -> None:
    for snapshot, scope, marts in cases:
        instants = oracle.heatmap(snapshot, scope).select(EXPIRY).unique(maintain_order=True).rows()
        today = snapshot.contracts.filter(pl.col("expires_at").is_in(oracle.zero_dte(snapshot, instants)))
        for scope_expiry, contracts in (("all", snapshot), ("0dte", snapshot._replace(contracts=today))):
            ours = marts["gex_ranked"].filter(scope_expiry=scope_expiry).sort("rank")
            profile = with_ratios(oracle.heatmap(contracts, scope, by=("strike",)))
            expected = oracle_gamma.ranked(profile, scope.spot)
            assert ours.select("strike", "net_gex_usd_1pct").rows() == expected
            assert ours["rank"].to_list() == list(range(1, len(expected) + 1))
            for row in ours.rows(named=True):
                theirs = profile.row(by_predicate=pl.col("strike") == row["strike"], named=True)
                theirs |= {"spot": scope.spot, "distance_pct": abs(scope.spot - row["strike"]) / scope.spot * 100}
                assert_row(
                    row, theirs, ("call_gex_usd_1pct", "put_gex_usd_1pct", "abs_gex_usd_1pct", "net_to_gross", "spot", "distance_pct")
                )


def total(values: pl.Series) -> object:
    """A sum that is null when nothing in it is known; open interest to six decimals."""
    known = values.drop_nulls()
    if known.is_empty():
        return None
    return round(sum(round(value * 1e6) for value in known)) / 1e6 if known.dtype.is_float() else known.sum()


def ratios(sums: Row) -> Row:
    """Net over gross of each exposure."""
    return {
        ratio: float(sums[f"net_{name}"]) / float(sums[f"abs_{name}"]) if sums[f"abs_{name}"] else None for name, ratio in RATIOS.items()
    }


def with_ratios(table: pl.DataFrame) -> pl.DataFrame:
    """Cells with net over gross of each exposure."""
    return table.with_columns(
        pl.Series(ratio, [ratios(row)[ratio] for row in table.iter_rows(named=True)], dtype=pl.Float64) for ratio in RATIOS.values()
    )


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


def test_pain_shapes(cases: list[tuple[Snapshot, Scope, Tables]]) -> None:
    words = set()
    for snapshot, scope, marts in cases:
        smiles = {row["expires_at"]: row for row in marts["expiry_summary"].rows(named=True)}
        for (expires_at,), cells in oracle.heatmap(snapshot, scope).group_by(["expires_at"], maintain_order=True):
            ours = marts["max_pain"].row(by_predicate=pl.col("expires_at") == expires_at, named=True)
            smile = smiles[expires_at]
            expected = oracle.shape(cells, ours, scope.spot, snapshot.row["market"], smile["atm_iv"], smile["tau"])
            for name, value in expected.items():
                assert is_same(ours[name], value, within=1e-9), name
            words.add(ours["shape"])
    assert len(words) > 1


def test_pin_scores_and_alignment(cases: list[tuple[Snapshot, Scope, Tables]]) -> None:
    for snapshot, scope, marts in cases:
        near = oracle_gamma.reach(snapshot, scope, snapshot.smiles)
        smiles = {row["expires_at"]: row for row in marts["expiry_summary"].rows(named=True)}
        market = snapshot.row["market"]
        everything = oracle.heatmap(snapshot, scope)
        profiles: list[tuple[Row, Row, pl.DataFrame, pl.DataFrame, Row]] = []
        for (expires_at,), cells in everything.group_by(["expires_at"], maintain_order=True):
            of_expiry = snapshot.contracts.filter(pl.col("expires_at") == expires_at, pl.col("venue").is_in(scope.venues))
            pain = marts["max_pain"].row(by_predicate=pl.col("expires_at") == expires_at, named=True)
            ours = marts["pin_score"].row(by_predicate=pl.col("expires_at") == expires_at, named=True)
            profiles.append((ours, pain, cells, of_expiry, smiles[expires_at] | {"dte": pain["dte"]}))
        front = profiles[0][4]
        pooled = marts["max_pain_pooled"].row(0, named=True)
        contracts = snapshot.contracts.filter(pl.col("venue").is_in(scope.venues))
        profiles.append((pooled, pooled, oracle.heatmap(snapshot, scope, by=("strike",)), contracts, front))
        for ours, pain, cells, contracts, smile in profiles:
            expected = oracle.pin_score(cells, pain, smile["dte"], market, smile)
            for name, value in expected.items():
                assert is_same(ours[name], value, within=1e-9), (name, ours[name], value)
            walls = oracle.levels(cells, scope.spot)
            net = oracle_gamma.ladder(contracts, market)["net"] or []
            on_ladder = oracle_gamma.roots([(scope.spot * f, v) for f, v in zip(oracle_gamma.FACTORS, net, strict=False)], scope.spot)
            flip = oracle_gamma.flip(contracts, on_ladder, scope.spot, near)
            assert (ours["call_wall"], ours["put_wall"]) == (walls["call_wall"], walls["put_wall"])
            assert ours["gamma_flip_status"] == flip["gamma_flip_status"]
            assert is_same(ours["gamma_flip"], flip["gamma_flip"], within=1e-9)
            at, ends = pain["max_pain_strike"], sorted(wall for wall in (walls["call_wall"], walls["put_wall"]) if wall is not None)
            if at is None or len(ends) < 2 or flip["gamma_flip"] is None:
                word = "unknown"
            elif not ends[0] <= at <= ends[1]:
                word = "diverging"
            else:
                word = "converging" if abs(at - flip["gamma_flip"]) <= 0.005 * scope.spot else "moderate"
            assert ours["alignment"] == word
