"""The acceptance checks of the contract: venues add up, filters before caps, 0DTE, cursors, moments, status."""

from __future__ import annotations

import random
import shutil
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from tests.conftest import Demo
from tests.small_warehouse import FIRST, LAST, SECOND
from tests.warehouse.api.backquant.serving import NOW, Client, Remembering, application
from tests.warehouse.api.backquant.test_backquant_fields import Question, both, rounded, token, top, whole
from warehouse.client.warehouse import Warehouse
from warehouse.home.paths import Home

COIN = {"symbol": "COINUSDT", "as_of": FIRST.isoformat()}


@pytest.fixture(scope="module")
def demo_client(demo: Demo) -> tuple[Client, Remembering, datetime]:
    wh = Remembering(demo.home)
    last: datetime = wh.table("core.snapshots", underlying="BTC")["captured_at"].max()  # type: ignore[assignment]
    return Client(application(demo.home, wh=wh, now=last.replace(tzinfo=UTC) + timedelta(hours=1))), wh, last


@pytest.mark.slow
def test_single_venues_add_up(v2: Client) -> None:
    everything = v2.data("/gex/expiry-profile", **COIN)
    alone = [v2.data("/gex/expiry-profile", **COIN, exchanges=venue) for venue in ("deribit", "bybit", "okx")]
    for name in ("net_gex", "call_gex", "put_gex", "total_oi"):
        sums = {
            expiry: sum(dict(zip(one["expiries"], one[name], strict=True)).get(expiry, 0) for one in alone)
            for expiry in everything["expiries"]
        }
        assert sums == {expiry: pytest.approx(value, abs=2) for expiry, value in zip(everything["expiries"], everything[name], strict=True)}


def test_caps_keep_the_nearest_and_change_no_cell(v2: Client) -> None:
    everything = v2.reply("/gex/strike-expiry-heatmap", **COIN)
    data, spot = everything["data"], everything["meta"]["spot_price"]
    capped = v2.data("/gex/strike-expiry-heatmap", **COIN, max_strikes=10)
    assert capped["strikes"] == sorted(sorted(data["strikes"], key=lambda strike: (abs(strike - spot), strike))[:10])
    at = dict(zip(data["strikes"], data["net_gex"], strict=True))
    assert capped["net_gex"] == [at[strike] for strike in capped["strikes"]]
    assert capped["truncated"] and capped["matched_strikes"] == len(data["strikes"])
    narrow = v2.data("/gex/strike-expiry-heatmap", **COIN, moneyness_min=1, dte_min=5, max_strikes=10)
    assert narrow["strikes"] and min(narrow["strikes"]) >= spot and min(narrow["dtes"]) >= 5
    assert narrow["matched_strikes"] == sum(strike >= spot and row[-1] is not None for strike, row in at.items())
    empty = v2.data("/gex/strike-expiry-heatmap", **COIN, dte_min=700)
    assert (empty["strikes"], empty["net_gex"], empty["expiry_totals"], empty["matched_strikes"]) == ([], [], [], 0)


def test_weekly_only_drops_anchors_and_horizons_and_types_filter(v2: Client) -> None:
    idx = {"symbol": "IDX", "as_of": FIRST.isoformat()}
    everything = v2.data("/gex/expiry-profile", **idx)
    weekly = v2.data("/gex/expiry-profile", **idx, weekly_only=True)
    assert weekly["expiries"] == [one for one, anchor in zip(everything["expiries"], everything["is_anchor"], strict=True) if not anchor]
    assert any(everything["is_anchor"]) and sum(everything["abs_gex_share_pct"]) == pytest.approx(100, abs=0.05)
    assert weekly["total_gex"] == 0 and weekly["abs_gex_share_pct"] == [None], "as many calls as puts: nothing to have a share of"
    near = v2.reply("/options/opex", **idx, horizon=5)
    assert [row["dte"] for row in near["data"]["expirations"]] == [dte for dte in everything["dtes"] if dte <= 5]
    assert near["meta"]["extra"]["expiry_count"] == near["data"]["count"]
    only = v2.data("/options/opex", **idx, types="weekly")
    assert only["filtered_types"] == ["weekly"] and {row["type"] for row in only["expirations"]} == {"weekly"}
    assert only["next_anchor"] == near["data"]["next_anchor"] is not None


def test_max_pain_is_the_same_everywhere_and_its_curve_convex(v2: Client) -> None:
    per_expiry = {row["expiry"]: row["max_pain"] for row in v2.data("/gex/max-pain", **COIN)["per_expiry"]}
    assert per_expiry == {row["expiry"]: row["gamma"]["max_pain"] for row in v2.data("/options/opex", **COIN, horizon=365)["expirations"]}
    assert per_expiry == {row["expiry"]: row["max_pain"] for row in v2.data("/options/expiry-summary", **COIN)["expiries"]}
    for expiry, best in per_expiry.items():
        curve = v2.data("/gex/max-pain", **COIN, expiry=expiry)["pain_curve"]
        profile = v2.data("/gex/strike-profile", **COIN, expiry=expiry)
        slopes = [(b["pain"] - a["pain"]) / (b["strike"] - a["strike"]) for a, b in pairwise(curve)]
        kinks = [b - a for a, b in pairwise(slopes)]
        assert kinks == pytest.approx([oi or 0 for oi in profile["total_oi"][1:-1]], abs=1.0)
        assert best["value"] == min(point["pain"] for point in curve)


def test_zero_dte_is_its_own_contracts_only(demo_client: tuple[Client, Remembering, datetime]) -> None:
    client, wh, last = demo_client
    instant = wh.table("core.series").filter(pl.col("is_zero_dte"), pl.col("snapshot_id") == wh.gex_levels("BTC")["snapshot_id"][0])
    only = {"expires_at": instant["expires_at"][0], "as_of": last}
    expected = token(instant["expiry"][0])
    pain = client.data("/gex/max-pain", expiry="0dte")
    row = wh.max_pain("BTC", **only).row(0, named=True)
    assert pain == {
        "expiry": "0dte",
        "dte": 0,
        "expiry_tokens": [expected],
        "max_pain": {"strike": row["max_pain_strike"], "value": whole(row["max_pain_usd"])},
    }
    assert pain["max_pain"] == client.data("/gex/levels", include="max_pain")["max_pain"]
    profile = client.data("/gex/strike-profile", expiry="0dte")
    frame = wh.gex_profile("BTC", **only)
    assert profile["strikes"] == frame["strike"].to_list() != client.data("/gex/strike-profile")["strikes"]
    assert profile["net_gex"] == [whole(net) for net in frame["net_gex_usd_1pct"].to_list()]
    assert (
        profile["ranked_top_10"]
        == top(wh.gex_ranked("BTC", **only))
        == client.data("/gex/levels", include="ranked")["ranked"]["odte_top_10"]
    )
    odte = client.data("/gex/levels")["odte"]
    level = wh.gex_levels("BTC", as_of=last).filter(pl.col("scope_expiry") == "0dte").row(0, named=True)
    assert (odte["call_resistance"], odte["put_support"]) == (level["call_resistance"], level["put_support"])
    assert odte["hvl"] in (level["hvl_lower_strike"], level["hvl_upper_strike"])
    assert client.data("/gex/max-pain", symbol="SPX")["per_expiry"][0]["dte"] == 0, "less than 24 hours, and yet not 0DTE in New York"
    client.error("/gex/max-pain", 404, symbol="SPX", expiry="0dte")
    assert client.data("/gex/strike-profile", symbol="SPX", expiry="0dte")["strikes"] == []


@pytest.mark.parametrize(
    "path", ["/gex/levels", "/gex/expiry-profile", "/gex/max-pain", "/options/opex", "/options/expiry-summary", "/expiries"]
)
def test_the_only_venue_of_a_snapshot_is_all_of_it(demo_client: tuple[Client, Remembering, datetime], path: str) -> None:
    client, _, _ = demo_client
    parameters = {} if path == "/expiries" else {"exchanges": "deribit"}
    assert client.data(path, **parameters) == client.data(path)


def test_the_cursor_walks_the_whole_history_once(v2: Client) -> None:
    whole_series = v2.data("/gex/history", symbol="COINUSDT")
    assert whole_series["timestamps"] == [f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (FIRST, SECOND, LAST)]
    for limit in (1, 2, 3):
        seen: list[tuple[Any, ...]] = []
        before: dict[str, str] = {}
        while True:
            page = v2.data("/gex/history", symbol="COINUSDT", limit=limit, **before)
            columns = [page[name] for name in page if name != "next_cursor"]
            seen = [*zip(*columns, strict=True), *seen]
            if page["next_cursor"] is None:
                break
            before = {"before": page["next_cursor"]}
        assert seen == list(zip(*(whole_series[name] for name in whole_series if name != "next_cursor"), strict=True))
    assert v2.data("/gex/history", symbol="COINUSDT", before=FIRST.isoformat())["timestamps"] == []
    assert v2.data("/gex/history", symbol="IDX")["total_gex"] != whole_series["total_gex"]
    assert v2.data("/gex/history", symbol="COINUSDT", as_of=SECOND.isoformat())["timestamps"][-1] == f"{SECOND:%Y-%m-%dT%H:%M:%SZ}"


def test_the_sign_model_says_what_ran(v2: Client) -> None:
    for path in ("/gex/levels", "/gex/strike-profile", "/gex/strike-expiry-heatmap", "/gex/expiry-profile"):
        flow, std = v2.reply(path, **COIN), v2.reply(path, **COIN, positioning="std")
        extra = {name: value for name, value in flow["meta"]["extra"].items() if name.startswith("positioning")}
        assert extra == {
            "positioning": "std",
            "positioning_requested": "flow",
            "positioning_fallback_reason": "no_aggressor_tape_for_symbol",
        }
        assert "positioning_fallback_reason" not in std["meta"]["extra"] and std["meta"]["extra"]["positioning_requested"] == "std"
        assert flow["data"] == std["data"] and flow["data"]["positioning"] == "std"
    assert "positioning" not in v2.reply("/gex/max-pain", **COIN)["meta"]["extra"]
    assert v2.reply("/gex/levels", **COIN, include="candles")["meta"]["extra"]["unavailable_sections"]["sections"] == ["candles"]
    assert v2.reply("/gex/expiry-profile", **COIN)["meta"]["extra"]["aggregation"] == "oi_sum:deribit,bybit,okx"


@pytest.mark.slow
def test_a_hundred_random_questions_are_their_frame_after_the_conversion(v2: Client, wh: Warehouse) -> None:
    """(endpoint, symbol, expiry, filter, as_of) at random; the conversion is written again here."""
    dice = random.Random(20261121)
    for _ in range(100):
        symbol = dice.choice(["COINUSDT", "COINUSDT", "IDX"])
        at = FIRST + timedelta(minutes=dice.randrange(0, 170))
        question = Question(v2, wh, symbol, at, dice.choice([None, None, "deribit"]) if symbol != "IDX" else None)
        filters = dice.choice([{}, {"strike_min": 95.0}, {"moneyness_min": 0.93, "moneyness_max": 1.04}, {"window_pct": 6.0}])
        expiry = dice.choice([None, *question.dates()])
        parameters = {"spot_window_pct" if name == "window_pct" else name: value for name, value in filters.items()}
        which = dice.choice(["profile", "heatmap", "pain", "smile", "levels"])
        only = {} if expiry is None else {"expiry": expiry}
        if which == "profile":
            data = question.data("/gex/strike-profile", **parameters, expiry="all" if expiry is None else token(expiry))
            frame = question.read("gex_profile", **filters, **only)
            shown = list(zip(data["strikes"], data["net_gex"], data["call_oi"], strict=True))
            assert shown == [(row["strike"], whole(row["net_gex_usd_1pct"]), question.oi(row, "call")) for row in frame.rows(named=True)]
        elif which == "heatmap" and "strike_min" not in filters:
            data = question.data("/gex/strike-expiry-heatmap", **parameters)
            frame = question.read("gex_heatmap", **filters)
            nets: dict[Any, Any] = {}
            for row in frame.rows(named=True):
                key = row["strike"], token(row["expiry"])
                nets[key] = both(nets.get(key), row["net_gex_usd_1pct"])
            cells = {
                (k, e): net
                for k, line in zip(data["strikes"], data["net_gex"], strict=True)
                for e, net in zip(data["expiries"], line, strict=True)
                if net is not None
            }
            assert cells == {key: whole(net) for key, net in nets.items() if net is not None}
        elif which == "pain" and expiry is not None:
            frame = question.read("pain_curve", expiry=expiry)
            curve = question.data("/gex/max-pain", expiry=expiry.isoformat())["pain_curve"]
            assert [(one["strike"], one["pain"]) for one in curve] == [
                (k, whole(usd)) for k, usd in frame.select("strike", "total_pain_usd").rows()
            ]
        elif which == "smile":
            moves = {row["expiry"]: row["straddle_usd"] for row in question.data("/options/expected-move")["per_expiry"]}
            assert moves == {token(one): rounded(question.summary(one)["straddle"], 2) for one in question.dates()}
        else:
            row = question.read("gex_levels").filter(pl.col("scope_expiry") == "all").row(0, named=True)
            level = question.data("/gex/levels")["all_expiry"]
            assert (level["call_resistance"], level["put_support"]) == (row["call_resistance"], row["put_support"])


def test_status(v2: Client, small_home: Home) -> None:
    data = v2.data("/status")
    age = {"status": "healthy", "freshness_seconds": (NOW - LAST).total_seconds()}
    assert data["symbols"]["COINUSDT"] == dict.fromkeys(("gex", "options", "chain"), age)
    assert data["thresholds"]["gex"] == {"healthy_max_seconds": 5400, "degraded_max_seconds": 10800}
    assert data["thresholds_us"]["gex"] == {"healthy_max_sessions": 0, "degraded_max_sessions": 1}
    assert (data["service"], data["version"], data["current_time"], data["overall_status"]) == (
        "strikehouse",
        "2.7",
        "2026-03-03T01:00:00Z",
        "healthy",
    )
    venues = data["venues"]
    assert list(venues) == ["deribit", "bybit", "okx", "binance", "cboe"]
    assert venues["deribit"] == {"chain": "on", "tape": "off", "chain_symbols": ["COINUSDT"], "chain_contracts": 36}
    assert venues["bybit"]["chain_symbols"] == [] and venues["binance"]["chain"] == "unknown", "in the watchlist, no record"
    assert venues["cboe"]["chain_symbols"] == ["IDX"]


@pytest.mark.parametrize(
    ("hours", "coin", "index", "health"),
    [(1, "healthy", "healthy", "ok"), (2, "degraded", "healthy", "degraded"), (4, "unhealthy", "healthy", "unhealthy"), (26, "unhealthy", "degraded", "unhealthy"), (24 * 9, "unhealthy", "unhealthy", "unhealthy")],
)  # fmt: skip
def test_states_by_age(small_home: Home, hours: int, coin: str, index: str, health: str) -> None:
    client = Client(application(small_home, now=LAST + timedelta(hours=hours)))
    data = client.data("/status")
    states = {symbol: cells["gex"]["status"] for symbol, cells in data["symbols"].items()}
    assert states == {"COINUSDT": coin, "IDX": index}
    assert data["overall_status"] == max(states.values(), key=("healthy", "degraded", "unhealthy").index)
    assert client.data("/health") == {"status": health, "subsystems": {"warehouse": True, "raw_store": True}}
    assert data["venues"]["deribit"]["chain"] == ("on" if coin != "unhealthy" else "unknown")


def test_venues_that_never_came_and_empty_chains(small_home: Home, tmp_path: Path) -> None:
    home = Home(Path(shutil.copytree(small_home.root, tmp_path / "home")))
    status = orjson.loads(home.status_file.read_bytes())
    status["venues"] = [
        {"underlying": "SOL", "venue": "okx", "market": "crypto", "last_status": "failed", "error": "busy", "captured_at": None},
        {"underlying": "HYPE", "venue": "binance", "market": "crypto", "last_status": "empty", "error": None, "captured_at": None},
    ]
    home.status_file.write_bytes(orjson.dumps(status))
    data = Client(application(home)).data("/status")
    assert data["symbols"]["SOLUSDT"]["gex"] == {"status": "unavailable", "freshness_seconds": None}
    assert data["overall_status"] == "unavailable"
    assert data["venues"]["okx"]["chain"] == "unknown"
    assert data["venues"]["binance"] == {"chain": "on", "tape": "off", "chain_symbols": [], "chain_contracts": 0}
    home.status_file.write_bytes(b"{")
    assert Client(application(home)).error("/status", 503)["code"] == "UPSTREAM_ERROR"
    assert Client(application(home)).data("/health")["status"] == "degraded"
