"""Chains that are plainly broken: archived, refused as a whole or set aside, with the reason; readers keep the last good one."""

from __future__ import annotations

from typing import Any

import pytest

from flows.demo.venues import Double
from tests.flows.conftest import Cli
from warehouse.archive.replies import folder_manifest
from warehouse.archive.runs import read_runs
from warehouse.read.query import query
from warehouse.settings import load_settings
from warehouse.storage.work_file import open_work

SOL = ("snapshot", "SOL", "--venue", "deribit", "--no-prefect")


def venue_row(cli: Cli) -> dict[str, Any]:
    return query(cli.home, "from core.snapshot_venues order by captured_at desc limit 1").row(0, named=True)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("deribit:null_oi", "no_open_interest: none of "),
        ("deribit:no_iv_no_price", "no_prices: 0 of "),
        ("deribit:one_side_gone:C", "side_gone: 0 of "),
    ],
)
def test_a_broken_chain_is_archived_and_refused_as_a_whole(cli: Cli, venues: Double, fault: str, reason: str) -> None:
    venues.set_faults([fault])
    said = cli(*SOL)
    assert said.code == 1
    assert "SOL    deribit  rejected" in said.out and reason in said.out
    assert not cli.home.published_file.exists(), "there is nothing good to publish"
    (run,) = read_runs(cli.home)
    (one,) = run["fetched"]
    assert one["error"] is None and folder_manifest(cli.home, one["folder"])["replies"][0]["used"], "the reply itself is kept"


@pytest.mark.slow
def test_a_refused_chain_leaves_the_last_good_one_and_says_why(cli: Cli, venues: Double) -> None:
    assert cli(*SOL).code == 0
    venues.set_session(2)
    venues.set_faults(["deribit:no_iv_no_price:0.6"])
    said = cli(*SOL)
    assert said.code == 1, "nothing usable"
    row = venue_row(cli)
    assert (row["status"], row["error"].split(":")[0]) == ("rejected", "no_prices")
    assert row["contracts"] > 50, "its contracts are in core.option_quotes"
    assert query(cli.home, "select count(*) from core.snapshots").item() == 1
    status = cli("status", "--json").json["venues"][0]
    assert (status["last_status"], status["captured_at"][:10]) == ("rejected", "2026-11-16")


@pytest.mark.slow
def test_half_a_chain_is_set_aside_with_exit_four_and_the_next_good_one_is_fine(cli: Cli, venues: Double) -> None:
    assert cli(*SOL).code == 0
    venues.set_session(2)
    venues.set_faults(["deribit:half_chain:0.6"])
    said = cli(*SOL)
    assert said.code == 4
    assert "SOL    deribit  rejected" in said.out and "live_contracts_halved" in said.out
    assert venue_row(cli)["error"] == "live_contracts_halved"
    assert query(cli.home, "select check_name, severity from ops.check_results where severity = 'required'").rows() == [
        ("live_contracts_halved", "required")
    ]
    assert query(cli.home, "select session_date::varchar from latest.snapshots").item() == "2026-11-16"
    venues.set_session(3)
    venues.set_faults([])
    assert cli(*SOL).code == 0
    assert query(cli.home, "select session_date::varchar from latest.snapshots").item() == "2026-11-18"


@pytest.mark.parametrize(
    ("fault", "reason", "field", "value"),
    [
        ("deribit:negative_oi:0.1", "negative", "open_interest", "-"),
        ("deribit:duplicate_rows:0.05:conflict", "conflicting_duplicate", "open_interest", ""),
    ],
)
@pytest.mark.slow
def test_rows_that_cannot_be_right_are_refused_one_by_one_and_stored_with_reason_and_value(
    cli: Cli, venues: Double, fault: str, reason: str, field: str, value: str
) -> None:
    venues.set_faults([fault])
    said = cli(*SOL)
    assert said.code == 0, said.out
    rows = query(cli.home, f"from ops.rejected_rows where reason = '{reason}'")
    assert rows.height >= 3, query(cli.home, "select reason, field, count(*) from ops.rejected_rows group by all").rows()
    assert set(rows["field"]) <= {field, "instrument_name", None}
    assert rows["value"].drop_nulls().str.contains(value, literal=True).all()
    assert rows["instrument"].str.starts_with("SOL").all()
    assert " rows or values refused" in said.out


def test_a_run_whose_warehouse_is_broken_is_not_published_and_says_so(cli: Cli, venues: Double) -> None:
    assert cli(*SOL).code == 0
    with open_work(cli.home, load_settings(), "break") as con:
        con.execute("insert into core.snapshots from core.snapshots")
    venues.set_session(2)
    said = cli(*SOL)
    assert said.code == 4
    assert "Not published. Readers keep the last good file, because of " in said.out
    assert "repeated_keys" in said.out and "strikehouse rebuild" in said.out
    assert query(cli.home, "select generation from ops.publication").item() == 1
    assert "repeated_keys" in cli("status", "--json").json["held"]
    assert "The last run was not published" in cli("status").out
    again = cli("publish")
    assert again.code == 4 and "Readers keep the last good file, because of " in again.err
