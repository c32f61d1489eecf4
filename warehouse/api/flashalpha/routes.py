"""The paths of the dialect, mounted twice: at the root, and under `/historical` with `at` required."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from starlette.responses import Response

from warehouse.api.flashalpha.errors import RESPONSES
from warehouse.api.flashalpha.expected_move import ExpectedMove, expected_move
from warehouse.api.flashalpha.exposure.gex import Gex, gex
from warehouse.api.flashalpha.exposure.levels import ExposureLevels, exposure_levels
from warehouse.api.flashalpha.exposure.summary import ExposureSummary, exposure_summary
from warehouse.api.flashalpha.exposure.term_structure import TermStructure, term_structure
from warehouse.api.flashalpha.listing import Coverage, CoverageOfAll, Options, Symbols, Tickers, coverage, options, symbols, tickers
from warehouse.api.flashalpha.max_pain import MaxPain, max_pain
from warehouse.api.flashalpha.parameters import RequiredAt
from warehouse.api.flashalpha.zero_dte.endpoint import zero_dte
from warehouse.api.flashalpha.zero_dte.models import NoZeroDte, ZeroDte

OF_A_SYMBOL: tuple[tuple[str, Callable[..., Any], Any, str], ...] = (
    ("/v1/maxpain/{symbol}", max_pain, MaxPain, "Max pain, its curve and what speaks for it"),
    ("/v1/exposure/gex/{symbol}", gex, Gex, "Gamma exposure by strike"),
    ("/v1/exposure/levels/{symbol}", exposure_levels, ExposureLevels, "Key levels"),
    ("/v1/exposure/summary/{symbol}", exposure_summary, ExposureSummary, "Exposures of the whole chain"),
    ("/v1/exposure/zero-dte/{symbol}", zero_dte, ZeroDte | NoZeroDte, "One expiration close up"),
    ("/v1/exposure/term-structure/{symbol}", term_structure, TermStructure, "Exposures by time to expiration"),
    ("/v1/expected-move/{symbol}", expected_move, ExpectedMove, "One standard deviation to each expiration"),
    ("/v1/options/{symbol}", options, Options, "Expirations and strikes"),
)


def _as_text(endpoint: Callable[..., BaseModel]) -> Callable[..., Response]:
    """Wrap an endpoint so that FastAPI does not validate its response model a second time."""

    @wraps(endpoint)
    def answer(*args: Any, **arguments: Any) -> Response:
        return Response(endpoint(*args, **arguments).model_dump_json(by_alias=True), media_type="application/json")

    return answer


def _needs_at(at: RequiredAt) -> None:
    """Refuse a request without `at`; its value is parsed later."""


def _mounted(prefix: str) -> APIRouter:
    is_historical = bool(prefix)
    router = APIRouter(
        prefix=prefix,
        tags=["flashalpha historical" if is_historical else "flashalpha"],
        responses=RESPONSES,
    )
    needed = [Depends(_needs_at)] if is_historical else []
    for path, endpoint, model, summary in OF_A_SYMBOL:
        router.add_api_route(path, _as_text(endpoint), response_model=model, dependencies=needed, summary=summary)
    if is_historical:
        router.add_api_route("/v1/tickers", coverage, response_model=Coverage | CoverageOfAll, summary="What is stored")
    else:
        router.add_api_route("/v1/tickers", tickers, response_model=Tickers, summary="Underlyings that can be served")
    router.add_api_route("/v1/symbols", symbols, response_model=Symbols, summary="Underlyings with a stored snapshot")
    return router


router = _mounted("")
historical_router = _mounted("/historical")
