"""`strikehouse show opex`: with a chain, without one, and in a home that holds nothing yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.conftest import Cli
from warehouse.home.paths import Home


def test_a_symbol_without_a_chain_has_a_calendar_to_the_end_of_2028(cli: Cli, published_home: Home) -> None:
    cli.use(published_home)
    rows = cli("show", "opex", "SPX", "--as-of", "2026-01-01", "--until", "2028-12-31", "--json").json
    assert rows[0]["expiry"] == "2026-01-02" and rows[-1]["expiry"] == "2028-12-29"
    witching = [row["expiry"] for row in rows if row["is_triple_witching"] and row["is_am_settled"]]
    assert witching[:4] == ["2026-03-20", "2026-06-18", "2026-09-18", "2026-12-18"] and len(witching) == 12
    assert not any(row["is_listed"] for row in rows)


def test_a_home_that_holds_nothing_gives_the_same_calendar(cli: Cli, published_home: Home, tmp_path: Path) -> None:
    arguments = ("show", "opex", "QQQ", "--as-of", "2026-01-01", "--until", "2026-12-31", "--json")
    cli.use(published_home)
    expected = cli(*arguments).json
    nowhere = Home(tmp_path / "nowhere")
    cli.use(nowhere)
    assert cli(*arguments).json == expected
    assert not nowhere.root.exists(), "reading creates nothing"
    said = cli("show", "opex", "QQQ")
    assert said.code == 1 and "nothing is published yet" in said.err


def test_people_read_flags_in_words_and_the_next_anchor(cli: Cli, published_home: Home) -> None:
    cli.use(published_home)
    said = cli("show", "opex", "IDX", "--until", "2026-03-31")
    head, _, *lines = said.out.splitlines()
    assert head.split()[:6] == ["expiry", "expires_at_utc", "dte", "type", "flags", "listed"] and "oi_rolloff_pct" in head
    am, pm = (line for line in lines if line.startswith("2026-03-20"))
    assert "quarterly  am settled, triple witching  yes" in am and "quarterly  triple witching " in pm
    assert lines[-1] == "Next anchor: 2026-03-20 13:30 UTC."
    assert "oi_rolloff_pct" not in cli("show", "opex_calendar", "SPX", "--until", "2030-01-01").out, "nothing is measured without a chain"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "max_pain", "IDX", "--until", "2026-12-31"), "--until works with opex only"),
        (("show", "opex"), "opex needs an underlying"),
    ],
)
def test_wrong_use_is_said_in_one_line(cli: Cli, published_home: Home, arguments: tuple[str, ...], says: str) -> None:
    cli.use(published_home)
    said = cli(*arguments)
    assert said.code == 2 and says in said.err and said.err.count("\n") == 1
