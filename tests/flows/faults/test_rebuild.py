"""What faults left in the archive builds the same tables again, to the last bit."""

from __future__ import annotations

import pytest

from flows.history.rebuild import verify
from tests.flows.faults.conftest import NextDay
from tests.flows.faults.expected import FAULTS, Expected, Fault, Group
from warehouse.home.paths import Home

BAD_DAYS = {
    "bybit": ("server_error:2:503@{holder}", "truncate:short@{holder}", "empty_chain", "duplicate_rows:0.2:conflict"),
    "okx": ("half_chain:0.5", "string_nan", "negative_oi:0.2", "rename_field:{key}:ticker@{holder}"),
    "binance": ("absurd_oi:0.1:1e10", "no_iv_no_price", "null_oi:0.3", "rate_limit:all"),
}


@pytest.mark.parametrize(
    "venue",
    [
        pytest.param("bybit", marks=pytest.mark.slow),
        *(pytest.param(venue, marks=pytest.mark.acceptance) for venue in ("okx", "binance")),
    ],
)
def test_a_rebuild_of_bad_days_is_the_warehouse(run_on: NextDay, home: Home, venue: str) -> None:
    for spec in BAD_DAYS[venue]:
        (fault,) = [fault for fault in FAULTS if fault.spec == spec and venue in fault.venues]
        run_on(fault, Group((venue,), ("deribit",)))
    venue_of_the_last = "okx" if venue == "bybit" else "cboe"
    day = run_on(Fault("negative_oi:0.1", Expected()), Group((venue_of_the_last,), ("deribit",)))
    done = verify(home, day.settings, tolerance=None, progress=lambda run: None)
    assert (done.differences, done.runs) == ([], len(BAD_DAYS[venue]) + 1)
    assert done.tables_compared > 10
