"""Every method of the public clients, found by looking at them: its endpoint is served and works, or it is named here with the reason."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import flashalpha.types as forms
import pytest
import requests
from fastapi import FastAPI
from flashalpha import FlashAlpha
from flashalpha_historical import FlashAlphaHistorical
from starlette.routing import Match

from tests.warehouse.api.serving import api_settings
from tests.warehouse.api.test_flashalpha_sdk import CALLS, OF_NO_EXPIRY
from tests.warehouse.api.typed import misfits
from warehouse.api.app import create_app
from warehouse.home.paths import Home

SERVED = {
    "max_pain", "gex", "exposure_levels", "exposure_summary", "zero_dte", "exposure_term_structure", "expected_move", "options", "tickers",
    "symbols", "health",
}  # fmt: skip
SERVED_IN_HISTORY = {"max_pain", "gex", "exposure_levels", "exposure_summary", "zero_dte", "tickers"}
# Name, or how it begins (ends in _) → why its endpoint is not served.
NOT_SERVED = {
    "account": "there are no plans and no accounts",
    "adv_volatility": "volatility surfaces: the tables hold `core.expiry_smile` and `marts.expiry_summary`",
    "chex": "exposure of one greek by strike: `marts.gex_by_strike` holds it; not part of the contract served",
    "dex": "as chex",
    "vex": "as chex",
    "dispersion": "needs histories of prices of index members",
    "earnings_": "no calendar of earnings is stored",
    "exposure_basket": "sums over symbols: one line of SQL over `marts.gex_levels`",
    "exposure_oi_diff": "`marts.oi_change` holds it; not part of the contract served",
    "exposure_sheet": "`marts.gex_by_strike` holds it; not part of the contract served",
    "flow_": "no tape of trades is stored",
    "greeks": "a calculator, which reads no stored data",
    "iv": "a calculator, which reads no stored data",
    "kelly": "a calculator, which reads no stored data",
    "structure_": "a calculator, which reads no stored data",
    "historical_": "single quotes by the minute: `core.option_quotes` holds those of snapshots",
    "option_quote": "single quotes: `core.option_quotes` holds those of snapshots",
    "stock_": "quotes of shares are not stored, only spot",
    "liquidity": "needs histories of quotes",
    "narrative": "prose",
    "realized_volatility": "needs a history of prices",
    "volatility_forecast": "needs a history of prices",
    "volatility": "needs a history of prices",
    "vrp_history": "needs a history of prices",
    "vrp": "needs a history of prices",
    "spot_vol_correlation": "needs a history of prices",
    "skew_term": "`marts.expiry_summary` holds skew by expiry; not part of the contract served",
    "surface_svi": "no surface is fitted",
    "surface": "no surface is fitted",
    "strategy_": "advice on trades",
    "screener_fields": "as screener",
    "screener": "the macro `scan` ranks the watchlist; not part of the contract served",
    "universe": "a list of the vendor's own",
    "vix_state": "no regime of VIX is defined",
}


def methods(client: type) -> dict[str, Callable[..., Any]]:
    """The public methods of a client."""
    return {name: one for name, one in inspect.getmembers(client, inspect.isfunction) if not name.startswith("_")}


def reason(name: str) -> str | None:
    """Why a method's endpoint is not served."""
    return NOT_SERVED.get(name) or next((why for begin, why in NOT_SERVED.items() if begin.endswith("_") and name.startswith(begin)), None)


def request_of(client: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Method and path that a call of a client's method sends."""
    sent: list[tuple[str, str]] = []

    def remember(session: Any, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        sent.append((request.method or "", request.path_url.split("?")[0]))
        answer = requests.Response()
        answer.status_code, answer._content = 200, b"{}"
        return answer

    monkeypatch.setattr(requests.Session, "send", remember)
    method = getattr(client, name)
    needed = [one for one in inspect.signature(method).parameters.values() if one.default is inspect.Parameter.empty]
    values = {"float": 1.0, "list[dict[str, Any]]": [{}], "AtLike": "2026-11-17"}
    method(**{one.name: values.get(str(one.annotation), "SPY") for one in needed})
    ((verb, path),) = sent
    return verb, path


@cache
def application() -> FastAPI:
    return create_app(Home(Path("nowhere")), api_settings())


def is_served(verb: str, path: str) -> bool:
    scope = {"type": "http", "method": verb, "path": path, "root_path": "", "headers": []}
    return any(route.matches(scope)[0] is Match.FULL for route in application().routes)


@pytest.mark.parametrize(
    ("client", "served"),
    [(FlashAlpha("key", base_url="http://127.0.0.1:9"), SERVED), (FlashAlphaHistorical("key", base_url="http://127.0.0.1:9/historical"), SERVED_IN_HISTORY)],
    ids=["flashalpha", "flashalpha_historical"],
)  # fmt: skip
def test_every_method_is_served_or_named_with_the_reason(client: Any, served: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    served_now = {name for name in methods(type(client)) if is_served(*request_of(client, name, monkeypatch))}
    assert served_now == served
    assert [name for name in methods(type(client)).keys() - served if reason(name) is None] == [], "new: serve them, or say why not"


def test_every_served_method_is_called_with_each_of_its_parameters() -> None:
    called: dict[str, set[str]] = {}
    for method, arguments, _ in CALLS.values():
        called.setdefault(method.__name__, set()).update(arguments)
    for name in SERVED - {"tickers", "symbols", "health"}:  # these are called in test_flashalpha_sdk without any
        parameters = set(inspect.signature(methods(FlashAlpha)[name]).parameters) - {"self", "symbol", "ticker"}
        assert called[name] == parameters, name
    for name in ("tickers", "symbols", "health"):
        assert set(inspect.signature(methods(FlashAlpha)[name]).parameters) == {"self"}


def test_every_typed_dictionary_of_a_served_method_is_checked() -> None:
    forms_by_name = {name: getattr(forms, methods(FlashAlpha)[name].__annotations__["return"]) for name in SERVED}
    checked: dict[str, set[Any]] = {}
    for method, _, form in CALLS.values():
        checked.setdefault(method.__name__, set()).add(form)
    checked |= {
        "tickers": {forms.TickersResponse},
        "symbols": {forms.SymbolsResponse},
        "health": {forms.HealthResponse},
    }  # see test_flashalpha_sdk
    assert checked == {name: {form} for name, form in forms_by_name.items()}


@pytest.mark.parametrize("symbol", ["SPX", "SPY", "ETH"])
def test_the_historical_client_gets_every_key_too(demo_url: str, symbol: str) -> None:
    hx = FlashAlphaHistorical("any-key", base_url=f"{demo_url}/historical")
    for name, (method, arguments, form) in CALLS.items():
        if method.__name__ not in SERVED_IN_HISTORY:
            continue
        taken = {key: value for key, value in arguments.items() if key in inspect.signature(getattr(hx, method.__name__)).parameters}
        body = getattr(hx, method.__name__)(symbol, at="2026-11-17T18:00:00", **taken)
        if body.get("no_zero_dte"):
            assert body["next_zero_dte_expiry"]
            continue
        problems = {one for one in misfits(body, form, absent=OF_NO_EXPIRY) if "skew_25d: not in the type" not in one}
        assert not problems if symbol != "ETH" else all("oi" in one or "volume" in one for one in problems), (name, problems)
