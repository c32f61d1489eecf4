"""Files for those who run workers, containers or services: that they say what the rest of the project says. docs/operations.md has the limits."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flows.cli import app
from flows.prefect_app.due import deployments
from tests.commands import environment
from tests.conftest import CHECKOUT
from warehouse.settings import DEFAULT_WATCHLIST

UNIT = CHECKOUT / "packaging" / "strikehouse.service"
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
    found = instructions(CHECKOUT / "Containerfile")
    assert {word for word, _ in found} <= {"FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "VOLUME", "ENTRYPOINT", "CMD"}
    assert found[0] == ("FROM", "docker.io/library/python:3.11-slim"), "the oldest Python that the project runs on"
    makefile = (CHECKOUT / "Makefile").read_text()
    runs = " && ".join(rest for word, rest in found if word == "RUN")
    for part in ("--require-hashes --requirement requirements.lock", "--no-deps --no-build-isolation --editable ."):
        assert part in runs and part in makefile
    by_word = dict(found)
    assert (by_word["ENTRYPOINT"], by_word["CMD"], by_word["USER"]) == ('["strikehouse"]', '["schedule"]', "strikehouse")
    assert "schedule" in list(app)


def test_what_the_container_copies_is_there_is_not_ignored_and_is_all_that_the_package_needs() -> None:
    copied = {name for word, rest in instructions(CHECKOUT / "Containerfile") if word == "COPY" for name in shlex.split(rest)[:-1]}
    assert all((CHECKOUT / name).exists() for name in copied)
    kept = {line[1:] for line in (CHECKOUT / ".containerignore").read_text().splitlines() if line.startswith("!")}
    assert kept == copied
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
