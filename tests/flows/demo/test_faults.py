"""The venue server and each of its faults, seen by a real client."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.demo.venues import Double, serve
from flows.demo.venues.faults import parse_faults
from flows.demo.venues.server import WIRES

CHAIN = "/api/global/delayed_quotes/options/{}.json"
METHOD = "/api/v2/public/{}"
BOOK = "get_book_summary_by_currency"


@pytest.fixture(scope="module")
def double() -> Iterator[Double]:
    with serve(session=3) as running:
        yield running


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=5) as client:
        yield client


def ask(client: httpx.Client, double: Double, currency: str = "USDC") -> httpx.Response:
    return client.get(double.urls["deribit"] + METHOD.format(BOOK), params={"currency": currency, "kind": "option"})


def test_gzip_only_for_those_who_accept_it(double: Double, client: httpx.Client) -> None:
    url = double.urls["cboe"] + CHAIN.format("SPY")
    packed, plain = client.get(url, headers={"Accept-Encoding": "gzip"}), client.get(url, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < len(plain.content) / 3


def test_requests_are_logged_before_they_are_answered(tmp_path: Path, client: httpx.Client) -> None:
    log = tmp_path / "log"
    with serve(session=2, faults=["deribit:server_error:1:502"], log=log) as double:
        ask(client, double, "SOL")
        ask(client, double, "SOL")
        first, second = double.requests
    assert (first.venue, first.path, first.query["currency"], first.status) == ("deribit", METHOD.format(BOOK), "SOL", 502)
    assert (first.fault, second.fault, second.status) == ("deribit:server_error:1:502", None, 200)
    assert [json.loads(line)["status"] for line in log.read_text().splitlines()] == [502, 200]


def test_refusals_count_down_and_then_all_is_well(double: Double, client: httpx.Client) -> None:
    double.set_faults(["deribit:rate_limit:2", "deribit:server_error:1:500"])
    replies = [ask(client, double, "SOL") for _ in range(4)]
    assert [reply.status_code for reply in replies] == [429, 429, 500, 200]
    assert replies[0].json()["error"] == {"message": "too_many_requests", "code": 10028} and "retry-after" not in replies[0].headers
    double.set_faults(["*:rate_limit:all:seconds:7"])
    assert ask(client, double).headers["retry-after"] == "7"
    assert client.get(double.urls["cboe"] + CHAIN.format("SPY")).headers["retry-after"] == "7"
    double.set_faults(["cboe:rate_limit", "*:garbage:all@get_index"])
    blocked = client.get(double.urls["cboe"] + CHAIN.format("SPY"))
    assert blocked.status_code == 403 and blocked.headers["content-type"].startswith("text/html")
    assert ask(client, double, "SOL").json()["result"] == []
    page = client.get(double.urls["deribit"] + METHOD.format("get_index_price"), params={"index_name": "btc_usd"})
    assert page.status_code == 200 and page.text.startswith("<html>")


@pytest.mark.parametrize("spec", ["reset", "reset:1:mid", "truncate:length", "truncate:chunked"])
def test_broken_connections_are_noticed(double: Double, client: httpx.Client, spec: str) -> None:
    double.set_faults([f"deribit:{spec}"])
    with pytest.raises(httpx.TransportError):
        ask(client, double)
    double.set_faults([])
    assert len(ask(client, double).json()["result"]) > 100


@pytest.mark.parametrize("spec", ["truncate:short", "truncate:close"])
def test_short_documents_look_like_whole_replies(double: Double, client: httpx.Client, spec: str) -> None:
    double.set_faults([f"deribit:{spec}"])
    reply = ask(client, double)
    assert reply.status_code == 200
    with pytest.raises(ValueError, match="."):
        reply.json()


def test_slow_replies(double: Double, client: httpx.Client) -> None:
    for spec in ("timeout:0.15", "slow_drip:0.15"):
        double.set_faults([f"deribit:{spec}"])
        started = time.monotonic()
        assert ask(client, double).json()["result"]
        assert time.monotonic() - started > 0.14
    double.set_faults(["deribit:timeout:30"])
    with pytest.raises(httpx.ReadTimeout):
        client.get(double.urls["deribit"] + METHOD.format(BOOK), timeout=0.1)


def test_a_hold_does_not_delay_the_stop(client: httpx.Client) -> None:
    with serve(session=3, faults=["*:timeout:30"]) as double:
        with pytest.raises(httpx.ReadTimeout):
            client.get(double.urls["deribit"] + METHOD.format(BOOK), timeout=0.1)
        started = time.monotonic()
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("how", ["chunked", "length", "gzip"])
def test_huge_replies(double: Double, client: httpx.Client, how: str) -> None:
    double.set_faults([f"deribit:huge:3:{how}"])
    reply = ask(client, double)
    assert len(reply.content) > 3_000_000 and reply.json()["result"]


def test_document_faults(double: Double, client: httpx.Client) -> None:
    def rows(*specs: str) -> list[dict[str, Any]]:
        double.set_faults([f"deribit:{spec}" for spec in specs])
        result: list[dict[str, Any]] = ask(client, double).json()["result"]
        return result

    whole = rows()
    assert rows("empty_chain") == []
    assert 0.35 < len(rows("half_chain")) / len(whole) < 0.65
    assert rows("half_chain") == rows("half_chain")
    assert {row["instrument_name"][-1] for row in rows("one_side_gone")} == {"P"}
    assert {row["open_interest"] for row in rows("null_oi")} == {None}
    assert min(row["open_interest"] for row in rows("negative_oi")) < 0
    assert max(row["open_interest"] for row in rows("absurd_oi:0.2:3e11")) == 3e11
    assert {row["mark_iv"] for row in rows("no_iv_no_price")} == {row["bid_price"] for row in rows("no_iv_no_price")} == {None}
    assert not any("mark_iv" in row for row in rows("drop_field:mark_iv"))
    assert {len(row) for row in rows("rename_field:mark_iv:iv")} == {len(whole[0])} and "iv" in rows("rename_field:mark_iv:iv")[0]
    assert isinstance(rows("string_numbers")[0]["open_interest"], str)
    assert {"NaN"} < {row["open_interest"] for row in rows("string_nan")}
    doubled = rows("duplicate_rows:1:conflict")
    assert doubled[: len(whole)] == whole and doubled[len(whole)]["open_interest"] == whole[0]["open_interest"] + 1
    assert len(rows("duplicate_rows:0.2", "one_side_gone")) > len(rows("one_side_gone"))
    assert {row["creation_timestamp"] for row in rows("clock_skew:-3600")} == {row["creation_timestamp"] - 3_600_000 for row in whole}
    double.set_faults(["deribit:string_nan:mark_iv:0.2:bare"])
    with pytest.raises(ValueError, match="NaN"):
        json.loads(ask(client, double).content, parse_constant=_refuse)


def test_document_faults_of_cboe(double: Double, client: httpx.Client) -> None:
    def document(*specs: str) -> Any:
        double.set_faults([f"cboe:{spec}" for spec in specs])
        return client.get(double.urls["cboe"] + CHAIN.format("SPY")).json()

    whole = document()
    assert "options" not in document("drop_field:options")["data"]
    assert {row["iv"] for row in document("no_iv_no_price")["data"]["options"]} == {0.0}
    assert {row["option"][-9] for row in document("one_side_gone:P")["data"]["options"]} == {"C"}
    assert document("clock_skew:3600")["timestamp"] == whole["timestamp"].replace(" 22:", " 23:")
    before = document("old_session")
    assert before["timestamp"] == whole["timestamp"].replace("-18 ", "-17 ") and before["data"]["close"] == whole["data"]["prev_day_close"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nyse:reset", "no venue 'nyse'"),
        ("cboe:explode", "no kind 'explode'"),
        ("cboe", "no kind ''"),
        ("cboe:drop_field", "field is missing"),
        ("cboe:reset:many", "calls"),
        ("cboe:reset:1:after", "where must be one of"),
        ("cboe:rate_limit:1:200", "no variant '200'"),
        ("cboe:empty_chain:1:2", "too many arguments"),
    ],
)
def test_a_fault_that_means_nothing_is_refused(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_faults([spec], {name: wire.refusals for name, wire in WIRES.items()})


def test_another_session_from_now_on(double: Double, client: httpx.Client) -> None:
    double.set_faults([])
    url = double.urls["cboe"] + CHAIN.format("SPY")
    today = client.get(url).json()
    double.set_session(4)
    tomorrow = client.get(url).json()
    double.set_session(3)
    assert tomorrow["data"]["prev_day_close"] == today["data"]["close"]
    assert client.get(url).json() == today


def _refuse(constant: str) -> None:
    raise ValueError(constant)
