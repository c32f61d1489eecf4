"""The public clients, with only the base URL changed: every method whose endpoint is served, and the vendor's own assertions."""

from __future__ import annotations

from datetime import date, datetime
from itertools import pairwise
from typing import Any

import flashalpha
import flashalpha.types as forms
import flashalpha_historical as historical
import pytest
from flashalpha import FlashAlpha
from flashalpha_historical import FlashAlphaHistorical

from tests.warehouse.api.typed import misfits

EXPIRY = "2026-11-20"
AT = "2026-11-17T18:00:00"  # New York, after the second session of the demo
OF_NO_EXPIRY = frozenset({"warnings", "no_zero_dte", "message", "next_zero_dte_expiry"})
CALLS: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "max_pain": (FlashAlpha.max_pain, {}, forms.MaxPainResponse),
    "max_pain of an expiration": (FlashAlpha.max_pain, {"expiration": EXPIRY}, forms.MaxPainResponse),
    "gex": (FlashAlpha.gex, {}, forms.GexResponse),
    "gex filtered": (FlashAlpha.gex, {"expiration": EXPIRY, "min_oi": 100}, forms.GexResponse),
    "exposure_levels": (FlashAlpha.exposure_levels, {}, forms.ExposureLevelsResponse),
    "exposure_summary": (FlashAlpha.exposure_summary, {}, forms.ExposureSummaryResponse),
    "zero_dte": (FlashAlpha.zero_dte, {"strike_range": 0.05, "expiry": EXPIRY}, forms.ZeroDteResponse),
    "exposure_term_structure": (FlashAlpha.exposure_term_structure, {}, forms.ExposureTermStructureResponse),
    "expected_move": (FlashAlpha.expected_move, {}, forms.ExpectedMoveResponse),
    "expected_move of an expiry": (FlashAlpha.expected_move, {"expiry": EXPIRY}, forms.ExpectedMoveResponse),
    "options": (FlashAlpha.options, {}, forms.OptionsMetaResponse),
}


@pytest.fixture
def fa(demo_url: str) -> FlashAlpha:
    return FlashAlpha("any-key", base_url=demo_url)


@pytest.fixture
def hx(demo_url: str) -> FlashAlphaHistorical:
    return FlashAlphaHistorical("any-key", base_url=f"{demo_url}/historical")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("symbol", ["SPY", "spx"])
def test_answers_have_every_key_and_type_of_the_clients_dictionaries(fa: FlashAlpha, call: str, symbol: str) -> None:
    method, arguments, form = CALLS[call]
    body = method(fa, symbol, **arguments)
    # published in the document and absent from the client's type, or the other way round
    extra = {"body.vol_context.skew_25d: not in the type"}
    assert set(misfits(body, form, absent=OF_NO_EXPIRY)) <= extra
    assert body["symbol"] == symbol.upper()
    assert set(body["data_as_of"]) == set(forms.DataAsOf.__annotations__)
    assert body["endpoint_version"] == "2026.08.25"


def test_of_crypto_only_open_interest_and_volume_may_have_fractions(fa: FlashAlpha) -> None:
    for method, arguments, form in CALLS.values():
        body = method(fa, "BTC", **{name: value for name, value in arguments.items() if name != "min_oi"})
        for misfit in misfits(body, form, absent=OF_NO_EXPIRY):
            field = misfit.split(":")[0].rsplit(".", 1)[-1]
            assert "oi" in field or "volume" in field or field == "skew_25d", misfit


def test_lists_and_health(fa: FlashAlpha) -> None:
    tickers, symbols = fa.tickers(), fa.symbols()
    assert misfits(tickers, forms.TickersResponse) == misfits(symbols, forms.SymbolsResponse) == []
    assert symbols["symbols"] == ["BTC", "ETH", "SPX", "SPY"] and symbols["count"] == 4
    assert tickers["tickers"] == sorted(tickers["tickers"]) and tickers["count"] == len(tickers["tickers"])
    assert set(symbols["symbols"]) < set(tickers["tickers"])
    assert fa.health()["status"] in ("Healthy", "Degraded", "Unhealthy"), "how old the demo is by now"


@pytest.mark.parametrize("symbol", ["SPY", "BTC"])
@pytest.mark.parametrize("method", ["max_pain", "gex", "exposure_levels", "exposure_summary", "zero_dte"])
def test_the_historical_client_gets_what_the_live_one_gets(fa: FlashAlpha, hx: FlashAlphaHistorical, method: str, symbol: str) -> None:
    then = getattr(hx, method)(symbol, at=AT)
    now = getattr(fa, method)(symbol)
    for body in (then, now):
        body.pop("metadata", None)  # how old the data are depends on when one asks
    assert then == now


def test_a_moment_is_new_york_time_and_never_looks_ahead(hx: FlashAlphaHistorical) -> None:
    first, second = "2026-11-16T22:40:34Z", "2026-11-17T22:40:34Z"
    for at, expected in {
        "2026-11-17": first,  # 16:00 there: before the second run
        date(2026, 11, 17): first,
        "2026-11-17T17:40:33": first,
        "2026-11-17T17:40:34": second,
        datetime(2026, 11, 17, 17, 41): second,
        "2026-11-17T22:40:34Z": second,
        "2026-11-18T01:00:00+01:00": second,
        "2026-11-17T22:40:33Z": first,
    }.items():
        body = hx.max_pain("SPY", at=at)
        assert body["as_of"] == body["data_as_of"]["equity_feed"] == expected, at
    assert hx.max_pain("SPY", at=AT)["data_as_of"]["oi_feed"] == "2026-11-16T21:00:00Z"


def test_coverage(hx: FlashAlphaHistorical) -> None:
    one = hx.tickers(symbol="spx")
    assert one["coverage"] == {"first": "2026-11-16", "last": "2026-11-17", "total_days": 2, "healthy_days": 2}
    assert one["tables"]["core.snapshots"]["snapshots"] == 2 and one["gaps"] == {}
    every = hx.tickers()
    assert [row["symbol"] for row in every["symbols"]] == ["BTC", "ETH", "SPX", "SPY"] and every["count"] == 4
    with pytest.raises(historical.NoCoverageError):
        hx.tickers(symbol="NOPE")


# --- what the vendor's published tests assert -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("symbol", ["SPY", "SPX", "BTC"])
def test_max_pain_is_the_least_of_a_convex_curve(fa: FlashAlpha, symbol: str) -> None:
    for filtered in ({}, {"expiration": EXPIRY}):
        body = fa.max_pain(symbol, **filtered)
        curve = body["pain_curve"]
        assert min(curve, key=lambda one: one["total_pain"])["strike"] == body["max_pain_strike"]
        assert all(one["total_pain"] == pytest.approx(one["call_pain"] + one["put_pain"], abs=0.01) for one in curve)
        slopes = [(b["total_pain"] - a["total_pain"]) / (b["strike"] - a["strike"]) for a, b in pairwise(curve)]
        assert all(b >= a - 1e-6 * abs(a) for a, b in pairwise(slopes))
        assert [one["strike"] for one in curve] == [one["strike"] for one in body["oi_by_strike"]] == sorted(one["strike"] for one in curve)
        assert isinstance(body["expiration"], str) and body["expiration"]
        assert isinstance(body["expected_move"]["max_pain_within_expected_range"], bool)
        assert isinstance(body["pin_probability"], int)
        if filtered:
            assert body["expiration"] == EXPIRY and body["max_pain_by_expiration"] is None
        else:
            assert body["max_pain_by_expiration"]
            levels = fa.exposure_levels(symbol)["levels"]
            alignment = body["dealer_alignment"]
            assert {name: alignment[name] for name in ("gamma_flip", "gamma_flip_status", "call_wall", "put_wall")} == {
                name: levels[name] for name in ("gamma_flip", "gamma_flip_status", "call_wall", "put_wall")
            }


def test_the_slope_of_pain_changes_by_the_open_interest(fa: FlashAlpha) -> None:
    body = fa.max_pain("SPY")
    curve, oi = body["pain_curve"], body["oi_by_strike"]
    slopes = [(b["total_pain"] - a["total_pain"]) / (b["strike"] - a["strike"]) for a, b in pairwise(curve)]
    for index, (before, after) in enumerate(pairwise(slopes), start=1):
        assert after - before == pytest.approx(100 * oi[index]["total_oi"], rel=1e-9, abs=1e-3)


def test_the_summary_has_no_net_gex_at_its_top_and_hedges_are_mirror_images(fa: FlashAlpha) -> None:
    for symbol in ("SPY", "SPX", "BTC", "ETH"):
        body = fa.exposure_summary(symbol)
        assert "net_gex" not in body
        down, up = body["hedging_estimate"]["spot_down_1pct"], body["hedging_estimate"]["spot_up_1pct"]
        assert down["dealer_shares_to_trade"] == -up["dealer_shares_to_trade"]
        assert {down["direction"], up["direction"]} == {"buy", "sell"}
        assert down["notional_usd"] == up["notional_usd"] != 0
        assert up["direction"] == ("sell" if body["exposures"]["net_gex"] > 0 else "buy"), "long gamma sells rallies"


def test_zero_dte_has_all_its_keys_or_says_when_the_next_one_is(fa: FlashAlpha) -> None:
    assert fa.exposure_levels("BTC")["levels"]["zero_dte_magnet"] == fa.zero_dte("BTC")["pin_risk"]["magnet_strike"]
    none = fa.zero_dte("SPY")
    assert none["no_zero_dte"] is True and none["expiration"] is None and none["next_zero_dte_expiry"] == "2026-11-18"
    assert set(none) == {
        "symbol", "underlying_price", "expiration", "as_of", "market_open", "no_zero_dte", "message", "next_zero_dte_expiry",
        "endpoint_version", "data_as_of",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("symbol", "reaches"), [("BRK/B", "BRK/B"), ("ES=F", "ES=F"), ("^SPX", "^SPX"), ("a%2Fb", "A%2FB"), ("?x#y", "?X#Y")]
)
def test_a_symbol_of_any_letters_reaches_its_handler(fa: FlashAlpha, symbol: str, reaches: str) -> None:
    with pytest.raises(flashalpha.NotFoundError) as refused:
        fa.max_pain(symbol)
    assert refused.value.response == {"error": "symbol_not_found", "message": f"No data for {reaches}."}
