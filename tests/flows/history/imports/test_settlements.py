"""Imported settlement prices: what no feed shows, such as the morning settlement of SPX."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from flows.formats.registry import importer
from models.errors import FileError, UsageError
from models.market.calendar import TradingCalendar
from tests.flows.conftest import Cli
from tests.flows.formats.pieces import payload
from tests.flows.history.imports.downloads import download, load, rows, write

HEAD = "underlying,expires_at,settlement_price,source\n"
TWO = HEAD + "SPX,2026-12-18T14:30:00Z,6012.34,cboe set\nVIX,2026-12-16T09:30:00-05:00,17.25,cboe soq\n"
STORED = "select underlying, expires_at, settlement_price, source, origin, row_number from core.delivery_prices order by all"


def read(text: str) -> pl.DataFrame:
    return importer("settlements").settlements(payload(text, "settlements"))


def test_instants_may_have_an_offset_and_are_utc_without() -> None:
    texts = (
        "2026-12-18T14:30:00Z",
        "2026-12-18T09:30:00-05:00",
        "2026-12-18 14:30",
        "2026-12-18T14:30:00",
        "2026-12-18T09:30-0500",
        "2026-12-18T14:30Z",
    )
    frame = read(HEAD + "".join(f"SPX,{text},1.5,s{n}\n" for n, text in enumerate(texts)))
    assert frame["expires_at"].to_list() == [datetime(2026, 12, 18, 14, 30)] * len(texts)
    assert frame["row_number"].to_list() == list(range(1, len(texts) + 1))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("SPX,2026-12-18,6012.34,x", "line 3: expires_at '2026-12-18' is no instant"),
        ("SPX,soon,6012.34,x", "line 3: expires_at 'soon' is no instant"),
        ("SPX,1926-12-18T14:30:00Z,6012.34,x", "line 3: expires_at '1926-12-18T14:30:00Z' is not between"),
        ("SPX,2026-12-19T14:30:00Z,,x", "line 3: settlement_price '' is no price"),
        ("SPX,2026-12-19T14:30:00Z,0,x", "line 3: settlement_price '0' is no price"),
        ("SPX,2026-12-19T14:30:00Z,-1,x", "line 3: settlement_price '-1' is no price"),
        ("SPX,2026-12-19T14:30:00Z,NaN,x", "line 3: settlement_price 'NaN' is no price"),
        ("spx index,2026-12-19T14:30:00Z,1,x", "line 3: underlying 'spx index' is no symbol"),
        ("SPX,2026-12-19T14:30:00Z,1,", "line 3: source '' is empty"),
        ("SPX,2026-12-18T14:30:00Z,1,cboe", "line 2: expires_at '2026-12-18T14:30:00Z' comes twice"),
        ("SPX,2026-12-19T14:30:00Z,1,x,y", "line 3: cell 'y' is one cell too many"),
    ],
)
def test_one_line_that_cannot_be_read_refuses_the_file(line: str, says: str) -> None:
    with pytest.raises(FileError, match="Nothing of the file is used; correct it") as refused:
        read(HEAD + "SPX,2026-12-18T14:30:00Z,6012.34,cboe\n" + line + "\n")
    assert says in str(refused.value)


def test_a_file_without_its_columns_says_which() -> None:
    with pytest.raises(FileError, match="it has no column expires_at, settlement_price"):
        read("underlying,date,price,source\nSPX,2026-12-18,1,x\n")
    with pytest.raises(UsageError, match="takes no mapping"):
        importer("settlements", {})


def test_settlements_hold_no_chain(calendar: TradingCalendar) -> None:
    assert list(importer("settlements").parse(payload(TWO, "settlements"), calendar)) == []


@pytest.mark.slow
def test_prices_are_imported_once_and_rebuilt_from_raw(cli: Cli, folder: Path) -> None:
    write(folder, chain=download())
    load(cli, folder)
    (folder / "chain.csv").unlink()
    write(folder, settled=TWO, broken=HEAD + "SPX,2026-12-18,1,x\n")
    said = load(cli, folder, format="settlements")
    assert said.code == 3
    assert "1 of 2 files imported (0 chains, 2 settlement prices), 1 cannot be read." in said.out
    assert "broken.csv: line 2: expires_at '2026-12-18' is no instant" in said.out
    wanted = [
        ("SPX", datetime(2026, 12, 18, 14, 30), 6012.34, "cboe set", "import", 1),
        ("VIX", datetime(2026, 12, 16, 14, 30), 17.25, "cboe soq", "import", 2),
    ]
    assert rows(cli, STORED) == wanted
    again = load(cli, folder / "settled.csv", format="settlements")
    assert (again.code, "0 of 1 files imported (0 chains), 1 there already." in again.out) == (0, True)
    shutil.rmtree(folder)
    said = cli("rebuild", "--verify")
    assert (said.code, "Equal, bit for bit" in said.out) == (0, True), said.out
    cli.home.work_file.unlink()
    assert cli("rebuild").code == 0
    assert rows(cli, STORED) == wanted


def test_a_correction_replaces_the_price_of_the_same_source(cli: Cli, folder: Path) -> None:
    write(folder, chain=download())
    load(cli, folder)
    for price in ("6012.34", "6012.43"):
        (folder / "chain.csv").write_text(f"{HEAD}SPX,2026-12-18T14:30:00Z,{price},cboe set\n")
        assert load(cli, folder, format="settlements").code == 0
    assert rows(cli, "select settlement_price, source from core.settlement_prices") == [(6012.43, "cboe set")]


def test_prices_alone_wait_until_there_is_something_to_publish(cli: Cli, folder: Path) -> None:
    write(folder, settled=TWO)
    said = load(cli, folder, format="settlements")
    assert (said.code, "Nothing is published yet." in said.out) == (0, True)
