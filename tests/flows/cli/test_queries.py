"""`strikehouse show` and `sql`: what analysts ask of a published file, and in which form they get it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.commands import CHECKOUT, PYTHON, environment
from tests.flows.conftest import Cli
from warehouse.catalog.public_relations import public_relations
from warehouse.home.paths import Home
from warehouse.read.query import query


@pytest.fixture
def ask(cli: Cli, published_home: Home) -> Cli:
    cli.use(published_home)
    return cli


def test_a_table_is_shown_whole_with_numbers_to_the_right(ask: Cli) -> None:
    said = ask("show", "core.sign_scenarios")
    assert said.code == 0
    head, rule, *rows = said.out.splitlines()
    assert head.split() == ["scenario", "call_sign", "put_sign", "meaning"]
    assert set(rule) == {"─", " "}
    assert [row.split()[:3] for row in rows] == [
        ["std", "1", "-1"],
        ["short_both", "-1", "-1"],
        ["inverted", "-1", "1"],
        ["gross", "1", "1"],
    ]


def test_a_few_wide_rows_are_shown_on_end(ask: Cli) -> None:
    said = ask("show", "latest.gex_levels", "idx", "--limit", "1")
    assert said.out.split()[:3] == ["column", "row", "1"]
    assert any(line.startswith("call_resistance") for line in said.out.splitlines())


def test_a_macro_takes_its_arguments_as_options(ask: Cli) -> None:
    rows = ask("show", "pain_curve", "IDX", "--expiry", "2026-03-20", "--strike-min", "95", "--strike-max", "105", "--json").json
    assert [row["strike"] for row in rows] == [95, 100, 105]
    rows = ask("show", "max_pain", "COIN", "--venue", "okx,bybit", "--as-of", "2026-03-02T22:30", "--limit", "1", "--json").json
    assert [row["scope_venue"] for row in rows] == ["bybit+okx"]
    rows = ask("show", "max_pain_pooled", "COIN", "--venue", "okx", "--venue", "deribit", "--complete-only", "--json").json
    assert [row["scope_venue"] for row in rows] == ["deribit+okx"]
    assert (
        ask("show", "gex_profile", "IDX", "--window-pct", "5", "--dte-max", "5", "--moneyness-min", "1", "--json").json[0]["strike"] == 100
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "max_pian"), "No table is called 'max_pian'. Known: core.snapshots"),
        (("show", "max_pain"), "max_pain needs an underlying: `strikehouse show max_pain SPX`"),
        (("show", "marts.max_pain", "--venue", "okx"), "--venues work with the macros only"),
        (("show", "core.sessions", "SPX"), "core.sessions has no column underlying"),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_line(ask: Cli, arguments: tuple[str, ...], says: str) -> None:
    said = ask(*arguments)
    assert (said.code, said.out) == (2, "")
    assert says in said.err
    assert said.err.count("\n") == 1 and said.err.startswith("strikehouse: ")


def test_an_unknown_underlying_is_an_empty_table(ask: Cli) -> None:
    assert ask("show", "max_pain", "NOTHING", "--json").json == []


STATEMENT = "select underlying, count(*) as n, sum(spot) as spots from core.snapshots group by all order by all"


def test_sql_prints_a_table_json_or_csv(ask: Cli) -> None:
    table = ask("sql", STATEMENT)
    assert [line.split() for line in table.out.splitlines()[2:]] == [["COIN", "3", "304.3"], ["IDX", "1", "100"]]
    rows = [{"underlying": "COIN", "n": 3, "spots": 304.3}, {"underlying": "IDX", "n": 1, "spots": 100.0}]
    assert ask("sql", STATEMENT, "--json").json == rows
    assert ask("sql", STATEMENT, "--format", "json").json == rows


def test_sql_writes_files(ask: Cli, tmp_path: Path) -> None:
    assert ask("sql", STATEMENT, "--output", str(tmp_path / "out.csv")).out == ""
    assert list(csv.reader(io.StringIO((tmp_path / "out.csv").read_text()))) == [
        ["underlying", "n", "spots"],
        ["COIN", "3", "304.3"],
        ["IDX", "1", "100.0"],
    ]
    ask("sql", "from marts.gex_heatmap", "--format", "parquet", "--output", str(tmp_path / "out.parquet"))
    assert pl.read_parquet(tmp_path / "out.parquet").equals(query(ask.home, "from marts.gex_heatmap"))
    ask(
        "sql",
        "select 1.5::decimal(18, 2) as d, date '2026-03-02' as day, null as nothing",
        "--format",
        "json",
        "--output",
        str(tmp_path / "out.json"),
    )
    assert json.loads((tmp_path / "out.json").read_text()) == [{"d": 1.5, "day": "2026-03-02", "nothing": None}]
    said = ask("sql", "select 1", "--output", str(tmp_path / "nowhere" / "out.csv"))
    assert said.code == 1 and "nowhere" in said.err and said.err.count("\n") == 1


def test_sql_reads_a_statement_from_standard_input(ask: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(STATEMENT))
    assert len(ask("sql", "-", "--json").json) == 2


@pytest.mark.parametrize(
    "value", ["'\\xAA'::blob", "uuid()", "time '10:00'", "{'a': [1, 2]}", "map {'k': 1}", "'nan'::double", "10::hugeint", "[1, null]", "timestamptz '2026-03-02 00:00:00+00'"]
)  # fmt: skip
def test_any_type_can_be_printed(ask: Cli, value: str) -> None:
    for form in ((), ("--json",)):
        said = ask("sql", f"select {value} as value", *form)
        assert said.code == 0, said.err


def test_a_type_that_cannot_be_printed_says_what_to_do(ask: Cli) -> None:
    said = ask("sql", "select interval 3 hours as length")
    assert (said.code, said.out) == (1, "")
    assert "cast it, for example to varchar" in said.err
    assert ask("sql", "select (interval 3 hours)::varchar as length", "--json").json == [{"length": "03:00:00"}]


def test_lists_do_not_fit_into_csv_and_that_is_said(ask: Cli) -> None:
    said = ask("sql", "select [1, 2] as both", "--format", "csv")
    assert said.code == 2
    assert "--format json" in said.err and said.err.count("\n") == 1


def test_sql_of_several_statements_gives_the_last_result(ask: Cli) -> None:
    assert ask("sql", "select 1 as one; select 2 as two", "--json").json == [{"two": 2}]


def test_a_refused_statement_is_exit_one_in_the_words_of_duckdb(ask: Cli) -> None:
    said = ask("sql", "select max_pian from latest.max_pain")
    assert said.code == 1
    assert said.err.startswith("strikehouse: The query was refused. Binder Error")
    assert "max_pain" in said.err
    for statement in ("drop table core.snapshots", f"copy core.snapshots to '{ask.home.root}/x.csv'"):
        assert ask("sql", statement).code == 1
    assert not (ask.home.root / "x.csv").exists()


def test_a_reader_that_leaves_early_is_no_error(published_home: Home) -> None:
    command = [*PYTHON, "-c", "from flows.cli import main; main()", "sql", "from range(200000)"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=CHECKOUT.parent, env=environment(published_home.root)
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    "statement",
    ["from read_csv('/etc/passwd')", "select * from read_text('/etc/passwd')", "from '{home}/work.duckdb'", "attach '{home}/work.duckdb' as work",
     "attach '{home}/other.duckdb' as other", "copy (select 1) to '{home}/out.csv'", "from glob('/*')", "install httpfs", "set lock_configuration = false",
     "set enable_external_access = true", "from read_parquet('http://127.0.0.1:9/x.parquet')", "select getenv('HOME')",
     "explain analyze copy (select 1) to '{home}/out.csv'", "pragma database_list; attach '{home}/work.duckdb'", "call pragma_user_agent(); load '/tmp/x.so'"],
)  # fmt: skip
def test_sql_reads_no_other_file_and_attaches_nothing(ask: Cli, statement: str) -> None:
    before = sorted(path.as_posix() for path in ask.home.root.rglob("*"))
    said = ask("sql", statement.format(home=ask.home.root))
    assert (said.code, said.out) == (1, "") and said.err.startswith("strikehouse: The query was refused."), said
    assert sorted(path.as_posix() for path in ask.home.root.rglob("*")) == before


def test_every_public_relation_is_shown(ask: Cli) -> None:
    for relation in public_relations():
        said = ask("show", relation, "--limit", "1", "--json")
        assert (said.code, said.err) == (0, ""), relation
