"""Logs of runs: every line says run, underlying, venue and step, in a file per day; no secret gets into a log, a manifest or a reply's notes."""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path

import pytest

from flows.demo.venues import Double
from flows.sources.http import VenueClient
from models.chain import RawPayload
from tests.commands import strikehouse
from tests.flows.conftest import Cli
from warehouse.archive.runs import read_runs
from warehouse.home.logs import LOGGER, logged, start_log_file, start_logs, stop_logs
from warehouse.home.paths import Home
from warehouse.settings import AlertSettings, ApiSettings, DeribitSettings, LogSettings, Settings

RUN = ("snapshot", "SPY", "SOL", "--venue", "cboe", "--venue", "deribit", "--no-prefect")
SECRETS = ("hookTokenAbc", "apiKeyOfMine1", "queryTokenXyz")


def log_file(home: Home) -> Path:
    (file,) = home.logs.glob("strikehouse-????-??-??.log")
    return file


def test_every_line_of_a_run_says_run_underlying_venue_and_step(cli: Cli, venues: Double) -> None:
    cli.set(STRIKEHOUSE_LOGS__FORMAT="json")
    assert cli(*RUN).code == 0
    (run,) = read_runs(cli.home)
    lines = [json.loads(line) for line in log_file(cli.home).read_text().splitlines()]
    assert all(set(line) == {"ts", "level", "run_id", "underlying", "venue", "step", "message"} for line in lines)
    assert {line["run_id"] for line in lines} == {run["run_id"]}
    locations = [(line["step"], line["underlying"], line["venue"]) for line in lines]
    assert {("fetch", None, "cboe"), ("fetch", None, "deribit")} <= set(locations[:2]), "the venues at the same time"
    assert locations[2:] == [
        ("parse", "SPY", "cboe"), ("load", "SPY", None), ("parse", "SOL", "deribit"), ("load", "SOL", None), ("publish", None, None),
        ("end", "SPY", "cboe"), ("end", "SOL", "deribit"),
    ]  # fmt: skip


@pytest.mark.prefect
@pytest.mark.slow
def test_with_prefect_lines_say_the_same(tmp_path: Path, venues: Double, cli: Cli) -> None:
    variables = {f"STRIKEHOUSE_SOURCES__{venue.upper()}__BASE_URL": url for venue, url in venues.urls.items()}
    done = strikehouse(
        tmp_path / "prefect" / "home", *RUN[:-1], "--log-json", "--log-level", "INFO", variables=variables, python=[sys.executable]
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert len({line["run_id"] for line in lines}) == 1 and lines[0]["run_id"]
    assert {("fetch", None, "cboe"), ("parse", "SPY", "cboe"), ("load", "SOL", None), ("publish", None, None)} <= {
        (line["step"], line["underlying"], line["venue"]) for line in lines
    }


def test_what_a_command_prints_is_in_the_file_and_not_said_twice(cli: Cli, venues: Double) -> None:
    venues.set_faults(["deribit:server_error:all"])
    said = cli(*RUN)
    assert (said.code, said.err) == (3, "")
    assert re.search(r" WARNING run_id=\S+ underlying= venue=deribit step=fetch book USDC: .*HTTP 503", log_file(cli.home).read_text())


def test_an_error_is_a_line_of_json_where_lines_are(cli: Cli) -> None:
    said = cli("status", "--log-json")
    assert said.code == 1
    line = json.loads(said.err)
    assert line["level"] == "ERROR" and "no run has ended yet" in line["message"]
    assert not cli.home.root.exists(), "a command that only reads makes nothing"


def test_a_level_that_does_not_exist_is_wrong_use(cli: Cli) -> None:
    said = cli("status", "--log-level", "LOUD")
    assert said.code == 2 and "LOUD" in said.err + said.out
    cli.set(STRIKEHOUSE_LOGS__LEVEL="LOUD")
    said = cli("status")
    assert said.code == 2 and said.err.count("\n") == 1 and "logs.level" in said.err


def test_files_of_earlier_days_are_removed(cli: Cli, venues: Double) -> None:
    cli.home.logs.mkdir()
    old, mine = cli.home.logs / "strikehouse-2020-01-01.log", cli.home.logs / "notes-2020-01-01.log"
    old.write_text("x")
    mine.write_text("x")
    assert cli("snapshot", "SOL", "--venue", "deribit", "--no-prefect").code == 0
    assert not old.exists() and mine.exists()
    log_file(cli.home).unlink()
    cli.set(STRIKEHOUSE_LOGS__KEEP_DAYS="0")
    assert cli("publish").code == 0
    assert [file.name for file in cli.home.logs.iterdir()] == [mine.name], "0: no file"


def test_a_folder_that_cannot_hold_logs_is_said_and_ends_nothing(cli: Cli, venues: Double) -> None:
    cli.home.logs.write_text("a file")
    said = cli("snapshot", "SOL", "--venue", "deribit", "--no-prefect")
    assert said.code == 0
    assert said.err.startswith("strikehouse: ") and said.err.count("\n") == 1 and "no log is kept" in said.err


@pytest.mark.parametrize("format", ["text", "json"])
def test_no_secret_gets_into_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], format: str) -> None:
    home = Home(tmp_path)
    settings = Settings(
        alerts=AlertSettings(urls=f"json://127.0.0.1/{SECRETS[0]}"),  # type: ignore[arg-type]
        api=ApiSettings(keys=(SECRETS[1],)),
        logs=LogSettings(level="DEBUG", file_level="DEBUG", format=format),  # type: ignore[arg-type]
    )
    start_logs(settings)
    start_log_file(home, settings)
    try:
        log = logging.getLogger("strikehouse.test")
        with logged(run_id="run-1", venue=SECRETS[0]):
            log.info("sent to json://127.0.0.1/%s", SECRETS[0])
            log.debug("asked with %s", {"headers": {"Authorization": f"Bearer {SECRETS[2]}", "X-Key": SECRETS[1]}})
            try:
                raise ValueError(f"GET https://x.example/y?apikey={SECRETS[2]}&signature={SECRETS[2]}")
            except ValueError:
                log.exception("it failed\nwith two lines")
    finally:
        assert stop_logs() is None
    written = (log_file(home).read_text(), capsys.readouterr().err)
    for text in written:
        assert text.count("\n") == 3, "a line each, whatever the message holds"
        assert "[redacted]" in text and "ValueError" in text and "two lines" in text
        assert not [secret for secret in SECRETS if secret in text]


def test_without_a_command_nothing_is_printed_or_written(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("strikehouse.test").warning("heard by nobody")
    assert capsys.readouterr() == ("", "") and len(LOGGER.handlers) == 1


def test_settings_show_no_address(cli: Cli) -> None:
    settings = Settings(alerts=AlertSettings(urls=f"json://127.0.0.1/{SECRETS[0]}"))  # type: ignore[arg-type]
    assert SECRETS[0] not in f"{settings!r} {settings} {settings.model_dump_json()} {settings.model_dump()}"
    assert settings.numbers_hash == Settings().numbers_hash
    Path("strikehouse.toml").write_text(f'[alerts]\nurls = [["{SECRETS[0]}"]]\n')
    said = cli("status")
    assert said.code == 2 and SECRETS[0] not in said.err and "alerts.urls" in said.err


def test_replies_are_archived_without_cookies_and_query_secrets(one_double: Double) -> None:
    archived: list[RawPayload] = []
    address = one_double.urls["deribit"].replace("://", f"://reader:{SECRETS[2]}@")
    settings = DeribitSettings(base_url=address, max_attempts=1)
    params = {"index_name": "btc_usd", "apikey": SECRETS[1], "signature": SECRETS[2]}
    with VenueClient("deribit", settings, record=archived.append) as http:
        http.get("doctor", "index-btc_usd", "/api/v2/public/get_index_price", params, judge=lambda payload: None)
    (payload,) = archived
    shown = f"{payload.url} {payload.params} {payload.headers}"
    assert not [secret for secret in SECRETS if secret in shown]
    assert payload.params["index_name"] == "btc_usd" and payload.status == 200
