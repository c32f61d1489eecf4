"""Public relations: every name that readers can query, with its contract. Clients, commands and docs use this list."""

from __future__ import annotations

from functools import cache

import dataframely as dy

from models.contracts.registry import PUBLISHED
from models.errors import UsageError

LATEST_SNAPSHOTS = "latest.snapshots"


def marts() -> list[str]:
    """Names of the marts of a snapshot, those that have a `latest` view."""
    return [name for name, contract in PUBLISHED.items() if name.startswith("marts.") and "snapshot_id" in contract.column_names()]


def latest_name(mart: str) -> str:
    """Name of the view of a mart's newest snapshots: `latest.max_pain` of `marts.max_pain`."""
    return f"latest.{mart.split('.')[1]}"


@cache
def public_relations() -> dict[str, type[dy.Schema]]:
    """Name of each public relation → its contract: published relations and the views of schema `latest`."""
    views = {latest_name(mart): PUBLISHED[mart] for mart in marts()}
    return {**PUBLISHED, **views, LATEST_SNAPSHOTS: PUBLISHED["core.snapshots"]}


def contract_of(relation: str) -> type[dy.Schema]:
    """The contract of a public relation; raises `UsageError`, which lists all names, for an unknown one."""
    known = public_relations()
    if relation not in known:
        raise UsageError(f"No table is called {relation!r}. Known: {', '.join(known)}.")
    return known[relation]
