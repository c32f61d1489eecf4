"""What may import what: the order of rooms in the architecture, enforced on the syntax trees.

Imports inside functions and for type checkers count too. The `__init__` of a top package is exempt.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
OURS = ("flows", "models", "warehouse", "tests", "bench")
# A room imports only rooms before it, and itself.
ROOMS = (
    "models",
    *(
        f"warehouse/{room}"
        for room in (
            "settings", "home", "archive", "catalog", "storage", "load", "publish", "read", "monitor", "explain", "charts", "client", "api",
        )
    ),
    *(f"flows/{room}" for room in ("sources", "formats", "run", "history", "doctor", "demo", "prefect_app", "cli")),
)  # fmt: skip
MOST_MODULES, MOST_LINES = 12, 400  # of a folder, without its __init__; of a file
# Modules that load Prefect when they are imported, so commands import them late: Prefect reads its environment at its import.
UNDER_PREFECT = {f"flows/prefect_app/{name}.py" for name in ("decisions", "due", "flow", "limit", "next_runs", "scheduled", "serve")}
LAZY = ("apprise", "prefect", "fastapi", "uvicorn", "starlette", "prometheus_client", "plotly", "rich")

MODULES = sorted(file for folder in ("flows", "models", "warehouse") for file in (CHECKOUT / folder).rglob("*.py"))
TOP = {CHECKOUT / package / "__init__.py" for package in ("flows", "models", "warehouse")}


def shown(file: Path) -> str:
    return file.relative_to(CHECKOUT).as_posix()


def room_of(dotted: str) -> str:
    """The room of a module of ours."""
    parts = dotted.split(".")
    return "models" if parts[0] == "models" else "/".join(parts[:2])


def own_imports(file: Path) -> Iterator[str]:
    """Dotted names of modules of ours that a file imports, wherever it does."""
    for name in imports(file):
        if name.split(".")[0] in OURS and "." in name:
            yield name


@pytest.mark.parametrize("file", [file for file in MODULES if file not in TOP], ids=shown)
def test_a_room_imports_only_rooms_before_it(file: Path) -> None:
    room = room_of(shown(file).removesuffix(".py").replace("/", "."))
    assert room in ROOMS, "a new room takes its place in the order"
    before = ROOMS[: ROOMS.index(room) + 1]
    assert not {name for name in own_imports(file) if room_of(name) not in before}


@pytest.mark.parametrize("file", [file for file in MODULES if shown(file).startswith(("flows/sources/", "flows/formats/"))], ids=shown)
def test_sources_and_formats_take_only_settings_of_the_warehouse(file: Path) -> None:
    assert {room_of(name) for name in own_imports(file) if name.startswith("warehouse")} <= {"warehouse/settings"}
    assert not third_parties(file) & {"duckdb"}


def test_only_rooms_of_the_order_exist() -> None:
    folders = {shown(file.parent) for file in MODULES if file not in TOP}
    assert {"/".join(folder.split("/")[:2]) if not folder.startswith("models") else "models" for folder in folders} == set(ROOMS)


def test_a_folder_has_a_dozen_modules_at_most_and_a_file_four_hundred_lines() -> None:
    folders = {file.parent for file in MODULES}
    sizes = {shown(folder): sum(1 for file in folder.glob("*.py") if file.name != "__init__.py") for folder in folders}
    assert not {folder: size for folder, size in sizes.items() if size > MOST_MODULES}
    assert not [shown(file) for file in MODULES if len(file.read_text().splitlines()) > MOST_LINES]


def test_every_room_says_its_subject_in_one_line() -> None:
    rooms = [file for file in MODULES if file.name == "__init__.py"]
    assert {file.parent for file in MODULES} == {file.parent for file in rooms}
    assert not [shown(file) for file in rooms if not ast.get_docstring(ast.parse(file.read_text()))]


@cache
def imports(file: Path, *, only_at_start: bool = False) -> tuple[str, ...]:
    """Dotted names that a file imports; `only_at_start` leaves out those inside functions and for type checkers."""
    return tuple(_imports(file, only_at_start=only_at_start))


def _imports(file: Path, *, only_at_start: bool) -> Iterator[str]:
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


def test_only_the_client_imports_httpx() -> None:
    assert [shown(file) for file in MODULES if "httpx" in third_parties(file)] == ["flows/sources/http.py"]


def test_only_the_delivery_imports_apprise() -> None:
    assert [shown(file) for file in MODULES if "apprise" in third_parties(file)] == ["flows/run/delivery.py"]


def test_only_the_prefect_app_imports_prefect() -> None:
    assert {room_of(shown(file).replace("/", ".")) for file in MODULES if "prefect" in third_parties(file)} == {"flows/prefect_app"}


def test_only_the_command_line_knows_of_the_demo() -> None:
    importers = {shown(file) for file in MODULES if any(name.startswith("flows.demo") for name in ours(file))}
    assert {file for file in importers if not file.startswith("flows/demo/")} == {"flows/cli/commands/change.py"}


@pytest.mark.parametrize("folder", ["market", "venues"])
def test_the_synthetic_market_knows_no_wire_format_and_the_venue_server_nothing_of_runs(folder: str) -> None:
    below = {"market": ("models", "flows.demo.market"), "venues": ("flows.demo.market", "flows.demo.venues")}[folder]
    files = [file for file in MODULES if shown(file).startswith(f"flows/demo/{folder}/")]
    names = {name for file in files for name in ours(file)} - {"flows.demo"}
    assert names and all(name.startswith(below) for name in names)


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
    assert "tests." not in file.read_text()


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
    statements = [text.strip()[:60] for text in texts if statement.search(text)]
    assert not statements
