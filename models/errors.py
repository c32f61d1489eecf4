"""Every error that Strikehouse raises on purpose. A message says what happened, to what, and what to do next.

StrikehouseError
├── SettingsError               a setting is unknown, of the wrong type or impossible
├── UsageError                  the command or call asks for something that does not exist
├── FileError                   a file could not be imported; the others go on
├── BrowserMissing              a picture of a chart was asked for, and there is no browser to take it
├── BrowserFailed               the browser did not take it
├── VenueError                  one venue could not be read; the others go on
│   ├── VenueUnreachable        no connection, a time-out, a reset: may heal
│   ├── VenueBusy               it refuses for now (rate limit, ban, 5xx): may heal; carries `rest_until`
│   ├── UnknownSymbol           the venue does not list this underlying: permanent
│   ├── VenueRefused            any other refusal: permanent
│   └── MalformedReply          a reply that is not what the wire format promises
└── WarehouseError              something on disk
    ├── WorkFileLocked          another process writes
    ├── AlreadyRunning          a run of the underlying has not ended, or the schedules are served already
    ├── WorkFileTooNew          made by a newer Strikehouse
    ├── DiskProblem             full, read-only or not ours
    ├── ArchiveDamaged          an archived reply does not have the hash that its manifest says
    ├── PublicationMissing      nothing has been published yet
    ├── PublicationUnreadable   the published file cannot be opened
    ├── QueryFailed             a query that DuckDB refuses
    │   ├── QueryTooSlow        stopped at the time limit of its request
    │   └── QueryTooLarge       more rows than a request may have
    └── StructureCheckFailed    a structural check holds the publication back
"""

from __future__ import annotations

from datetime import datetime


class StrikehouseError(Exception):
    """Base of every error that Strikehouse raises on purpose."""


class SettingsError(StrikehouseError):
    """A setting is unknown, of the wrong type or impossible."""


class UsageError(StrikehouseError):
    """The command or call asks for something that does not exist."""


class FileError(StrikehouseError):
    """A file could not be imported; the others go on. The message does not name it: who reads it knows which file it was."""


class BrowserMissing(StrikehouseError):
    """A picture of a chart was asked for, and there is no browser on this machine to take it."""


class BrowserFailed(StrikehouseError):
    """The browser did not take the picture of a chart."""


class VenueError(StrikehouseError):
    """One venue could not be read; `venue` names it and the others go on."""

    def __init__(self, venue: str, message: str) -> None:
        super().__init__(f"{venue}: {message}")
        self.venue = venue


class VenueUnreachable(VenueError):
    """No connection, a time-out or a reset; a later try may succeed."""


class VenueBusy(VenueError):
    """The venue refuses for now; `rest_until` (UTC) is the instant before which it must not be asked again."""

    def __init__(self, venue: str, message: str, rest_until: datetime | None = None) -> None:
        super().__init__(venue, message)
        self.rest_until = rest_until


class UnknownSymbol(VenueError):
    """The venue does not list this underlying."""


class VenueRefused(VenueError):
    """The venue refuses the request for good."""


class MalformedReply(VenueError):
    """A reply that is not what the wire format promises."""


class WarehouseError(StrikehouseError):
    """Something on disk is missing, damaged or in use."""


class WorkFileLocked(WarehouseError):
    """Another process writes to the work file."""


class AlreadyRunning(WarehouseError):
    """Another process does it already: a run of the same underlying, or the serving of the same home's schedules."""


class WorkFileTooNew(WarehouseError):
    """The work file was made by a newer Strikehouse."""


class DiskProblem(WarehouseError):
    """The disk is full, read-only or not ours."""


class ArchiveDamaged(WarehouseError):
    """An archived reply does not have the hash that its manifest says."""


class PublicationMissing(WarehouseError):
    """Nothing has been published yet."""


class PublicationUnreadable(WarehouseError):
    """The published file cannot be opened."""


class QueryFailed(WarehouseError):
    """A query that DuckDB refuses."""


class QueryTooSlow(QueryFailed):
    """A query was stopped at the time limit of its request."""


class QueryTooLarge(QueryFailed):
    """A query gave more rows than a request may have."""


class StructureCheckFailed(WarehouseError):
    """A structural check holds the publication back."""
