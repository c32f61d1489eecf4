"""Contracts of the `ops` tables: runs, payloads, rejected rows, checks, alerts, publications."""

from __future__ import annotations

import dataframely as dy


class Runs(dy.Schema):
    """Runs that fetched or imported. One row per run_id."""

    run_id = dy.String(primary_key=True, description="start of the run and a random part")
    started_at = dy.Datetime(description="UTC")
    ended_at = dy.Datetime(nullable=True, description="UTC")
    origin = dy.String(description="live or import")
    code_version = dy.String(description="version of Strikehouse")
    settings_hash = dy.String(description="hash of the settings that change numbers")
    asked = dy.String(description="underlyings and venues asked, or files imported, JSON")
    failures = dy.String(description="what failed, JSON: venue and book, or file, to error")


class Payloads(dy.Schema):
    """Archived replies. One row per folder, file."""

    folder = dy.String(primary_key=True, description="under raw/")
    file = dy.String(primary_key=True, description="in that folder")
    run_id = dy.String(description="the run that fetched it")
    venue = dy.String(description="who sent it")
    book = dy.String(description="for which book")
    name = dy.String(description="which request it answers; of an import the file")
    url = dy.String(description="address asked; of an import the file")
    status = dy.Int32(description="HTTP status; 200 for a file")
    received_at = dy.Datetime(description="UTC")
    bytes = dy.Int64(min=0, description="size of the body, unpacked", metadata={"unit": "bytes"})
    sha256 = dy.String(description="hash of the body, unpacked")


class RejectedRowsTable(dy.Schema):
    """What parsers refused, and why. One row per snapshot_id, venue, payload_sha256, row_number, reason, field."""

    snapshot_id = dy.String(description="the snapshot that it would have entered")
    venue = dy.String(description="who sent it")
    underlying = dy.String(description="what the option is on")
    payload_sha256 = dy.String(description="hash of the reply that holds the row")
    row_number = dy.Int64(min=0, description="place of the row in that reply, from 0")
    instrument = dy.String(nullable=True, description="the row's instrument, where it has one")
    reason = dy.String(description="why, one word")
    field = dy.String(nullable=True, description="the venue's field that was refused")
    value = dy.String(nullable=True, description="the offending value as the venue sent it")
    is_row_kept = dy.Bool(description="true: only this value became null; false: the whole row is left out")


class CheckResults(dy.Schema):
    """Checks that were not clean. One row per snapshot_id, venue, check_name (snapshot_id and venue empty for structural checks)."""

    snapshot_id = dy.String(description="the snapshot concerned; empty for a structural check")
    venue = dy.String(description="the venue concerned, or all")
    check_name = dy.String(description="file name in sql/checks/")
    severity = dy.String(description="required, or advisory")
    scope = dy.String(description="snapshot-venue, or structure")
    rows = dy.Int64(min=1, description="offending rows")
    example = dy.String(description="the first offending row, JSON")


class Alerts(dy.Schema):
    """Alerts, open and over. One row per alert_key, first_seen_at.

    A condition that goes on holding stays one alert, delivered once; when it holds again after it was over, it is a new one.
    """

    alert_key = dy.String(primary_key=True, description="what holds: rule, underlying, and what of it, separated by |")
    first_seen_at = dy.Datetime(primary_key=True, description="when the rules first found it, UTC")
    rule = dy.String(description="name of the rule in the settings")
    kind = dy.String(description="flip_crossed, max_pain_moved, regime_changed, stale, check_failed, venue_missing")
    underlying = dy.String(description="what it is about; empty when it concerns the whole publication")
    message = dy.String(description="what happened, with its numbers, as last found")
    last_seen_at = dy.Datetime(description="when the rules last found it, UTC")
    cleared_at = dy.Datetime(nullable=True, description="when they no longer found it, UTC; null while it is open")
    delivered_at = dy.Datetime(nullable=True, description="when every address had taken it, UTC; null before, or without addresses")
    delivered_to = dy.String(description="addresses that took it: place in alerts.urls and scheme, comma-separated")
    delivery_error = dy.String(nullable=True, description="why some address did not; it is tried again")
    is_clear_note_due = dy.Bool(description="that it is over is still to be told (alerts.notify_cleared)")


class Publications(dy.Schema):
    """Which publication this file is. One row."""

    generation = dy.Int64(min=1, description="counts publications of this home")
    published_at = dy.Datetime(description="UTC")
    run_id = dy.String(nullable=True, description="the run that it followed")
    code_version = dy.String(description="version of Strikehouse")
    settings_hash = dy.String(description="hash of the settings that change numbers")
