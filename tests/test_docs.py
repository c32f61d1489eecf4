"""What the documentation says is true: its queries run, its results are what they print, its generated pages are current."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from pydantic import BaseModel

from flows.cli import app
from models import errors
from models.errors import StrikehouseError
from tests.conftest import CHECKOUT, Demo
from tests.readme import README, readme_after, without_seconds
from warehouse.catalog import docs_page
from warehouse.catalog.docs_page import PAGE, SETTINGS_PAGE, main, page
from warehouse.catalog.macros import MACROS
from warehouse.catalog.macros import QUERIES as OWN_QUERIES
from warehouse.catalog.settings_page import meaning, settings_page
from warehouse.read.query import query
from warehouse.settings import CheckSettings, ModelSettings, Settings, Watch, load_settings

CLI = CHECKOUT / "docs" / "cli.md"
QUERIES = CHECKOUT / "docs" / "queries.md"
TROUBLES = CHECKOUT / "docs" / "troubleshooting.md"
PAGES = [README, CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").glob("*.md"))]


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    text: str


def blocks(file: Path) -> list[Block]:
    return [Block(*parts) for parts in re.findall(r"^```(\w+)\n(.*?)^```$", file.read_text(), re.DOTALL | re.MULTILINE)]


def sql_blocks() -> list[object]:
    numbered = [(file, number, block) for file in (README, QUERIES) for number, block in enumerate(blocks(file)) if block.language == "sql"]
    return [pytest.param(block.text, id=f"{file.stem}-{number}") for file, number, block in numbered]


@pytest.mark.parametrize("sql", sql_blocks())
def test_every_query_of_the_documentation_finds_rows(demo: Demo, sql: str) -> None:
    assert query(demo.home, sql).height > 0


def test_readme_shows_what_the_demo_prints(demo: Demo) -> None:
    now = readme_after(demo.runs[0][1], demo.home)
    assert without_seconds(now) == without_seconds(README.read_text()), "run make docs"


def test_readme_python_runs(demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data-demo").symlink_to(demo.home.root)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks(README):
        if block.language == "python":
            exec(block.text, names)  # noqa: S102 - our own page
    for name in ("curve", "levels"):
        assert getattr(names[name], "height", 0) > 0


def test_readme_settings_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "strikehouse.toml").write_text(next(block.text for block in blocks(README) if block.language == "toml"))
    monkeypatch.chdir(tmp_path)
    assert list(load_settings().watchlist) == ["SPX", "BTC"]


def test_variables_of_the_readme_are_settings() -> None:
    for name in re.findall(r"\bSTRIKEHOUSE_([A-Z_]+)\b", README.read_text()):
        part: type[BaseModel] = Settings
        for field in [] if name == "CONFIG" else name.lower().split("__"):
            assert field in part.model_fields, name
            kind = part.model_fields[field].annotation
            part = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else part


def test_tables_page_is_current() -> None:
    assert page() == PAGE.read_text(), "run make docs"


def test_settings_page_is_current() -> None:
    assert settings_page() == SETTINGS_PAGE.read_text(), "run make docs"


def test_a_stale_page_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0
    monkeypatch.setattr(docs_page, "SETTINGS_PAGE", tmp_path / "settings.md")
    assert main(["--check"]) == 1
    assert capsys.readouterr().err == "docs/settings.md is stale: run make docs\n"


def settings_of(model: type[BaseModel]) -> Iterator[tuple[type[BaseModel], str]]:
    """Every setting below a section."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from settings_of(field.annotation)
        else:
            yield model, name


def test_every_setting_has_a_meaning_and_a_line_in_the_page_of_settings() -> None:
    lines = SETTINGS_PAGE.read_text().splitlines()
    for section, name in [*settings_of(Settings), *settings_of(Watch)]:
        assert meaning(section, name), f"{section.__name__}.{name}"
        assert any(line.startswith(f"| `{name}` | ") for line in lines), f"{section.__name__}.{name}"
    for name in [*ModelSettings.model_fields, *CheckSettings.model_fields]:
        assert any(line.startswith(f"| `{name}` | ") and line.endswith("| yes |") for line in lines), name


def test_command_page_is_current() -> None:
    assert app.generate_docs().strip() == CLI.read_text().strip(), "run make docs"


def test_every_command_that_prints_data_takes_json() -> None:
    """The README names the commands that do not."""
    commands = [name for name in app if not name.startswith("-")]
    without = [
        name for name in commands if "--json" not in [flag for one in app[name].assemble_argument_collection() for flag in one.names]
    ]
    (sentence,) = re.findall(r"Every command that\s+prints\s+data takes `--json`; (.*?) prints? none\.", README.read_text(), re.DOTALL)
    assert re.findall(r"`([\w-]+)`", sentence) == without


def test_every_command_is_documented() -> None:
    for name in app:
        if not name.startswith("-"):
            assert f"\n## strikehouse {name}\n" in CLI.read_text()


def test_every_macro_has_an_example() -> None:
    for name in (*MACROS, *OWN_QUERIES):
        assert any(re.search(rf"\b{name}\(", block.text) for block in blocks(QUERIES) if block.language == "sql"), name


def test_every_error_is_explained() -> None:
    groups = (StrikehouseError, errors.VenueError, errors.WarehouseError)
    public_errors = [
        one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, StrikehouseError) and one not in groups
    ]
    for one in public_errors:
        assert f"| `{one.__name__}`" in TROUBLES.read_text(), one.__name__


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_links_lead_somewhere(file: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", file.read_text()):
        assert (file.parent / target).exists(), target


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_make_targets_exist(file: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    for named in re.findall(r"(?:^|`)make ([a-z-]+)", file.read_text(), re.MULTILINE):
        assert named in targets, named
