"""Requests made from the OpenAPI document of `/v2`, good and bad: no server error, no body that the document does not promise."""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.warehouse.api.backquant.serving import Client

KNOWN = ("COINUSDT", "IDX", "COIN", None)


def ask(v2: Client, cases: int) -> dict[int, int]:
    """Send about so many requests, spread over all operations; how often each status came back."""
    document = v2.http.get("/v2/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations()]
    statuses: dict[int, int] = {}
    for operation in operations:
        for mode, share in ((schemathesis.GenerationMode.POSITIVE, 0.6), (schemathesis.GenerationMode.NEGATIVE, 0.4)):
            if mode is schemathesis.GenerationMode.NEGATIVE and not list(operation.iter_parameters()):
                continue  # nothing that could be wrong
            send(v2, document, operation, mode, max(1, round(cases * share / len(operations))), statuses)
    return statuses


def send(v2: Client, document: dict[str, Any], operation: Any, mode: Any, cases: int, statuses: dict[int, int]) -> None:
    names = {one["name"] for one in document["paths"][operation.path]["get"].get("parameters", [])}
    promised = document["paths"][operation.path]["get"]["responses"]

    @given(case=operation.as_strategy(generation_mode=mode), symbol=st.sampled_from(KNOWN))
    @settings(
        max_examples=cases, deadline=None, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    def sent(case: Any, symbol: str | None) -> None:
        query = dict(case.query or {})
        if symbol is not None and names & {"symbol", "symbols"}:
            query["symbol" if "symbol" in names else "symbols"] = symbol  # one that is stored reaches further
            query.pop("as_of", None)
        answer = v2.http.get(
            operation.path, params={name: value if isinstance(value, str) else json.dumps(value) for name, value in query.items()}
        )
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, (answer.url, answer.text)
        body = promised[str(answer.status_code)]["content"]["application/json"]["schema"]
        Draft202012Validator({**body, "components": document["components"]}).validate(answer.json())

    sent()


def test_no_request_is_a_server_error(v2: Client) -> None:
    statuses = ask(v2, 100)
    assert statuses.get(200, 0) > 10 and statuses.get(422, 0) > 5, statuses


@pytest.mark.slow
def test_no_request_of_two_thousand_is_a_server_error(v2: Client) -> None:
    statuses = ask(v2, 2000)
    assert sum(statuses.values()) >= 1500, statuses
