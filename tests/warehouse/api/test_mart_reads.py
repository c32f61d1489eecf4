"""Stored rows are what the macros compute, bit for bit: for a whole scope, and for one settlement instant of it."""

from __future__ import annotations

import itertools
import random
import shutil
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from models.contracts.registry import TABLES
from tests.conftest import Demo
from tests.warehouse.read.test_readers import republish
from warehouse.api.flashalpha.chain import OF_A_SETTLEMENT
from warehouse.api.flashalpha.contracts import folded
from warehouse.api.mart_reads import OF_AN_INSTANT, stored, stored_rows
from warehouse.catalog.macros import MACROS
from warehouse.client.warehouse import Warehouse
from warehouse.home.paths import Home


@pytest.fixture(scope="module")
def wh(stocked_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    home = Home(Path(shutil.copytree(stocked_home.root, tmp_path_factory.mktemp("stored") / "home")))
    republish(home, 100.0)  # the spot that IDX has
    return Warehouse(home)


@pytest.fixture(scope="module")
def snapshots(wh: Warehouse) -> list[dict[str, Any]]:
    """COIN on three venues, and IDX on one."""
    rows = wh.sql("select snapshot_id, underlying, captured_at, venues from core.snapshots order by underlying, captured_at").to_dicts()
    assert [(row["underlying"], row["venues"].count(",")) for row in (rows[0], rows[-1])] == [("COIN", 2), ("IDX", 0)]
    return [rows[0], rows[-1]]


def instants(wh: Warehouse, snapshot_id: str) -> list[tuple[Any, datetime]]:
    """Date and instant of dates with one settlement."""
    frame = wh.sql(
        "select expiry, min(expires_at) from marts.max_pain where snapshot_id = $id and scope_venue = 'all' group by 1 having count(*) = 1",
        {"id": snapshot_id},
    )
    return frame.rows()


def assert_same(ours: pl.DataFrame, theirs: pl.DataFrame, what: Any) -> None:
    left_out = {"scope_venue"}  # the macro names the venues that were asked
    columns = [name for name in theirs.columns if name not in left_out]
    key = [name for name in ("scope_expiry", "expires_at", "rank", "method", "level", "spot_factor", "strike") if name in columns]
    mine, other = ours.select(columns).sort(key), theirs.select(columns).sort(key)
    differing = {name: (mine[name].to_list(), other[name].to_list()) for name in columns if not mine[name].equals(other[name])}
    assert not differing, (what, differing)


@pytest.mark.parametrize("macro", MACROS)
def test_a_whole_scope(wh: Warehouse, snapshots: list[dict[str, Any]], macro: str) -> None:
    for row in snapshots:
        computed = getattr(wh, macro)(row["underlying"], as_of=row["captured_at"])
        assert_same(stored(wh, macro, row["snapshot_id"]), computed, row["snapshot_id"])


@pytest.mark.parametrize("macro", sorted(set(MACROS) - {"opex_calendar"}))  # that one is over all venues only
def test_one_venue_of_several(wh: Warehouse, snapshots: list[dict[str, Any]], macro: str) -> None:
    row = snapshots[0]
    computed = getattr(wh, macro)(row["underlying"], as_of=row["captured_at"], venues=["okx"])
    assert_same(stored(wh, macro, row["snapshot_id"], scope_venue="okx"), computed, macro)


@pytest.mark.parametrize("macro", sorted(OF_AN_INSTANT))
def test_one_settlement_instant(wh: Warehouse, snapshots: list[dict[str, Any]], macro: str) -> None:
    compared = 0
    for row in snapshots:
        for expiry, expires_at in instants(wh, row["snapshot_id"]):
            computed = getattr(wh, macro)(row["underlying"], as_of=row["captured_at"], expiry=expiry)
            assert_same(stored(wh, macro, row["snapshot_id"], expires_at=expires_at), computed, (row["snapshot_id"], expiry))
            assert_same(stored(wh, macro, row["snapshot_id"], expiry=expiry), computed, (row["snapshot_id"], expiry))
            compared += 1
    assert compared == 3


@pytest.mark.parametrize("macro", OF_A_SETTLEMENT)
def test_what_is_read_of_a_settlement_does_not_depend_on_the_others(wh: Warehouse, snapshots: list[dict[str, Any]], macro: str) -> None:
    columns = OF_A_SETTLEMENT[macro]
    for row in snapshots:
        for expiry, _ in instants(wh, row["snapshot_id"]):
            computed = getattr(wh, macro)(row["underlying"], as_of=row["captured_at"], expiry=expiry).select(columns).to_dicts()
            assert stored_rows(wh, macro, row["snapshot_id"], columns, expiry=expiry) == computed


def test_the_levels_of_0dte_are_those_of_its_only_date(demo: Demo) -> None:
    wh = Warehouse(demo.home)
    row = wh.sql("select snapshot_id, captured_at from latest.snapshots where underlying = 'BTC'").row(0, named=True)
    near = "select expiry from core.series where snapshot_id = $id and scope_venue = 'all' and is_zero_dte"
    (expiry,) = wh.sql(near, {"id": row["snapshot_id"]})["expiry"]
    computed = wh.gex_levels("BTC", as_of=row["captured_at"], expiry=expiry).filter(pl.col("scope_expiry") == "all")
    of_today = stored(wh, "gex_levels", row["snapshot_id"]).filter(pl.col("scope_expiry") == "0dte")
    assert_same(of_today.drop("scope_expiry"), computed.drop("scope_expiry"), expiry)


def test_columns_and_types_are_those_of_the_contract(wh: Warehouse, snapshots: list[dict[str, Any]]) -> None:
    frame = stored(wh, "gex_levels", snapshots[0]["snapshot_id"], "spot", "regime", "net_gex_usd_1pct")
    contract = TABLES["marts.gex_levels"].columns()
    assert frame.schema == {name: contract[name].dtype for name in ("spot", "regime", "net_gex_usd_1pct")}


def contracts_at_random(seed: int) -> pl.DataFrame:
    """Rows as of sql/api/flashalpha_contracts.sql, in order, with holes."""
    draw = random.Random(seed)
    rows = []
    for hour, strike, side in itertools.product((8, 20), (90.0, 95.5, 100.0), "CP"):
        at = datetime(2026, 3, 20, hour)
        for venue in draw.sample(["binance", "bybit", "deribit", "okx"], draw.randint(0, 4)):
            holes = {name: draw.choice((None, draw.uniform(0.1, 2))) for name in ("iv", "delta", "gamma", "theta", "mid", "spread_pct")}
            oi = draw.choice((None, 0.0, round(draw.uniform(0, 500), 1)))
            rows.append(
                {"expires_at": at, "expiry": at.date(), "strike": strike, "option_type": side, "venue": venue, "instrument": f"{venue}-x"}
                | {"oi": oi, "oi_base": oi, "volume": draw.choice((None, round(draw.uniform(0, 50), 2))), **holes}
            )
    floats = ("oi", "oi_base", "volume", "iv", "delta", "gamma", "theta", "mid", "spread_pct")
    frame = pl.DataFrame(rows, schema_overrides=dict.fromkeys(floats, pl.Float64))
    return frame.sort("expires_at", "strike", "option_type", "venue", "instrument")


@pytest.mark.parametrize("seed", range(12))
def test_contracts_fold_as_a_loop_would_fold_them(seed: int) -> None:
    listed = contracts_at_random(seed)
    groups: defaultdict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in listed.to_dicts():
        groups[row["expires_at"], row["strike"], row["option_type"]].append(row)
    ours = folded(listed).to_dicts()
    assert [(row["expires_at"], row["strike"], row["option_type"]) for row in ours] == list(groups)
    for row, members in zip(ours, groups.values(), strict=True):
        has_interest = sum(one["oi_base"] or 0 for one in members) > 0
        for name in ("iv", "delta", "gamma", "theta", "mid", "spread_pct"):
            above = below = 0.0
            for one in members:
                if one[name] is not None:
                    weight = (one["oi_base"] or 0.0) if has_interest else 1.0
                    above, below = above + one[name] * weight, below + weight
            assert row[name] == (above / below if below else None), name
        for name in ("oi", "volume"):
            known = [one[name] for one in members if one[name] is not None]
            assert row[name] == (pytest.approx(sum(known), abs=1e-9) if known else None)
        with_interest = [one for one in members if (one["oi_base"] or 0) > 0]
        assert (row["contracts"], row["with_oi"]) == (len(members), len(with_interest))
        assert row["without_iv"] == sum(one["iv"] is None for one in with_interest)


def test_no_contracts_fold_to_none() -> None:
    assert folded(contracts_at_random(0).clear()).is_empty()
