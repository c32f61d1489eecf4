"""published/schedule.json: outcomes of due runs, so that none is decided twice and `status` can report them.

It has, per underlying, the instant up to which all runs are decided, and a row per recent due instant. It is replaced whole, under a lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from models.errors import PublicationUnreadable
from models.market.schedule import Decision
from warehouse.home.files import write_whole
from warehouse.home.locks import schedule_log_lock
from warehouse.home.paths import Home


@dataclass
class ScheduleLog:
    """Decisions: `rows` hold underlying, due_at, decided_at, outcome, reason, run_id; instants are ISO texts in UTC."""

    decided_until: dict[str, str] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def decided(self, underlying: str) -> datetime | None:
        """The instant up to which everything due of an underlying is decided; None when nothing was ever decided."""
        text = self.decided_until.get(underlying)
        return datetime.fromisoformat(text) if text else None

    def begin(self, underlying: str, at: datetime) -> None:
        """Ignore everything due up to this instant: there was no schedule."""
        self.decided_until.setdefault(underlying, _text(at))

    def add(self, underlying: str, decisions: Sequence[Decision], run_id: str | None) -> None:
        """Add decisions, in order of time; `run_id` is that of the run to start."""
        for one in decisions:
            self.rows.append(
                {
                    "underlying": underlying,
                    "due_at": _text(one.due_at),
                    "decided_at": _text(one.decided_at),
                    "outcome": one.outcome,
                    "reason": one.reason,
                    "run_id": run_id if one.is_to_run else None,
                }
            )
            self.decided_until[underlying] = max(_text(one.due_at), self.decided_until.get(underlying, ""))

    def last(self) -> list[dict[str, Any]]:
        """The last row of each underlying, sorted by underlying."""
        by_underlying = {row["underlying"]: row for row in sorted(self.rows, key=lambda row: str(row["due_at"]))}
        return [by_underlying[name] for name in sorted(by_underlying)]


def read_schedule_log(home: Home) -> ScheduleLog:
    """Read the log; raises `PublicationUnreadable`."""
    try:
        content = orjson.loads(home.schedule_file.read_bytes())
        return ScheduleLog(content["decided_until"], content["runs"])
    except FileNotFoundError:
        return ScheduleLog()
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        advice = "Remove it: what was due before is then forgotten, nothing else is lost."
        raise PublicationUnreadable(f"{home.schedule_file} cannot be read ({error}). {advice}") from error


@contextmanager
def changing_schedule_log(home: Home, *, retention: timedelta, now: datetime) -> Iterator[ScheduleLog]:
    """Change the log under its lock; it is written if the block succeeds, without rows older than `retention`."""
    home.prepare()
    with schedule_log_lock(home):
        log = read_schedule_log(home)
        yield log
        oldest = _text(now - retention)
        rows = [row for row in log.rows if row["decided_at"] >= oldest]
        content = {"written_at": _text(now), "decided_until": dict(sorted(log.decided_until.items())), "runs": rows}
        write_whole(home.schedule_file, orjson.dumps(content, option=orjson.OPT_INDENT_2))


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds")
