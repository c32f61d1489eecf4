"""Runs against venues over HTTP: what is published, what a failing venue leaves behind, and what is remembered of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import orjson
import pytest

from flows.demo.venues import Double
from tests.flows.conftest import Cli
from warehouse.archive.replies import folder_manifest, read_folder
from warehouse.archive.runs import read_runs
from warehouse.home.paths import Home
from warehouse.read.query import query

BOTH = ("snapshot", "SPY", "SOL", "--venue", "cboe", "--venue", "deribit", "--no-prefect")


def published(home: Home) -> set[str]:
    return set(query(home, "select underlying from core.snapshots")["underlying"])


def test_a_run_fetches_archives_loads_and_publishes(cli: Cli, venues: Double) -> None:
    said = cli(*BOTH)
    assert said.code == 0, said.err
    assert said.err == ""
    assert "SPY    cboe     ok" in said.out and "SOL    deribit  ok" in said.out
    assert "Max pain per expiry" in said.out and "Levels" in said.out
    assert f"Published generation 1: {cli.home.published_file}" in said.out
    assert published(cli.home) == {"SPY", "SOL"}
    (run,) = read_runs(cli.home)
    assert [(ask["underlying"], ask["venue"]) for ask in run["asks"]] == [("SPY", "cboe"), ("SOL", "deribit")]
    assert [one["error"] for one in run["fetched"]] == [None, None]
    for one in run["fetched"]:
        replies = read_folder(cli.home, one["folder"])
        assert replies and all(reply.status == 200 for reply in replies)
    counts = query(cli.home, "select underlying, contracts from core.snapshot_venues")
    assert {(row["underlying"], row["contracts"]) for row in cli("show", "core.snapshot_venues", "--json").json} == set(counts.iter_rows())
    payloads = query(cli.home, "select count(*) as n, count(distinct run_id) as runs from ops.payloads").row(0)
    assert payloads == (sum(len(folder_manifest(cli.home, one["folder"])["replies"]) for one in run["fetched"]), 1)

    again = cli(*BOTH)
    assert again.code == 0
    assert "Nothing new; live is generation 1" in again.out, "the same replies change nothing"
    assert query(cli.home, "select distinct run_id from core.snapshots")["run_id"].to_list() == [run["run_id"]]


@pytest.mark.parametrize(
    ("fault", "lost", "published_underlying", "says"),
    [
        ("cboe:server_error:all", "SPY", "SOL", "HTTP 503"),
        ("deribit:rate_limit:all:plain", "SOL", "SPY", "10028"),
    ],
)
def test_a_venue_that_fails_leaves_the_others_published(
    cli: Cli, venues: Double, fault: str, lost: str, published_underlying: str, says: str
) -> None:
    venues.set_faults([fault])
    said = cli(*BOTH)
    assert said.code == 3, said.err
    (line,) = [line for line in said.out.splitlines() if line.startswith(lost)]
    assert "failed" in line and says in line
    assert published(cli.home) == {published_underlying}
    (run,) = read_runs(cli.home)
    assert [bool(one["error"]) for one in run["fetched"]] == [ask["underlying"] == lost for ask in run["asks"]]
    failures = json.loads(query(cli.home, "select failures from ops.runs").item())
    assert [says in error for error in failures.values()] == [True]
    status = {row["underlying"]: row for row in cli("status", "--json").json["venues"]}
    assert (status[lost]["last_status"], status[lost]["captured_at"]) == ("failed", None)
    assert says in status[lost]["error"]


def test_nothing_usable_is_exit_one_and_readers_keep_what_they_had(cli: Cli, venues: Double) -> None:
    assert cli("snapshot", "SOL", "--venue", "deribit", "--no-prefect").code == 0
    venues.set_faults(["deribit:server_error:all"])
    said = cli("snapshot", "SOL", "--venue", "deribit", "--no-prefect")
    assert said.code == 1
    assert "Nothing usable was captured; every reply is kept in" in said.out
    assert query(cli.home, "select generation from ops.publication").item() == 1
    assert len(list(read_runs(cli.home))) == 2


def test_an_unknown_symbol_is_said_by_its_venue(cli: Cli, venues: Double) -> None:
    said = cli("snapshot", "NOTAREALSYM", "--venue", "cboe", "--no-prefect")
    assert said.code == 1
    assert "lists no options on NOTAREALSYM" in said.out


def test_spx_finds_the_underscored_file(cli: Cli, venues: Double) -> None:
    before = len(venues.requests)
    venues.set_faults(["cboe:server_error:all"])  # only the address matters here
    cli("snapshot", "_spx", "--venue", "cboe", "--no-prefect")
    assert [request.path for request in venues.requests[before:]] == ["/api/global/delayed_quotes/options/_SPX.json"]


@pytest.mark.slow
def test_a_venue_that_asks_for_a_long_rest_is_left_alone_until_then(cli: Cli, venues: Double) -> None:
    venues.set_faults(["deribit:rate_limit:all:seconds:120"])
    said = cli("snapshot", "SOL", "--venue", "deribit", "--no-prefect")
    assert said.code == 1
    assert "asks for a rest of 120 s" in said.out
    until = datetime.fromisoformat(orjson.loads(cli.home.rest_file.read_bytes())["deribit"])
    assert 100 < (until - datetime.now(UTC)).total_seconds() <= 121

    venues.set_faults([])
    before = len(venues.requests)
    again = cli(*BOTH)
    assert again.code == 3
    assert "it asked for a rest until" in again.out
    assert {request.venue for request in venues.requests[before:]} == {"cboe"}, "nobody else rests"
    assert published(cli.home) == {"SPY"}

    cli.home.rest_file.write_bytes(orjson.dumps({"deribit": "2026-01-01T00:00:00+00:00"}))
    assert cli("snapshot", "SOL", "--venue", "deribit", "--no-prefect").code == 0, "the rest is over"


@pytest.mark.slow
def test_venues_that_ask_for_a_rest_at_the_same_time_are_all_left_alone(cli: Cli, venues: Double) -> None:
    coins = {"deribit", "bybit", "okx", "binance"}
    for _ in range(3):  # they answer at the same instant, in threads of their own
        venues.set_faults(["*:rate_limit:all:seconds:120"])
        assert cli("snapshot", "SOL", "--no-prefect").code == 1
        assert orjson.loads(cli.home.rest_file.read_bytes()).keys() == coins
        cli.home.rest_file.unlink()


@pytest.mark.parametrize(
    "content", [b"[]", *(pytest.param(one, marks=pytest.mark.slow) for one in (b"{", b'{"cboe":"soon"}', b'{"cboe":5}'))]
)
def test_a_damaged_note_of_rests_costs_at_most_one_call(cli: Cli, venues: Double, content: bytes) -> None:
    cli.home.prepare()
    cli.home.rest_file.write_bytes(content)
    assert cli("snapshot", "SOL", "--venue", "deribit", "--no-prefect").code == 0


def test_no_network_is_said_per_venue_and_loses_nothing(cli: Cli) -> None:
    for venue in ("CBOE", "DERIBIT"):
        cli.set(**{f"STRIKEHOUSE_SOURCES__{venue}__BASE_URL": "http://127.0.0.1:9", f"STRIKEHOUSE_SOURCES__{venue}__MAX_ATTEMPTS": "1"})
    said = cli(*BOTH)
    assert said.code == 1
    lines = said.out.splitlines()[:2]
    assert all("failed" in line and "Check the network" in line for line in lines), lines
    (run,) = read_runs(cli.home)
    assert [one["folder"] for one in run["fetched"]] == [None, None]
