"""Every documented refusal, provoked over HTTP, with its body and what the public clients make of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import flashalpha
import flashalpha_historical as historical
import pytest
import requests
from flashalpha import FlashAlpha
from flashalpha_historical import FlashAlphaHistorical

from tests.conftest import Demo
from tests.warehouse.api.serving import api_settings, serving
from warehouse.home.paths import Home


def get(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers=headers, timeout=30)


SYMBOL_PATHS = (
    "/v1/maxpain/{}", "/v1/exposure/gex/{}", "/v1/exposure/levels/{}", "/v1/exposure/summary/{}", "/v1/exposure/zero-dte/{}",
    "/v1/exposure/term-structure/{}", "/v1/expected-move/{}", "/v1/options/{}",
)  # fmt: skip


@pytest.mark.parametrize("path", SYMBOL_PATHS)
def test_an_unknown_symbol_is_404_everywhere(demo_url: str, path: str) -> None:
    answer = get(demo_url + path.format("xyz"))
    assert (answer.status_code, answer.json()) == (404, {"error": "symbol_not_found", "message": "No data for XYZ."})
    answer = get(f"{demo_url}/historical{path.format('SPY')}?at=2020-01-02")
    assert (answer.status_code, answer.json()["error"]) == (404, "symbol_not_found"), "stored, but not by then"


@pytest.mark.parametrize("path", SYMBOL_PATHS)
def test_a_moment_must_be_one_and_have_come(demo_url: str, path: str) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%d")
    for at in (
        "yesterday",
        "",
        "2026-13-01",
        "20261117",
        "2026-11-17T25:00:00",
        "2026-11-17 10:00:00",
        "0001-01-01T00:00:00+23:00",
        tomorrow,
    ):
        answer = requests.get(demo_url + path.format("SPY"), params={"at": at}, timeout=30)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_at"), at
    answer = get(f"{demo_url}/historical{path.format('SPY')}")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_at"), "required there"


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("/v1/maxpain/SPY?expiration=tomorrow", "invalid_expiry"),
        ("/v1/maxpain/SPY?expiration=2026-02-30", "invalid_expiry"),
        ("/v1/maxpain/SPY?expiration=20261120", "invalid_expiry"),
        ("/v1/maxpain/SPY?expiration=", "invalid_expiry"),
        ("/v1/exposure/gex/SPY?expiration=1763596800", "invalid_expiry"),
        ("/v1/exposure/gex/SPY?min_oi=-1", "invalid_min_oi"),
        ("/v1/exposure/gex/SPY?min_oi=many", "invalid_min_oi"),
        ("/v1/exposure/gex/SPY?min_oi=1.5", "invalid_min_oi"),
        ("/v1/exposure/zero-dte/SPY?expiry=x", "invalid_expiry"),
        ("/v1/exposure/zero-dte/SPY?strike_range=0.0009", "invalid_strike_range"),
        ("/v1/exposure/zero-dte/SPY?strike_range=0.11", "invalid_strike_range"),
        ("/v1/exposure/zero-dte/SPY?strike_range=nan", "invalid_strike_range"),
        ("/v1/expected-move/SPY?expiry=2026-1-1", "invalid_expiry"),
    ],
)
def test_a_malformed_parameter_is_400_with_its_name(demo_url: str, query: str, error: str) -> None:
    answer = get(demo_url + query)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.json()["message"]


@pytest.mark.parametrize(
    "query",
    [
        "/v1/maxpain/SPY?expiration=",
        "/v1/exposure/gex/SPY?expiration=",
        "/v1/exposure/zero-dte/SPY?expiry=",
        "/v1/expected-move/SPY?expiry=",
    ],
)
def test_a_date_without_options_is_no_data(demo_url: str, query: str) -> None:
    answer = get(f"{demo_url}{query}2026-11-22")
    assert (answer.status_code, answer.json()["error"]) == (404, "no_data")
    assert "2026-11-22" in answer.json()["message"]


def test_a_gap_in_what_is_stored_is_no_data(demo: Demo) -> None:
    settings = api_settings(max_snapshot_age_days_us=0.5, max_snapshot_age_days_crypto=0.25)
    with serving(demo.home, settings) as url:
        hx = FlashAlphaHistorical("key", base_url=f"{url}/historical")
        assert hx.exposure_levels("SPY", at="2026-11-17T05:40:00")["as_of"] == "2026-11-16T22:40:34Z"
        with pytest.raises(historical.NoDataError, match="last is of 2026-11-16T22:40:34Z"):
            hx.exposure_levels("SPY", at="2026-11-17T05:41:00")
        with pytest.raises(historical.NoDataError, match="0.25 days"):
            hx.exposure_levels("BTC", at="2026-11-17T05:40:00")


def test_no_coverage(demo_url: str) -> None:
    answer = get(f"{demo_url}/historical/v1/tickers?symbol=zzz")
    assert (answer.status_code, answer.json()) == (404, {"error": "no_coverage", "message": "ZZZ was never stored."})


def test_paths_and_methods_that_do_not_exist_are_objects_too(demo_url: str) -> None:
    for path in ("/v1/nothing", "/v1/maxpain/A/B", "/", "/v1/maxpain/", "/historical"):
        answer = get(demo_url + path)
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found"), path
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = requests.request(method, f"{demo_url}/v1/maxpain/SPY", json={}, timeout=30)
        assert (answer.status_code, answer.json()["error"]) == (405, "method_not_allowed")
        assert answer.headers["Allow"] == "GET"


@pytest.fixture(scope="module")
def guarded_url(demo: Demo) -> Iterator[str]:
    """A server with keys, that answers two requests in a minute."""
    with serving(demo.home, api_settings(keys=("first", "sécond"), rate_limit_per_minute=2)) as url:
        yield url


def test_a_wrong_key_is_401(guarded_url: str) -> None:
    expected = {"title": "Unauthorized", "status": 401, "detail": "Invalid API key."}
    for headers in ({}, {"X-Api-Key": "wrong"}, {"X-Api-Key": ""}, {"X-Api-Key": "first "[:-2]}):
        answer = get(f"{guarded_url}/v1/symbols", **headers)
        assert (answer.status_code, answer.json()) == (401, expected)
    with pytest.raises(flashalpha.AuthenticationError, match="Invalid API key"):
        FlashAlpha("wrong", base_url=guarded_url).symbols()
    assert FlashAlpha("wrong", base_url=guarded_url).health()["status"] in ("Healthy", "Degraded", "Unhealthy"), "health needs no key"


def test_more_requests_than_allowed_are_429_with_whole_seconds(guarded_url: str) -> None:
    fa = FlashAlpha("first", base_url=guarded_url)
    spent = [requests.get(f"{guarded_url}/v1/symbols", headers={"X-Api-Key": "first"}, timeout=30).status_code for _ in range(3)]
    assert spent[:2] == [200, 200] or 429 in spent, "a new minute may have begun between"
    with pytest.raises(flashalpha.RateLimitError) as refused:
        fa.symbols()
    assert 1 <= refused.value.retry_after <= 60
    body = refused.value.response
    assert body["status"] == "ERROR" and body["error"] == "Quota exceeded" and body["limit"] == 2
    reset = datetime.fromisoformat(body["reset_at"])
    assert reset.second == 0 and timedelta() < reset - datetime.now(UTC) <= timedelta(minutes=1)
    with pytest.raises(historical.RateLimitError):
        FlashAlphaHistorical("first", base_url=f"{guarded_url}/historical").tickers()
    answer = requests.get(f"{guarded_url}/v1/symbols", params={"apiKey": "sécond"}, timeout=30)
    assert answer.status_code == 200, "another key has its own limit, and may stand in the query"
    assert answer.headers["X-RateLimit-Limit"] == "2" and answer.headers["X-RateLimit-Remaining"] in "01"
    assert requests.get(f"{guarded_url}/health", timeout=30).status_code == 200, "health is not limited"


def test_without_a_limit_the_headers_say_so(demo_url: str) -> None:
    answer = get(f"{demo_url}/v1/symbols")
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert answer.headers["X-RateLimit-Limit"] == answer.headers["X-RateLimit-Remaining"] == "unlimited"
    assert int(answer.headers["X-RateLimit-Reset"]) == midnight.timestamp()


def test_nothing_published_is_503(tmp_path: Any) -> None:
    with serving(Home(tmp_path / "nothing")) as url:
        fa = FlashAlpha("key", base_url=url)
        with pytest.raises(flashalpha.ServerError) as refused:
            fa.max_pain("SPY")
        assert refused.value.status_code == 503 and refused.value.response["error"] == "unavailable"
        assert str(tmp_path) not in refused.value.response["message"], "no path of the machine leaves it"
        answer = get(f"{url}/health")
        assert answer.status_code == 503 and answer.json()["status"] == "Unhealthy"
        with pytest.raises(flashalpha.ServerError):
            fa.health()


def test_more_rows_than_allowed_are_413(demo: Demo) -> None:
    with serving(demo.home, api_settings(max_rows=50)) as url:
        answer = get(f"{url}/v1/exposure/gex/SPX")
        assert (answer.status_code, answer.json()["error"]) == (413, "too_many_rows")
        assert "at most 50" in answer.json()["message"]
        assert get(f"{url}/v1/exposure/levels/SPX").status_code == 200


def test_a_request_beyond_its_time_is_504(demo: Demo) -> None:
    with serving(demo.home, api_settings(timeout_s=1e-6)) as url:
        answer = get(f"{url}/v1/maxpain/SPX")
        assert (answer.status_code, answer.json()["error"]) == (504, "timeout")
        with pytest.raises(flashalpha.ServerError):
            FlashAlpha("key", base_url=url).max_pain("SPX", expiration="2026-11-20")


def test_a_failure_of_ours_is_500_with_the_request_id_and_nothing_else(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    from warehouse.api.flashalpha import chain

    def fail(*_: Any) -> None:
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr(chain.Moment, "report", fail)
    with serving(demo.home) as url:
        answer = get(f"{url}/v1/maxpain/SPX", **{"X-Request-ID": "abc-1"})
        assert answer.status_code == 500
        assert answer.json() == {"error": "internal_error", "message": "Something failed; the log has it under abc-1."}
        assert answer.headers["X-Request-ID"] == "abc-1"
        with pytest.raises(flashalpha.ServerError):
            FlashAlpha("key", base_url=url).symbols()
