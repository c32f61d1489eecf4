"""What an import tells people: a line per chain, one per file that cannot be read, and what it comes to."""

from __future__ import annotations

from collections import Counter
from typing import Any

from flows.cli.printing.table import print_json
from flows.history.imports.run import ImportResult
from models.snapshot import OK
from warehouse.home.paths import Home

CHAIN_FIELDS = (
    "snapshot_id", "underlying", "venue", "captured_at", "session_date", "status", "error", "incomplete_reason", "spot", "contracts",
    "rejected_rows",
)  # fmt: skip
MOST_LINES = 40  # of whole chains; what is wrong is always told


def print_import(home: Home, result: ImportResult, *, json: bool) -> None:
    """The report of an import."""
    chains = [_chain(row, result) for row in result.venues.iter_rows(named=True)]
    if json:
        fields = ("files", "loaded", "resumed", "settlements", "known", "failures", "generation", "exit_code")
        print_json(
            {
                **{name: getattr(result, name) for name in fields},
                "held": result.hold_reason,
                "published": str(home.published_file),
                "chains": chains,
            }
        )
        return
    whole = [chain for chain in chains if chain["status"] == OK and not chain["incomplete_reason"]]
    hidden = {id(chain) for chain in whole[MOST_LINES:]}
    for chain in chains:
        if id(chain) not in hidden:
            print(_line(chain))
    if hidden:
        print(f"… and {len(hidden)} more chains that are whole.")
    notes = Counter(note for chain in chains for note in chain["warnings"] if not note.startswith("incomplete: "))
    for note, count in notes.most_common(MOST_LINES):
        print(f"{count} × {note}" if count > 1 else note)
    for name, error in result.failures.items():
        print(f"{name}: {error}.")
    print(_summary(home, result))


def _chain(row: dict[str, Any], result: ImportResult) -> dict[str, Any]:
    warnings = result.warnings.get((row["snapshot_id"], row["venue"]), ())
    return {name: row[name] for name in CHAIN_FIELDS} | {"open_interest": row["oi_base_total"], "warnings": list(warnings)}


def _line(chain: dict[str, Any]) -> str:
    interest = "unknown" if chain["open_interest"] is None else f"{chain['open_interest']:,.0f}"
    refused = f", {chain['rejected_rows']} rows refused" if chain["rejected_rows"] else ""
    error = f"  {chain['error']}" if chain["error"] else ""
    part = f"  incomplete: {chain['incomplete_reason']}" if chain["incomplete_reason"] else ""
    head = f"{chain['underlying']:<6} {chain['venue']:<8} {chain['captured_at']:%Y-%m-%d %H:%M:%S}  {chain['status']:<9}"
    return f"{head} {chain['contracts']:>6,} contracts, open interest {interest}{refused}{error}{part}"


def _summary(home: Home, result: ImportResult) -> str:
    contents = f"{result.venues.height:,} chains" + (f", {result.settlements:,} settlement prices" if result.settlements else "")
    parts = [f"{result.loaded:,} of {result.files:,} files imported ({contents})"]
    parts += [f"{len(result.known):,} there already"] if result.known else []
    parts += [f"{len(result.failures):,} cannot be read"] if result.failures else []
    parts += [f"{result.resumed:,} of an import that was stopped loaded now"] if result.resumed else []
    text = ", ".join(parts) + "."
    if result.hold_reason:
        return f"{text}\nNot published. {result.hold_reason}"
    live = f"Live is generation {result.generation}: {home.published_file}" if result.generation else "Nothing is published yet."
    return f"{text}\n{live}"
