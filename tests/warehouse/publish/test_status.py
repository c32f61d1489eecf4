"""published/status.json: what the last runs did, kept over runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from models.errors import PublicationMissing, PublicationUnreadable
from tests.chains import SETTINGS
from tests.small_warehouse import FIRST, LAST, SECOND
from warehouse.home.paths import Home
from warehouse.publish.status import VenueOutcome, read_status, snapshots_with_other_settings, write_status
from warehouse.settings import ModelSettings
from warehouse.storage.work_file import open_work

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)


def outcome(underlying: str, venue: str, status: str = "ok", error: str | None = None) -> VenueOutcome:
    market = "us" if venue == "cboe" else "crypto"
    return VenueOutcome(underlying, venue, market, status, error, 1, 1.0, 0, (), {})


def write(home: Home, *outcomes: VenueOutcome, hold_reason: str | None = None) -> dict[str, Any]:
    with open_work(home, SETTINGS, "test") as con:
        write_status(con, home, run_id="run-9", now=NOW, generation=4, hold_reason=hold_reason, outcomes=outcomes)
    return read_status(home)


COIN_AND_IDX = (outcome("COIN", "deribit"), outcome("COIN", "okx", "failed", "okx: HTTP 503"), outcome("IDX", "cboe"))


def test_it_says_what_came_of_each_venue_and_when_its_last_usable_data_are_from(stocked: Home) -> None:
    status = write(stocked, *COIN_AND_IDX)
    assert (status["run_id"], status["generation"], status["held"]) == ("run-9", 4, None)
    rows = {(one["underlying"], one["venue"]): one for one in status["venues"]}
    assert rows["COIN", "deribit"]["captured_at"] == LAST.isoformat()
    assert rows["COIN", "okx"] == {
        "underlying": "COIN", "venue": "okx", "market": "crypto", "last_status": "failed", "error": "okx: HTTP 503", "captured_at": SECOND.isoformat(),
    }  # fmt: skip
    assert rows["IDX", "cboe"]["captured_at"] == FIRST.isoformat()
    assert json.loads(stocked.status_file.read_text()) == status


def test_venues_of_earlier_runs_stay(stocked: Home) -> None:
    write(stocked, *COIN_AND_IDX)
    status = write(stocked, outcome("COIN", "okx"))
    assert [(one["underlying"], one["venue"], one["last_status"]) for one in status["venues"]] == [
        ("COIN", "deribit", "ok"), ("COIN", "okx", "ok"), ("IDX", "cboe", "ok"),
    ]  # fmt: skip


def test_the_status_says_that_a_run_was_not_published(stocked: Home) -> None:
    assert write(stocked, hold_reason="repeated_keys (1 rows …)")["held"] == "repeated_keys (1 rows …)"


def test_a_change_of_settings_shows_that_a_rebuild_is_due(stocked: Home) -> None:
    status = write(stocked)
    assert snapshots_with_other_settings(status, SETTINGS) == 0
    assert snapshots_with_other_settings(status, SETTINGS.model_copy(update={"models": ModelSettings(rate_us=0.05)})) == 4


def test_a_status_that_is_not_there_or_damaged_is_said_so(home: Home) -> None:
    with pytest.raises(PublicationMissing, match="no run has ended yet"):
        read_status(home)
    home.status_file.write_bytes(b"{")
    with pytest.raises(PublicationUnreadable, match="The next run replaces it"):
        read_status(home)
    assert write(home, outcome("COIN", "deribit"))["venues"], "and so it does"
