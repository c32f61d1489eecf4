"""One run on a bad day, and what is true of it whatever the fault: rows, archive, request rate, and the venues that are well."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import orjson
import polars as pl

from flows.demo.venues import Double
from flows.demo.venues.server import WIRES, Request
from flows.run.exit_codes import DONE, PARTLY, SET_ASIDE
from flows.run.plan import make_plan
from flows.run.result import RunResult
from flows.run.steps import run_snapshot
from tests.flows.faults.expected import ATTEMPTS, WORDS, Group
from warehouse.archive.replies import folder_manifest, read_reply
from warehouse.archive.runs import read_run
from warehouse.home.paths import Home
from warehouse.publish.status import VenueOutcome
from warehouse.read.query import open_published, query_on
from warehouse.settings import Settings, Sources, StorageSettings

RATE = 40.0  # requests a second, each venue
UNDERLYING = {"cboe": "SPY", "deribit": "SOL", "bybit": "SOL", "okx": "SOL", "binance": "SOL"}
NAMES = {"SPY": ("SPY",), "SOL": ("SOL-", "SOL_")}  # how names of contracts begin
OF_A_REPLY = ["snapshot_id", "payload_sha256", "row_number"]  # what the same contract has otherwise in another reply


def settings_for(urls: Mapping[str, str], bad: Mapping[str, Mapping[str, float]]) -> Settings:
    """Fast and nearly without waiting; `bad` venues have values of their own."""
    ways = {"max_requests_per_second": RATE, "max_attempts": ATTEMPTS, "max_wait_s": 0.05, "timeout_s": 10.0}
    sources = {venue: type(getattr(Sources(), venue))(base_url=url, **{**ways, **bad.get(venue, {})}) for venue, url in urls.items()}
    return Settings(sources=Sources(**sources), storage=StorageSettings(threads=1))


@dataclass(frozen=True)
class BadDay:
    """A run with faults: what it gave, and what the double was asked."""

    home: Home
    settings: Settings
    result: RunResult
    requests: list[Request]
    stored: dict[str, pl.DataFrame]  # core.snapshot_venues, core.option_quotes, … as readers see them

    def outcome(self, venue: str) -> VenueOutcome:
        """What the run says of a venue."""
        (one,) = [one for one in self.result.outcomes if one.venue == venue]
        return one

    def requests_to(self, venue: str) -> list[Request]:
        """Requests to a venue in order."""
        return sorted((one for one in self.requests if one.venue == venue), key=lambda one: one.at)

    def hits(self, venue: str) -> list[Request]:
        """Those that a fault hit."""
        return [one for one in self.requests_to(venue) if one.fault]

    def quotes(self, venue: str) -> pl.DataFrame:
        """Stored contracts of a venue."""
        return self.stored["core.option_quotes"].filter(venue=venue)

    def replies(self, venue: str) -> list[tuple[str, dict[str, Any]]]:
        """Folder and manifest entry of each archived reply of a venue."""
        manifest = read_run(self.home, self.result.plan.run_id)
        folders = [one["folder"] for one in manifest["fetched"] if one["venue"] == venue and one["folder"]]
        return [(folder, entry) for folder in folders for entry in folder_manifest(self.home, folder)["replies"]]


TABLES = {
    "core.snapshot_venues": "from core.snapshot_venues where run_id = '{}'",
    "core.option_quotes": "from core.option_quotes where (snapshot_id, venue) in (select (snapshot_id, venue) from core.snapshot_venues where run_id = '{}') order by all",
    "ops.rejected_rows": "from ops.rejected_rows",
    "ops.runs": "from ops.runs where run_id = '{}'",
    "ops.payloads": "from ops.payloads where run_id = '{}'",
    "marts.max_pain": "from marts.max_pain order by all",
    "marts.gex_levels": "from marts.gex_levels order by all",
}  # fmt: skip


def bad_day(double: Double, home: Home, group: Group, faults: Mapping[str, str], ways: Mapping[str, float]) -> BadDay:
    """A run over the venues of a group while the bad ones have these faults and settings."""
    settings = settings_for(double.urls, dict.fromkeys(group.bad, ways))
    venues = (*group.bad, *group.good)
    double.set_faults(list(faults.values()))
    before = len(double.requests)
    try:
        plan = make_plan(sorted({UNDERLYING[venue] for venue in venues}), venues, settings, datetime.now(UTC))
        result = run_snapshot(home, settings, plan)
    finally:
        double.set_faults([])
    with open_published(home) as con:
        stored = {name: query_on(con, sql.format(plan.run_id)) for name, sql in TABLES.items()}
    return BadDay(home, settings, result, double.requests[before:], stored)


def run_exit_code(codes: list[int]) -> int:
    """Exit code of a run over venues that alone would give these: a failure outweighs what is set aside."""
    return next((code for code in (PARTLY, SET_ASIDE) if code in codes), DONE)


def assert_rate_is_respected(day: BadDay) -> None:
    """No stretch of time holds more requests than the setting, retries included."""
    for venue in {one.venue for one in day.requests}:
        paces = [(RATE, day.requests_to(venue))]
        if venue == "deribit":
            own = [one for one in day.requests_to(venue) if "get_instruments" in one.path]
            paces.append((day.settings.sources.deribit.instruments_per_second, own))
        for rate, requests in paces:
            gaps = [later.at - first.at for first, later in pairwise(requests)]
            assert min(gaps, default=math.inf) >= 1 / rate, f"{venue}: {min(gaps)} s apart, {rate:g} a second allowed"


def assert_archive_is_complete(day: BadDay, venue: str, lost: int) -> None:
    """Every reply that arrived whole is in raw/ with its hash, broken ones too; `lost` did not arrive."""
    replies = day.replies(venue)
    assert len(replies) == len(day.requests_to(venue)) - lost, (venue, len(replies), len(day.requests_to(venue)), lost)
    for folder, entry in replies:
        body = read_reply(day.home, folder, entry["file"]).body  # raises when the hash is another
        assert (len(body), hashlib.sha256(body).hexdigest()) == (entry["bytes"], entry["sha256"])
    noted = day.stored["ops.payloads"].filter(venue=venue)
    assert sorted(noted.select("folder", "file", "sha256").rows()) == sorted((f, e["file"], e["sha256"]) for f, e in replies)


def assert_failure_is_noted(day: BadDay, venue: str, *, is_fetched: bool) -> None:
    """The run's manifest, and ops.runs, name each book that could not be fetched, and no other."""
    fetched = [one for one in read_run(day.home, day.result.plan.run_id)["fetched"] if one["venue"] == venue]
    errors = {f"{one['venue']}/{one['book']}": one["error"] for one in fetched if one["error"]}
    assert bool(errors) != is_fetched, errors
    for noted in day.stored["ops.runs"]["failures"]:  # a run that changes nothing is published with the next one
        assert {key: error for key, error in orjson.loads(noted).items() if key.startswith(f"{venue}/")} == errors


def assert_rows_add_up(day: BadDay, venue: str) -> None:
    """Each row of the replies that hold open interest is a contract or a refused row, and none is both or twice."""
    wire, rejected = WIRES[venue], day.stored["ops.rejected_rows"]
    quotes, holder = day.quotes(venue), WORDS[venue]["holder"]
    assert not quotes.select("snapshot_id", "instrument").is_duplicated().any()
    for folder, entry in day.replies(venue):
        if not entry["used"] or holder not in entry["url"]:
            continue
        rows = wire.rows(orjson.loads(read_reply(day.home, folder, entry["file"]).body)) or []
        positions = [position for position, row in enumerate(rows) if _is_of(UNDERLYING[venue], row.get(wire.instrument))]
        accepted = quotes.filter(payload_sha256=entry["sha256"])["row_number"].to_list()
        refused = rejected.filter(payload_sha256=entry["sha256"], is_row_kept=False)["row_number"].to_list()
        counts = Counter([*accepted, *refused])
        assert {position: counts.pop(position, 0) for position in positions} == dict.fromkeys(positions, 1)
        assert not counts
    assert day.outcome(venue).contracts == quotes.height


def assert_open_interest_adds_up(day: BadDay) -> None:
    """Open interest of the marts is that of the live contracts of usable venues, and of no other."""
    venues = day.stored["core.snapshot_venues"]
    usable = venues.filter(status="ok").select("snapshot_id", "venue")
    live = day.stored["core.option_quotes"].filter(pl.col("is_live")).join(usable, on=["snapshot_id", "venue"])
    pain = day.stored["marts.max_pain"].filter(pl.col("snapshot_id").is_in(venues["snapshot_id"].unique().to_list()))
    of_venues = pain.filter(pl.col("scope_venue") != "all")
    assert set(of_venues.select("snapshot_id", "scope_venue").rows()) == set(usable.rows())
    for (snapshot_id,), rows in live.group_by("snapshot_id"):
        total = math.fsum(rows["oi_base"].drop_nulls())
        for scope in (of_venues, pain.filter(scope_venue="all")):
            assert math.isclose(math.fsum(scope.filter(snapshot_id=snapshot_id)["total_oi"].drop_nulls()), total, rel_tol=1e-12)


def assert_healthy_venue_is_unchanged(day: BadDay, venue: str, good: BadDay) -> None:
    """A venue without a fault has the rows and marts of a good day, to the last bit."""
    assert (day.outcome(venue).status, day.outcome(venue).error) == ("ok", None)
    assert day.quotes(venue).drop("snapshot_id").equals(good.quotes(venue).drop("snapshot_id"))
    for table in ("marts.max_pain", "marts.gex_levels"):
        ours, theirs = (
            one.stored[table].filter(underlying=UNDERLYING[venue], scope_venue=venue, session_date=_session(good, venue))
            .drop("snapshot_id", "captured_at", "is_only_venue", strict=False).sort(pl.all())
            for one in (day, good)
        )  # fmt: skip
        assert theirs.height and ours.equals(theirs), table


def _session(day: BadDay, venue: str) -> Any:
    return day.stored["core.snapshot_venues"].filter(venue=venue)["session_date"].item()


def _is_of(underlying: str, name: Any) -> bool:
    return not isinstance(name, str) or name.startswith(NAMES[underlying])
