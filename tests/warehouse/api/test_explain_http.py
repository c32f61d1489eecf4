"""/explain over HTTP: the same content as in Python and on the command line, and refusals that tell what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import requests

from flows.cli.printing.explain import print_explanation
from tests.conftest import Demo
from tests.warehouse.api.serving import api_settings, serving
from warehouse.client.warehouse import Warehouse
from warehouse.explain.kinds.level_meanings import BACKQUANT, FLASHALPHA
from warehouse.explain.request import LEVELS
from warehouse.home.paths import Home
from warehouse.read.json_values import json_value

QUESTIONS: list[tuple[str, str, dict[str, Any]]] = [
    ("max-pain", "SPX", {"expiry": "2026-12-18"}),
    ("max-pain", "btc", {"venues": "deribit", "as_of": "2026-11-17T00:00"}),
    ("gex", "SPY", {"strike": 740, "definition": "backquant", "top": 2}),
    ("level", "SPX", {"level": "gamma_flip", "definition": "flashalpha"}),
    ("level", "BTC", {"level": "call-resistance", "zero_dte": True}),
    ("pin-score", "SPX", {"expires_at": "2026-11-20T21:00"}),
    ("iv", "SPX", {"expiry": "2026-11-20", "strike": 7500}),
]


@pytest.fixture(scope="module")
def wh(demo: Demo) -> Iterator[Warehouse]:
    with Warehouse(demo.home) as warehouse:
        yield warehouse


def get(url: str, path: str, **parameters: Any) -> requests.Response:
    return requests.get(f"{url}/explain/{path}", params=parameters, timeout=30)


@pytest.mark.parametrize(("kind", "underlying", "parameters"), QUESTIONS, ids=lambda value: value if isinstance(value, str) else "")
def test_all_interfaces_give_the_same(
    demo_url: str, wh: Warehouse, capsys: pytest.CaptureFixture[str], kind: str, underlying: str, parameters: dict[str, Any]
) -> None:
    answer = get(demo_url, f"{kind}/{underlying}", **parameters)
    explanation = wh.explain(kind, underlying, **parameters)
    assert answer.status_code == 200, answer.text
    assert answer.json() == orjson.loads(orjson.dumps(explanation, default=json_value))
    print_explanation(explanation, json=True)
    assert answer.json() == json.loads(capsys.readouterr().out)
    assert answer.json()["raw"][0]["row"] is not None and "ETag" in answer.headers


@pytest.mark.slow
def test_a_moment_is_utc_or_new_york_time(demo_url: str) -> None:
    first, second = "SPY-20261116T224034Z", "SPY-20261117T224034Z"
    for parameters, expected in (
        ({"as_of": "2026-11-17T22:40:33"}, first),
        ({"as_of": "2026-11-17T17:40:34-05:00"}, second),
        ({"at": "2026-11-17T17:40:34"}, second),
        ({"at": "2026-11-17"}, first),
        ({}, second),
    ):
        assert get(demo_url, "gex/SPY", **parameters).json()["scope"]["snapshot_id"] == expected, parameters


@pytest.mark.parametrize(
    ("path", "parameters", "status", "error", "says"),
    [
        ("gex/NOPE", {}, 404, "no_data", "No snapshot of NOPE is published"),
        ("gex/BRK%2FB", {}, 404, "no_data", "No snapshot of BRK/B is published"),
        ("max-pain/SPX", {"expiry": "2026-11-21"}, 404, "no_data", "no live expiry on 2026-11-21"),
        ("gex/SPX", {"as_of": "2020-01-01"}, 404, "no_data", "at or before 2020-01-01"),
        ("gex/SPX", {"venues": "deribit"}, 404, "no_data", "from deribit"),
        ("gex/SPX", {"definition": "nobody"}, 404, "no_data", "knows no definition 'nobody'"),
        ("iv/SPX", {"expiry": "2026-11-20", "strike": 7501}, 404, "no_data", "no live contract with strike 7501"),
        ("level/SPX", {}, 400, "invalid_question", "level needs the name of one"),
        ("max-pain/SPX", {"strike": 7500}, 400, "invalid_question", "max-pain takes no strike"),
        ("max-pain/SPX", {"expiry": "2026-13-01"}, 400, "invalid_question", "is no date"),
        ("gex/SPX", {"as_of": "2026-11-17", "at": "2026-11-17"}, 400, "invalid_question", "not both"),
        ("gex/SPX", {"as_of": "2999-01-01"}, 400, "invalid_as_of", "in the future"),
        ("gex/SPX", {"at": "2999-01-01"}, 400, "invalid_at", "in the future"),
        ("gex/SPX", {"at": "soon"}, 400, "invalid_at", "not 'soon'"),
        ("gex/SPX", {"strike": "nan"}, 400, "invalid_strike", "query parameter strike"),
        ("gex/SPX", {"top": 0}, 400, "invalid_top", "greater than or equal to 1"),
        ("gex/SPX", {"top": 101}, 400, "invalid_top", "less than or equal to 100"),
        ("colour/SPX", {}, 404, "not_found", "path parameter kind"),
        ("gex", {}, 404, "not_found", "Not Found"),
    ],
)
def test_what_cannot_be_explained_says_why(
    demo_url: str, path: str, parameters: dict[str, Any], status: int, error: str, says: str
) -> None:
    answer = get(demo_url, path, **parameters)
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert says in answer.json()["message"] and "ETag" not in answer.headers


def test_key_limit_method_and_file_are_refused_in_its_own_words(demo: Demo, tmp_path: Any) -> None:
    with serving(demo.home, api_settings(keys=("key",), rate_limit_per_minute=1)) as url:
        refused = get(url, "gex/SPX")
        assert (refused.status_code, refused.json()) == (401, {"error": "unauthorized", "message": "Invalid API key."})
        answers = [requests.delete(f"{url}/explain/gex/SPX?apiKey=key", timeout=30) for _ in range(3)]
    assert answers[0].status_code in (405, 429) and answers[-1].status_code == 429, "a new minute may have begun between"
    assert answers[-1].json()["error"] == "rate_limited" and 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    with serving(Home(tmp_path / "nothing")) as url:
        assert (get(url, "gex/SPX").status_code, get(url, "gex/SPX").json()["error"]) == (503, "unavailable")
    with serving(demo.home, api_settings(timeout_s=1e-6)) as url:
        assert (get(url, "gex/SPX").status_code, get(url, "gex/SPX").json()["error"]) == (504, "timeout")


def test_a_missing_archive_is_reported_without_naming_the_home(demo_copy: Home) -> None:
    for folder in demo_copy.raw.iterdir():
        folder.rename(demo_copy.root / f"moved-{folder.name}")
    with serving(demo_copy) as url:
        explanation = get(url, "gex/BTC").json()
    problems = [row["problem"] for row in explanation["raw"]]
    assert explanation["number"]["value"] is not None and all(problems)
    assert any("raw/" in one for one in problems) and not any(str(demo_copy.root) in one for one in problems)


# --- what an explanation says that a dialect shows is what that dialect of ours shows ---------------------------------------------------


def alternative_value(url: str, path: str, convention: str, **parameters: Any) -> Any:
    """The value of `--definition`, which stands once among the alternatives."""
    explanation = get(url, path, definition=convention, **parameters).json()
    assert explanation["asked_definition"] == convention
    (one,) = (one for one in explanation["alternatives"] if one["convention"] == convention)
    return one["value"]


def v1(url: str, path: str, **parameters: Any) -> dict[str, Any]:
    body: dict[str, Any] = requests.get(f"{url}/v1/{path}", params=parameters, timeout=30).json()
    return body


def v2(url: str, path: str, **parameters: Any) -> dict[str, Any]:
    body: dict[str, Any] = requests.get(f"{url}/v2/{path}", params=parameters, timeout=30).json()["data"]
    return body


SYMBOLS = [("SPX", "SPX"), ("BTC", "BTCUSDT")]
LARGE_AND_SMALL = [pytest.param(*SYMBOLS[0], marks=pytest.mark.slow), SYMBOLS[1]]  # each explanation of SPX takes a second


@pytest.mark.parametrize(("symbol", "pair"), LARGE_AND_SMALL)
@pytest.mark.parametrize("expiry", ["2026-11-20", "2026-12-18", pytest.param(None, marks=pytest.mark.slow)])
def test_max_pain_and_exposure_by_either_dialect(demo_url: str, symbol: str, pair: str, expiry: str | None) -> None:
    if symbol == "BTC" and expiry == "2026-12-18":
        pytest.skip("not listed there")
    only = {} if expiry is None else {"expiry": expiry}
    expiration = {} if expiry is None else {"expiration": expiry}
    assert (
        alternative_value(demo_url, f"max-pain/{symbol}", "flashalpha", **only)
        == v1(demo_url, f"maxpain/{symbol}", **expiration)["max_pain_strike"]
    )
    theirs = v2(demo_url, "gex/max-pain", symbol=pair, **only)
    shown = theirs["max_pain"] if expiry else theirs["per_expiry"][0]["max_pain"]
    assert alternative_value(demo_url, f"max-pain/{symbol}", "backquant", **only) == shown["strike"]
    assert (
        alternative_value(demo_url, f"gex/{symbol}", "flashalpha", **only)
        == v1(demo_url, f"exposure/gex/{symbol}", **expiration)["net_gex"]
    )
    profile = v2(demo_url, "gex/strike-profile", symbol=pair, **only)
    by_expiry = v2(demo_url, "gex/expiry-profile", symbol=pair)
    net = by_expiry["total_gex"] if expiry is None else by_expiry["net_gex"][by_expiry["expiry_dates"].index(expiry)]
    assert alternative_value(demo_url, f"gex/{symbol}", "backquant", **only) == net
    strike = profile["ranked_top_10"][0]["strike"]
    assert alternative_value(demo_url, f"gex/{symbol}", "backquant", strike=strike, **only) == profile["ranked_top_10"][0]["gex"]
    (own,) = (one for one in v1(demo_url, f"exposure/gex/{symbol}", **expiration)["strikes"] if one["strike"] == strike)
    assert alternative_value(demo_url, f"gex/{symbol}", "flashalpha", strike=strike, **only) == own["net_gex"]
    pin = v1(demo_url, f"maxpain/{symbol}", **expiration)["pin_probability"]
    assert alternative_value(demo_url, f"pin-score/{symbol}", "flashalpha", **only) == pin
    assert alternative_value(demo_url, f"pin-score/{symbol}", "backquant", **only) is None, "it publishes none"


@pytest.mark.slow
@pytest.mark.parametrize(("symbol", "pair"), SYMBOLS)
def test_levels_by_either_dialect(demo_url: str, symbol: str, pair: str) -> None:
    flash = v1(demo_url, f"exposure/levels/{symbol}")["levels"]
    back = v2(demo_url, "gex/levels", symbol=pair)["all_expiry"]
    for level in LEVELS:
        ours = alternative_value(demo_url, f"level/{symbol}", "flashalpha", level=level)
        assert ours == pytest.approx(flash[FLASHALPHA[level]], abs=1e-4) if ours is not None else flash[FLASHALPHA[level]] is None, level
        assert alternative_value(demo_url, f"level/{symbol}", "backquant", level=level) == (
            back[BACKQUANT[level]] if level in BACKQUANT else None
        ), level


@pytest.mark.parametrize(("symbol", "pair"), SYMBOLS)
@pytest.mark.slow
def test_volatility_by_either_dialect(demo_url: str, symbol: str, pair: str) -> None:
    rows = v2(demo_url, "options/chain", symbol=pair, expiries="2026-11-20", max_contracts=6)["contracts"]
    shown = {one["strike"]: one for one in v1(demo_url, f"exposure/zero-dte/{symbol}", expiry="2026-11-20", strike_range=0.05)["strikes"]}
    for row in rows:
        parameters = {"expiry": "2026-11-20", "strike": row["strike"]}
        assert round(alternative_value(demo_url, f"iv/{symbol}", "backquant", **parameters), 2) == row["iv"]
        assert alternative_value(demo_url, f"iv/{symbol}", "flashalpha", **parameters) == pytest.approx(
            shown[row["strike"]]["call_iv"], abs=1e-6
        )
