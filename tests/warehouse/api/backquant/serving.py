"""A minimal server of the BackQuant dialect over a home, with a clock of the test's own."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from fastapi import FastAPI

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette would rather have another HTTP library
    from starlette.testclient import TestClient

from tests.chains import SETTINGS
from warehouse.api.backquant import exception_handlers, router
from warehouse.client.warehouse import Warehouse
from warehouse.home.paths import Home
from warehouse.publish.generations import publish
from warehouse.publish.status import VenueOutcome, write_status
from warehouse.settings import Settings
from warehouse.storage.work_file import open_work


class Remembering(Warehouse):
    """Frames of a home that does not change, each made once: the tests ask for the same ones over and over."""

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self.known: dict[str, pl.DataFrame] = {}

    def _macro(self, macro: str, underlying: str, filters: Any) -> pl.DataFrame:
        given = {name: value for name, value in sorted(filters.items()) if value is not None}
        key = repr((macro, underlying, given))
        if key not in self.known:
            self.known[key] = super()._macro(macro, underlying, given)
        return self.known[key]


NOW = datetime(2026, 3, 3, 1, tzinfo=UTC)  # an hour after the last snapshot of the small warehouse


def published(stocked: Home, folder: Path) -> Home:
    """A copy of a home, published, with the status that its runs would have written; to be read."""
    home = Home(Path(shutil.copytree(stocked.root, folder / "home")))
    home.raw.mkdir(exist_ok=True)
    books = [("COIN", venue, "crypto") for venue in ("deribit", "bybit", "okx")] + [("IDX", "cboe", "us")]
    outcomes = [VenueOutcome(name, venue, market, "ok", None, 1, 1.0, 0, (), {}) for name, venue, market in books]
    with open_work(home, SETTINGS, "publish") as con:
        publish(con, home, SETTINGS, run_id=None, now=NOW, code_version="0")
        write_status(con, home, run_id="run-3", now=NOW, generation=1, hold_reason=None, outcomes=outcomes)
    return home


def application(home: Home, *, wh: Warehouse | None = None, now: datetime = NOW, settings: Settings = SETTINGS) -> FastAPI:
    app = FastAPI()
    app.include_router(router)
    for error, handler in exception_handlers.items():
        app.add_exception_handler(error, handler)
    app.state.home, app.state.settings, app.state.warehouse = home, settings, wh or Warehouse(home)
    app.state.clock = lambda: now
    return app


class Client:
    """Asks and hands out `data`; other statuses than the one expected fail."""

    def __init__(self, app: FastAPI) -> None:
        self.http = TestClient(app, raise_server_exceptions=True)

    def reply(self, path: str, *, status: int = 200, **parameters: Any) -> dict[str, Any]:
        answer = self.http.get(f"/v2{path}", params=parameters)
        assert answer.status_code == status, answer.text
        body: dict[str, Any] = answer.json()
        assert body["success"] is (status == 200)
        assert answer.headers["X-Request-ID"] == body["meta"]["request_id"]
        return body

    def data(self, path: str, **parameters: Any) -> dict[str, Any]:
        body: dict[str, Any] = self.reply(path, **parameters)["data"]
        return body

    def error(self, path: str, status: int, **parameters: Any) -> Mapping[str, Any]:
        body: dict[str, Any] = self.reply(path, status=status, **parameters)["error"]
        return body
