"""Phase 1: everything that one snapshot's contracts determine, as frames. Pure but for an in-memory DuckDB.

The models run once in polars; then the relations of sql/ and the checks run on the snapshot alone, in a scratch database. A venue
that fails a required check is set aside and everything is computed again without it.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import polars as pl

from models.calendar import TradingCalendar, classify_expiries
from models.core_tables import Parameters
from models.ops_tables import CheckResults
from models.snapshot import OK, REJECTED, GreeksRules, describe, greeks_of, with_implied_spots
from models.snapshot_analytics import analytics_of
from warehouse.checks import run_checks, venues_to_set_aside
from warehouse.relations import all_relations, functions_sql
from warehouse.settings import Settings


@dataclass(frozen=True)
class ComputedSnapshot:
    """One snapshot's rows of every table that phase 1 fills, by published name; and what its checks found."""

    tables: dict[str, pl.DataFrame]
    check_results: pl.DataFrame


def parameters_frame(settings: Settings) -> pl.DataFrame:
    """The row of `core.parameters`."""
    return pl.DataFrame(
        [
            {
                "settings_hash": settings.numbers_hash,
                "level_min_share": settings.models.level_min_share,
                "min_live_share_of_previous": settings.checks.min_live_share_of_previous,
                "max_gone_expiries_share": settings.checks.max_gone_expiries_share,
                "spot_outlier_pct": settings.checks.spot_outlier_pct,
                "previous_max_age_days": settings.checks.previous_max_age_days,
                "thin_contracts": settings.models.thin_contracts,
                "thin_coins": settings.models.thin_coins,
                "flat_depth": settings.models.flat_depth,
                "v_depth": settings.models.v_depth,
                "skewed_asymmetry": settings.models.skewed_asymmetry,
                "gamma_source": settings.models.gamma_source,
                "flip_min_strikes": settings.models.flip_min_strikes,
                "flip_min_window_pct": settings.models.flip_min_window_pct,
                "flip_sensitive_pct": settings.models.flip_sensitive_pct,
            }
        ],
        schema={name: column.dtype for name, column in Parameters.columns().items()},
    )


def greeks_rules(settings: Settings) -> GreeksRules:
    """What the models need to know."""
    models = settings.models
    return GreeksRules(
        rates={"us": models.rate_us, "crypto": models.rate_crypto},
        tau_floor_seconds=models.tau_floor_seconds,
        iv_min=models.iv_min,
        iv_max=models.iv_max,
        gamma_source=models.gamma_source,
    )


def compute_snapshot(
    venues: pl.DataFrame,
    quotes: pl.DataFrame,
    *,
    calendar: TradingCalendar,
    settings: Settings,
    refused: dict[str, str] | None = None,
    found: pl.DataFrame | None = None,
) -> ComputedSnapshot:
    """All phase-1 rows of the snapshot that these rows of `core.snapshot_venues` and `core.option_quotes` make up.

    `core.calendar` is among them, with the instants of these contracts. `refused` (venue → check) is set aside from the start: what
    checks over history `found`.
    """
    instants = quotes.select(pl.lit(venues["market"][0]).alias("market"), "expires_at")
    expiry_types = classify_expiries(instants, calendar)
    scratch = _scratch(settings)
    _show(scratch, "core.sessions", calendar.sessions)
    found = pl.DataFrame(schema={name: column.dtype for name, column in CheckResults.columns().items()}) if found is None else found
    try:
        venues = _set_aside(venues, refused or {})
        while True:
            snapshot = describe(venues, quotes, settings_hash=settings.numbers_hash)
            tables = {
                "core.snapshots": snapshot,
                "core.snapshot_venues": venues,
                "core.option_quotes": quotes,
                "core.calendar": expiry_types,
            }
            if snapshot.is_empty():
                return ComputedSnapshot(tables, found)
            rules = greeks_rules(settings)
            tables["core.option_greeks"] = greeks_of(venues, quotes, rules=rules)
            tables["core.snapshot_venues"] = with_implied_spots(venues, tables["core.option_greeks"], rules=rules)
            tables |= analytics_of(venues, quotes, tables["core.option_greeks"], rules=rules)
            for name, frame in tables.items():
                _show(scratch, name, frame)
            relations = all_relations()
            for relation in relations:
                scratch.execute(f"create or replace table {relation.name} as {relation.sql}")
            results = run_checks(scratch, scope="snapshot-venue", needs="snapshot")
            found = pl.concat([found, results]).unique(maintain_order=True)
            failing = venues_to_set_aside(results)
            if not failing:
                tables |= {r.name: scratch.table(r.name).pl() for r in relations if not (r.is_transient or r.is_view)}
                return ComputedSnapshot(tables, found)
            venues = _set_aside(venues, failing)
    finally:
        scratch.close()


def _scratch(settings: Settings) -> duckdb.DuckDBPyConnection:
    scratch = duckdb.connect(config={"threads": settings.storage.threads})
    scratch.execute("set enable_progress_bar = false")
    scratch.execute("create schema core; create schema marts")
    scratch.execute(functions_sql())
    _show(scratch, "core.parameters", parameters_frame(settings))
    return scratch


def _show(scratch: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    """Let SQL read a frame where it lies."""
    local = name.replace(".", "_")
    scratch.register(local, frame)
    scratch.execute(f"create or replace view {name} as select * from {local}")


def _set_aside(venues: pl.DataFrame, failing: dict[str, str]) -> pl.DataFrame:
    if list(failing) == ["all"]:  # only the sum of the venues fails, so none of them can be trusted
        failing = dict.fromkeys(venues["venue"], failing["all"])
    is_failing = pl.col("venue").is_in(list(failing)) & (pl.col("status") == OK)
    return venues.with_columns(
        pl.when(is_failing).then(pl.lit(REJECTED)).otherwise("status").alias("status"),
        pl.when(is_failing)
        .then(pl.col("venue").replace_strict(failing, default=None, return_dtype=pl.String))
        .otherwise("error")
        .alias("error"),
    )
