"""How fresh the data are, and what is wrong with a machine or a home."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flows.cli.printing.table import print_json, print_rows
from flows.run.alerts import AlertNews
from warehouse.monitor.freshness import Freshness

if TYPE_CHECKING:
    from warehouse.monitor.health_machine import Finding


def print_status(
    state: dict[str, Any], rows: list[Freshness], *, other_settings: int, news: AlertNews | None = None, json: bool = False
) -> None:
    """Freshness per underlying and venue, and what a person should do; `other_settings` counts snapshots of settings before these.

    `state` is status.json; its `schedule`, if there, holds the last row of published/schedule.json per underlying.
    """
    if json:
        print_json({**state, "snapshots_with_other_settings": other_settings, "freshness": rows, "alert_news": news})
        return
    print_rows(
        [
            {
                "underlying": row.underlying,
                "venue": row.venue,
                "last_snapshot_utc": row.captured_at.strftime("%Y-%m-%d %H:%M") if row.captured_at else None,
                "age_hours": None if row.age_hours is None else round(row.age_hours, 1),
                "freshness": row.state,
                "why": row.why if row.is_watched else f"{row.why} (not on the watchlist)",
            }
            for row in rows
        ],
        json=False,
    )
    if due := state.get("schedule"):
        print("\nThe last scheduled run of each underlying (UTC):")
        print_rows([{key: row[key] for key in ("underlying", "due_at", "outcome", "reason")} for row in due], json=False)
    live = "Nothing is published" if state["generation"] is None else f"Generation {state['generation']} is live"
    print(f"\n{live}; last written {state['written_at']} by {state['run_id'] or 'a rebuild'}.")
    if state["held"]:
        print(f"The last run was not published. {state['held']}")
    for one in state.get("alerts", []):
        reported = (
            "delivered" if one["delivered_at"] else f"not delivered: {one['delivery_error']}" if one["delivery_error"] else "not delivered"
        )
        print(f"Alert since {one['first_seen_at']} ({reported}): {one['message']}")
    for failure in news.failures if news else ():
        print(f"Not delivered: {failure}")
    if news and news.not_asked:
        print(f"Only rules of kind stale were asked, of what the runs before reported: {news.not_asked.partition('. ')[0]}.")
    if other_settings:
        print(f"{other_settings} snapshots were computed with other settings: a rebuild is due (`strikehouse rebuild`).")


def print_findings(findings: Sequence[Finding], *, json: bool) -> None:
    """What the doctor found, a line per check."""
    if json:
        print_json(findings)
        return
    width = max(len(one.check) for one in findings)
    for one in findings:
        print(f"{one.state:<8} {one.check:<{width}}  {one.what}{f' → {one.mend}' if one.mend else ''}")
