"""`strikehouse explain`: what it prints and how it ends, and that the archived rows it names really are the rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard

from flows.demo.venues import serve
from flows.run.exit_codes import DONE
from flows.run.plan import make_plan
from flows.run.steps import run_snapshot
from models.errors import UsageError
from tests.conftest import CHECKOUT, Demo
from tests.flows.conftest import Cli
from tests.flows.run.test_crypto_runs import AT, VENUES
from warehouse.client.warehouse import Warehouse, open_warehouse
from warehouse.explain.explanation import Explanation, RawRow
from warehouse.explain.request import from_words
from warehouse.home.paths import Home
from warehouse.settings import load_settings


@pytest.fixture
def ask(cli: Cli, demo: Demo) -> Cli:
    cli.use(demo.home)
    return cli


@pytest.fixture(scope="module")
def four_venues(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A coin on all four crypto venues, fetched over HTTP."""
    home = Home(tmp_path_factory.mktemp("venues") / "home")
    with pytest.MonkeyPatch.context() as patch, serve(session=3) as double:
        patch.setenv("NO_PROXY", "127.0.0.1")
        for venue in VENUES:
            patch.setenv(f"STRIKEHOUSE_SOURCES__{venue.upper()}__BASE_URL", double.urls[venue])
            patch.setenv(f"STRIKEHOUSE_SOURCES__{venue.upper()}__MAX_REQUESTS_PER_SECOND", "100")
        home.prepare()
        settings = load_settings()
        assert run_snapshot(home, settings, make_plan(("SOL",), (), settings, AT)).exit_code == DONE
    with open_warehouse(home.root) as wh:
        yield wh


def opened(home: Home, row: RawRow) -> Any:
    """What stands at the place that an explanation names, read without any of its code."""
    assert row.problem is None and row.file is not None and row.place is not None
    body = zstandard.ZstdDecompressor().decompress((home.raw / row.file).read_bytes(), max_output_size=100_000_000)
    assert hashlib.sha256(body).hexdigest() == row.sha256
    at = orjson.loads(body)
    path, _, number = row.place.rstrip("]").rpartition("[")
    for name in filter(None, path.split(".")):
        at = at[name]
    assert row.row_number in (None, int(number))
    return at[int(number)]


def own_rows(explanation: Explanation) -> dict[str, RawRow]:
    return {row.instrument: row for row in explanation.raw if row.row_number is not None}


def test_a_cboe_row_is_the_row_and_holds_the_open_interest(demo: Demo) -> None:
    with open_warehouse(demo.home.root) as wh:
        explanation = wh.explain("max-pain", "SPX", expiry="2026-11-20")
        rows = own_rows(explanation)
        assert len(explanation.contracts) == len(rows) == 5
        for contract in explanation.contracts:
            sent = opened(demo.home, rows[contract["instrument"]])
            assert sent == rows[contract["instrument"]].row
            assert sent["option"] == contract["instrument"]
            assert sent["open_interest"] * contract["multiplier"] == contract["oi_base"]


def test_a_volatility_is_the_one_that_the_venue_sent(demo: Demo) -> None:
    with open_warehouse(demo.home.root) as wh:
        explanation = wh.explain("iv", "SPX", expiry="2026-11-20", strike=7500)
        taken = next(row for row in explanation.tables[0].rows if row["is_taken"])
        assert taken["source"] == "venue"
        assert opened(demo.home, own_rows(explanation)[taken["instrument"]])["iv"] == explanation.number.value


OPEN_INTEREST = {"deribit": "open_interest", "bybit": "openInterest", "okx": "oiCcy", "binance": "sumOpenInterest"}


@pytest.mark.parametrize("venue", VENUES)
def test_each_venues_row_holds_its_open_interest(four_venues: Warehouse, venue: str) -> None:
    home = four_venues._home
    explanation = four_venues.explain("gex", "SOL", venues=venue)
    rows = own_rows(explanation)
    for contract in explanation.contracts:
        row = rows[contract["instrument"]]
        sent = opened(home, row)
        assert sent == row.row and contract["instrument"] in sent.values()
        assert float(sent[OPEN_INTEREST[venue]]) == pytest.approx(contract["oi_base"])
        further = [one for one in explanation.raw if one.instrument == contract["instrument"] and one.row_number is None]
        assert further, "the terms of a contract stand in another reply"
        for one in further:
            assert opened(home, one) == one.row and contract["instrument"] in one.row.values()


def test_okx_prices_are_in_other_replies_than_open_interest(four_venues: Warehouse) -> None:
    explanation = four_venues.explain("gex", "SOL", venues="okx", top=1)
    assert {row.request for row in explanation.raw} == {"instruments", "open-interest", "opt-summary", "mark-price", "tickers"}


def test_venues_add_up_to_the_whole(four_venues: Warehouse) -> None:
    explanation = four_venues.explain("gex", "SOL")
    alone = [four_venues.explain("gex", "SOL", venues=venue).number.value for venue in VENUES]
    assert sum(alone) == explanation.number.value


def test_a_damaged_reply_says_so_and_the_rest_is_explained(demo_copy: Home, cli: Cli) -> None:
    cli.use(demo_copy)
    whole = cli("explain", "max-pain", "SPY", "2026-11-20", "--json").json
    file = demo_copy.raw / whole["raw"][0]["file"]
    file.write_bytes(b"gone")
    broken = cli("explain", "max-pain", "SPY", "2026-11-20", "--json").json
    assert broken["number"] == whole["number"]
    assert all("cannot be read" in row["problem"] and row["row"] is None for row in broken["raw"])
    assert "cannot be read" in cli("explain", "max-pain", "SPY", "2026-11-20").out


def test_a_home_without_an_archive_says_so(demo_copy: Home, cli: Cli) -> None:
    cli.use(demo_copy)
    for folder in demo_copy.raw.iterdir():
        folder.rename(demo_copy.root / f"moved-{folder.name}")
    explanation = cli("explain", "gex", "BTC", "--json").json
    assert explanation["number"]["value"] is not None
    assert all(row["problem"] for row in explanation["raw"])


@pytest.mark.parametrize(
    "words",
    [
        "max-pain BTC", "gex SPX 2026-11-20 7500", "level SPX hvl", "pin-score SPX 2026-11-20", "iv BTC BTC-25DEC26-80000-C",
        *(
            pytest.param(words, marks=pytest.mark.slow)
            for words in ("max-pain SPX 2026-11-20", "gex SPX", "gex SPX 2026-11-20T21:00", "level SPX gamma_flip", "level SPX call-resistance", "iv SPX 2026-11-20 7500")
        ),
    ],
)  # fmt: skip
def test_every_kind_prints_all_its_sections(ask: Cli, words: str) -> None:
    said = ask("explain", *words.split())
    assert said.code == 0, said.err
    for section in ("Definition (§", "Sign scenario:", "Scope", "open interest of", "Made of", "Contracts", "Archived rows", "Why another"):
        assert section in said.out
    explanation = ask("explain", *words.split(), "--json").json
    assert {one["about"] for one in explanation["alternatives"]} == {"unit", "sign", "scope", "time", "definition"}
    assert explanation["scope"]["sources"][0]["run_id"] and explanation["raw"][0]["place"]


def test_another_definition_is_shown_with_ours(ask: Cli) -> None:
    said = ask("explain", "level", "SPX", "call_resistance", "--definition", "flashalpha")
    head, rest = said.out.split("By the definition flashalpha instead\n")
    levels = ask("show", "gex_levels", "SPX", "--json").json
    (row,) = (one for one in levels if one["scope_expiry"] == "all")
    assert f"call_resistance = {row['call_resistance']:,.0f} USD" in head
    assert f"{row['call_wall']:,.0f} USD: call_wall:" in rest.splitlines()[0]


def test_the_moment_and_venues_are_those_requested(ask: Cli) -> None:
    explanation = ask("explain", "max-pain", "BTC", "--as-of", "2026-11-17T00:00", "--venue", "Deribit", "--json").json
    assert explanation["scope"]["session_date"] == "2026-11-16" and explanation["scope"]["scope_venue"] == "deribit"
    assert json.dumps(explanation) == json.dumps(
        ask("explain", "max-pain", "BTC", "--as-of", "2026-11-17T00:00Z", "--venue", "deribit", "--json").json
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("gex NOPE", "No snapshot of NOPE is published. Known: BTC, ETH, SPX, SPY."),
        ("max-pain SPX 2026-11-21", "has no live expiry on 2026-11-21. Nearest:"),
        ("max-pain SPX 2026-13-01", "'2026-13-01' is no date"),
        ("iv SPX 2026-11-20 7501", "has no live contract with strike 7501"),
        ("gex SPX whatever", "'whatever' is no date, settlement instant or strike"),
        ("gex SPX 7500 7600", "7600 names a second strike"),
        ("max-pain SPX --as-of yesterday", "'yesterday' is no instant"),
        ("max-pain SPX --definition nobody", "max-pain knows no definition 'nobody' here. Known: reversed"),
    ],
)
def test_what_cannot_be_explained_is_one_line_and_exit_two(ask: Cli, words: str, says: str) -> None:
    said = ask("explain", *words.split())
    assert (said.code, said.out) == (2, "")
    assert says in said.err and said.err.count("\n") == 1 and said.err.startswith("strikehouse: ")


def test_an_adjusted_contract_has_no_volatility(ask: Cli) -> None:
    row = ask("sql", "select instrument from core.option_quotes where is_adjusted order by all limit 1", "--json").json[0]
    said = ask("explain", "iv", "SPY", row["instrument"])
    assert said.code == 2 and "is an adjusted contract in SPY-" in said.err


def test_adjusted_contracts_are_a_convention_of_their_own(ask: Cli) -> None:
    rows = "select expiry from core.option_quotes where is_adjusted and expires_at > '2026-11-18' order by all limit 1"
    day = ask("sql", rows, "--json").json[0]["expiry"]
    explanation = ask("explain", "max-pain", "SPY", day, "--json").json
    assert "adjusted" in [one["convention"] for one in explanation["alternatives"]]


def test_the_example_of_the_documentation_is_what_is_printed(ask: Cli) -> None:
    example = (CHECKOUT / "docs" / "explain.md").read_text().split("```text\n")[1].split("```")[0]
    said = ask("explain", "max-pain", "SPX", "2026-12-18").out.splitlines()
    assert [line for line in example.splitlines() if line not in said] == []


def test_arguments_are_distinguished_by_their_form() -> None:
    question = from_words("gex", "spx", ["7400.5", "2026-08-21T20:00+02:00"])
    assert (question.underlying, question.strike, question.expires_at) == ("SPX", 7400.5, "2026-08-21T18:00:00")
    assert from_words("level", "SPX", ["put-support", "2026-08-21"]).level == "put_support"
    with pytest.raises(UsageError, match="is no instant"):
        from_words("gex", "SPX", ["2026-08-21T99"])


def test_home_is_only_read(ask: Cli) -> None:
    def stamps(root: Path) -> dict[str, int]:
        return {path.as_posix(): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}

    before = stamps(ask.home.root)
    ask("explain", "gex", "SPX")
    assert stamps(ask.home.root) == before
