"""One question asked through all doors: Python frames that are compared with their SQL macros, and a whole server over the same home."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import polars as pl
import requests

from tests.small_warehouse import FIRST, LAST, SECOND
from tests.warehouse.api.backquant.serving import Client
from tests.warehouse.api.backquant.test_backquant_fields import Question
from warehouse.client.warehouse import Warehouse
from warehouse.home.paths import Home

MOMENTS = (FIRST, SECOND, LAST)


class ComparedWarehouse(Warehouse):
    """Frames of a home, each made once and, when asked to, compared with what the SQL macro gives."""

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self.compares = False  # which tests/warehouse/client/test_warehouse.py does too; here it doubles the time
        self.known: dict[str, pl.DataFrame] = {}

    def _call(self, macro: str, arguments: dict[str, Any], keep: tuple[str, ...] = ()) -> pl.DataFrame:
        parameters = {name: value for name, value in arguments.items() if value is not None or name in keep}
        key = repr((macro, sorted(parameters.items())))
        if key not in self.known:
            frame = super()._call(macro, arguments, keep)
            if self.compares:
                first = ", ".join(f"${name}" for name in parameters if name in ("underlying", *keep))
                named = ", ".join(f"{name} := ${name}" for name in parameters if name not in ("underlying", *keep))
                values = {name: _as_sql(one) for name, one in parameters.items()}
                in_sql = self.sql(f"from {macro}({', '.join(filter(None, (first, named)))})", values)
                assert in_sql.equals(frame) and in_sql.schema == frame.schema, key
            self.known[key] = frame
        return self.known[key]


def _as_sql(value: Any) -> Any:
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


class WholeServer:
    """What a test client has, on a server with its gate."""

    def __init__(self, url: str) -> None:
        self._url, self._session = url, requests.Session()

    def get(self, path: str, params: dict[str, Any] | None = None) -> requests.Response:
        return self._session.get(f"{self._url}{path}", params=params, timeout=30)


def client_of(url: str) -> Client:
    """The client of the BackQuant tests, on a whole server."""
    client = Client.__new__(Client)
    client.http = WholeServer(url)  # type: ignore[assignment]
    return client


@dataclass(frozen=True)
class Case:
    """One (symbol, moment, expiry) of the FlashAlpha dialect, with the frames of the same question."""

    http: WholeServer
    wh: Warehouse
    symbol: str
    at: datetime
    expiry: date | None
    prefix: str  # "", or "/historical"

    @property
    def is_us(self) -> bool:
        return self.symbol == "IDX"

    def body(self, path: str, **parameters: Any) -> dict[str, Any]:
        answer = self.http.get(f"{self.prefix}{path}", {"at": f"{self.at:%Y-%m-%dT%H:%M:%SZ}", **parameters})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        row = self.row("max_pain_pooled")
        shown = (body["symbol"], body["underlying_price"], body["as_of"])
        expected = (self.symbol, row["spot"], f"{row['captured_at']:%Y-%m-%dT%H:%M:%SZ}")
        assert shown == expected, (shown, expected)
        return body

    def read(self, macro: str, **filters: Any) -> pl.DataFrame:
        frame: pl.DataFrame = getattr(self.wh, macro)(self.symbol, as_of=self.at.replace(tzinfo=None), **filters)
        return frame

    def row(self, macro: str, **filters: Any) -> dict[str, Any]:
        return self.read(macro, **filters).row(0, named=True)

    def levels(self, **filters: Any) -> dict[str, Any]:
        return self.read("gex_levels", **filters).filter(pl.col("scope_expiry") == "all").row(0, named=True)

    def dates(self) -> list[date]:
        return self.read("max_pain")["expiry"].unique().sort().to_list()

    def only(self) -> dict[str, Any]:
        return {} if self.expiry is None else {"expiry": self.expiry}

    def expiry_parameter(self, name: str) -> dict[str, str]:
        return {} if self.expiry is None else {name: self.expiry.isoformat()}

    def oi(self, row: dict[str, Any], side: str) -> float | int | None:
        """The conversion of open interest: whole contracts in the US, coins in crypto."""
        value = row[f"{side}_oi_contracts" if self.is_us else f"{side}_oi"]
        return None if value is None else round(value) if self.is_us else round(value, 8)


def usd(value: Any) -> float | None:
    """Decimals of the tables as numbers."""
    return None if value is None else float(value)


def exposures(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The conversion of signs: natural delta (puts negative), charm positive when dealers buy. Sums are of exact decimals."""
    total: Callable[[str], Any] = lambda name: sum(row[name] for row in rows if row[name] is not None)  # noqa: E731
    return {
        "net_gex": float(total("net_gex_usd_1pct")),
        "net_dex": float(total("call_dex_usd") - total("put_dex_usd")),
        "net_vex": float(total("net_vex_usd_1vol")),
        "net_chex": 0.0 - float(total("net_chex_usd_day")),
    }


def share(part: float, whole: float) -> float | None:
    """Percent, two decimals."""
    return round(100 * (part / whole), 2) if whole else None


def rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def main_smile(case: Case, expiry: date) -> dict[str, Any]:
    """Of the settlement instants of a date the one with more open interest speaks for it, the later one on a tie."""
    rows = case.read("expiry_summary").filter(pl.col("expiry") == expiry).rows(named=True)
    return max(rows, key=lambda row: (row["total_oi"] or 0, row["expires_at"]))


def is_close(one: float | None, other: float | None) -> bool:
    return one is other is None or (one is not None and other is not None and math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-9))


__all__ = [
    "MOMENTS",
    "Case",
    "ComparedWarehouse",
    "Question",
    "WholeServer",
    "client_of",
    "exposures",
    "is_close",
    "main_smile",
    "rounded",
    "share",
    "usd",
]
