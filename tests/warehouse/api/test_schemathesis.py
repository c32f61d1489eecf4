"""Requests made from the OpenAPI document, good and bad: no server error, no body or header that the document does not promise."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS, load_all_checks

from tests.conftest import Demo
from tests.warehouse.api.serving import serving
from warehouse.explain.request import LEVELS

load_all_checks()
NAMES = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)  # so that moments of the demo are the past, and others the future
PATHS = {"flashalpha": "^/(v1|historical)/", "backquant": "^/v2/", "explain": "^/explain/"}
DATES = ("2026-11-20", "2026-12-18", "2026-11-22")
MOMENTS = ("2026-11-17", "2026-11-17T10:00:00", "2026-11-17T23:30:00Z", "2026-11-16T23:00:00-05:00", "2020-01-01", "2030-01-01")
# What is stored reaches further than what is made up; None leaves what was made up.
KNOWN: dict[str, tuple[str | float, ...]] = {
    "symbol": ("SPX", "spy", "BTC", "ETH", "BTCUSDT", "ETHUSDT", "SPY", "SOLUSDT"),
    "underlying": ("SPX", "spy", "BTC", "ETH"),
    "symbols": ("BTCUSDT,SPX", "ETHUSDT,SOLUSDT,NOPE"),
    "exchanges": ("deribit", "deribit,nosuch", "cboe"),
    "venues": ("deribit", "cboe"),
    "at": MOMENTS,
    "as_of": MOMENTS,
    "before": MOMENTS,
    "expiration": DATES,
    "expiry": (*DATES, "20NOV26", "27nov26", "0dte", "all"),
    "expiries": ("20NOV26,2026-12-18", "25DEC26"),
    "level": LEVELS,
    "strike": (7500, 740, 95000),
    "definition": ("flashalpha", "backquant", "reversed"),
}


def send(demo: Demo, dialect: str, cases: int) -> Counter[int]:
    """Send so many requests or a few more, spread over all operations of a dialect; returns how often each status came back."""
    statuses: Counter[int] = Counter()
    with serving(demo.home, clock=lambda: NOW) as url:
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json").include(path_regex=PATHS[dialect])
        operations = [result.ok() for result in schema.get_all_operations()]
        turn = 0
        while statuses.total() < cases:  # an operation without parameters has fewer different requests than its share
            share = max(1, math.ceil((cases - statuses.total()) / len(operations)))
            for operation in operations:
                for mode, part in ((schemathesis.GenerationMode.POSITIVE, 0.6), (schemathesis.GenerationMode.NEGATIVE, 0.4)):
                    if mode is schemathesis.GenerationMode.NEGATIVE and not list(operation.iter_parameters()):
                        continue  # nothing that could be wrong
                    _operation(operation, mode, math.ceil(share * part), turn, statuses)
            turn += 1
    print(f"{dialect}: {statuses.total()} requests, {dict(sorted(statuses.items()))}")
    return statuses


def _operation(operation: Any, mode: Any, cases: int, turn: int, statuses: Counter[int]) -> None:
    session = requests.Session()
    taken = {one.name for one in operation.iter_parameters()} & set(KNOWN)
    replaced = st.fixed_dictionaries({name: st.sampled_from((None, *KNOWN[name])) for name in sorted(taken)})

    @seed(turn)
    @given(case=operation.as_strategy(generation_mode=mode), known=replaced)
    @settings(max_examples=cases, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    def sent(case: Any, known: dict[str, Any]) -> None:
        for name, value in known.items():
            if value is not None:
                for part in (case.path_parameters, case.query):
                    if part and name in part:
                        part[name] = value
        answer = case.call(session=session)
        statuses[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS.get_by_names(NAMES))

    sent()


@pytest.mark.parametrize(
    ("dialect", "cases", "bad"),
    [
        pytest.param("flashalpha", 100, 400, marks=pytest.mark.slow),
        pytest.param("backquant", 100, 422, marks=pytest.mark.slow),
        pytest.param("explain", 25, 400, marks=pytest.mark.slow),
    ],
)
def test_no_request_is_a_server_error(demo: Demo, dialect: str, cases: int, bad: int) -> None:
    statuses = send(demo, dialect, cases)
    assert statuses[200] > cases / 25 and statuses[bad] > cases / 50, statuses


@pytest.mark.acceptance
@pytest.mark.parametrize("dialect", ["flashalpha", "backquant"])
def test_no_request_of_two_thousand_is_a_server_error(demo: Demo, dialect: str) -> None:
    assert send(demo, dialect, 2000).total() >= 2000


@pytest.mark.acceptance
def test_no_explanation_of_five_hundred_is_a_server_error(demo: Demo) -> None:
    assert send(demo, "explain", 500).total() >= 500
