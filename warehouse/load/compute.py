"""Phase 1: computes all rows that depend on one snapshot only, as frames. Pure except for an in-memory DuckDB.

The models run once in polars; then the relations of sql/ and the checks run on the snapshot alone, in a scratch database. A venue
that fails a required check is set aside and all rows are computed again without it. Several snapshots can share a scratch database:
every relation is keyed by snapshot_id, and most of the cost of a single snapshot is planning.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import duckdb
import polars as pl

from models.market.calendar import TradingCalendar, classify_expiries
from models.snapshot import OK, REJECTED, GreeksRules, describe, greeks_of, with_implied_spots
from models.snapshot_analytics import analytics_of
from warehouse.catalog.checks import all_checks, check_results_of, run_checks, venues_to_set_aside
from warehouse.catalog.parameters import parameters_frame
from warehouse.catalog.relations import all_relations, functions_sql, relation_from
from warehouse.settings import Settings

LIVE_CONTRACTS = "core.live_contracts"
CHECKED = ("snapshot-venue", "snapshot")  # scope and needs of the checks that read one snapshot only
_CONTRACT = ("snapshot_id", "venue", "instrument")  # key of quotes and greeks
# columns of live contracts from either
_OF_QUOTE = ("expires_at", "expiry", "strike", "option_type", "oi_base", "quoted_at", "venue_iv", "venue_forward", "venue_gamma")
_OF_GREEKS = ("forward", "forward_source", "tau", "iv", "gamma", "gex_usd_1pct", "dex_usd", "vex_usd_1vol", "chex_usd_day")


class Captured(NamedTuple):
    """Captured rows of one snapshot: those of `core.snapshot_venues` and of `core.option_quotes`."""

    venues: pl.DataFrame
    quotes: pl.DataFrame


@dataclass(frozen=True)
class Computed:
    """Rows of every phase-1 table, of one or more snapshots, by published name, with the results of their checks."""

    tables: dict[str, pl.DataFrame]
    check_results: pl.DataFrame

    def without(self, snapshot_ids: Sequence[str]) -> Computed:
        """The same without some snapshots."""
        if not snapshot_ids:
            return self
        tables = {name: _without(frame, snapshot_ids) for name, frame in self.tables.items()}
        return Computed(tables, _without(self.check_results, snapshot_ids))


def greeks_rules(settings: Settings) -> GreeksRules:
    """The rules of the models, from the settings."""
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
    check_results: pl.DataFrame | None = None,
) -> Computed:
    """All phase-1 rows of a snapshot, from its rows of `core.snapshot_venues` and `core.option_quotes`.

    `refused` (venue → check) is set aside from the start; `check_results` are those of the history checks that refused it.
    """
    return compute_snapshots(
        [Captured(_set_aside(venues, refused or {}), quotes)], calendar=calendar, settings=settings, check_results=check_results
    )


def compute_snapshots(
    captured: Sequence[Captured], *, calendar: TradingCalendar, settings: Settings, check_results: pl.DataFrame | None = None
) -> Computed:
    """All phase-1 rows of one or more snapshots, with results equal to computing each alone; each relation is planned once for all.

    `core.calendar` is included, with the instants of these contracts.
    """
    parts: dict[str, list[pl.DataFrame]] = {}
    results = [check_results_of([]) if check_results is None else check_results]
    instants = pl.concat([quotes.select(pl.lit(venues["market"][0]).alias("market"), "expires_at") for venues, quotes in captured])
    expiry_types = classify_expiries(instants, calendar)
    with closing(_scratch(settings)) as scratch:
        _show(scratch, "core.sessions", calendar.sessions)
        _show(scratch, "core.calendar", expiry_types)
        while captured:
            tables = _modelled(captured, settings)
            results.append(_add_relations(scratch, tables))
            failing = {str(one): venues_to_set_aside(rows) for (one,), rows in results[-1].group_by(["snapshot_id"])}
            failing = {snapshot_id: venues for snapshot_id, venues in failing.items() if venues}
            if len(failing) < len(captured):
                for name, frame in Computed(tables, results[-1]).without(list(failing)).tables.items():
                    parts.setdefault(name, []).append(frame)
            # failing snapshots are computed again without the failing venues; the others are done
            again = [(one, failing.get(one.venues["snapshot_id"][0])) for one in captured]
            captured = [Captured(_set_aside(one.venues, venues), one.quotes) for one, venues in again if venues]
    tables = {"core.calendar": expiry_types} | {name: pl.concat(frames) for name, frames in parts.items()}
    return Computed(tables, pl.concat(results).unique(maintain_order=True))


def _without(frame: pl.DataFrame, snapshot_ids: Sequence[str]) -> pl.DataFrame:
    return frame.filter(~pl.col("snapshot_id").is_in(list(snapshot_ids))) if "snapshot_id" in frame.columns else frame


def _modelled(captured: Sequence[Captured], settings: Settings) -> dict[str, pl.DataFrame]:
    """Model results of each snapshot: the tables that relations read. Without a usable venue there are captured rows only."""
    rules = greeks_rules(settings)
    parts: dict[str, list[pl.DataFrame]] = {}
    for venues, quotes in captured:
        snapshot = describe(venues, quotes, settings_hash=settings.numbers_hash)
        tables = {"core.snapshots": snapshot, "core.snapshot_venues": venues, "core.option_quotes": quotes}
        if not snapshot.is_empty():
            greeks = greeks_of(venues, quotes, rules=rules)
            tables["core.option_greeks"] = greeks
            tables["core.snapshot_venues"] = with_implied_spots(venues, greeks, rules=rules)
            tables |= analytics_of(venues, quotes, greeks, rules=rules)
        for name, frame in tables.items():
            parts.setdefault(name, []).append(frame)
    return {name: pl.concat(frames) for name, frames in parts.items()}


def _add_relations(scratch: duckdb.DuckDBPyConnection, tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Add the rows of sql/ to the model results; returns the results of the checks."""
    if tables["core.snapshots"].is_empty():
        return check_results_of([])
    for name, frame in tables.items():
        _show(scratch, name, frame)
    live_contracts, read = live_contracts_of(tables), _read_on_the_way()
    in_scratch = []
    for relation in all_relations():
        if relation.name == LIVE_CONTRACTS and live_contracts is not None:
            _show(scratch, relation.name, live_contracts)
        elif relation.name not in read:
            tables[relation.name] = scratch.sql(relation.sql).pl()  # by `execute` a large group peaks 200 MiB higher
        else:
            kind = "view" if relation.name == LIVE_CONTRACTS else "table"
            scratch.execute(f"create or replace {kind} {relation.name} as {relation.sql}")
            in_scratch += [] if relation.is_transient or relation.is_view else [relation.name]
    results = run_checks(scratch, scope=CHECKED[0], needs=CHECKED[1])
    tables |= {name: scratch.table(name).pl() for name in in_scratch}
    return results


@cache
def _read_on_the_way() -> frozenset[str]:
    """Relations that other relations or checks read. The others need no table in the scratch database."""
    checks = [relation_from(check.name, check.sql) for check in all_checks() if (check.scope, check.needs) == CHECKED]
    return frozenset().union(*(one.inputs for one in (*all_relations(), *checks)))


def live_contracts_of(tables: dict[str, pl.DataFrame]) -> pl.DataFrame | None:
    """Rows of `core.live_contracts`, when the live quotes are in the order of their greeks, as the models produce them; else None.

    This avoids a join on three strings and copies of columns; the SQL gives the same rows.
    """
    greeks, venues = tables["core.option_greeks"], tables["core.snapshot_venues"]
    quotes = tables["core.option_quotes"].filter("is_live")
    if quotes.height != greeks.height:
        usable = venues.filter(pl.col("status") == OK)
        quotes = quotes.join(usable, on=["snapshot_id", "venue"], how="semi", maintain_order="left")
    if not quotes.select(_CONTRACT).equals(greeks.select(_CONTRACT)):
        return None
    oi_contracts = (pl.col("oi_base") / pl.col("multiplier")).alias("oi_contracts")
    return quotes.select(*_CONTRACT, *_OF_QUOTE, oi_contracts).hstack(greeks.select(_OF_GREEKS))


def _scratch(settings: Settings) -> duckdb.DuckDBPyConnection:
    scratch = duckdb.connect(config={"threads": settings.storage.threads})
    scratch.execute("set enable_progress_bar = false")
    scratch.execute("create schema core; create schema marts")
    scratch.execute(functions_sql())
    _show(scratch, "core.parameters", parameters_frame(settings))
    return scratch


def _show(scratch: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    """Register a frame in DuckDB without copying it."""
    local = name.replace(".", "_")
    scratch.register(local, frame)
    scratch.execute(f"create or replace view {name} as select * from {local}")


def _set_aside(venues: pl.DataFrame, failing: dict[str, str]) -> pl.DataFrame:
    if list(failing) == ["all"]:  # the check fails for the sum of the venues, so all of them are set aside
        failing = dict.fromkeys(venues["venue"], failing["all"])
    is_failing = pl.col("venue").is_in(list(failing)) & (pl.col("status") == OK)
    return venues.with_columns(
        pl.when(is_failing).then(pl.lit(REJECTED)).otherwise("status").alias("status"),
        pl.when(is_failing)
        .then(pl.col("venue").replace_strict(failing, default=None, return_dtype=pl.String))
        .otherwise("error")
        .alias("error"),
    )
