"""Settings: where they come from, which wins, and one clear message for everything that can be wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError

from models.errors import SettingsError
from warehouse.settings import DEFAULT_WATCHLIST, CheckSettings, OkxSettings, Settings, load_settings
from warehouse.settings.base import changes_numbers, number


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


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "ff42308af3513114"),
        ({"models": {"gamma_source": "venue"}}, "9fd9b34244cb6cf5"),
        ({"checks": {"spot_outlier_pct": 1}}, "cf8b24950271bfaa"),
        ({"sources": {"bybit": {"option_oi_sides": 2}}}, "8820618a4353ebb5"),
        ({"sources": {"okx": {"inverse_premium": "index"}, "binance": {"oi_basis": "coins"}}}, "4237373ffe23c84d"),
    ],
)
def test_the_hash_of_numbers_stays_what_homes_have_stored(change: dict[str, Any], expected: str) -> None:
    assert Settings(**change).numbers_hash == expected


def every_setting(part: BaseModel, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], bool, Any]]:
    """Path of each setting, whether it is marked as one that changes numbers, and another value for it."""
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        if isinstance(value, BaseModel):
            yield from every_setting(value, (*path, name))
        elif get_origin(field.annotation) is Literal:
            yield (*path, name), changes_numbers(field), next(one for one in get_args(field.annotation) if one != value)
        else:
            yield (*path, name), changes_numbers(field), value + 1 if isinstance(value, int | float) else "another"


def changed(part: BaseModel, path: tuple[str, ...], value: Any) -> Any:
    name, *further = path
    return part.model_copy(update={name: changed(getattr(part, name), tuple(further), value) if further else value})


def test_the_mark_of_a_setting_says_whether_it_changes_the_hash() -> None:
    settings = Settings()
    listed = list(every_setting(settings))
    assert sum(is_marked for _, is_marked, _ in listed) == 26
    for path, is_marked, other in listed:
        assert (changed(settings, path, other).numbers_hash != settings.numbers_hash) == is_marked, ".".join(path)


class FurtherChecks(CheckSettings):
    """A new check, and something that changes no number."""

    max_repeats: int = number(3, "snapshots that may repeat", ge=1)
    label: str = "plain"


class FurtherOkx(OkxSettings):
    """A new reading of a venue's field."""

    lot: str = number("coin", "what a lot is")


def test_a_new_setting_with_the_mark_reaches_the_hash() -> None:
    more, other, labelled = (
        Settings().model_copy(update={"checks": FurtherChecks(**one)}) for one in ({}, {"max_repeats": 4}, {"label": "x"})
    )
    assert len({Settings().numbers_hash, more.numbers_hash, other.numbers_hash}) == 3
    assert labelled.numbers_hash == more.numbers_hash
    coin, contract = (changed(Settings(), ("sources", "okx"), FurtherOkx(lot=lot)) for lot in ("coin", "contract"))
    assert len({Settings().numbers_hash, coin.numbers_hash, contract.numbers_hash}) == 3
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        FurtherChecks(max_repeats=0)
