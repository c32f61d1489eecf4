"""The `Date:` line of a Cboe quotedata download: a time of day in New York, spelled as the browser's language wants it.

Known spellings: `September 14, 2023 at 4:30 PM EDT`, `June 11, 2022, 8:47 PM EDT`, `February 5 2022, 8:26 PM EST`,
`2026年3月19日 GMT-4 10:30`; browsers put a narrow space before PM and write the minus of a zone as −. What several languages share is
read: numbers, names of months, AM and PM, and the zone. A date that can be read in two ways is refused.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from flows.formats.importer import EARLIEST, LATEST
from models.errors import FileError
from models.market.calendar import NEW_YORK

# English, German, French, Spanish, Italian, Portuguese, Dutch; without accents
MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar janner jaenner janvier janv enero ene gennaio gen janeiro januari",
            "february feb februar fevrier fevr febrero febbraio fevereiro fev februari",
            "march mar marz maerz mars marzo marco maart mrt",
            "april apr avril avr abril abr aprile",
            "may mai mayo maggio mag maio mei",
            "june jun juni juin junio giugno giu junho",
            "july jul juli juillet juil julio luglio lug julho",
            "august aug aout agosto ago augustus",
            "september sep sept septembre septiembre settembre set setembro",
            "october oct oktober okt octobre octubre ottobre ott outubro out",
            "november nov novembre noviembre novembro",
            "december dec dezember dez decembre diciembre dic dicembre dezembro december",
        ),
        start=1,
    )
    for name in names.split()
}
ZONES = {
    "EDT": -4, "EST": -5, "CDT": -5, "CST": -6, "MDT": -6, "MST": -7, "PDT": -7, "PST": -8, "HAE": -4, "HNE": -5, "GMT": 0, "UTC": 0,
}  # fmt: skip
_OFFSET = re.compile(r"\b(?:GMT|UTC)\s*([+-])\s*(\d{1,2})(?::?(\d{2}))?")
_ZONE = re.compile(rf"\b({'|'.join(ZONES)}|ET)\b")
_OTHER_ZONE = re.compile(r"\b[A-Z]{3,5}\b")
_TIME = re.compile(r"(\d{1,2})\s*(?::|h)\s*(\d{2})(?::(\d{2}))?(?!\d)")
_HALF = re.compile(r"\b([ap])\.?\s?m\b\.?|(上午|午前|오전)|(下午|午後|오후)", re.IGNORECASE)
_YEAR_FIRST = re.compile(r"(\d{4})\s*[年년./-]\s*(\d{1,2})\s*[月월./-]\s*(\d{1,2})")
_YEAR_LAST = re.compile(r"(\d{1,2})\s*([./-])\s*(\d{1,2})\s*\2\s*(\d{4})")


def download_instant(text: str) -> tuple[datetime, list[str]]:
    """The instant that a `Date:` line tells (aware, UTC), and what had to be assumed. Raises `FileError`."""
    plain = unicodedata.normalize("NFKC", text).replace("\N{MINUS SIGN}", "-")
    notes: list[str] = []
    zone, rest = _zone(plain)
    match = _TIME.search(rest)
    if match is None:
        raise _unclear(text, "it tells no time of day")
    rest = rest.replace(match[0], " ", 1)
    hour, minute, second = (int(part or 0) for part in match.groups())
    half = _HALF.search(rest)
    if half:
        rest = rest.replace(half[0], " ", 1)
        is_afternoon = bool(half[3]) or (half[1] or "").lower() == "p"
        if not 1 <= hour <= 12:
            raise _unclear(text, "its hour and AM or PM contradict each other")
        hour = hour % 12 + 12 * is_afternoon
    year, month, day = _date(text, rest)
    if zone is None:
        other = next((word for word in _OTHER_ZONE.findall(rest) if word.lower() not in MONTHS), None)
        if other:
            raise _unclear(text, f"its time zone {other} is not known")
        zone = NEW_YORK
        notes.append("the Date line names no time zone, so New York counts")
    try:
        local = datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError as error:
        raise _unclear(text, str(error)) from None
    instant = local.astimezone(UTC)
    if not EARLIEST <= instant.date() <= LATEST:
        raise _unclear(text, f"it is not between {EARLIEST} and {LATEST}")
    return instant, notes


def _zone(text: str) -> tuple[tzinfo | None, str]:
    """The zone in a text, and the text without it."""
    offset = _OFFSET.search(text)
    if offset:
        hours = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
        if hours < timedelta(hours=15):
            return timezone(hours if offset[1] == "+" else -hours), text.replace(offset[0], " ", 1)
    named = _ZONE.search(text)
    if named is None:
        return None, text
    zone = NEW_YORK if named[1] == "ET" else timezone(timedelta(hours=ZONES[named[1]]))
    return zone, text.replace(named[0], " ", 1)


def _date(text: str, rest: str) -> tuple[int, int, int]:
    """Year, month and day in what is left when time and zone are gone."""
    match = _YEAR_FIRST.search(rest)
    if match:
        return int(match[1]), int(match[2]), int(match[3])
    match = _YEAR_LAST.search(rest)
    if match:
        first, second = int(match[1]), int(match[3])
        if match[2] == "." or first > 12 or first == second:
            return int(match[4]), second, first
        if second > 12:
            return int(match[4]), first, second
        raise _unclear(text, "day and month cannot be told apart")
    months = [MONTHS[word] for word in map(_plain, re.findall(r"[^\W\d_]+", rest)) if word in MONTHS]
    years = re.findall(r"(?<!\d)\d{4}(?!\d)", rest)
    days = re.findall(r"(?<!\d)\d{1,2}(?!\d)", rest)
    if len(months) != 1 or len(years) != 1 or len(days) != 1:
        raise _unclear(text, "it tells no date that can be read")
    return int(years[0]), months[0], int(days[0])


def _plain(word: str) -> str:
    """A word in lower case without accents."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", word.lower()) if not unicodedata.combining(sign))


def _unclear(text: str, why: str) -> FileError:
    return FileError(f"its Date line {text.strip()[:80]!r} cannot be read: {why}. Correct that line, for example to 2026-03-19 10:30 EDT")
