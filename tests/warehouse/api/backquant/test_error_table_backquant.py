"""The table of all documented errors of the BackQuant dialect, each provoked on a whole server, with its envelope and its headers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import CHECKOUT, Demo
from tests.warehouse.api.backquant.test_backquant_errors import DATA
from tests.warehouse.api.error_table import Provoked, Servers, check, servers

DOCUMENTED = {
    (400, "VALIDATION_ERROR"), (401, "UNAUTHORIZED"), (404, "NOT_FOUND"), (405, "VALIDATION_ERROR"), (413, "VALIDATION_ERROR"), (414, "VALIDATION_ERROR"),
    (422, "VALIDATION_ERROR"), (429, "RATE_LIMIT_EXCEEDED"), (431, "VALIDATION_ERROR"), (500, "INTERNAL_ERROR"), (503, "UPSTREAM_ERROR"), (504, "UPSTREAM_ERROR"),
}  # fmt: skip
NEVER = {(403, "FORBIDDEN"): "there are no plans", (502, "UPSTREAM_ERROR"): "nothing stands behind the published file"}
META = {
    "version": "2.7",
    "timestamp": re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"),
    "request_id": re.compile(r"^req_[0-9a-f]{16}$"),
}
TEXT = re.compile(".")


def refused(path: str, status: int, code: str, message: Any = TEXT, details: Any = None, **further: Any) -> Provoked:
    error = {"code": code, "message": message, "details": details}
    return Provoked(f"/v2{path}", status, code, {"success": False, "error": error, "meta": META}, **further)


def invalid(path: str, name: str, message: Any = TEXT, *, status: int = 422) -> Provoked:
    details = {"errors": [{"type": TEXT, "loc": ["query", name], "msg": message}]}
    return refused(path, status, "VALIDATION_ERROR", "Invalid request parameters", details)


def of_every_symbol() -> Iterator[Provoked]:
    for path in DATA:
        yield refused(f"{path}?symbol=SOLUSDT", 404, "NOT_FOUND", "No data for SOLUSDT")
        yield refused(f"{path}?as_of=2020-01-01", 404, "NOT_FOUND", "No data for BTCUSDT at or before 2020-01-01T00:00:00+00:00")
        yield invalid(f"{path}?symbol=BTC", "symbol", "BTC is not a known symbol; use BTCUSDT")
        yield invalid(f"{path}?symbol=DOGE", "symbol", re.compile("GET /v2/symbols"))
        yield invalid(f"{path}?as_of=yesterday", "as_of", re.compile("ISO 8601"))
        yield invalid(f"{path}?as_of=2027-01-01T00:00:01Z", "as_of", "lies in the future", status=400)
        if path != "/expiries":
            yield invalid(f"{path}?exchanges=nosuch,cboe", "exchanges", re.compile("no venue of nosuch, cboe is known"))
        yield refused(path, 500, "INTERNAL_ERROR", re.compile(r"^Something failed; the log has it under req_\w+\.$"), server="broken")
        yield refused(path, 504, "UPSTREAM_ERROR", re.compile("longer than 1e-06 s"), server="no time")
        yield from of_every_path(path)


def of_every_path(path: str) -> Iterator[Provoked]:
    for sent in ({}, {"X-API-Key": "another"}):
        yield refused(path, 401, "UNAUTHORIZED", "Invalid API key", server="guarded", sent=sent)
    yield refused(path, 503, "UPSTREAM_ERROR", "Nothing can be read at the moment; the log says why.", server="empty")
    yield refused(path, 503, "UPSTREAM_ERROR", "Nothing can be read at the moment; the log says why.", server="damaged")
    yield refused(path, 405, "VALIDATION_ERROR", method="POST", headers={"Allow": "GET"})


TABLE = [
    *of_every_symbol(),
    *(one for path in ("/multi/gex/levels", "/status", "/symbols") for one in of_every_path(path)),
    *(refused(f"{path}=25DEC99", 404, "NOT_FOUND", "No expiry 25DEC99 for BTCUSDT") for path in ("/gex/strike-profile?expiry", "/gex/max-pain?expiry", "/options/chain?expiries")),
    refused("/gex/max-pain?symbol=SPX&expiry=0dte", 404, "NOT_FOUND", "No 0DTE contracts for SPX"),
    *(invalid(f"{path}=31FEB26", path.split("?")[1]) for path in ("/gex/strike-profile?expiry", "/gex/max-pain?expiry", "/options/chain?expiries")),
    invalid("/gex/levels?positioning=tape", "positioning"),
    invalid("/gex/levels?include=greeks", "include"),
    invalid("/gex/history?limit=0", "limit"),
    invalid("/gex/history?before=then", "before"),
    invalid("/options/opex?types=yearly", "types"),
    invalid("/options/chain?strike_min=2&strike_max=1", "strike_min", "strike_min is larger than strike_max"),
    invalid("/options/chain?max_contracts=5001", "max_contracts"),
    invalid("/multi/gex/levels?symbols=,", "symbols"),
    invalid("/multi/gex/levels?include=spot", "include"),
    invalid("/multi/gex/levels?as_of=2999-01-01", "as_of", status=400),
    *(refused(path, 404, "NOT_FOUND") for path in ("", "/", "/nothing", "/gex", "/gex/levels/BTCUSDT")),
    refused(f"/gex/levels?symbol={'A' * 9000}", 414, "VALIDATION_ERROR", "Path and query may have 8,192 bytes together."),
    refused("/gex/levels", 431, "VALIDATION_ERROR", "Headers may have 32,768 bytes together.", sent={f"X-{number}": "a" * 500 for number in range(70)}),
    refused("/options/chain?symbol=SPX", 413, "VALIDATION_ERROR", re.compile("at most 50"), server="few rows"),
    refused(
        "/symbols", 429, "RATE_LIMIT_EXCEEDED", TEXT, {"retry_after_seconds": int, "limit": "1 per 1 minute"}, server="busy",
        headers={"Retry-After": re.compile("^([1-9]|[1-5][0-9]|60)$"), "X-RateLimit-Limit": "1", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": re.compile(r"^\d{10}$")},
    ),
    refused(
        "/symbols", 429, "RATE_LIMIT_EXCEEDED", TEXT, {"retry_after_seconds": int, "limit": "1 per 1 month"}, server="used up",
        headers={"Retry-After": re.compile(r"^\d+$"), "X-Quota-Limit": "1", "X-Quota-Used": "1", "X-Quota-Remaining": "0", "X-Quota-Period": re.compile(r"^20\d{4}$")},
    ),
]  # fmt: skip


def break_it(patch: pytest.MonkeyPatch) -> None:
    from warehouse.api.backquant import parameters

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret of the house")

    patch.setattr(parameters, "open_scope", fail)


@pytest.fixture(scope="module")
def running(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with servers(demo.home, tmp_path_factory.mktemp("errors"), break_it) as running:
        yield running


@pytest.mark.parametrize("one", TABLE, ids=str)
def test_a_documented_error_is_provoked(running: Servers, one: Provoked) -> None:
    answer = running.provoke(one)
    check(one, answer)
    assert answer.json()["meta"]["request_id"] == answer.headers["X-Request-ID"]
    if one.status == 429:
        assert answer.json()["error"]["details"]["retry_after_seconds"] == int(answer.headers["Retry-After"])
    assert "secret of the house" not in answer.text and str(Path.cwd()) not in answer.text


def test_the_table_holds_every_documented_error_and_no_other() -> None:
    assert {(one.status, one.code) for one in TABLE} == DOCUMENTED
    assert not DOCUMENTED & set(NEVER)


def test_the_page_and_the_openapi_document_name_them_all(running: Servers) -> None:
    page = (CHECKOUT / "docs" / "api-backquant.md").read_text().split("## Errors")[1].split("## ")[0]
    on_page = {(int(status), code) for statuses, code in re.findall(r"\| ([\d, ]+) \| `(\w+)`", page) for status in statuses.split(", ")}
    assert on_page == DOCUMENTED
    document = requests.get(f"{running.url('plain')}/v2/openapi.json", timeout=30).json()
    for path, item in document["paths"].items():
        assert {int(status) for status in item["get"]["responses"]} - {200} == {status for status, _ in DOCUMENTED}, path


def test_health_is_always_200(running: Servers) -> None:
    for server in ("empty", "damaged", "guarded", "busy"):
        answer = requests.get(f"{running.url(server)}/v2/health", timeout=30)
        assert answer.status_code == 200 and answer.json()["data"]["status"] == "unhealthy", server
