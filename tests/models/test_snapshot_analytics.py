"""All analytics of one snapshot, as its tables hold them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from models.contracts.analytics import ExpirySmile, GammaLadder, ImpliedDensity
from models.market.calendar import TradingCalendar
from models.pricing.forwards import expiry_forwards
from models.snapshot import GreeksRules
from models.snapshot_analytics import analytics_of
from tests.models.chain_frames import chain, recorded_cboe, recorded_deribit, spots
from tests.models.default_models import option_greeks

RULES = GreeksRules(rates={"us": 0.04, "crypto": 0.0}, tau_floor_seconds=3600, iv_min=0.01, iv_max=10, gamma_source="model")
CONTRACTS = {"core.gamma_ladder": GammaLadder, "core.expiry_smile": ExpirySmile, "core.implied_density": ImpliedDensity}


def tables_of(quotes: pl.DataFrame, by_venue: pl.DataFrame, market: str, rejected: tuple[str, ...] = ()) -> dict[str, pl.DataFrame]:
    status = pl.when(pl.col("venue").is_in(rejected)).then(pl.lit("rejected")).otherwise(pl.lit("ok"))
    venues = by_venue.with_columns(status.alias("status"), market=pl.lit(market), snapshot_id=pl.lit("X-1"))
    used = quotes.filter(~pl.col("venue").is_in(rejected))
    greeks = option_greeks(used, expiry_forwards(used, by_venue))
    tables = analytics_of(venues, quotes, greeks, rules=RULES)
    assert tables.keys() == CONTRACTS.keys()
    for name, contract in CONTRACTS.items():
        contract.validate(tables[name])
        assert tables[name].columns == contract.column_names() and set(tables[name]["snapshot_id"]) <= {"X-1"}
        key = [column for column, definition in contract.columns().items() if definition.primary_key]
        assert tables[name].equals(tables[name].sort(key))
    return tables


@pytest.mark.parametrize("symbol", ["SPY", "SPXC"])
def test_recorded_cboe_snapshots_keep_the_contracts(recordings: Path, calendar: TradingCalendar, symbol: str) -> None:
    tables = tables_of(*recorded_cboe(recordings, "2026-07-31", symbol, calendar), "us")
    expiries = tables["core.expiry_smile"].height
    assert tables["core.gamma_ladder"].height == 161 * expiries
    fitted = tables["core.expiry_smile"]["density_reason"].null_count()
    assert 0 < fitted < expiries and tables["core.implied_density"].height == 61 * fitted


def test_a_recorded_deribit_snapshot_keeps_the_contracts(recordings: Path) -> None:
    tables = tables_of(*recorded_deribit(recordings), "crypto")
    smile = tables["core.expiry_smile"]
    assert smile.height == 12 and (smile["discount"] == 1).all() and smile["oi_base"].sum() == pytest.approx(477_122)


def test_a_venue_set_aside_takes_no_part() -> None:
    quotes = pl.concat([chain(forward=101, venue=venue, book=venue, venue_forward=101.0) for venue in ("bybit", "okx")])
    both = tables_of(quotes, spots(bybit=100.0, okx=100.0), "crypto")
    one = tables_of(quotes, spots(bybit=100.0, okx=100.0), "crypto", rejected=("okx",))
    for name in CONTRACTS:
        assert one[name].equals(both[name].filter(venue="bybit"))


def test_empty_sides_and_missing_volatilities_keep_the_contracts() -> None:
    quotes = chain(forward=101, venue_forward=101.0).with_columns(
        bid=None, ask=None, mark=None, venue_iv=None, oi_base=pl.when(pl.col("option_type") == "C").then(5.0)
    )
    tables = tables_of(quotes.cast(dict.fromkeys(("bid", "ask", "mark", "venue_iv"), pl.Float64)), spots(cboe=100.0), "us")
    row = tables["core.expiry_smile"].row(0, named=True)
    assert (row["atm_iv_reason"], row["straddle_reason"], row["density_reason"], row["density_quotes"]) == ("no_iv", "no_iv", "no_iv", 0)
    assert tables["core.gamma_ladder"]["call_gex_usd_1pct"].unique().to_list() == [None]
    zero = tables_of(
        quotes.with_columns(oi_base=pl.lit(0.0)).cast(dict.fromkeys(("bid", "ask", "mark", "venue_iv"), pl.Float64)),
        spots(cboe=100.0),
        "us",
    )
    assert zero["core.gamma_ladder"]["call_gex_usd_1pct"].unique().to_list() == [Decimal("0.00")]
