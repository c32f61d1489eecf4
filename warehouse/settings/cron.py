"""Validates cron lines: Prefect must accept them, and they must come due some day.

Prefect has its own cron parser, but loading Prefect takes a second and every command reads the settings. The lines accepted here are a
subset of those that Prefect accepts (a test compares them): five fields of numbers, ranges, lists and steps; no names, no seconds.
"""

from __future__ import annotations

import re

FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 7))
DAYS_IN_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_PART = re.compile(r"(?:\*|(?P<first>\d{1,2})(?:-(?P<last>\d{1,2}))?)(?:/(?P<step>\d{1,2}))?", re.ASCII)


def check_cron_line(line: str) -> str:
    """Return the line; raises `ValueError` that names the wrong field, or says that its day never comes."""
    fields = line.split()
    if len(fields) != len(FIELDS):
        names = ", ".join(name for name, _, _ in FIELDS)
        raise ValueError(f"{line!r} is no cron line: it has {len(fields)} fields, not five ({names})")
    _, _, days, months, weekdays = (_values(line, text, *field) for text, field in zip(fields, FIELDS, strict=True))
    # If both kinds of day are limited, either may match; 0 and 7 are Sunday.
    if len({day % 7 for day in weekdays}) == 7 and min(days) > max(DAYS_IN_MONTH[month - 1] for month in months):
        raise ValueError(f"{line!r} never comes due: no month that it names has a day {min(days)}")
    return line


def _values(line: str, text: str, name: str, lowest: int, highest: int) -> set[int]:
    values: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        first, last, step = (match[key] for key in ("first", "last", "step")) if match else (None, None, "0")
        start = lowest if first is None else int(first)
        end = highest if first is None or (step and last is None) else int(last or first)
        if not (lowest <= start <= end <= highest and int(step or 1) > 0):
            raise ValueError(f"{line!r} is no cron line: its {name} {part!r} is not within {lowest} to {highest}")
        values |= set(range(start, end + 1, int(step or 1)))
    return values
