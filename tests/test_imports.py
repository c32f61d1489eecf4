"""What may import what: the folder table of the architecture, enforced on the syntax trees."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
OURS = ("flows", "models", "warehouse", "tests", "bench")
UNDER_PREFECT = {f"flows/{name}.py" for name in ("decisions", "due", "next_runs", "prefect_limit", "scheduled", "serve", "snapshot")}
LAZY = ("apprise", "prefect", "fastapi", "uvicorn", "starlette", "prometheus_client", "plotly", "rich")

MODULES = sorted(file for folder in ("flows", "models", "warehouse") for file in (CHECKOUT / folder).rglob("*.py"))


def shown(file: Path) -> str:
    return file.relative_to(CHECKOUT).as_posix()


def imports(file: Path, *, only_at_start: bool = False) -> Iterator[str]:
    """Dotted names that a file imports; `only_at_start` leaves out those inside functions and for type checkers."""
    tree = ast.parse(file.read_text())
    nodes: Iterator[ast.AST] | list[ast.stmt] = ast.walk(tree)
    if only_at_start:
        nodes = [inner for node in tree.body for inner in ([node] if not isinstance(node, ast.Try) else node.body)]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{shown(file)}: imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def third_parties(file: Path) -> set[str]:
    tops = {name.split(".")[0] for name in imports(file)}
    return tops - set(sys.stdlib_module_names) - set(OURS)


def ours(file: Path) -> set[str]:
    return {name for name in imports(file) if name.split(".")[0] in OURS}


@pytest.mark.parametrize("file", [file for file in MODULES if shown(file).startswith("models/")], ids=shown)
def test_models_know_rows_and_maths_and_nothing_of_files_or_networks(file: Path) -> None:
    assert third_parties(file) <= {"polars", "numpy", "scipy", "dataframely"}
    assert {name.split(".")[0] for name in ours(file)} <= {"models"}
    assert not {"socket", "urllib", "http", "pathlib", "os", "io", "tempfile", "sqlite3", "subprocess"} & {
        name.split(".")[0] for name in imports(file)
    }
    assert not re.search(r"\b(open|read_csv|read_parquet|scan_parquet|write_parquet)\(", file.read_text()), "no file is opened"


@pytest.mark.parametrize("file", [file for file in MODULES if shown(file).startswith("warehouse/")], ids=shown)
def test_the_warehouse_never_fetches_and_never_parses(file: Path) -> None:
    assert {name.split(".")[0] for name in ours(file)} <= {"models", "warehouse"}
    assert not third_parties(file) & {"httpx", "prefect", "requests", "urllib3", "aiohttp"}


@pytest.mark.parametrize("file", [file for file in MODULES if shown(file).startswith("flows/sources/")], ids=shown)
def test_a_source_knows_models_and_its_settings(file: Path) -> None:
    below = {name for name in ours(file) if not name.startswith(("models", "flows.sources"))}
    assert {".".join(name.split(".")[:2]) for name in below} - {"warehouse", "flows"} <= {"warehouse.settings"}
    assert not third_parties(file) & {"duckdb", "prefect"}


def test_only_the_client_imports_httpx() -> None:
    assert [shown(file) for file in MODULES if "httpx" in third_parties(file)] == ["flows/sources/http.py"]


def test_only_the_delivery_imports_apprise() -> None:
    assert [shown(file) for file in MODULES if "apprise" in third_parties(file)] == ["flows/run/delivery.py"]


def test_only_flows_import_prefect() -> None:
    assert {shown(file).split("/")[0] for file in MODULES if "prefect" in third_parties(file)} == {"flows"}


@pytest.mark.parametrize("file", MODULES, ids=shown)
def test_nothing_needs_what_only_development_installs(file: Path) -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    only_development = {re.split(r"[^\w-]", one)[0].replace("-", "_").lower() for one in [*groups["dev"], *groups["bench"]]} | {"pandas"}
    assert "exchange_calendars" in only_development
    assert not third_parties(file) & only_development


@pytest.mark.parametrize("file", MODULES, ids=shown)
def test_nothing_imports_tests_or_benchmarks(file: Path) -> None:
    assert not {name.split(".")[0] for name in ours(file)} & {"tests", "bench"}
    if "tests." in file.read_text():
        assert shown(file) == "flows/demo.py", "the demo starts the venue server as a process of its own"


@pytest.mark.parametrize("file", MODULES, ids=shown)
def test_heavy_imports_wait_until_they_are_needed(file: Path) -> None:
    at_start = {name.split(".")[0] for name in imports(file, only_at_start=True)} & set(LAZY)
    if shown(file).startswith("warehouse/api/"):
        at_start -= {"fastapi", "uvicorn", "starlette", "prometheus_client"}  # only `strikehouse api` imports the package
    assert at_start == (
        {"prefect"} if shown(file) in UNDER_PREFECT - {"flows/prefect_app/decisions.py", "flows/prefect_app/next_runs.py"} else set()
    ), "those under Prefect are themselves imported late"
    if shown(file) not in UNDER_PREFECT:
        late = {name.removesuffix(".py").replace("/", ".") for name in UNDER_PREFECT}
        assert not late & set(imports(file, only_at_start=True)), "Prefect reads its environment when it is imported"


@pytest.mark.parametrize("file", [file for file in MODULES if not shown(file).startswith("warehouse/api/")], ids=shown)
def test_nothing_else_imports_the_api_at_start(file: Path) -> None:
    assert not [name for name in imports(file, only_at_start=True) if name.startswith("warehouse.api")]


@pytest.mark.parametrize("file", [file for file in MODULES if shown(file).startswith("flows/")], ids=shown)
def test_flows_hold_no_sql_text(file: Path) -> None:
    statement = re.compile(
        r"^\s*((select|insert|update|delete|create|drop|with|from)\b(?=.*\b(from|into|table|select)\b)|(checkpoint|begin|commit)$)",
        re.IGNORECASE | re.DOTALL,
    )
    tree = ast.parse(file.read_text())
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and isinstance(node.body[0], ast.Expr)
    }
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    ]
    found = [text.strip()[:60] for text in texts if statement.search(text)]
    assert not found
