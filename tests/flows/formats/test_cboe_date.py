"""The Date line of a Cboe download, in the spellings of many browsers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flows.formats.cboe_date import download_instant
from models.errors import FileError


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("September 14, 2023 at 4:30 PM EDT", "2023-09-14 20:30"),
        ("January 7, 2024 at 10:52 AM EST", "2024-01-07 15:52"),
        ("June 11, 2022, 8:47 PM EDT", "2022-06-12 00:47"),
        ("February 5 2022, 8:26 PM EST", "2022-02-06 01:26"),
        ("September 14, 2023 at 4:30\u202fPM EDT", "2023-09-14 20:30"),
        ("March 19, 2026 at 12:05 AM EDT", "2026-03-19 04:05"),
        ("March 19, 2026 at 12:05 p.m. EDT", "2026-03-19 16:05"),
        ("March 19, 2026 at 4:30:59 PM EDT", "2026-03-19 20:30:59"),
        ("March 19, 2026 at 4:30 PM ET", "2026-03-19 20:30"),
        ("March 19, 2026 at 1:30 PM PDT", "2026-03-19 20:30"),
        ("2026年3月19日 GMT-4 10:30", "2026-03-19 14:30"),
        ("2026年3月19日 GMT-4 下午4:30", "2026-03-19 20:30"),
        ("2026년 3월 19일 오후 4:30 GMT-4", "2026-03-19 20:30"),
        ("2026/03/19 16:30 GMT-04:00", "2026-03-19 20:30"),
        ("19. März 2026 um 16:30 GMT-4", "2026-03-19 20:30"),
        ("19 mars 2026 à 16:30 UTC−4", "2026-03-19 20:30"),
        ("19 mars 2026 à 16 h 30 HAE", "2026-03-19 20:30"),
        ("19 de marzo de 2026, 16:30 GMT-4", "2026-03-19 20:30"),
        ("19 août 2026 à 16:30 UTC-4", "2026-08-19 20:30"),
        ("19.3.2026, 16:30 GMT-4", "2026-03-19 20:30"),
        ("3/19/2026, 4:30 PM EDT", "2026-03-19 20:30"),
        ("19/3/2026, 16:30 GMT-4", "2026-03-19 20:30"),
        ("2026-03-19 20:30 UTC", "2026-03-19 20:30"),
        ("19 March 2026 at 16:30 GMT+5:30", "2026-03-19 11:00"),
    ],
)
def test_spellings_of_one_kind_of_date(text: str, instant: str) -> None:
    assert download_instant(text) == (datetime.fromisoformat(instant).replace(tzinfo=UTC), [])


def test_a_line_without_a_zone_is_of_new_york_and_says_so() -> None:
    instant, notes = download_instant("March 19, 2026 at 4:30 PM")
    assert instant == datetime(2026, 3, 19, 20, 30, tzinfo=UTC)
    assert notes == ["the Date line names no time zone, so New York counts"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("3/4/2026, 4:30 PM EDT", "day and month cannot be told apart"),
        ("March 19, 2026", "tells no time of day"),
        ("March 2026 at 4:30 PM EDT", "tells no date"),
        ("19 березня 2026 р., 16:30 GMT-4", "tells no date"),
        ("March 19, 2026 at 16:30 PM EDT", "contradict each other"),
        ("February 30, 2026 at 4:30 PM EDT", "day is out of range"),
        ("March 19, 2026 at 4:30 PM WAST", "time zone WAST is not known"),
        ("March 19, 1999 at 4:30 PM EST", "not between"),
        ("", "tells no time of day"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(FileError, match=why):
        download_instant(text)
