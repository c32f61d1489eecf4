"""Files for those who run workers, containers or services: that they say what the rest of the project says. docs/operations.md has the limits."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
import yaml

from flows.cli import app, main
from flows.prefect_app.due import deployments
from tests.commands import environment
from tests.conftest import CHECKOUT
from warehouse.api.app import create_app
from warehouse.home.paths import Home
from warehouse.home.version import code_version
from warehouse.settings import DEFAULT_WATCHLIST, Settings

UNIT = CHECKOUT / "packaging" / "strikehouse.service"
PACKAGES = ("flows", "models", "sql", "warehouse")
OPERATIONS = (CHECKOUT / "docs" / "operations.md").read_text()


def test_prefect_yaml_holds_the_default_watchlist() -> None:
    document = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text())
    assert [
        (one["name"], tuple(one["parameters"]["underlyings"]), [(line["cron"], line["timezone"]) for line in one["schedules"]])
        for one in document["deployments"]
    ] == [(one.name, one.underlyings, [(line, one.timezone) for line in one.schedule]) for one in deployments(DEFAULT_WATCHLIST)]
    lock = (CHECKOUT / "requirements.lock").read_text()
    assert f"prefect=={document['prefect-version']} " in lock


LOAD = """
import json, sys, yaml
from prefect.flows import load_flow_from_entrypoint
from prefect.cli.deploy._models import PrefectYamlModel
document = yaml.safe_load(open("prefect.yaml"))
PrefectYamlModel.model_validate(document)
for one in document["deployments"]:
    flow = load_flow_from_entrypoint(one["entrypoint"])
    flow.validate_parameters(one["parameters"])
    print(flow.name)
"""


@pytest.mark.slow
def test_prefect_reads_its_file_and_imports_the_entrypoints_as_a_worker_would(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOAD]
    environ = environment(tmp_path / "home", PREFECT_HOME=str(tmp_path / "prefect"))
    done = subprocess.run(command, cwd=CHECKOUT, env=environ, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.split() == ["scheduled", "scheduled"], done.stderr


def instructions(file: Path) -> list[tuple[str, str]]:
    """Instructions of a Containerfile, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", file.read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def test_the_container_installs_the_lock_as_make_does_and_runs_a_command_that_exists() -> None:
    steps = instructions(CHECKOUT / "Containerfile")
    assert {word for word, _ in steps} <= {"FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "VOLUME", "ENTRYPOINT", "CMD"}
    assert steps[0] == ("FROM", "docker.io/library/python:3.11-slim"), "the oldest Python that the project runs on"
    makefile = (CHECKOUT / "Makefile").read_text()
    runs = " && ".join(rest for word, rest in steps if word == "RUN")
    for part in ("--require-hashes --requirement requirements.lock", "--no-deps --no-build-isolation --editable ."):
        assert part in runs and part in makefile
    by_word = dict(steps)
    assert (by_word["ENTRYPOINT"], by_word["CMD"], by_word["USER"]) == ('["strikehouse"]', '["schedule"]', "strikehouse")
    assert "schedule" in list(app)


def test_what_the_container_copies_is_there_is_not_ignored_and_is_all_that_the_package_needs() -> None:
    copied = {name for word, rest in instructions(CHECKOUT / "Containerfile") if word == "COPY" for name in shlex.split(rest)[:-1]}
    assert all((CHECKOUT / name).exists() for name in copied)
    unignored = {line[1:] for line in (CHECKOUT / ".containerignore").read_text().splitlines() if line.startswith("!")}
    assert unignored == copied
    assert {"flows", "models", "warehouse", "sql", "pyproject.toml", "README.md"} <= copied


def test_the_unit_serves_the_schedules_and_starts_again() -> None:
    unit = configparser.ConfigParser()
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    service = unit["Service"]
    assert service["ExecStart"] == "/opt/strikehouse/.venv/bin/strikehouse schedule"
    assert service["Environment"] == "STRIKEHOUSE_HOME=" + service["WorkingDirectory"] == "STRIKEHOUSE_HOME=/var/lib/strikehouse"
    assert service["Restart"] == "always" and unit["Install"]["WantedBy"] == "multi-user.target"
    for word in ("/opt/strikehouse", "/var/lib/strikehouse", "strikehouse.service"):
        assert word in OPERATIONS


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    there = tmp_path / UNIT.name  # its program and user are not on this machine
    text = UNIT.read_text().replace("/opt/strikehouse/.venv/bin/strikehouse schedule", "/bin/true").replace("User=strikehouse", "User=root")
    there.write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", there], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    there.write_text(text.replace("RestartSec=30", "RestartSec=soon"))
    assert (
        "Failed to parse sec value"
        in subprocess.run(["systemd-analyze", "verify", there], capture_output=True, text=True, check=False).stderr
    )


def test_the_operations_page_says_what_is_not_tested() -> None:
    assert "Not tested: building and running the image" in OPERATIONS


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a wheel of this checkout, by path."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([CHECKOUT / "packaging" / "build-wheel", folder], check=True, timeout=120)
    (file,) = folder.iterdir()
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def files_of_the_packages() -> dict[str, bytes]:
    files = [file for package in PACKAGES for file in (CHECKOUT / package).rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    return {file.relative_to(CHECKOUT).as_posix(): file.read_bytes() for file in files}


def test_the_wheel_holds_every_file_of_the_packages_where_the_checkout_has_it(wheel: dict[str, bytes]) -> None:
    files = files_of_the_packages()
    assert {Path(name).suffix for name in files} >= {".py", ".sql", ".typed"}
    assert {name: content for name, content in wheel.items() if ".dist-info/" not in name} == files


def test_the_wheel_holds_nothing_of_tests_and_benchmarks(wheel: dict[str, bytes]) -> None:
    (top_level,) = [content.decode().split() for name, content in wheel.items() if name.endswith(".dist-info/top_level.txt")]
    assert {name.split("/")[0] for name in wheel if ".dist-info/" not in name} == set(top_level) == set(PACKAGES)


def test_types_of_each_package_are_for_others_too(wheel: dict[str, bytes]) -> None:
    assert {name for name in wheel if name.endswith("py.typed")} == {f"{name}/py.typed" for name in PACKAGES if name != "sql"}


def test_the_wheel_needs_what_the_project_depends_on_and_starts_the_command_line(wheel: dict[str, bytes]) -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    (metadata,) = [message_from_bytes(content) for name, content in wheel.items() if name.endswith(".dist-info/METADATA")]
    (scripts,) = [content.decode() for name, content in wheel.items() if name.endswith(".dist-info/entry_points.txt")]
    names = {re.match(r"[\w.-]+", needed)[0] for needed in metadata.get_all("Requires-Dist", [])}  # type: ignore[index]
    assert names == {re.match(r"[\w.-]+", needed)[0] for needed in project["dependencies"]}  # type: ignore[index]
    assert metadata["Version"] == project["version"]
    assert "strikehouse = flows.cli:main" in scripts


@pytest.mark.slow
def test_there_is_one_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    version = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
    assert code_version() == version, "make .venv/.ready, if it was changed just now"
    assert create_app(Home(tmp_path), Settings()).openapi()["info"]["version"] == version
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == version


def test_the_pins_of_an_installed_wheel_leave_out_development() -> None:
    command = [sys.executable, CHECKOUT / "packaging" / "run_time_pins.py"]
    pins = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lock = (CHECKOUT / "requirements.lock").read_text()
    names = {line.partition("==")[0].partition("[")[0] for line in pins.splitlines() if re.match(r"\w", line)}
    assert {"prefect", "duckdb", "sqlalchemy", "pydantic-core"} <= names, "those that others need are pinned too"
    assert not names & {"pytest", "hypothesis", "mypy", "ruff", "schemathesis", "sqlfluff", "uv", "vollib"}
    assert all(f"\n{line}\n" in lock for line in pins.splitlines())
    assert pins.count("--hash=") >= len(names)
