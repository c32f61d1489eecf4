"""The mapping of a columns import: whatever it does not declare is named, and nothing is guessed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from flows.formats.columns.mapping import ColumnMapping
from flows.history.imports.mapping_file import read_mapping
from models.errors import UsageError
from tests.commands import CHECKOUT

US = """
venue = "cboe"
market = "us"
underlying = { value = "XYZ" }
captured_at = { column = "day", at = "16:15", zone = "America/New_York" }
spot = { column = "close" }
multiplier = { value = 100 }
settlement = "by_root"
price_unit = "usd"
root = { column = "root" }
option_type = { column = "cp", call = "call", put = "put" }
strike = { column = "strike" }
expiry = { column = "expiration" }
instrument = { names = "osi" }
open_interest = { column = "oi", unit = "contracts" }
bid = { column = "bid" }
ask = { column = "ask" }
iv = { column = "iv", unit = "percent" }
"""


def read(tmp_path: Path, text: str) -> dict[str, Any]:
    file = tmp_path / "mapping.toml"
    file.write_text(text)
    return read_mapping(file)


def without(key: str) -> str:
    return "\n".join(line for line in US.splitlines() if not line.startswith(f"{key} "))


def test_a_mapping_can_be_stored_as_json(tmp_path: Path) -> None:
    document = read(tmp_path, US)
    stored = orjson.loads(orjson.dumps(document))
    assert ColumnMapping.model_validate(stored) == ColumnMapping.model_validate(document)
    assert stored["captured_at"] == {"column": "day", "at": "16:15:00", "zone": "America/New_York"}


def test_the_mapping_of_the_documentation_is_whole(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```toml\n(.*?)```", (CHECKOUT / "docs" / "imports.md").read_text(), re.DOTALL)
    keys = read(tmp_path, shown)
    assert (keys["venue"], keys["settlement"], keys["open_interest"]["unit"]) == ("cboe", "by_root", "contracts")


@pytest.mark.parametrize(
    "key",
    [
        "venue",
        "market",
        "underlying",
        "captured_at",
        "spot",
        "multiplier",
        "settlement",
        "price_unit",
        "root",
        "option_type",
        "strike",
        "expiry",
        "instrument",
        "open_interest",
    ],
)
def test_each_missing_declaration_is_named(key: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"^mapping.toml: the mapping is not whole: .*\b{key}: it is missing"):
        read(tmp_path, without(key))


def test_all_missing_declarations_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"multiplier: it is missing.*") as raised:
        read(tmp_path, 'venue = "cboe"\nmarket = "us"')
    for key in ("underlying", "captured_at", "spot", "settlement"):
        assert f"{key}: it is missing" in str(raised.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ((', unit = "contracts"', ""), "open_interest.unit: it is missing"),
        (('unit = "contracts"', 'unit = "lots"'), "open_interest.unit: Input should be 'contracts' or 'base'"),
        ((', unit = "percent"', ""), "iv.unit: it is missing"),
        ((', zone = "America/New_York"', ""), "captured_at.zone: it is missing"),
        (('"America/New_York"', '"New York"'), "no time zone is called 'New York'"),
        (('"America/New_York"', '"offset"'), "captured_at: at needs a zone by name"),
        (('{ value = "XYZ" }', '{ value = "XYZ", column = "symbol" }'), "underlying: give either column or value"),
        (('{ value = "XYZ" }', '{ value = "x/z" }'), "underlying: capital letters and digits"),
        (('{ column = "close" }', "{}"), "spot: give either column or value"),
        (('{ names = "osi" }', "{}"), "instrument: give column, or names"),
        (('{ names = "osi" }', '{ names = "osi", column = "symbol" }'), 'strike: instrument.names = "osi" says it'),
        (('venue = "cboe"', 'venue = "all"'), "venue: all is no venue"),
        (('venue = "cboe"', 'venue = "C2"'), "venue: String should match pattern"),
        (('venue = "cboe"', 'venue = "deribit"'), "market: deribit is crypto"),
        (('"by_root"', '"08:00"'), "settlement"),
        (('"by_root"', '"in_expiry"'), "expiry.zone: it is missing"),
        (('"by_root"', '{ at = "08:00" }'), "settlement.Clock.zone: it is missing"),
        (('{ column = "expiration" }', '{ column = "expiration", format = "day/month" }'), "is neither a strftime format"),
        (('price_unit = "usd"', 'price_unit = "coin"'), "forward: it is missing"),
        (("settlement =", "settlment ="), "settlment: Extra inputs are not permitted"),
        (('market = "us"', 'market = "crypto"\nbook = { value = "BTC" }'), "are of the US market"),
        (('{ column = "day", at = "16:15"', '{ value = "yesterday"'), "captured_at: Invalid isoformat string"),
        (('{ column = "day", at = "16:15"', '{ value = "2026-03-02T16:15:00+00:00"'), 'carries an offset: then zone is "offset"'),
    ],
)
def test_a_wrong_declaration_is_named(change: tuple[str, str], says: str, tmp_path: Path) -> None:
    assert change[0] in US
    with pytest.raises(UsageError, match=says.replace("(", r"\(")):
        read(tmp_path, US.replace(*change))


def test_a_crypto_mapping_needs_a_book(tmp_path: Path) -> None:
    text = (
        US.replace('"us"', '"crypto"')
        .replace('"cboe"', '"deribit"')
        .replace('"by_root"', '{ at = "08:00", zone = "UTC" }')
        .replace('{ names = "osi" }', '{ column = "name" }')
    )
    with pytest.raises(UsageError, match="book: it is missing"):
        read(tmp_path, text)
    assert read(tmp_path, 'book = { value = "USDC" }\n' + text)["settlement"] == {"at": "08:00:00", "zone": "UTC"}


def test_call_and_put_columns_come_together_and_say_the_type(tmp_path: Path) -> None:
    side = '\n[call]\nopen_interest = { column = "coi", unit = "contracts" }\n'
    with pytest.raises(UsageError, match="call, put: give both tables or none"):
        read(tmp_path, without("option_type") + side)
    with pytest.raises(UsageError, match="option_type: the tables call and put say it"):
        read(tmp_path, US + side + side.replace("call", "put"))
    with pytest.raises(UsageError, match="put.open_interest: it is missing"):
        read(
            tmp_path,
            "\n".join(line for line in without("option_type").splitlines() if "open_interest" not in line)
            + "\n"
            + side
            + '[put]\nbid = { column = "pbid" }',
        )


@pytest.mark.parametrize("text", ["venue = ", "\x00"])
def test_a_mapping_that_is_no_toml_is_usage(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mapping.toml: the mapping cannot be read"):
        read(tmp_path, text)
    with pytest.raises(UsageError, match="nowhere.toml: the mapping cannot be read"):
        read_mapping(tmp_path / "nowhere.toml")
