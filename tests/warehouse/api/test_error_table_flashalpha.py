"""The table of all documented errors of the FlashAlpha dialect, each provoked on a server, with its whole body and its headers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import CHECKOUT, Demo
from tests.warehouse.api.error_table import Provoked, Servers, check, servers
from tests.warehouse.api.test_flashalpha_errors import SYMBOL_PATHS

DOCUMENTED = {
    (400, "invalid_expiry"), (400, "invalid_at"), (400, "invalid_min_oi"), (400, "invalid_strike_range"), (401, "Unauthorized"),
    (404, "symbol_not_found"), (404, "no_data"), (404, "no_coverage"), (404, "not_found"), (405, "method_not_allowed"),
    (413, "too_many_rows"), (414, "uri_too_long"), (431, "headers_too_large"), (429, "Quota exceeded"), (500, "internal_error"), (503, "unavailable"), (504, "timeout"),
}  # fmt: skip
NEVER = {
    (403, "tier_restricted"): "there are no plans",
    (404, "insufficient_data"): "published for surface grids, which are not served",
    (422, "validation_error"): "bad parameters are 400 here",
}
TEXT = re.compile(".")


def refused(path: str, status: int, code: str, message: Any = TEXT, **further: Any) -> Provoked:
    return Provoked(path, status, code, {"error": code, "message": message}, **further)


def of_every_symbol() -> Iterator[Provoked]:
    for template in SYMBOL_PATHS:
        path = template.format("SPY")
        yield refused(template.format("xyz"), 404, "symbol_not_found", "No data for XYZ.")
        yield refused(template.format("BRK%2FB"), 404, "symbol_not_found", "No data for BRK/B.")
        yield refused(f"{path}?at=yesterday", 400, "invalid_at", re.compile("not 'yesterday'"))
        yield refused(f"{path}?at=2027-01-02", 400, "invalid_at", re.compile("in the future"))
        yield refused(f"{path}?at=2026-12-24", 404, "no_data", re.compile("in the 4 days before 2026-12-24T21:00:00Z"))
        yield refused(f"/historical{path}", 400, "invalid_at", re.compile("Field required"))
        yield refused(f"/historical{path}?at=", 400, "invalid_at")
        yield refused(f"/historical{path}?at=2026-11-01", 404, "symbol_not_found", "No data for SPY.")
        yield refused(path, 405, "method_not_allowed", method="POST", headers={"Allow": "GET"})
        unauthorized = {"title": "Unauthorized", "status": 401, "detail": "Invalid API key."}
        for sent in ({}, {"X-Api-Key": "another"}, {"X-Api-Key": ""}):
            yield Provoked(path, 401, "Unauthorized", unauthorized, server="guarded", sent=sent)
        yield refused(path, 503, "unavailable", "Nothing can be read at the moment; the log says why.", server="empty")
        yield refused(path, 503, "unavailable", "Nothing can be read at the moment; the log says why.", server="damaged")
        yield refused(path, 504, "timeout", re.compile("longer than 1e-06 s"), server="no time")
        yield refused(path, 500, "internal_error", re.compile(r"^Something failed; the log has it under req_\w+\.$"), server="broken")


TABLE = [
    *of_every_symbol(),
    *(
        refused(f"/v1/{path}={text}", 400, "invalid_expiry", re.compile("must be a date like"))
        for path in ("maxpain/SPY?expiration", "exposure/gex/SPY?expiration", "exposure/zero-dte/SPY?expiry", "expected-move/SPY?expiry")
        for text in ("soon", "2026-02-30", "")
    ),
    *(
        refused(f"/v1/{path}=2026-11-22", 404, "no_data", re.compile("no live options that expire on 2026-11-22"))
        for path in ("maxpain/SPY?expiration", "exposure/gex/SPY?expiration", "exposure/zero-dte/SPY?expiry", "expected-move/SPY?expiry")
    ),
    *(refused(f"/v1/exposure/gex/SPY?min_oi={text}", 400, "invalid_min_oi") for text in ("-1", "many", "1.5", "")),
    *(refused(f"/v1/exposure/zero-dte/SPY?strike_range={text}", 400, "invalid_strike_range") for text in ("0.0009", "0.11", "nan", "x")),
    refused("/historical/v1/tickers?symbol=zzz", 404, "no_coverage", "ZZZ was never stored."),
    refused("/v1/nothing", 404, "not_found"),
    refused("/v1/maxpain/A/B", 404, "not_found"),
    refused("/", 404, "not_found"),
    refused(f"/v1/maxpain/{'A' * 9000}", 414, "uri_too_long", "Path and query may have 8,192 bytes together."),
    refused(f"/v1/maxpain/SPY?at={'2' * 9000}", 414, "uri_too_long", server="guarded"),
    refused("/v1/maxpain/SPY", 431, "headers_too_large", "Headers may have 32,768 bytes together.", sent={f"X-{number}": "a" * 500 for number in range(70)}),
    refused("/v1/exposure/gex/SPX", 413, "too_many_rows", re.compile("at most 50"), server="few rows"),
    Provoked(
        "/v1/symbols", 429, "Quota exceeded",
        {"status": "ERROR", "error": "Quota exceeded", "message": TEXT, "limit": 1, "reset_at": re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:00Z$")},
        server="busy",
        headers={"Retry-After": re.compile("^([1-9]|[1-5][0-9]|60)$"), "X-RateLimit-Limit": "1", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": re.compile(r"^\d{10}$")},
    ),
    Provoked(
        "/v1/symbols", 429, "Quota exceeded",
        {"status": "ERROR", "error": "Quota exceeded", "message": "More than 1 requests in a month. Wait until the next one.", "limit": 1, "reset_at": re.compile(r"^\d{4}-\d\d-01T00:00:00Z$")},
        server="used up", headers={"Retry-After": re.compile(r"^\d+$"), "X-RateLimit-Limit": "unlimited"},
    ),
]  # fmt: skip


def break_it(patch: pytest.MonkeyPatch) -> None:
    from warehouse.api.flashalpha import chain

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret of the house")

    patch.setattr(chain, "find_chain", fail)


@pytest.fixture(scope="module")
def running(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with servers(demo.home, tmp_path_factory.mktemp("errors"), break_it) as running:
        yield running


@pytest.mark.parametrize("one", TABLE, ids=str)
def test_a_documented_error_is_provoked(running: Servers, one: Provoked) -> None:
    answer = running.provoke(one)
    check(one, answer)
    assert "secret of the house" not in answer.text and str(Path.cwd()) not in answer.text


def test_the_table_holds_every_documented_error_and_no_other() -> None:
    assert {(one.status, one.code) for one in TABLE} == DOCUMENTED
    assert not DOCUMENTED & set(NEVER)


def test_the_page_and_the_openapi_document_name_them_all(running: Servers) -> None:
    page = (CHECKOUT / "docs" / "api.md").read_text().split("**Errors**")[1].split("\n\n")[1]
    assert set(re.findall(r"`(\w+ ?\w*)`", page)) - {"error", "limit", "reset_at", "title", "status", "detail"} == {
        code for _, code in DOCUMENTED
    } - {"Unauthorized"}
    assert set(map(int, re.findall(r"\b[45]\d\d\b", page))) == {status for status, _ in DOCUMENTED}
    document = requests.get(f"{running.url('plain')}/openapi.json", timeout=30).json()
    for path, item in document["paths"].items():
        if path.startswith(("/v1/", "/historical/")):
            statuses = {int(status) for status in item["get"]["responses"]} - {200, 422}
            assert statuses == {status for status, _ in DOCUMENTED}, path


def test_health_without_a_readable_file_is_an_object_with_503(running: Servers) -> None:
    for server in ("empty", "damaged"):
        answer = requests.get(f"{running.url(server)}/health", timeout=30)
        body = {"status": "Unhealthy", "message": "The published file cannot be read; is anything published?"}
        assert (answer.status_code, answer.json()) == (503, body)
