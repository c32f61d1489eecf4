"""Prefect's global concurrency limit for the work file: the second guard, beside the operating system's lock, and to be seen in its UI.

It is used strictly, because Prefect takes a limit that does not exist for one that is free. Import after `set_prefect_environment`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.concurrency.sync import concurrency

from warehouse.home.paths import Home

WAIT_SECONDS = 30.0


def limit_name(home: Home) -> str:
    """Name of the limit: one per home, because a server may serve several."""
    return f"strikehouse-work-{hashlib.sha256(str(home.root).encode()).hexdigest()[:8]}"


@contextmanager
def prefect_slot(home: Home) -> Iterator[None]:
    """Hold the only slot of the limit; for a process that holds the home's writer lock.

    Who holds that lock knows that nobody else writes: a slot that is taken belonged to a run that was killed. Prefect keeps leases in
    memory, so after a restart it would never take that slot back; it is set free here. Raises `TimeoutError` should it not be free then.
    """
    name = limit_name(home)
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(name, 1)
        if client.read_global_concurrency_limit_by_name(name).active_slots:
            client.update_global_concurrency_limit(name, GlobalConcurrencyLimitUpdate(active_slots=0))
    # A lease that cannot be renewed ends no run: the lock of the operating system still holds.
    with concurrency(name, strict=True, timeout_seconds=WAIT_SECONDS, raise_on_lease_renewal_failure=False):
        yield
