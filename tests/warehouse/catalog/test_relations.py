"""SQL relations: the order in which they run is read off them, and each says what it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from models.contracts.registry import TABLES
from models.errors import WarehouseError
from warehouse.catalog.checks import all_checks, check_from
from warehouse.catalog.relations import SQL_FOLDER, all_relations, in_run_order, relation_from

RELATION_FILES = sorted(file for schema in ("core", "marts") for file in (SQL_FOLDER / schema).glob("*.sql"))


def shown(file: Path) -> str:
    return file.relative_to(SQL_FOLDER).as_posix()


def header(file: Path) -> list[str]:
    """The comment lines on top of a file."""
    lines = []
    for line in file.read_text().splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return lines


def test_a_relation_comes_after_all_that_it_reads() -> None:
    seen: set[str] = set()
    computed = {relation.name for relation in all_relations()}
    for relation in all_relations():
        assert relation.inputs & computed <= seen, relation.name
        seen.add(relation.name)
    assert {"marts.gex_levels", "marts.max_pain", "marts.max_pain_pooled", "marts.pain_curve"} <= seen


def test_run_order_does_not_depend_on_the_order_of_files() -> None:
    assert in_run_order(list(all_relations())[::-1]) == all_relations()


def test_inputs_are_what_from_and_join_name_and_not_the_ctes() -> None:
    sql = "with one as (select * from core.one), two as (select * from one join marts.two using (k)) select * from two"
    assert relation_from("marts.three", sql).inputs == {"core.one", "marts.two"}


def test_a_circle_is_an_error_that_names_it() -> None:
    first = relation_from("core.first", "select * from core.second")
    second = relation_from("core.second", "select * from core.first")
    with pytest.raises(WarehouseError, match=r"core\.first → core\.second → core\.first|core\.second → core\.first → core\.second"):
        in_run_order([first, second])


@pytest.mark.parametrize("source", ["raw.replies", "store.max_pain", "ops.runs", "'file.parquet'", "read_csv('file.csv')", "quotes"])
def test_a_mart_reads_core_and_marts_only(source: str) -> None:
    with pytest.raises(WarehouseError, match="reads core and marts only"):
        relation_from("marts.mine", f"select * from {source}")


@pytest.mark.parametrize("sql", ["select 1; select 2", "create table t (a int)", "delete from core.snapshots", ""])
def test_a_relation_is_exactly_one_select(sql: str) -> None:
    with pytest.raises(WarehouseError, match="exactly one SELECT"):
        relation_from("marts.mine", sql)


@pytest.mark.parametrize("file", RELATION_FILES, ids=shown)
def test_a_relation_says_what_it_is_its_grain_and_its_definition(file: Path) -> None:
    lines = header(file)
    name = f"{file.parent.name}.{file.stem}"
    assert lines[0].startswith(f"{name}: "), "the first line says what it is"
    text = "\n".join(lines)
    assert re.search(r"^One row per snapshot_id, |^One row per series_id", text, re.MULTILINE), "its grain"
    assert re.search(r"definitions §\d", text), "the section of the definitions"
    if name in TABLES and any(unit in "".join(TABLES[name].column_names()) for unit in ("usd", "spot", "oi")):
        assert re.search(r"Unit[^:]*: |Units as |scale", text), "the unit"


@pytest.mark.parametrize("file", RELATION_FILES, ids=shown)
def test_a_relation_ends_with_its_last_relation_and_stored_ones_are_in_order(file: Path) -> None:
    statement = re.sub(r"--.*", "", file.read_text())
    assert re.search(r"select \* from final\s*(order by [^()]+)?$", statement.strip()), "last line: select * from final"
    name = f"{file.parent.name}.{file.stem}"
    if name in TABLES:
        ordered = statement.strip().rsplit("order by", 1)[1].replace("\n", " ")
        columns, key = [column.strip() for column in ordered.split(",")], TABLES[name].primary_key()
        assert columns == key or (name == "core.series" and columns == ["snapshot_id", "series_id"]), "sorted by its key"


@pytest.mark.parametrize("relation", all_relations(), ids=lambda relation: relation.name)
def test_a_relation_is_a_published_table_or_on_the_way_to_one(relation: object) -> None:
    assert relation.is_transient + relation.is_view + (relation.name in TABLES) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("folder", ["macros", "views/latest", "views/marts", "migrations", "history", "."])
def test_other_sql_files_open_with_a_comment(folder: str) -> None:
    files = sorted((SQL_FOLDER / folder).glob("*.sql"))
    assert files
    for file in files:
        assert len(" ".join(header(file))) > 20, file


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.name)
def test_a_check_has_a_full_header_and_a_reason_in_words(check: object) -> None:
    assert check.why.endswith("."), check.why  # type: ignore[attr-defined]
    assert len(check.why.split()) >= 6, "why it matters, in words"  # type: ignore[attr-defined]


@pytest.mark.parametrize("line", ["severity: required", "scope: structure", "needs: snapshot", "why: because it must."])
def test_a_check_without_one_header_line_is_an_error(tmp_path: Path, line: str) -> None:
    whole = ["-- severity: required", "-- scope: structure", "-- needs: snapshot", "-- why: because it must.", "select 1 as one"]
    file = tmp_path / "mine.sql"
    file.write_text("\n".join(whole))
    assert check_from(file).name == "mine"
    file.write_text("\n".join(one for one in whole if one != f"-- {line}"))
    with pytest.raises(WarehouseError, match=rf"mine\.sql: the header needs `-- {line.split(':', maxsplit=1)[0]}: `"):
        check_from(file)
    file.write_text("\n".join(whole).replace(line, line.split(":", maxsplit=1)[0] + ": perhaps"))
    if not line.startswith("why"):
        with pytest.raises(WarehouseError, match="and one of"):
            check_from(file)


def test_structural_checks_return_no_venue_and_the_others_say_whose_rows_failed() -> None:
    assert {check.scope for check in all_checks()} == {"structure", "snapshot-venue"}
    for check in all_checks():
        if check.scope == "snapshot-venue":
            assert re.search(r"\bvenue\b", check.sql) and "snapshot_id" in check.sql, check.name
