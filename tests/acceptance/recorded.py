"""Recorded replies on the way that a venue's replies take: archived, parsed, loaded; and what must then be true of them."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from flows.run.replay import load_pending_runs
from models.chain import RawPayload
from models.market.calendar import TradingCalendar
from tests.acceptance.brute_force import Curve, Expiry, Recording, pain, pooled, read_cboe, read_deribit
from tests.chains import SETTINGS
from warehouse.archive.replies import BookArchive
from warehouse.archive.runs import write_run
from warehouse.home.paths import Home

Body = tuple[str, str]  # name of the request, file of its recorded reply
DERIBIT_BODIES: dict[str, list[Body]] = {
    "BTC": [
        ("instruments", "instruments_BTC_option"),
        ("book-summary", "book_summary_BTC_option"),
        ("index-btc_usd", "index_price_btc_usd"),
    ],
    "USDC": [("instruments", "empty"), ("book-summary", "empty")],  # a valid reply with no contracts
}


def archive_cboe(home: Home, folder: Path, capture: str, symbol: str) -> str:
    """Archive one recorded Cboe reply as a run would have; gives the run's id."""
    name = symbol.lstrip("_")
    manifest = json.loads((folder / "cboe" / capture / "manifest.json").read_text())
    received_at = datetime.fromisoformat(manifest["captured_at"]) + timedelta(minutes=1)
    return _archive(home, folder / "cboe" / capture, "cboe", name, {name: [("chain", symbol)]}, received_at)


def archive_deribit(home: Home, folder: Path) -> str:
    """Archive the recorded Deribit replies for BTC."""
    received_at = datetime(2026, 3, 13, 19, 0, 20, tzinfo=UTC)
    return _archive(home, folder / "deribit" / "2026-03-13", "deribit", "BTC", DERIBIT_BODIES, received_at)


def _archive(home: Home, folder: Path, venue: str, underlying: str, books: dict[str, list[Body]], received_at: datetime) -> str:
    home.prepare()
    fetched = []
    for book, bodies in books.items():
        archive = BookArchive(home, venue, book)
        payloads = [
            RawPayload(venue, book, name, f"https://{venue}.example", {}, 200, {}, gzip.decompress((folder / f"{file}.json.gz").read_bytes()), received_at, received_at)
            for name, file in bodies
        ]  # fmt: skip
        for payload in payloads:
            archive.add(payload)
        fetched.append({"venue": venue, "book": book, "folder": archive.close(payloads, None), "error": None})
    run_id = f"{received_at:%Y%m%dT%H%M%SZ}-{underlying.lower()}"
    manifest = {
        "run_id": run_id, "started_at": received_at.isoformat(), "ended_at": received_at.isoformat(), "origin": "live", "is_synthetic": False,
        "code_version": "test", "settings_hash": SETTINGS.numbers_hash, "asks": [{"underlying": underlying, "venue": venue, "books": list(books)}],
        "fetched": fetched,
    }  # fmt: skip
    write_run(home, manifest)
    return run_id


class Shelf:
    """A warehouse of recordings of one symbol; a capture is archived and loaded when it is first asked for."""

    def __init__(self, con: duckdb.DuckDBPyConnection, home: Home, folder: Path, calendar: TradingCalendar, symbol: str) -> None:
        self.con, self._home, self._folder, self._calendar, self._symbol = con, home, folder, calendar, symbol
        self._loaded: dict[str, Loaded] = {}

    def __getitem__(self, capture: str) -> Loaded:
        if capture not in self._loaded:
            is_cboe = self._symbol != "BTC"
            run_id = archive_cboe(self._home, self._folder, capture, self._symbol) if is_cboe else archive_deribit(self._home, self._folder)
            load_pending_runs(self.con, self._home, SETTINGS, but="", calendar=self._calendar)
            recording = read_cboe(self._folder, capture, self._symbol) if is_cboe else read_deribit(self._folder)
            self._loaded[capture] = Loaded(self.con, run_id, recording)
        return self._loaded[capture]

    def snapshots(self, *columns: str) -> list[tuple[Any, ...]]:
        """Rows of core.snapshots in order of time."""
        return self.con.execute(f"select {', '.join(columns)} from core.snapshots order by captured_at").fetchall()


class Loaded:
    """The loaded snapshot of one recording, beside the second reading of it."""

    def __init__(self, con: duckdb.DuckDBPyConnection, run_id: str, recording: Recording) -> None:
        self.recording = recording
        self._con = con
        (self.row,) = con.execute(f"from core.snapshots where run_id = '{run_id}'").pl().rows(named=True)
        (self.venue,) = self.table("core.snapshot_venues").rows(named=True)

    def table(self, name: str) -> pl.DataFrame:
        scope = " and scope_venue = 'all'" if name.startswith("marts.") else ""
        return self._con.execute(f"from {name} where snapshot_id = '{self.row['snapshot_id']}'{scope}").pl()

    def assert_all(self) -> None:
        """Everything that holds for every recording."""
        self.assert_identity()
        self.assert_open_interest()
        self.assert_pain()
        self.assert_max_pain()
        self.assert_pooled()

    def assert_identity(self) -> None:
        assert self.row["captured_at"] == self.recording.captured_at
        assert (self.row["status"], self.venue["status"], self.venue["rejected_rows"]) == ("complete", "ok", 0)
        if self.recording.session_date is not None:
            assert self.row["session_date"] == self.venue["session_date"] == self.recording.session_date

    def assert_open_interest(self) -> None:
        """Totals equal the payload's to the last contract; settled contracts are stored and enter no mart."""
        quotes = self.table("core.option_quotes")
        assert quotes.height == self.venue["contracts"] == self.recording.contracts
        lots = (quotes["oi_base"] * self.recording.lots_per_base).round(6)
        assert dict(zip(quotes["instrument"], lots.cast(pl.Int64).to_list(), strict=True)) == self.recording.oi_vector
        assert lots.equals(lots.round(0))
        assert self.venue["oi_base_total"] * self.recording.lots_per_base == self.recording.total_lots
        settled = quotes.filter(~pl.col("is_live"))
        assert dict(settled.group_by("expires_at").len().iter_rows()) == self.recording.settled
        assert self.venue["live_contracts"] == quotes.height - settled.height
        for side, kind in (("call_oi", "calls"), ("put_oi", "puts")):
            live = sum(sum(getattr(expiry, kind).values()) for expiry in self.recording.live.values())
            assert round(self.table("marts.gex_heatmap")[side].sum() * self.recording.lots_per_base, 6) == live

    def assert_pain(self) -> None:
        """Every point of every curve."""
        curves = {instant: rows.sort("strike") for (instant,), rows in self.table("marts.pain_curve").group_by("expires_at")}
        assert curves.keys() == self.recording.live.keys()
        for instant, rows in curves.items():
            expected = self._brute(self.recording.live[instant])
            assert rows["strike"].to_list() == expected.strikes
            assert rows["call_pain_usd"].to_list() == pytest.approx(expected.calls, rel=1e-12, abs=0)
            assert rows["put_pain_usd"].to_list() == pytest.approx(expected.puts, rel=1e-12, abs=0)
            total = [call + put for call, put in zip(expected.calls, expected.puts, strict=True)]
            assert rows["total_pain_usd"].to_list() == pytest.approx(total, rel=1e-12, abs=0)

    def assert_max_pain(self) -> None:
        rows = {row["expires_at"]: row for row in self.table("marts.max_pain").iter_rows(named=True)}
        assert rows.keys() == self.recording.live.keys()
        for instant, row in rows.items():
            self._assert_minimum(row, self.recording.live[instant])

    def assert_pooled(self) -> None:
        (row,) = self.table("marts.max_pain_pooled").rows(named=True)
        assert row["expiries"] == len(self.recording.live)
        self._assert_minimum(row, pooled(self.recording.live))

    def _assert_minimum(self, row: dict[str, Any], expiry: Expiry) -> None:
        lots = (sum(expiry.calls.values()), sum(expiry.puts.values()))
        base = [(row[side] or 0) * self.recording.lots_per_base for side in ("call_oi", "put_oi")]
        assert [round(value, 6) for value in base] == list(lots)
        if sum(lots) == 0:
            assert row["max_pain_strike"] is row["max_pain_low"] is row["max_pain_high"] is row["max_pain_usd"] is None
            return
        low, high, least = self._brute(expiry).minimum or (None, None, None)
        assert (row["max_pain_strike"], row["max_pain_low"], row["max_pain_high"]) == (low, low, high)
        assert row["max_pain_usd"] == pytest.approx(least, rel=1e-12, abs=0)

    def _brute(self, expiry: Expiry) -> Curve:
        return pain(expiry, self.recording.lots_per_base)
