"""The Python door: each macro as a method, typed frames, and the live generation without a restart."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import warehouse as package
from models.contracts.registry import PUBLISHED
from models.errors import PublicationMissing, QueryFailed, UsageError
from tests.small_warehouse import FIRST, LAST, SECOND, THIRD_FRIDAY_PM
from tests.warehouse.read.test_readers import republish
from warehouse.catalog.macros import MACROS
from warehouse.client.warehouse import METHODS, Warehouse, open_warehouse
from warehouse.home.paths import Home
from warehouse.read.query import call_macro


@pytest.fixture(scope="module")
def home(home_at_101: Home) -> Home:
    return home_at_101


@pytest.fixture(scope="module")
def wh(home: Home) -> Iterator[Warehouse]:
    with open_warehouse(home.root) as warehouse:
        yield warehouse


def test_the_package_exports_the_client() -> None:
    assert package.open_warehouse is open_warehouse
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        package.nothing_of_that_name  # noqa: B018


@pytest.mark.parametrize("macro", METHODS)
def test_every_macro_is_a_method_with_a_docstring(macro: str) -> None:
    assert getattr(Warehouse, macro).__doc__


@pytest.mark.parametrize("macro", MACROS)
def test_a_method_gives_the_rows_of_its_macro_with_the_types_of_the_contract(wh: Warehouse, home: Home, macro: str) -> None:
    contract = PUBLISHED[MACROS[macro][0]]
    for underlying in ("COIN", "IDX"):
        frame = getattr(wh, macro)(underlying, as_of=LAST)
        assert frame.schema == {name: column.dtype for name, column in contract.columns().items()}
        assert frame.equals(call_macro(home, macro, {"underlying": underlying, "as_of": LAST.replace(tzinfo=None)}))


@pytest.mark.slow
def test_python_and_sql_give_the_same_answers_to_random_questions(wh: Warehouse, home: Home) -> None:
    """200 of them: any macro, underlying, moment, venues and filters."""
    dice = random.Random(20261116)
    for _ in range(200):
        macro = dice.choice(sorted(MACROS))
        choices: dict[str, list[Any]] = {
            "as_of": [None, FIRST, SECOND, LAST + timedelta(days=3)],
            "venues": [None, "deribit", ["deribit", "okx"], "bybit,deribit"],
            "dte_max": [None, 3, 10],
            "dte_min": [None, 4],
            "strike_min": [None, 95.0],
            "window_pct": [None, 7.5],
            "expiry": [None, date(2026, 3, 13), "2026-03-20"],
        }
        arguments = {name: dice.choice(values) for name, values in choices.items()}
        underlying = dice.choice(["COIN", "idx"])
        if macro in ("gamma_profile", "opex_calendar"):
            arguments = {name: value for name, value in arguments.items() if name not in ("strike_min", "window_pct")}
        ours = getattr(wh, macro)(underlying, **arguments)
        sql_arguments = {name: value.replace(tzinfo=None) if isinstance(value, datetime) else value for name, value in arguments.items()}
        assert ours.equals(call_macro(home, macro, {"underlying": underlying} | sql_arguments)), (macro, arguments)


def test_an_aware_moment_is_converted_to_utc(wh: Warehouse) -> None:
    in_new_york = SECOND.astimezone(timezone(timedelta(hours=-5)))
    assert wh.max_pain("COIN", as_of=in_new_york)["captured_at"].unique().to_list() == [SECOND.replace(tzinfo=None)]


def test_filters_reach_the_macro(wh: Warehouse) -> None:
    assert wh.max_pain("IDX", expires_at=THIRD_FRIDAY_PM)["expires_at"].to_list() == [THIRD_FRIDAY_PM]
    assert wh.gex_heatmap("COIN", strike_min=100.0)["strike"].min() == 100.0
    until = wh.opex_calendar("IDX", until="2026-06-30")
    assert until["expiry"].max() == date(2026, 6, 26)
    assert not until["is_listed"].all()


def test_probability_below_and_above_a_strike_add_up(wh: Warehouse) -> None:
    below = wh.probability_between("COIN", None, 100.0, as_of=FIRST)
    above = wh.probability_between("COIN", 100.0, None, as_of=FIRST)
    total = (below["probability"] + above["probability"]).drop_nulls()
    assert total.to_list() == pytest.approx([1.0] * total.len())


def test_scan_ranks_the_watchlist(wh: Warehouse) -> None:
    assert wh.scan()["underlying"].sort().to_list() == ["COIN", "IDX"]
    assert wh.scan(["coin"], as_of=FIRST)["captured_at"].to_list() == [FIRST.replace(tzinfo=None)]


def test_tables_by_name(wh: Warehouse) -> None:
    assert wh.table("core.snapshots", underlying="idx").height == 1
    assert "latest.max_pain" in wh.tables
    assert all(wh.table(name).width for name in ("marts.oi_change", "latest.snapshots", "latest.scanner"))
    with pytest.raises(UsageError, match="wh.tables"):
        wh.table("core.secrets")


def test_nothing_can_be_written_and_no_other_file_read(wh: Warehouse) -> None:
    with pytest.raises(QueryFailed):
        wh.sql("delete from core.snapshots")
    with pytest.raises(QueryFailed):
        wh.sql("from read_csv('/etc/passwd')")


def test_a_new_generation_is_picked_up_without_a_restart(stocked: Home) -> None:
    republish(stocked, 101)
    with open_warehouse(stocked.root) as wh:
        assert (wh.generation, wh.table("core.snapshots", underlying="IDX")["spot"][0]) == (1, 101)
        republish(stocked, 102)
        assert (wh.generation, wh.table("core.snapshots", underlying="IDX")["spot"][0]) == (2, 102)
        wh.close()
        assert wh.generation == 2


@pytest.mark.slow
def test_threads_read_whole_generations_while_others_are_published(stocked: Home) -> None:
    republish(stocked, 101)
    seen: list[tuple[float, float]] = []
    failures: list[BaseException] = []
    done = threading.Event()

    def read(wh: Warehouse) -> None:
        try:
            while not done.is_set():
                both = "select (select spot from core.snapshots where underlying = 'IDX'), (select max(spot) from marts.max_pain where underlying = 'IDX')"
                seen.append(wh.sql(both).row(0))
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    with open_warehouse(stocked.root) as wh:
        threads = [threading.Thread(target=read, args=(wh,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for spot in range(102, 108):
            republish(stocked, spot)
        done.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert {core == mart for core, mart in seen} == {True}
    assert {spot for spot, _ in seen} > {101.0}


def test_without_a_publication_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PublicationMissing, match="strikehouse snapshot"):
        open_warehouse(tmp_path)


def test_frames_are_plain_polars(wh: Warehouse) -> None:
    assert isinstance(wh.gex_levels("COIN"), pl.DataFrame)
