"""Requests made from the OpenAPI document, good and bad: no server error, no body or header that the document does not promise."""

from __future__ import annotations

from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS, load_all_checks

from tests.conftest import Demo
from tests.warehouse.api.serving import serving

load_all_checks()
KNOWN = ("SPX", "spy", "BTC", "ETH")
NAMES = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")


def _try(demo: Demo, cases: int) -> dict[int, int]:
    """Send about so many requests, spread over all operations; returns how often each status came back."""
    with serving(demo.home) as url:
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
        operations = [found.ok() for found in schema.get_all_operations()]
        statuses: dict[int, int] = {}
        for operation in operations:
            for mode, share in ((schemathesis.GenerationMode.POSITIVE, 0.6), (schemathesis.GenerationMode.NEGATIVE, 0.4)):
                if mode is schemathesis.GenerationMode.NEGATIVE and not list(operation.iter_parameters()):
                    continue  # nothing that could be wrong
                _operation(operation, mode, max(1, round(cases * share / len(operations))), statuses)
        return statuses


def _operation(operation: Any, mode: Any, cases: int, statuses: dict[int, int]) -> None:
    session = requests.Session()

    @given(case=operation.as_strategy(generation_mode=mode), symbol=st.sampled_from((*KNOWN, None)))
    @settings(
        max_examples=cases, deadline=None, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    def sent(case: Any, symbol: str | None) -> None:
        if symbol is not None and "symbol" in (case.path_parameters or {}):
            case.path_parameters["symbol"] = symbol  # a symbol that is stored reaches further
        answer = case.call(session=session)
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        case.validate_response(answer, checks=CHECKS.get_by_names(NAMES))

    sent()


def test_no_request_is_a_server_error(demo: Demo) -> None:
    statuses = _try(demo, 100)
    assert statuses.get(200, 0) > 10 and statuses.get(400, 0) > 5, statuses


@pytest.mark.slow
def test_no_request_of_two_thousand_is_a_server_error(demo: Demo) -> None:
    statuses = _try(demo, 2000)
    assert sum(statuses.values()) >= 1500, statuses
