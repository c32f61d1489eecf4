"""Runs that the work file knows: `ops.runs` and `ops.payloads`, derived from the manifests in raw/."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import duckdb
import orjson
import polars as pl

from models.ops_tables import Payloads, Runs
from warehouse.archive import folder_manifest
from warehouse.ddl import literal
from warehouse.home import Home
from warehouse.work import insert


def loaded_runs(con: duckdb.DuckDBPyConnection) -> set[str]:
    """Runs that are loaded whole."""
    return {row[0] for row in con.execute("select run_id from ops.runs").fetchall()}


def record_run(con: duckdb.DuckDBPyConnection, home: Home, manifest: Mapping[str, Any]) -> None:
    """Note that a run is loaded whole; again changes nothing."""
    run_id = manifest["run_id"]
    failures = {f"{one['venue']}/{one['book']}": one["error"] for one in manifest["fetched"] if one["error"]}
    run = {
        "run_id": run_id,
        "started_at": _naive(manifest["started_at"]),
        "ended_at": _naive(manifest["ended_at"]),
        "origin": manifest["origin"],
        "code_version": manifest["code_version"],
        "settings_hash": manifest["settings_hash"],
        "asked": orjson.dumps(manifest["asks"]).decode(),
        "failures": orjson.dumps(failures).decode(),
    }
    payloads = [
        {
            "folder": one["folder"],
            "run_id": run_id,
            "venue": one["venue"],
            "book": one["book"],
            "received_at": _naive(reply["received_at"]),
            **{key: reply[key] for key in ("file", "name", "url", "status", "bytes", "sha256")},
        }
        for one in manifest["fetched"]
        if one["folder"]
        for reply in folder_manifest(home, one["folder"])["replies"]
    ]
    for name, contract, rows in (("ops.runs", Runs, [run]), ("ops.payloads", Payloads, payloads)):
        con.execute(f"delete from {name} where run_id = {literal(run_id)}")
        insert(con, name, pl.DataFrame(rows, schema=pl.Schema({column: one.dtype for column, one in contract.columns().items()})))


def _naive(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)
