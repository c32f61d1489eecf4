"""Cooldowns that venues ask for are remembered between runs; a damaged file costs a call at most and is said."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from warehouse.home.cooldowns import note_cooldown, read_cooldowns
from warehouse.home.paths import Home

LATER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def bare_home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    return home


def test_without_a_file_no_venue_has_a_cooldown(bare_home: Home) -> None:
    assert read_cooldowns(bare_home) == {}


def test_the_later_of_two_cooldowns_of_a_venue_holds_and_those_that_are_over_go(bare_home: Home) -> None:
    note_cooldown(bare_home, "okx", datetime(2001, 1, 1, tzinfo=UTC))
    note_cooldown(bare_home, "cboe", LATER)
    note_cooldown(bare_home, "cboe", LATER - timedelta(days=1))
    assert read_cooldowns(bare_home) == {"cboe": LATER}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"5", b"null", b'{"cboe":"soon"}', b'{"cboe":5}', b'{"cboe":null}', b'{"cboe":[]}'])
def test_a_damaged_file_gives_no_cooldown_is_logged_and_replaced_by_the_next(
    bare_home: Home, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    bare_home.rest_file.write_bytes(content)
    with caplog.at_level(logging.WARNING, "strikehouse"):
        assert read_cooldowns(bare_home) == {}
    assert "venue_rest.json" in caplog.text and "damaged" in caplog.text
    note_cooldown(bare_home, "okx", LATER)
    assert orjson.loads(bare_home.rest_file.read_bytes()) == {"okx": LATER.isoformat()}


def test_a_damaged_entry_does_not_take_the_others_with_it(bare_home: Home) -> None:
    bare_home.rest_file.write_bytes(orjson.dumps({"cboe": "soon", "okx": LATER.isoformat()}))
    assert read_cooldowns(bare_home) == {"okx": LATER}
