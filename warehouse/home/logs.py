"""Logging: lines on standard error, and a file per day in `<home>/logs`.

Every line has the instant (UTC), level, run id, underlying, venue, step and message; those that do not apply are empty. Lines that a
command also prints (`extra={"shown": True}`) go to the file, and to standard error only as JSON. The formatter removes secrets. Only the
logger `strikehouse` is configured: those of Prefect and other libraries are unchanged.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO

import orjson

from models.redaction import redact
from warehouse.home.paths import Home
from warehouse.settings import LogSettings, Settings

LOGGER = logging.getLogger("strikehouse")
LOGGER.addHandler(logging.NullHandler())  # nothing is printed by default
FIELDS = ("run_id", "underlying", "venue", "step")
_CONTEXT: ContextVar[dict[str, str]] = ContextVar("strikehouse_log_context", default={})  # noqa: B039 - never changed, only replaced


@contextmanager
def logged(**fields: str) -> Iterator[None]:
    """Lines of this block carry these fields: run_id, underlying, venue, step."""
    token = _CONTEXT.set({**_CONTEXT.get(), **fields})
    try:
        yield
    finally:
        _CONTEXT.reset(token)


def log_fields() -> dict[str, str]:
    """The current fields, to pass to another thread."""
    return dict(_CONTEXT.get())


class LineFormatter(logging.Formatter):
    """A record as one line, as text or as JSON, without secrets."""

    def __init__(self, *, as_json: bool, secrets: frozenset[str]) -> None:
        super().__init__()
        self._as_json, self._secrets = as_json, secrets

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as one line."""
        ts = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        context = _CONTEXT.get()
        message = record.getMessage()
        if record.exc_info:
            message = f"{message}\n{self.formatException(record.exc_info)}"
        # secrets are removed from the raw text: in JSON their quotes would be escaped
        message = redact(message, self._secrets)
        fields = {name: redact(context.get(name, ""), self._secrets) for name in FIELDS}
        if self._as_json:
            line = {"ts": ts, "level": record.levelname, **fields, "message": message}
            return orjson.dumps({name: value or None for name, value in line.items()}).decode()
        shown = " ".join(f"{name}={value}" for name, value in fields.items())
        return f"{ts} {record.levelname} {shown} {message}".replace("\n", "\\n")


class ErrorLines(logging.Handler):
    """Writes to the current standard error; as text, without lines that the command prints itself."""

    def __init__(self, level: str, *, as_json: bool, secrets: frozenset[str]) -> None:
        super().__init__(level)
        self.as_json = as_json
        self.setFormatter(LineFormatter(as_json=as_json, secrets=secrets))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        if self.as_json or not getattr(record, "shown", False):
            print(self.format(record), file=sys.stderr)


class DailyFile(logging.Handler):
    """`strikehouse-<date>.log` of the UTC day; several processes may append. A disk error ends the log file, not the command."""

    def __init__(self, folder: Path, settings: LogSettings, secrets: frozenset[str]) -> None:
        super().__init__(settings.file_level)
        self.trouble: str | None = None
        self._folder, self._keep_days = folder, settings.keep_days
        self._day: date | None = None
        self._file: IO[str] | None = None
        self.setFormatter(LineFormatter(as_json=settings.format == "json", secrets=secrets))

    def emit(self, record: logging.LogRecord) -> None:
        """Append one line."""
        if self.trouble is not None:
            return
        try:
            file = self._file_of(datetime.fromtimestamp(record.created, UTC).date())
            file.write(self.format(record) + "\n")
            file.flush()
        except OSError as error:
            self.trouble = f"{self._folder}: no log is kept ({error.strerror or error}). Correct the folder, or set logs.keep_days to 0."

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                self.trouble = self.trouble or str(error)
            self._file = None
        super().close()

    def _file_of(self, day: date) -> IO[str]:
        if self._file is None or day != self._day:
            if self._file is not None:
                self._file.close()
            self._folder.mkdir(parents=True, exist_ok=True)
            for path in self._folder.glob("strikehouse-????-??-??.log"):
                if path.stem.removeprefix("strikehouse-") <= (day - timedelta(days=self._keep_days)).isoformat():
                    path.unlink(missing_ok=True)
            self._file, self._day = (self._folder / f"strikehouse-{day}.log").open("a", encoding="utf-8"), day
        return self._file


def start_logs(settings: Settings, *, level: str | None = None, as_json: bool = False) -> None:
    """Lines on standard error from now on, as set by the settings or these options; replaces an earlier set-up."""
    stop_logs()
    as_json = as_json or settings.logs.format == "json"
    handler = ErrorLines(level or settings.logs.level, as_json=as_json, secrets=settings.secrets)
    LOGGER.addHandler(handler)
    LOGGER.propagate = False
    LOGGER.setLevel(min(handler.level, logging.getLevelName(settings.logs.file_level)))


def start_log_file(home: Home, settings: Settings) -> None:
    """Also log to the file of the day; for commands that write."""
    if settings.logs.keep_days and not any(isinstance(one, DailyFile) for one in LOGGER.handlers):
        LOGGER.addHandler(DailyFile(home.logs, settings.logs, settings.secrets))


def start_worker_log(home: Home, settings: Settings) -> None:
    """Lines of a worker process: in the file of the day only; its parent writes to standard error."""
    LOGGER.propagate = False
    LOGGER.setLevel(settings.logs.file_level)
    start_log_file(home, settings)


def stop_logs() -> str | None:
    """End logging; returns the error that ended the log file, if any."""
    trouble = None
    for handler in LOGGER.handlers[:]:
        if isinstance(handler, ErrorLines | DailyFile):
            LOGGER.removeHandler(handler)
            handler.close()
            trouble = getattr(handler, "trouble", None) or trouble
    LOGGER.propagate = True
    LOGGER.setLevel(logging.NOTSET)
    return trouble


def is_json_log() -> bool:
    """Whether lines on standard error are JSON."""
    return any(isinstance(one, ErrorLines) and one.as_json for one in LOGGER.handlers)
