"""Each documented refusal, and the ranges of all parameters."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from fastapi import FastAPI

from tests.small_warehouse import FIRST, LAST
from tests.warehouse.api.backquant.serving import NOW, Client, application
from warehouse.api.backquant import OPEN_PATHS, on_invalid, rate_headers, refuse
from warehouse.api.server.keys import Quota, Rate
from warehouse.home.paths import Home

DATA = (
    "/gex/levels", "/gex/strike-profile", "/gex/strike-expiry-heatmap", "/gex/expiry-profile", "/gex/max-pain", "/gex/history", "/options/opex",
    "/options/expiry-summary", "/options/expected-move", "/options/chain", "/expiries",
)  # fmt: skip
COIN = {"symbol": "COINUSDT", "as_of": FIRST.isoformat()}
# endpoint, parameter, values that are accepted, values that are not
RANGES: list[tuple[str, str, tuple[Any, ...], tuple[Any, ...]]] = [
    *((path, "positioning", ("flow", "std"), ("measured", "")) for path in DATA[:4]),
    ("/gex/levels", "include", ("", "spot", "ranked, ZONES"), ("greeks", "spot,nosuch")),
    ("/gex/strike-profile", "expiry", ("all", "0dte", "13MAR26", "13mar26", "2026-03-13"), ("tomorrow", "32MAR26", "2026-02-30", "13-03-2026", "")),
    ("/gex/max-pain", "expiry", ("all", "13MAR26", "2026-03-13"), ("2026-3-13", "1MAR2026", "99ABC26")),
    ("/gex/strike-profile", "strike_min", (0, 95.5), (-1, "x", "nan", "inf")),
    ("/gex/strike-profile", "strike_max", (0, 1e9), (-0.1, "")),
    ("/gex/strike-profile", "moneyness_min", (0, 10), (-0.1, 10.01)),
    ("/gex/strike-profile", "moneyness_max", (0, 10), (-0.1, 10.01)),
    ("/gex/strike-profile", "spot_window_pct", (0, 200), (-1, 200.5)),
    ("/gex/strike-expiry-heatmap", "dte_min", (0, 720), (-1, 721, 1.5)),
    ("/gex/strike-expiry-heatmap", "dte_max", (0, 720), (-1, 721)),
    ("/gex/strike-expiry-heatmap", "moneyness_min", (0, 10), (-1, 11)),
    ("/gex/strike-expiry-heatmap", "moneyness_max", (0, 10), (-1, 11)),
    ("/gex/strike-expiry-heatmap", "spot_window_pct", (0, 200), (-1, 201)),
    ("/gex/strike-expiry-heatmap", "max_strikes", (10, 400), (9, 401)),
    ("/gex/strike-expiry-heatmap", "max_expiries", (2, 60), (1, 61)),
    ("/gex/expiry-profile", "dte_min", (0, 720), (-1, 721)),
    ("/gex/expiry-profile", "dte_max", (0, 720), (-1, 721)),
    ("/gex/expiry-profile", "weekly_only", ("true", "false"), ("often",)),
    ("/gex/history", "limit", (1, 1000), (0, 1001)),
    ("/gex/history", "before", ("2026-03-02T23:00:00Z",), ("yesterday", "")),
    ("/options/opex", "horizon", (1, 365), (0, 366)),
    ("/options/opex", "types", ("weekly", "monthly,quarterly"), ("unknown", "weekly,yearly")),
    ("/options/chain", "dte_min", (0, 720), (-1, 721)),
    ("/options/chain", "dte_max", (0, 720), (-1, 721)),
    ("/options/chain", "oi_min", (0, 5), (-1,)),
    ("/options/chain", "oi_max", (0, 5), (-1,)),
    ("/options/chain", "delta_min", (0, 1), (-0.1, 1.1)),
    ("/options/chain", "delta_max", (0, 1), (-0.1, 1.1)),
    ("/options/chain", "strike_min", (0, 5), (-1,)),
    ("/options/chain", "strike_max", (0, 5), (-1,)),
    ("/options/chain", "moneyness_min", (0, 10), (-1, 11)),
    ("/options/chain", "moneyness_max", (0, 10), (-1, 11)),
    ("/options/chain", "option_type", ("call", "put", "both"), ("C", "straddle")),
    ("/options/chain", "max_contracts", (1, 5000), (0, 5001)),
    ("/options/chain", "fields", ("contracts", "aggregates,available_expiries"), ("rows",)),
    ("/options/chain", "include", ("oi,iv", "greeks", "bid_ask,volume,gex"), ("rho",)),
    ("/options/chain", "expiries", ("13MAR26", "13mar26,2026-03-13"), ("soon", "13MAR26,soon")),
]  # fmt: skip


@pytest.mark.parametrize(("path", "name", "good", "bad"), RANGES, ids=lambda value: value if isinstance(value, str) else "")
def test_ranges(v2: Client, path: str, name: str, good: tuple[Any, ...], bad: tuple[Any, ...]) -> None:
    for value in good:
        v2.data(path, **COIN, **{name: value})
    for value in bad:
        error = v2.error(path, 422, **COIN, **{name: value})
        assert (error["code"], error["message"]) == ("VALIDATION_ERROR", "Invalid request parameters")
        assert all(set(one) == {"type", "loc", "msg"} and one["loc"] == ["query", name] for one in error["details"]["errors"]), error


@pytest.mark.parametrize(("path", "names"), [("/gex/strike-profile", ("strike", "moneyness")), ("/gex/strike-expiry-heatmap", ("dte", "moneyness")), ("/gex/expiry-profile", ("dte",)), ("/options/chain", ("dte", "oi", "delta", "strike", "moneyness"))])  # fmt: skip
def test_a_range_that_ends_before_it_begins(v2: Client, path: str, names: tuple[str, ...]) -> None:
    for name in names:
        error = v2.error(path, 422, **COIN, **{f"{name}_min": 1, f"{name}_max": 0})
        assert error["details"]["errors"][0]["loc"] == ["query", f"{name}_min"]


@pytest.mark.parametrize("path", DATA)
def test_symbols_and_moments(v2: Client, path: str) -> None:
    wrong = v2.error(path, 422, symbol="COIN")
    assert wrong["details"]["errors"][0] == {
        "type": "literal_error",
        "loc": ["query", "symbol"],
        "msg": "COIN is not a known symbol; use COINUSDT",
    }
    assert v2.error(path, 422, symbol="BTC")["details"]["errors"][0]["msg"] == "BTC is not a known symbol; use BTCUSDT"
    assert v2.error(path, 404, symbol="SOLUSDT") == {"code": "NOT_FOUND", "message": "No data for SOLUSDT", "details": None}
    assert v2.error(path, 404)["message"] == "No data for BTCUSDT"
    for text in ("yesterday", "", "2026-13-01", "0001-01-01T00:00:00+14:00"):
        assert v2.error(path, 422, symbol="COINUSDT", as_of=text)["details"]["errors"][0]["loc"] == ["query", "as_of"]
    future = v2.error(path, 400, symbol="COINUSDT", as_of=(NOW + timedelta(seconds=1)).isoformat())
    assert future["code"] == "VALIDATION_ERROR"
    assert v2.error(path, 404, symbol="COINUSDT", as_of=(FIRST - timedelta(seconds=1)).isoformat())["code"] == "NOT_FOUND"
    between = v2.reply(path, symbol="COINUSDT", as_of="2026-03-02T22:30:00.5")
    assert between["meta"]["extra"]["as_of"] == {
        "requested": "2026-03-02T22:30:00.500000+00:00", "snapshot_ts": "2026-03-02T22:00:00+00:00", "lag_seconds": 1800.5, "resolution": "at_or_before",
    }  # fmt: skip
    again = v2.reply(path, symbol="COINUSDT", as_of="2026-03-02T22:30:00.5", nosuch="ignored")
    assert again["data"] == between["data"]


@pytest.mark.parametrize("path", DATA[:-1])
def test_exchanges(v2: Client, path: str) -> None:
    error = v2.error(path, 422, **COIN, exchanges="nosuch,cboe")
    assert error["details"]["errors"][0]["loc"] == ["query", "exchanges"]
    some = v2.reply(path, **COIN, exchanges=" Deribit , nosuch")
    assert some["meta"]["exchanges_filtered"] == ["deribit"] and some["meta"]["source"] == ["deribit"]
    assert some["meta"]["extra"]["exchanges_ignored"] == ["nosuch"]
    assert some["data"] == v2.data(path, **COIN, exchanges="deribit")


@pytest.mark.parametrize("path", DATA[:-1])
def test_a_venue_that_the_snapshot_lacks_is_not_filled_from_an_older_one(v2: Client, path: str) -> None:
    reply = v2.reply(path, symbol="COINUSDT", exchanges="bybit", as_of=LAST.isoformat())
    assert reply["meta"]["exchanges_filtered"] == ["bybit"] and "source" not in reply["meta"]
    if path != "/gex/history":  # a series has the snapshots that have the venue
        assert not any(reply["data"].get(name) for name in ("strikes", "expiries", "per_expiry", "expirations", "contracts"))
    else:
        assert reply["data"]["timestamps"] == [f"{FIRST:%Y-%m-%dT%H:%M:%SZ}"]


def test_unlisted_expiries(v2: Client) -> None:
    for path, name in (("/gex/strike-profile", "expiry"), ("/gex/max-pain", "expiry"), ("/options/chain", "expiries")):
        assert v2.error(path, 404, **COIN, **{name: "25DEC26"})["message"] == "No expiry 25DEC26 for COINUSDT"
    assert (
        v2.error("/gex/max-pain", 404, symbol="COINUSDT", expiry="0dte", as_of=FIRST.isoformat())["message"]
        == "No 0DTE contracts for COINUSDT"
    )
    listed_elsewhere = v2.data("/gex/max-pain", symbol="COINUSDT", exchanges="bybit", expiry="13MAR26", as_of=LAST.isoformat())
    assert listed_elsewhere["max_pain"] == {"strike": None, "value": None} and listed_elsewhere["pain_curve"] == []


def test_several_symbols_are_one_to_eight(v2: Client) -> None:
    for symbols in ("", ",", ",".join(f"S{number}" for number in range(9))):
        assert v2.error("/multi/gex/levels", 422, symbols=symbols)["details"]["errors"][0]["loc"] == ["query", "symbols"]
    assert v2.data("/multi/gex/levels")["missing"] == ["BTCUSDT", "ETHUSDT", "SOLUSDT", "HYPEUSDT"]
    for section in ("spot", "candles", "nosuch"):
        v2.error("/multi/gex/levels", 422, include=section)
    v2.error("/multi/gex/levels", 400, as_of="2999-01-01")
    v2.error("/multi/gex/levels", 422, symbols="COINUSDT", exchanges="cboe")
    mixed = v2.reply("/multi/gex/levels", symbols="COINUSDT,IDX", exchanges="cboe", as_of=FIRST.isoformat())
    assert (mixed["data"]["served"], mixed["data"]["missing"]) == (["IDX"], ["COINUSDT"])


def test_nothing_published(tmp_path: Path) -> None:
    client = Client(application(Home(tmp_path)))
    for path in (*DATA, "/multi/gex/levels", "/status", "/symbols"):
        error = client.error(path, 503)
        assert error["code"] == "UPSTREAM_ERROR" and str(tmp_path) not in error["message"]
    assert client.data("/health") == {"status": "unhealthy", "subsystems": {"warehouse": False, "raw_store": False}}


def test_a_published_file_that_cannot_be_read(small_home: Home, tmp_path: Path) -> None:
    home = Home(Path(shutil.copytree(small_home.root, tmp_path / "home")))
    home.published_file.unlink()
    home.published_file.write_bytes(b"no database")
    assert Client(application(home)).error("/gex/levels", 503)["code"] == "UPSTREAM_ERROR"


class Reason(Enum):
    UNAUTHORIZED, FORBIDDEN, UNKNOWN_PATH, BUSY, INTERNAL, UNAVAILABLE, TOO_SLOW = 401, 403, 404, 429, 500, 503, 504


@pytest.mark.parametrize("reason", Reason)
def test_refusals_of_the_server_have_the_shape_of_the_dialect(reason: Reason) -> None:
    rate = Rate(120, 0, datetime(2026, 3, 3, 1, 1, tzinfo=UTC), 17, is_exceeded=True)
    answer = refuse(SimpleNamespace(reason=reason, message="Why", request_id="req_1", rate=rate if reason is Reason.BUSY else None))
    body = orjson.loads(answer.body)
    codes = {
        401: "UNAUTHORIZED",
        403: "FORBIDDEN",
        404: "NOT_FOUND",
        429: "RATE_LIMIT_EXCEEDED",
        500: "INTERNAL_ERROR",
        503: "UPSTREAM_ERROR",
        504: "UPSTREAM_ERROR",
    }
    busy = {"retry_after_seconds": 17, "limit": "120 per 1 minute"} if reason is Reason.BUSY else None
    message = "Invalid API key" if reason is Reason.UNAUTHORIZED else "Why"
    assert (answer.status_code, body["success"]) == (reason.value, False)
    assert body["error"] == {"code": codes[reason.value], "message": message, "details": busy}
    assert body["meta"]["version"] == "2.7" and body["meta"]["request_id"] == answer.headers["X-Request-ID"] == "req_1"
    assert answer.headers.get("Retry-After") == ("17" if reason is Reason.BUSY else None)


def test_headers_of_limits() -> None:
    reset = datetime(2026, 3, 3, 1, 1, tzinfo=UTC)
    expected = {"X-RateLimit-Limit": "120", "X-RateLimit-Remaining": "7", "X-RateLimit-Reset": str(int(reset.timestamp()))}
    assert rate_headers(Rate(120, 7, reset, 1, is_exceeded=False)) == expected
    spent = Quota(1000, 1000, date(2026, 3, 1), datetime(2026, 4, 1, tzinfo=UTC), is_exceeded=True)
    quota = {"X-Quota-Limit": "1000", "X-Quota-Used": "1000", "X-Quota-Remaining": "0", "X-Quota-Period": "202603"}
    assert rate_headers(Rate(120, 7, reset, 1, is_exceeded=True, quota=spent)) == expected | quota
    assert rate_headers(Rate(None, 0, reset, 1, is_exceeded=True, quota=spent)) == quota
    assert rate_headers(Rate(None, 0, reset, 1, is_exceeded=False)) == {}


def test_what_fastapi_itself_refuses() -> None:
    body = orjson.loads(on_invalid([{"type": "missing", "loc": ("query", "x"), "msg": "Field required", "input": None}], "req_2").body)
    assert body["error"]["details"] == {"errors": [{"type": "missing", "loc": ["query", "x"], "msg": "Field required"}]}


def test_the_request_id_is_echoed_and_the_rate_is_stated(small_home: Home) -> None:
    app: FastAPI = application(small_home)

    @app.middleware("http")
    async def limited(request: Any, answer: Any) -> Any:
        request.state.rate = Rate(5, 4, NOW, 1, is_exceeded=False)
        return await answer(request)

    answer = Client(app).http.get("/v2/symbols", headers={"X-Request-ID": "mine-1"})
    assert answer.headers["X-Request-ID"] == answer.json()["meta"]["request_id"] == "mine-1"
    assert answer.json()["meta"]["rate_limit"] == {"limit": 5, "remaining": 4, "reset": int(NOW.timestamp())}
    assert Client(app).http.get("/v2/symbols", headers={"X-Request-ID": "no good {}"}).headers["X-Request-ID"].startswith("req_")


def test_documents_need_no_key(v2: Client) -> None:
    document = v2.http.get("/v2/openapi.json").json()
    assert {f"/v2{path}" for path in (*DATA, "/multi/gex/levels", "/status", "/health", "/symbols")} == set(document["paths"])
    page = v2.http.get("/v2/docs").text
    assert "max_contracts" in page and page == v2.http.get("/v2/redoc").text
    assert {"/v2/health", "/v2/openapi.json", "/v2/docs", "/v2/redoc"} == OPEN_PATHS
