"""What is not known is null and never zero: open interest, volatilities and sides in the exposures (definitions §1)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from models.market.calendar import TradingCalendar
from tests.chains import FRIDAY, NEXT_FRIDAY, chain, listed, only, snapshot

NO_PRICE = {"venue_iv": None}
WORKING = listed(95, call=1, put=1, expires_at=NEXT_FRIDAY) + listed(105, call=1, put=1, expires_at=NEXT_FRIDAY)
EXPOSURES = ("gex_usd_1pct", "dex_usd", "vex_usd_1vol", "chex_usd_day")


@pytest.fixture
def cell_of(calendar: TradingCalendar) -> Any:
    """The heatmap cell at 100 of the Friday expiry."""

    def compute(rows: list[dict[str, Any]]) -> dict[str, Any]:
        tables = snapshot(chain(rows + WORKING), calendar=calendar)
        return only(tables["marts.gex_heatmap"], expires_at=FRIDAY, strike=100.0)

    return compute


def test_calls_count_plus_and_puts_minus(cell_of: Any) -> None:
    cell = cell_of(listed(100, call=10, put=10))
    assert cell["call_gex_usd_1pct"] == -cell["put_gex_usd_1pct"] > 0
    assert cell["net_gex_usd_1pct"] == 0
    assert cell["abs_gex_usd_1pct"] == 2 * cell["call_gex_usd_1pct"]
    assert cell["put_dex_usd"] > 0, "a short put has a positive delta"


def test_no_open_interest_is_no_exposure_even_without_volatility(cell_of: Any) -> None:
    cell = cell_of(listed(100, call=0, put=0, **NO_PRICE))
    assert {cell[f"{part}_{name}"] for part in ("call", "put", "net", "abs") for name in EXPOSURES} == {Decimal(0)}
    assert (cell["oi_without_iv"], cell["oi_without_iv_pct"]) == (0, None), "a share of nothing"


def test_open_interest_without_volatility_is_left_out_and_counted(cell_of: Any) -> None:
    cell = cell_of(listed(100, call=30, put=10, **NO_PRICE))
    assert {cell[f"{part}_{name}"] for part in ("call", "put", "net", "abs") for name in EXPOSURES} == {None}
    assert (cell["oi_without_iv"], cell["oi_without_iv_pct"]) == (4000, 100)


def test_unknown_open_interest_is_unknown_exposure(cell_of: Any) -> None:
    cell = cell_of(listed(100, call=None, put=10))
    assert (cell["call_oi"], cell["call_oi_contracts"], cell["call_gex_usd_1pct"]) == (None, None, None)
    assert (cell["put_oi"], cell["put_oi_contracts"]) == (1000, 10)
    assert cell["net_gex_usd_1pct"] == cell["put_gex_usd_1pct"] < 0
    assert cell["abs_gex_usd_1pct"] == -cell["put_gex_usd_1pct"]
    assert cell["oi_without_iv"] == 0, "nothing known is left out"


@pytest.mark.parametrize("side", ["call", "put"])
def test_without_the_other_side_net_is_this_side(cell_of: Any, side: str) -> None:
    cell = cell_of(listed(100, **{side: 10}))
    other = "put" if side == "call" else "call"
    assert (cell[f"{other}_oi"], cell[f"{other}_gex_usd_1pct"]) == (None, None)
    for name in EXPOSURES:
        assert cell[f"net_{name}"] == cell[f"{side}_{name}"]
        assert cell[f"abs_{name}"] == abs(cell[f"{side}_{name}"])


def test_contracts_of_one_cell_add_up_where_something_is_known(calendar: TradingCalendar) -> None:
    known, unknown = listed(100, call=10, root="XYZ"), listed(100, call=None, root="XYZW")
    tables = snapshot(chain(known + unknown + listed(90, put=5)), calendar=calendar)
    assert only(tables["marts.gex_heatmap"], strike=100.0)["call_oi"] == 1000


def test_profile_adds_up_cells_and_leaves_out_what_is_unknown(calendar: TradingCalendar) -> None:
    rows = listed(100, call=10, put=None) + listed(100, call=30, put=20, expires_at=NEXT_FRIDAY, **NO_PRICE) + listed(90, call=1)
    tables = snapshot(chain(rows), calendar=calendar)
    friday = only(tables["marts.gex_heatmap"], strike=100.0, expires_at=FRIDAY)
    profile = only(tables["marts.gex_by_strike"], strike=100.0)
    assert (profile["call_oi"], profile["put_oi"]) == (4000, 2000)
    assert profile["call_gex_usd_1pct"] == friday["call_gex_usd_1pct"] > 0
    assert profile["put_gex_usd_1pct"] is None
    assert (profile["oi_without_iv"], profile["oi_without_iv_pct"]) == (5000, pytest.approx(100 * 50 / 60))


def test_levels_say_how_much_open_interest_has_no_volatility(calendar: TradingCalendar) -> None:
    rows = listed(95, call=10, put=10) + listed(105, call=30, put=0, **NO_PRICE)
    tables = snapshot(chain(rows), calendar=calendar)
    assert only(tables["marts.gex_levels"], scope_expiry="all")["oi_without_iv_pct"] == 60
    empty = only(tables["marts.gex_levels"], scope_expiry="0dte")
    assert (empty["net_gex_usd_1pct"], empty["oi_without_iv_pct"], empty["spot"]) == (None, None, 100)
