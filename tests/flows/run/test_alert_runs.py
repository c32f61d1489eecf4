"""Alerts of whole runs, delivered over real HTTP: once, again after a failure, in the published table, and never with their address."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flows.demo.venues import Double
from tests.flows.alert_hook import Hook, rules, table, without_token
from tests.flows.conftest import Cli
from warehouse.read.query import query

RUN = ("snapshot", "SPY", "SOL", "--venue", "cboe", "--venue", "deribit", "--no-prefect")
MISSING = 'kind = "venue_missing"'


@pytest.mark.slow
def test_a_missing_venue_is_alerted_once_until_it_is_back_and_then_again(cli: Cli, venues: Double, hook: Hook) -> None:
    rules(hook, MISSING, more="notify_cleared = true")
    assert cli(*RUN).code == 0
    assert hook.lines == []
    venues.set_faults(["deribit:server_error:all"])
    said = cli(*RUN)
    assert said.code == 3 and "Alert: SOL is missing on deribit: " in said.out
    (line,) = hook.lines
    assert line.startswith("SOL is missing on deribit: ") and "HTTP 503" in line
    assert hook.got[0]["title"] == "Strikehouse"
    assert cli(*RUN).code == 3
    assert len(hook.lines) == 1, "told once"
    assert [(row["alert_key"], row["cleared_at"]) for row in table(cli.home)] == [("venue_missing|SOL|deribit", None)]
    (shown,) = cli("status", "--json").json["alerts"]
    assert shown["delivered_at"] and shown["message"] == line
    venues.set_faults([])
    said = cli(*RUN)
    assert "Alert over: SOL is missing" in said.out
    assert hook.lines[1:] == [f"Over: {line}"]
    assert cli("status", "--json").json["alerts"] == []
    venues.set_faults(["deribit:server_error:all"])
    cli(*RUN)
    assert len(hook.lines) == 3, "again after it was over"
    without_token(cli.home, said)


@pytest.mark.slow
def test_what_opens_in_a_run_is_published_with_it(cli: Cli, venues: Double, hook: Hook) -> None:
    rules(hook, MISSING)
    venues.set_faults(["deribit:server_error:all"])
    assert cli(*RUN).code == 3
    (row,) = table(cli.home)
    assert (row["rule"], row["kind"], row["underlying"], row["delivered_at"]) == ("venue_missing", "venue_missing", "SOL", None)
    venues.set_faults([])
    cli(*RUN)
    (row,) = table(cli.home)
    assert row["delivered_at"] is not None and row["cleared_at"] is not None and row["delivered_to"] == "1:json"


@pytest.mark.slow
def test_a_delivery_that_fails_never_fails_the_run_and_is_tried_again(cli: Cli, venues: Double, hook: Hook) -> None:
    rules(hook, MISSING)
    hook.status = 500
    venues.set_faults(["deribit:server_error:all"])
    said = cli(*RUN)
    assert said.code == 3, "the venue's failure, and nothing of the delivery"
    assert "Alert not delivered: 1:json: " in said.out and hook.lines == []
    without_token(cli.home, said)
    (shown,) = cli("status", "--json").json["alerts"]
    assert shown["delivered_at"] is None and shown["delivery_error"].startswith("1:json: ")
    hook.status = 200
    cli(*RUN)
    assert len(hook.lines) == 1
    cli(*RUN)
    assert len(hook.lines) == 1
    assert cli("status", "--json").json["alerts"][0]["delivery_error"] is None


def test_an_address_that_does_not_answer_holds_up_nothing(cli: Cli, venues: Double, hook: Hook) -> None:
    rules(hook, MISSING, more="timeout_s = 1")
    hook.shutdown()
    hook.server_close()
    venues.set_faults(["deribit:server_error:all"])
    said = cli(*RUN)
    assert said.code == 3 and "Alert not delivered: 1:json: " in said.out
    assert query(cli.home, "select count(*) from core.snapshots").item() == 1
    without_token(cli.home, said)


def test_stale_data_are_alerted_though_no_run_happens(cli: Cli, venues: Double, hook: Hook) -> None:
    rules(hook, 'kind = "stale"')
    venues.set_now(datetime.now(UTC) - timedelta(days=2))
    try:
        assert cli("snapshot", "SOL", "--venue", "deribit", "--no-prefect").code == 0
    finally:
        venues.set_session(1)
    assert hook.lines == ["SOL on deribit is unavailable: over 24 hours old"], "a run tells, too"
    home = cli.home
    said = cli("status", "--alert")
    assert said.code == 5 and len(hook.lines) == 1, "and it is not told again"
    assert "(delivered): SOL on deribit is unavailable" in said.out
    rules(hook, 'kind = "stale"\nname = "late"')
    said = cli("status", "--alert")
    assert said.code == 5 and len(hook.lines) == 2, "another rule is another alert"
    without_token(home, said)


@pytest.mark.slow
def test_a_flip_crossed_between_two_runs_is_alerted_and_clears_with_the_next(cli: Cli, venues: Double, hook: Hook) -> None:
    rules(hook, 'kind = "flip_crossed"', 'kind = "regime_changed"', 'kind = "max_pain_moved"\npct = 0.01')
    delivered = []
    for session in (1, 2, 3, 4):
        venues.set_session(session)
        before = len(hook.lines)
        assert cli("snapshot", "SPY", "--venue", "cboe", "--no-prefect").code == 0
        delivered.append(hook.lines[before:])
    levels = query(
        cli.home,
        """
        select spot >= gamma_flip as above from marts.gex_levels
        where underlying = 'SPY' and scope_venue = 'all' and scope_expiry = 'all' order by captured_at
        """,
    )["above"].to_list()
    sides = [(side, [one for one in levels[: number + 1] if one is not None]) for number, side in enumerate(levels)]
    expected = [side is not None and len(known) > 1 and known[-1] != known[-2] for side, known in sides]
    assert [any("crossed the gamma flip" in line for line in lines) for lines in delivered] == expected
    drift = query(
        cli.home,
        "select snapshot_id, count_if(abs(drift_pct) > 0.01) as n from marts.max_pain_drift where scope_venue = 'all' group by all order by all",
    )["n"].to_list()
    rows = [row for row in table(cli.home) if row["kind"] == "max_pain_moved"]
    assert delivered[0] == [] and sum(one or 0 for one in drift) >= len(rows) > 0, "one that goes on moving the same way is one alert"
