"""What the dialect shows is what the tables hold after one conversion; computed here another way, on several venues too."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
import requests

from tests.conftest import Demo
from tests.small_warehouse import FIRST
from warehouse.api.flashalpha.convert import contracts, negated, number, percent, score
from warehouse.client.warehouse import Warehouse
from warehouse.home.paths import Home

COIN, IDX = "COIN", "IDX"


@pytest.fixture(scope="module")
def small(small_home: Home) -> Iterator[Warehouse]:
    with Warehouse(small_home) as wh:
        yield wh


@pytest.fixture(scope="module")
def wh(demo: Demo) -> Iterator[Warehouse]:
    with Warehouse(demo.home) as warehouse:
        yield warehouse


def get(url: str, path: str, **parameters: Any) -> dict[str, Any]:
    answer = requests.get(f"{url}{path}", params=parameters, timeout=30)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def live(wh: Warehouse, symbol: str, *, newest: bool = True) -> pl.DataFrame:
    """Live contracts of the newest, or of the first snapshot with their greeks, as the venues list them."""
    snapshot_id = wh.table("core.snapshots", underlying=symbol).sort("captured_at", descending=newest)["snapshot_id"].item(0)
    quotes = wh.table("core.option_quotes", snapshot_id=snapshot_id).filter(pl.col("is_live"))
    greeks = wh.table("core.option_greeks", snapshot_id=snapshot_id)
    return quotes.join(greeks, on=["snapshot_id", "venue", "instrument"])


def oi_by_strike(rows: pl.DataFrame, option_type: str) -> dict[float, float]:
    """Open interest in units of the underlying."""
    chosen = rows.filter(pl.col("option_type") == option_type).group_by("strike").agg(pl.col("oi_base").sum())
    return dict(chosen.iter_rows())


@pytest.mark.parametrize(("symbol", "newest", "venues"), [(COIN, False, 3), (COIN, True, 1), (IDX, True, 1)])
def test_pooled_pain_is_that_of_all_contracts_of_all_venues(
    small: Warehouse, small_url: str, symbol: str, newest: bool, venues: int
) -> None:
    rows = live(small, symbol, newest=newest)
    assert rows["venue"].n_unique() == venues
    at = {"at": FIRST.strftime("%Y-%m-%dT%H:%M:%SZ")} if not newest else {}
    for expiry in (None, *sorted(set(rows["expiry"]))):
        of_expiry = rows if expiry is None else rows.filter(pl.col("expiry") == expiry)
        body = get(small_url, f"/v1/maxpain/{symbol}", **at, **({} if expiry is None else {"expiration": expiry.isoformat()}))
        calls, puts = oi_by_strike(of_expiry, "C"), oi_by_strike(of_expiry, "P")
        strikes = sorted(calls.keys() | puts.keys())
        assert [one["strike"] for one in body["pain_curve"]] == strikes
        for one in body["pain_curve"]:
            k = one["strike"]
            assert one["call_pain"] == pytest.approx(sum(oi * max(k - strike, 0) for strike, oi in calls.items()), rel=1e-12, abs=1e-6)
            assert one["put_pain"] == pytest.approx(sum(oi * max(strike - k, 0) for strike, oi in puts.items()), rel=1e-12, abs=1e-6)


@pytest.mark.parametrize("symbol", ["SPX", "SPY", "BTC"])
def test_max_pain_by_expiration_is_the_macro_of_each_date(wh: Warehouse, demo_url: str, symbol: str) -> None:
    listed = get(demo_url, f"/v1/maxpain/{symbol}")["max_pain_by_expiration"]
    dates = sorted(set(wh.max_pain(symbol)["expiry"]))
    assert [one["expiration"] for one in listed] == [one.isoformat() for one in dates]
    for one in listed[:: max(1, len(listed) // 6)]:
        row = wh.max_pain(symbol, expiry=one["expiration"]).row(0, named=True)
        suffix = "" if symbol == "BTC" else "_contracts"
        assert one["max_pain_strike"] == row["max_pain_strike"]
        assert one["total_oi"] == pytest.approx((row[f"call_oi{suffix}"] or 0) + (row[f"put_oi{suffix}"] or 0))
        assert one["dte"] == row["dte"]


def test_an_am_and_a_pm_settlement_of_one_date_are_pooled_first(wh: Warehouse, demo_url: str) -> None:
    two = wh.max_pain("SPX").filter(pl.col("expiry") == date(2026, 11, 20))
    assert two.height == 2, "the demo lists both"
    body = get(demo_url, "/v1/maxpain/SPX", expiration="2026-11-20")
    pooled = wh.max_pain("SPX", expiry="2026-11-20").row(0, named=True)
    assert body["max_pain_strike"] == pooled["max_pain_strike"]
    assert sum(one["total_oi"] for one in body["oi_by_strike"]) == sum(two["call_oi_contracts"]) + sum(two["put_oi_contracts"])
    summary = wh.expiry_summary("SPX", expiry="2026-11-20").row(0, named=True)
    moves = {one["expiry"]: one for one in get(demo_url, "/v1/expected-move/SPX")["expected_moves"]}
    assert moves["2026-11-20"]["atmIv"] == pytest.approx(summary["atm_iv"], abs=1e-6)
    assert moves["2026-11-20"]["expectedMove"] == pytest.approx(summary["expected_move_1sd"], abs=1e-4)
    assert body["expected_move"]["atm_iv"] == round(100 * summary["atm_iv"], 2)


@pytest.mark.parametrize("symbol", ["SPX", "BTC"])
def test_exposures_have_natural_delta_and_dealers_charm(wh: Warehouse, demo_url: str, symbol: str) -> None:
    rows = live(wh, symbol).filter(pl.col("oi_base") > 0)
    sign = np.where(rows["option_type"] == "C", 1.0, -1.0)
    oi, spot = rows["oi_base"].to_numpy(), wh.gex_levels(symbol)["spot"].item(0)
    exposures = get(demo_url, f"/v1/exposure/summary/{symbol}")["exposures"]
    # stored exposures need no spot (definitions §3); here they are made from spot and greeks, whose spot is each venue's own
    gross = {name: float(np.nansum(np.abs(rows[name].cast(pl.Float64).to_numpy()))) for name in ("gex_usd_1pct", "dex_usd", "chex_usd_day")}
    assert exposures["net_gex"] == pytest.approx(
        np.nansum(sign * rows["gamma"].to_numpy() * oi * spot**2 * 0.01), abs=2e-3 * gross["gex_usd_1pct"]
    )
    assert exposures["net_dex"] == pytest.approx(np.nansum(rows["delta"].to_numpy() * oi * spot), abs=2e-3 * gross["dex_usd"])
    assert exposures["net_chex"] == pytest.approx(
        -np.nansum(sign * rows["charm"].to_numpy() * oi * spot / 365), abs=2e-3 * gross["chex_usd_day"]
    )
    term = get(demo_url, f"/v1/exposure/term-structure/{symbol}")
    for name in ("net_gex", "net_dex", "net_vex", "net_chex"):
        for part in ("by_expiry", "by_dte_bucket"):
            assert sum(one[name] for one in term[part]) == pytest.approx(exposures[name], rel=1e-9, abs=1), (name, part)
    assert sum(one["pct_of_chain_gex"] for one in term["by_expiry"]) == pytest.approx(100, abs=0.5)
    assert sum(one["contract_count"] for one in term["by_dte_bucket"]) == live(wh, symbol).height
    by_strike = get(demo_url, f"/v1/exposure/gex/{symbol}")
    assert sum(one["net_gex"] or 0 for one in by_strike["strikes"]) == pytest.approx(by_strike["net_gex"], abs=1)
    assert by_strike["net_gex"] == exposures["net_gex"] and all(
        (one["put_gex"] or 0) <= 0 <= (one["call_gex"] or 0) for one in by_strike["strikes"]
    )


def test_term_structure_knows_third_fridays_and_quarters(demo_url: str) -> None:
    rows = {
        one["expiration"]: (one["is_opex"], one["is_triple_witching"])
        for one in get(demo_url, "/v1/exposure/term-structure/SPX")["by_expiry"]
    }
    assert rows["2026-11-20"] == (True, False) and rows["2026-12-18"] == (True, True) and rows["2026-11-19"] == (False, False)
    coins = {
        one["expiration"]: (one["is_opex"], one["is_triple_witching"])
        for one in get(demo_url, "/v1/exposure/term-structure/BTC")["by_expiry"]
    }
    assert coins["2026-11-27"] == (True, False) and coins["2026-12-25"] == (True, True) and coins["2026-12-04"] == (False, False)


@pytest.mark.parametrize("symbol", ["SPY", "ETH"])
def test_open_interest_volume_and_change_are_sums_over_contracts(wh: Warehouse, demo_url: str, symbol: str) -> None:
    rows = live(wh, symbol)
    unit = pl.col("multiplier") if symbol == "SPY" else pl.lit(1.0)
    changes = wh.table("marts.oi_change", snapshot_id=rows["snapshot_id"].item(0))
    column = "oi_change_contracts" if symbol == "SPY" else "oi_change"
    for one in get(demo_url, f"/v1/exposure/gex/{symbol}")["strikes"][::5]:
        for side, option_type in (("call", "C"), ("put", "P")):
            chosen = rows.filter((pl.col("strike") == one["strike"]) & (pl.col("option_type") == option_type))
            assert one[f"{side}_oi"] == pytest.approx(chosen.select((pl.col("oi_base") / unit).sum()).item())
            assert one[f"{side}_volume"] == pytest.approx(chosen.select((pl.col("volume_base") / unit).sum()).item())
            changed = changes.filter((pl.col("strike") == one["strike"]) & (pl.col("option_type") == option_type))[column].drop_nulls()
            assert one[f"{side}_oi_change"] == (pytest.approx(changed.sum()) if changed.len() else None)


def test_min_oi_keeps_strikes_that_reach_it_and_leaves_the_headline(demo_url: str) -> None:
    every, large = get(demo_url, "/v1/exposure/gex/SPY"), get(demo_url, "/v1/exposure/gex/SPY", min_oi=50_000)
    expected = [one for one in every["strikes"] if (one["call_oi"] or 0) + (one["put_oi"] or 0) >= 50_000]
    assert large["strikes"] == expected and 0 < len(expected) < len(every["strikes"])
    assert large["net_gex"] == every["net_gex"]


def test_levels_are_those_of_the_table(wh: Warehouse, demo_url: str) -> None:
    for symbol in ("SPX", "SPY", "BTC", "ETH"):
        row = wh.gex_levels(symbol).filter(pl.col("scope_expiry") == "all").row(0, named=True)
        levels = get(demo_url, f"/v1/exposure/levels/{symbol}")["levels"]
        for name, value in levels.items():
            assert value == (pytest.approx(row[name], abs=1e-4) if isinstance(row[name], float) else row[name]), name
        profile = wh.gex_profile(symbol).with_columns(pl.col("call_gex_usd_1pct", "put_gex_usd_1pct").cast(pl.Float64))
        assert levels["call_wall"] in profile.filter(pl.col("call_gex_usd_1pct") == pl.col("call_gex_usd_1pct").max())["strike"].to_list()
        assert levels["put_wall"] in profile.filter(pl.col("put_gex_usd_1pct") == pl.col("put_gex_usd_1pct").min())["strike"].to_list()


@pytest.mark.parametrize(("symbol", "expiry"), [("BTC", None), ("SPX", "2026-11-20"), ("ETH", "2026-11-20"), ("SPY", "2026-12-18")])
def test_the_zero_dte_view_adds_up(wh: Warehouse, demo_url: str, symbol: str, expiry: str | None) -> None:
    narrow = get(demo_url, f"/v1/exposure/zero-dte/{symbol}", strike_range=0.01, **({} if expiry is None else {"expiry": expiry}))
    wide = get(demo_url, f"/v1/exposure/zero-dte/{symbol}", strike_range=0.10, **({} if expiry is None else {"expiry": expiry}))
    day = wide["expiration"]
    rows = live(wh, symbol).filter(pl.col("expiry") == date.fromisoformat(day))
    unit = rows["multiplier"].item(0) if symbol.startswith("SP") else 1
    for part in ("exposures", "flow", "levels", "pin_risk", "hedging", "decay", "expected_move"):
        assert narrow[part] == wide[part], "of the whole expiration, whatever the window"
    spot = wide["underlying_price"]
    assert 0 < len(narrow["strikes"]) < len(wide["strikes"])
    assert all(abs(one["strike"] - spot) <= 0.01 * spot for one in narrow["strikes"])
    assert wide["flow"]["total_oi"] == pytest.approx(rows["oi_base"].sum() / unit)
    assert wide["flow"]["total_volume"] == pytest.approx(rows["volume_base"].sum() / unit)
    assert wide["metadata"]["chain_contract_count"] == rows.height
    assert wide["pin_risk"]["max_pain"] == wh.max_pain(symbol, expiry=day)["max_pain_strike"].item(0)
    term = {one["expiration"]: one for one in get(demo_url, f"/v1/exposure/term-structure/{symbol}")["by_expiry"]}
    for name in ("net_gex", "net_dex", "net_vex", "net_chex"):
        assert wide["exposures"][name] == pytest.approx(term[day][name], abs=0.1), name
    move = wide["expected_move"]
    hours = 6.5 if symbol.startswith("SP") else 24
    assert move["implied_1sd_dollars"] == pytest.approx(spot * move["atm_iv"] * math.sqrt(hours / 8760), rel=1e-3)
    assert move["remaining_1sd_dollars"] == pytest.approx(
        move["implied_1sd_dollars"] * math.sqrt(min(wide["time_to_close_hours"] / hours, 99)), rel=1e-3
    )
    assert wide["market_open"] is (symbol in ("BTC", "ETH"))
    assert (wide["decay"]["theta_per_hour_remaining"] is None) is not wide["market_open"]
    assert wide["decay"]["net_theta_dollars"] < 0
    hedging = wide["hedging"]
    for name, size in (("10bp", 0.001), ("25bp", 0.0025), ("half_pct", 0.005), ("1pct", 0.01)):
        up, down = hedging[f"spot_up_{name}"], hedging[f"spot_down_{name}"]
        assert up["dealer_shares_to_trade"] == -down["dealer_shares_to_trade"]
        assert up["dealer_shares_to_trade"] == pytest.approx(-wide["exposures"]["net_gex"] / spot * size * 100, abs=0.51)
        assert up["notional_usd"] == pytest.approx(up["dealer_shares_to_trade"] * spot, abs=0.01), "signed here"
    parts = wide["pin_risk"]["components"]
    weighted = 0.30 * parts["oi_score"] + 0.25 * parts["proximity_score"] + 0.25 * parts["time_score"] + 0.20 * parts["gamma_score"]
    assert abs(wide["pin_risk"]["pin_score"] - weighted) <= 1


def test_each_strike_of_the_zero_dte_view_is_its_contracts(wh: Warehouse, demo_url: str) -> None:
    body = get(demo_url, "/v1/exposure/zero-dte/SPY", expiry="2026-12-18", strike_range=0.05)
    rows = live(wh, "SPY").filter(pl.col("expiry") == date(2026, 12, 18))
    for one in body["strikes"]:
        for side, option_type, sign in (("call", "C", 1), ("put", "P", -1)):
            row = rows.filter((pl.col("strike") == one["strike"]) & (pl.col("option_type") == option_type)).row(0, named=True)
            assert one[f"{side}_symbol"] == f"SPY-261218-{option_type}-{one['strike']:g}"
            assert one[f"{side}_gex"] == float(row["gex_usd_1pct"])
            assert one[f"{side}_dex"] == pytest.approx(sign * float(row["dex_usd"])), "natural sign"
            assert one[f"{side}_iv"] == pytest.approx(row["iv"], abs=1e-6) and one[f"{side}_delta"] == pytest.approx(row["delta"], abs=1e-6)
            assert one[f"{side}_mid"] == pytest.approx((row["bid"] + row["ask"]) / 2, abs=1e-4)
            assert one[f"{side}_spread_pct"] == pytest.approx(100 * (row["ask"] - row["bid"]) / one[f"{side}_mid"], abs=0.02)
    assert sum(one["gex_share_pct"] for one in body["strikes"]) <= 100.5


def test_several_venues_are_means_by_open_interest(small: Warehouse, small_url: str) -> None:
    rows = live(small, COIN, newest=False).filter(pl.col("delta").is_not_null() & (pl.col("option_type") == "C"))
    interest = pl.col("oi_base").fill_null(0)
    means = rows.group_by("expiry", "expires_at", "strike").agg(
        pl.len(), interest.sum(), (pl.col("delta") * interest).sum() / interest.sum(), spread=pl.col("delta").max() - pl.col("delta").min()
    )
    several = means.filter((pl.col("len") > 1) & (pl.col("oi_base") > 0))
    assert several.height and several["spread"].max() > 1e-6, "venues list the same strike at different deltas"
    for expiry, _, strike, _, _, delta, _ in several.iter_rows():
        body = get(
            small_url,
            f"/v1/exposure/zero-dte/{COIN}",
            expiry=expiry.isoformat(),
            strike_range=0.10,
            at=FIRST.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        shown = {one["strike"]: one["call_delta"] for one in body["strikes"]}
        if strike in shown:
            assert shown[strike] == pytest.approx(delta, abs=1e-6)


@pytest.mark.parametrize("symbol", ["SPX", "BTC"])
def test_options_are_those_listed(wh: Warehouse, demo_url: str, symbol: str) -> None:
    rows = live(wh, symbol)
    body = get(demo_url, f"/v1/options/{symbol}")
    assert body["total_contracts"] == rows.height and body["expiration_count"] == rows["expiry"].n_unique() == len(body["expirations"])
    for one in body["expirations"]:
        assert one["strikes"] == sorted(set(rows.filter(pl.col("expiry") == date.fromisoformat(one["expiration"]))["strike"]))


def test_conversions() -> None:
    assert [number(one) for one in (None, float("nan"), float("inf"), 1)] == [None, None, None, 1.0]
    assert math.copysign(1, number(-0.001, 2) or 0.0) == 1 and math.copysign(1, negated(0.0) or 0.0) == 1, "no negative zero"
    assert percent(0.15574) == 15.57 and percent(None) is None
    assert [score(one) for one in (None, 0.5, 1.49, 100.4, 300, -2)] == [0, 1, 1, 100, 100, 0]
    assert contracts(3.0000000001, "us") == 3 and isinstance(contracts(3.0, "us"), int)
    assert contracts(0.1 + 0.2, "crypto") == 0.3 and contracts(None, "us") is None
