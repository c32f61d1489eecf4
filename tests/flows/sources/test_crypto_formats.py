"""One market in four wire formats: the same pain curves, and the same exposures where volatility and forward are given.

Recorded: Deribit, Bybit and OKX of 2026-03-13, whose open interest adds up to the same contracts. Synthetic: the double's BTC on all four.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from flows.demo.venues import serve
from flows.sources.http import VenueClient
from flows.sources.registry import source
from models.chain import RawPayload
from models.market.calendar import TradingCalendar
from models.snapshot import SnapshotRules, VenueReading, read_venues
from tests.flows.sources import crypto_captures
from warehouse.load.compute import compute_snapshot
from warehouse.settings import Settings

RULES = SnapshotRules(stale_venue_seconds=600, min_priced_share=0.5, min_side_share=0.1)
FAST = {"max_requests_per_second": 1000.0, "instruments_per_second": 1000.0}
KEY = ["expires_at", "strike"]
GAMMA = ["call_gex_usd_1pct", "put_gex_usd_1pct"]
EXPOSURES = [*GAMMA, *(f"{side}_{name}" for side in ("call", "put") for name in ("dex_usd", "vex_usd_1vol", "chex_usd_day"))]

Tables = Mapping[str, pl.DataFrame]


def tables_of(
    replies: Iterable[RawPayload],
    calendar: TradingCalendar,
    *,
    quoted_at: datetime | None = None,
    forward_digits: int | None = None,
    books: Iterable[str] = (),
) -> Tables:
    """All tables of a snapshot of BTC on one venue; `quoted_at` puts its clock right, `books` keeps only these."""
    payloads = list(replies)
    venue = payloads[0].venue
    chain = source(venue, Settings()).parse(payloads, "BTC", calendar)
    reading = VenueReading(venue, "crypto", chain, None, "x")
    rows = read_venues("BTC", [reading], rules=RULES, calendar=calendar, run_id="r", origin="live")
    assert rows is not None
    venues, quotes = rows
    if books:
        quotes = quotes.filter(pl.col("book").is_in(list(books)))
    if quoted_at is not None:
        quotes = quotes.with_columns(quoted_at=pl.lit(quoted_at).cast(pl.Datetime("us")))
    if forward_digits is not None:
        quotes = quotes.with_columns(pl.col("venue_forward").round(forward_digits))
    return compute_snapshot(venues, quotes, calendar=calendar, settings=Settings()).tables


def curves(tables: Tables) -> pl.DataFrame:
    return tables["marts.pain_curve"].select(*KEY, "call_pain_usd", "put_pain_usd", "total_pain_usd").sort(KEY)


def forwards(tables: Tables) -> pl.DataFrame:
    """The forward of each expiry."""
    expiries = tables["core.option_quotes"].select("instrument", "expires_at")
    return tables["core.option_greeks"].join(expiries, on="instrument").group_by("expires_at").agg(pl.col("forward").median())


def differing_exposures(ours: Tables, theirs: Tables, exposures: Sequence[str] = EXPOSURES) -> pl.DataFrame:
    """Keys of the heatmaps' rows that differ by more than 1e-9 and by more than 0.01 USD per contract row summed."""
    rows = [tables["core.option_quotes"].filter("is_live").group_by(KEY).len("rows") for tables in (ours, theirs)]
    heatmaps = [tables["marts.gex_heatmap"].select(*KEY, pl.col(exposures).cast(pl.Float64).fill_null(0)) for tables in (ours, theirs)]
    both = heatmaps[0].join(heatmaps[1], on=KEY, how="full", suffix="_theirs", coalesce=True)
    both = both.join(rows[0], on=KEY).join(rows[1], on=KEY, suffix="_theirs")
    allowed = 0.01 * (pl.col("rows") + pl.col("rows_theirs"))
    apart = [(pl.col(name) - pl.col(f"{name}_theirs")).abs() for name in exposures]
    larger = [pl.max_horizontal(pl.col(name).abs(), pl.col(f"{name}_theirs").abs()) for name in exposures]
    is_apart = [each > pl.max_horizontal(allowed, 1e-9 * size) for each, size in zip(apart, larger, strict=True)]
    assert both.height == heatmaps[0].height == heatmaps[1].height
    return both.filter(pl.any_horizontal(is_apart)).select(KEY).sort(KEY)


# The newest rows of the three venues are up to 22 ms apart: 5e-7 of the time that the first expiry has left. One clock for all.
ONE_CLOCK = datetime(2026, 3, 13, 19, 0, 15, 531_000)


@pytest.fixture(scope="module")
def deribit(recordings: Path, calendar: TradingCalendar) -> Tables:
    return tables_of(crypto_captures.deribit(recordings), calendar, quoted_at=ONE_CLOCK)


@pytest.fixture(scope="module")
def bybit(recordings: Path, calendar: TradingCalendar) -> Tables:
    return tables_of(crypto_captures.bybit(recordings), calendar, quoted_at=ONE_CLOCK)


@pytest.fixture(scope="module")
def okx(recordings: Path, calendar: TradingCalendar) -> Tables:
    return tables_of(crypto_captures.okx(recordings), calendar, quoted_at=ONE_CLOCK)


def test_recorded_pain_is_the_same(deribit: Tables, bybit: Tables, okx: Tables) -> None:
    assert curves(deribit).height == 482
    assert curves(bybit).equals(curves(deribit))
    assert curves(okx).equals(curves(deribit)), "what OKX leaves out of its open interest has none"
    strikes = [tables["marts.max_pain"].sort("expires_at")["max_pain_strike"].to_list() for tables in (deribit, bybit, okx)]
    assert strikes[0] == strikes[1] == strikes[2]
    assert None not in strikes[0]


def test_recorded_exposures_of_bybit_are_the_same(recordings: Path, calendar: TradingCalendar, deribit: Tables, bybit: Tables) -> None:
    """Bybit writes forwards with 4 decimals, which alone moves delta exposure by some 1e-8; its prices, rounded to 5, play no part."""
    assert differing_exposures(deribit, bybit, GAMMA).is_empty()
    assert differing_exposures(deribit, bybit).height <= 3
    cut = tables_of(crypto_captures.deribit(recordings), calendar, quoted_at=ONE_CLOCK, forward_digits=4)
    assert differing_exposures(cut, bybit).is_empty()


def test_recorded_exposures_of_okx_are_the_same_where_volatility_is_given(deribit: Tables, okx: Tables) -> None:
    """opt-summary leaves out 14 contracts, whose volatility is solved from their bid and ask: only their strikes may differ."""
    quotes = okx["core.option_quotes"]
    unfitted = quotes.filter(pl.col("venue_iv").is_null()).select(KEY).unique()
    assert unfitted.height == 14
    apart = differing_exposures(deribit, okx)
    assert 0 < apart.height <= unfitted.height
    assert apart.join(unfitted, on=KEY, how="anti").is_empty()
    solved = okx["core.option_greeks"].filter(pl.col("iv_source") != "venue")
    assert set(solved["iv_source"]) == {"mid"}
    assert okx["core.option_greeks"]["iv"].null_count() == 0


@pytest.fixture(scope="module")
def synthetic(calendar: TradingCalendar) -> dict[str, Tables]:
    """The double's BTC on four venues; of Deribit's the inverse book, which the others mirror."""
    tables = {}
    with serve(session=3) as double:
        for venue in ("deribit", "bybit", "okx", "binance"):
            adapter = source(venue, Settings())
            settings = adapter.settings.model_copy(
                update={"base_url": double.urls[venue], "max_requests_per_second": 1000.0, "instruments_per_second": 1000.0}
            )
            with VenueClient(venue, settings, record=lambda reply: None) as client:
                replies = [reply for book in adapter.books("BTC") for reply in adapter.fetch(client, book)]
            tables[venue] = tables_of(replies, calendar, books=["BTC"] if venue == "deribit" else [])
    return tables


def test_synthetic_pain_is_the_same_in_four_formats(synthetic: dict[str, Tables]) -> None:
    for venue in ("bybit", "okx", "binance"):
        assert curves(synthetic[venue]).equals(curves(synthetic["deribit"])), venue


def test_synthetic_exposures_are_the_same_where_the_forward_is_given(synthetic: dict[str, Tables]) -> None:
    assert differing_exposures(synthetic["deribit"], synthetic["bybit"]).is_empty()
    unfitted = synthetic["okx"]["core.option_quotes"].filter(pl.col("venue_iv").is_null()).select(KEY).unique()
    apart = differing_exposures(synthetic["deribit"], synthetic["okx"])
    assert apart.join(unfitted, on=KEY, how="anti").is_empty()


def test_synthetic_exposures_of_binance_follow_from_parity(synthetic: dict[str, Tables]) -> None:
    """It gives no forward: that of put–call parity is right to a few basis points, and so is what is computed from it."""
    assert set(synthetic["binance"]["core.option_greeks"]["forward_source"]) == {"parity"}
    both = forwards(synthetic["binance"]).join(forwards(synthetic["deribit"]), on="expires_at", suffix="_given")
    assert both.height == len(synthetic["deribit"]["core.option_quotes"]["expires_at"].unique())
    assert (both["forward"] / both["forward_given"]).to_list() == pytest.approx([1.0] * both.height, abs=5e-4)
