"""Settings: where they come from, which wins, and one clear message for everything that can be wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from models.errors import SettingsError
from warehouse.settings import DEFAULT_WATCHLIST, Settings, load_settings


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(*parts: str) -> str:
    """The message of the refused settings; it names all of these."""
    with pytest.raises(SettingsError) as refusal:
        load_settings()
    message = str(refusal.value)
    assert all(part in message for part in parts), message
    assert "\n" not in message, "one line"
    return message


def test_without_anything_the_defaults_hold(here: Path) -> None:
    settings = load_settings()
    assert settings.home == Path("data")
    assert settings.sources.cboe.base_url == "https://cdn.cboe.com"
    assert settings.models.gamma_source == "model"
    assert settings.api.keys == ()
    assert settings.watchlist == DEFAULT_WATCHLIST
    assert [name for name, watch in settings.watchlist.items() if watch.venues == ("cboe",)] == [
        "SPX",
        "SPY",
        "QQQ",
        "AAPL",
        "NVDA",
        "TSLA",
    ]
    assert [name for name, watch in settings.watchlist.items() if "deribit" in watch.venues] == ["BTC", "ETH", "SOL", "HYPE"]


def test_the_environment_wins_over_the_file_and_the_file_over_defaults(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "strikehouse.toml").write_text('home = "from-file"\n[models]\nrate_us = 0.03\ngamma_source = "venue"\n')
    monkeypatch.setenv("STRIKEHOUSE_MODELS__RATE_US", "0.05")
    settings = load_settings()
    assert (settings.home, settings.models.rate_us, settings.models.gamma_source) == (Path("from-file"), 0.05, "venue")
    assert settings.models.tau_floor_seconds == 3600


def test_strikehouse_config_names_another_file(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "strikehouse.toml").write_text('home = "not-this-one"')
    (here / "other.toml").write_text('home = "this-one"')
    monkeypatch.setenv("STRIKEHOUSE_CONFIG", str(here / "other.toml"))
    assert load_settings().home == Path("this-one")


def test_one_nested_value_leaves_its_neighbours_at_their_defaults(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIKEHOUSE_SOURCES__CBOE__BASE_URL", "http://127.0.0.1:1/cboe")
    (here / "strikehouse.toml").write_text("[sources.deribit]\nmax_attempts = 2\n[sources.cboe]\nmax_wait_s = 5")
    sources = load_settings().sources
    assert (sources.cboe.base_url, sources.cboe.timeout_s, sources.cboe.max_wait_s) == ("http://127.0.0.1:1/cboe", 60, 5)
    assert (sources.deribit.base_url, sources.deribit.max_attempts) == ("https://www.deribit.com", 2)
    assert sources.deribit.max_requests_per_second == 5
    assert sources.okx.base_url == "https://www.okx.com"


def test_a_watchlist_in_the_file_replaces_the_default_one(here: Path) -> None:
    text = '[watchlist.GLD]\nvenues = ["cboe"]\nschedule = ["45 16 * * 1-5"]\ntimezone = "America/New_York"\n[watchlist.BTC]\nvenues = ["deribit"]\n'
    (here / "strikehouse.toml").write_text(text)
    watchlist = load_settings().watchlist
    assert set(watchlist) == {"GLD", "BTC"}
    assert (watchlist["GLD"].timezone, watchlist["BTC"].timezone, watchlist["BTC"].schedule) == ("America/New_York", "UTC", ())


@pytest.mark.parametrize(("text", "keys"), [("", ()), ("one", ("one",)), ("one, two,,three ", ("one", "two", "three")), (" , ", ())])
def test_api_keys_are_separated_by_commas(here: Path, monkeypatch: pytest.MonkeyPatch, text: str, keys: tuple[str, ...]) -> None:
    monkeypatch.setenv("STRIKEHOUSE_API__KEYS", text)
    assert [key.get_secret_value() for key in load_settings().api.keys] == list(keys)


def test_api_keys_in_the_file_may_be_a_list(here: Path) -> None:
    (here / "strikehouse.toml").write_text('[api]\nkeys = ["a,b", "c"]')
    assert [key.get_secret_value() for key in load_settings().api.keys] == ["a,b", "c"]


def test_api_keys_are_shown_nowhere_and_an_empty_one_is_refused(here: Path) -> None:
    (here / "strikehouse.toml").write_text('[api]\nkeys = ["topsecret"]')
    settings = load_settings()
    assert not any("topsecret" in text for text in (repr(settings), str(settings.api), settings.model_dump_json()))
    assert "topsecret" in settings.secrets, "what no log may hold"
    (here / "strikehouse.toml").write_text('[api]\nkeys = ["topsecret", ""]')
    refused("api.keys.1")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("hoem = 'x'", ["hoem", "Extra inputs"]),
        ("[sources.cboe]\nurl = 'x'", ["sources.cboe.url"]),
        ("[sources.kraken]\nbase_url = 'x'", ["sources.kraken"]),
        ("[sources.cboe]\ntimeout_s = 'soon'", ["sources.cboe.timeout_s", "number"]),
        ("[sources.cboe]\ntimeout_s = 0", ["sources.cboe.timeout_s", "greater than 0"]),
        ("[models]\ngamma_source = 'both'", ["models.gamma_source", "'model' or 'venue'"]),
        ("[storage]\ngenerations_kept = 1", ["storage.generations_kept", "2"]),
        ("[watchlist.BTC]\nvenues = ['kraken']", ["watchlist.BTC.venues", "no venue is called 'kraken'", "deribit"]),
        ("[watchlist.BTC]\nvenues = []", ["watchlist.BTC.venues", "at least 1"]),
        ("[watchlist.BTC]\nvenues = ['deribit']\ntimezone = 'Mars/Base'", ["watchlist.BTC.timezone", "'Mars/Base'", "America/New_York"]),
        ("[watchlist.BTC]\nvenues = ['deribit']\nschedule = ['0 25 * * *']", ["watchlist.BTC.schedule", "its hour '25' is not within 0 to 23"]),
        ("[watchlist.BTC]\nvenues = ['deribit']\nschedule = ['0 0 31 4,2 *']", ["watchlist.BTC.schedule", "never comes due", "day 31"]),
        ("[watchlist.BTC]\nvenues = ['deribit']\nschedule = ['0 0 31 2 0-6']", ["watchlist.BTC.schedule", "never comes due"]),
        ("[watchlist.BTC]\nvenues = ['deribit']\nschedule = ['every hour']", ["watchlist.BTC.schedule", "2 fields, not five"]),
        ("[watchlist.BTC]\nvenues = ['deribit']\nschedule = ['0 * * * * 30']", ["watchlist.BTC.schedule", "6 fields, not five"]),
        ("[watchlist.BTC]\nvenues = ['deribit']\nschedule = ['0 0 * * MON']", ["watchlist.BTC.schedule", "day of the week 'MON'"]),
        ("[watchlist.BTC]\nvenues = ['deribit']\nschedule = ['*/0 * * * *']", ["watchlist.BTC.schedule", "minute '*/0'"]),
        ("[schedule]\ngrace_minutes = -1", ["schedule.grace_minutes", "greater than or equal to 0"]),
        ("[watchlist.BTC]", ["watchlist.BTC.venues", "required"]),
        ("home = ", ["cannot be read"]),
        ("[models\nrate_us = 1", ["cannot be read", "line 1"]),
    ],
)  # fmt: skip
def test_a_wrong_file_is_one_line_that_names_the_key(here: Path, text: str, named: list[str]) -> None:
    (here / "strikehouse.toml").write_text(text)
    refused("strikehouse.toml", *named)


def test_a_file_that_is_no_text_is_an_error(here: Path) -> None:
    (here / "strikehouse.toml").write_bytes(b"\xff\xfe\x00")
    refused("cannot be read", "strikehouse.toml")


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("STRIKEHOUSE_HOEM", "x", ["STRIKEHOUSE_HOEM", "there is no such setting", "STRIKEHOUSE_HOME"]),
        ("STRIKEHOUSE_SOURCE__CBOE__BASE_URL", "x", ["STRIKEHOUSE_SOURCE__CBOE__BASE_URL", "no such setting"]),
        ("STRIKEHOUSE_SOURCES__CBOE__URL", "x", ["sources.cboe.", "url"]),
        ("STRIKEHOUSE_SOURCES__KRAKEN__BASE_URL", "x", ["sources.", "kraken"]),
        ("STRIKEHOUSE_SOURCES__CBOE__TIMEOUT_S", "soon", ["sources.cboe.timeout_s", "number"]),
        ("STRIKEHOUSE_MODELS__GAMMA_SOURCE", "both", ["models.gamma_source"]),
        ("STRIKEHOUSE_STORAGE", "{", ["storage"]),
        ("STRIKEHOUSE_MODELS", "nothing", ["models"]),
    ],
)
def test_a_wrong_variable_is_one_line_that_names_it(
    here: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, named: list[str]
) -> None:
    monkeypatch.setenv(variable, value)
    message = refused()
    assert all(part.lower() in message.lower() for part in named), message


def test_several_mistakes_are_named_together(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "strikehouse.toml").write_text("[models]\nrate_us = 'high'")
    monkeypatch.setenv("STRIKEHOUSE_SOURCES__CBOE__MAX_ATTEMPTS", "0")
    refused("models.rate_us", "sources.cboe.max_attempts")


def test_a_config_file_that_is_not_there_is_an_error(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIKEHOUSE_CONFIG", str(here / "gone.toml"))
    refused("STRIKEHOUSE_CONFIG", "gone.toml", "Create it, or unset the variable")


def test_settings_cannot_be_changed() -> None:
    for part, name, value in ((Settings(), "home", Path("x")), (Settings().models, "rate_us", 1.0)):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, name, value)


@pytest.mark.parametrize(
    ("change", "changes_numbers"),
    [
        ({"models": {"rate_us": 0.05}}, True),
        ({"models": {"level_min_share": 0.03}}, True),
        ({"checks": {"min_priced_share": 0.6}}, True),
        ({"home": "elsewhere"}, False),
        ({"sources": {"cboe": {"timeout_s": 5}}}, False),
        ({"storage": {"threads": 1}}, False),
        ({"api": {"keys": "secret"}}, False),
    ],
)
def test_only_settings_that_change_numbers_change_the_hash(change: dict[str, Any], changes_numbers: bool) -> None:
    assert (Settings(**change).numbers_hash != Settings().numbers_hash) == changes_numbers
