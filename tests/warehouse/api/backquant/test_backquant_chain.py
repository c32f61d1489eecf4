"""The folded chain against contracts folded by brute force, its filters, caps and projections."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime
from typing import Any

import polars as pl
import pytest

from tests.small_warehouse import FIRST, snapshot_id
from tests.warehouse.api.backquant.serving import Client
from tests.warehouse.api.backquant.test_backquant_fields import rounded, token, whole
from warehouse.client.warehouse import Warehouse

CASES = [("COINUSDT", None), ("COINUSDT", "okx,bybit"), ("COINUSDT", "okx"), ("IDX", None)]


def contracts(wh: Warehouse, symbol: str, exchanges: str | None) -> pl.DataFrame:
    """Live contracts of the first snapshot, with greeks and the instant's rank on its date."""
    name = snapshot_id(symbol.removesuffix("USDT"), FIRST)
    quotes = wh.table("core.option_quotes").filter(pl.col("snapshot_id") == name)
    rows = quotes.join(wh.table("core.option_greeks"), on=["snapshot_id", "venue", "instrument"])
    if exchanges:
        rows = rows.filter(pl.col("venue").is_in(exchanges.split(",")))
    interest = rows.group_by("expiry", "expires_at").agg(instant_oi=pl.col("oi_base").sum())
    return rows.join(interest, on=["expiry", "expires_at"])


def weighted(pairs: list[tuple[float | None, float | None]]) -> float | None:
    known = [(value, weight or 0) for value, weight in pairs if value is not None]
    if not known:
        return None
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else sum(value for value, _ in known) / len(known)


def folded(rows: pl.DataFrame, spot: float, is_us: bool) -> dict[tuple[str, float, str], dict[str, Any]]:
    """One row per expiry, strike and side, in plain Python."""
    result = {}
    every = rows.rows(named=True)
    key: Callable[[dict[str, Any]], tuple[Any, ...]] = lambda row: (row["expiry"], row["strike"], row["option_type"])  # noqa: E731
    for (expiry, strike, kind), group in itertools.groupby(sorted(every, key=key), key):
        mine = list(group)
        unit = [1 / row["multiplier"] if is_us else 1.0 for row in mine]
        oi = [None if row["oi_base"] is None else row["oi_base"] * one for row, one in zip(mine, unit, strict=True)]
        volume = [None if row["volume_base"] is None else row["volume_base"] * one for row, one in zip(mine, unit, strict=True)]
        is_reported = all(one is not None for one in volume)
        quoted = min(
            mine,
            key=lambda row: (
                row["venue"] != "deribit",
                -row["instant_oi"],
                -row["expires_at"].timestamp(),
                -(row["oi_base"] or 0),
                row["venue"],
            ),
        )
        neighbours = [row for row in every if (row["expiry"], row["strike"]) == (expiry, strike) and row["iv"] is not None]
        first = max(((row["instant_oi"], row["expires_at"]) for row in neighbours), default=None)
        iv = weighted([(row["iv"], row["oi_base"]) for row in neighbours if (row["instant_oi"], row["expires_at"]) == first])
        gex = [row["gex_usd_1pct"] for row in mine if row["gex_usd_1pct"] is not None]
        result[token(expiry), strike, {"C": "call", "P": "put"}[kind]] = {
            "oi": rounded(sum(one for one in oi if one is not None), 4) if any(one is not None for one in oi) else None,
            "iv": rounded(iv, 2, 100),
            **{name: quoted[name] for name in ("mark", "bid", "ask")},
            "volume": rounded(sum(volume), 4) if is_reported else None,
            "notional_volume": rounded(sum(row["volume_base"] for row in mine) * spot, 2) if is_reported else None,
            "trade_count": None,
            **{name: weighted([(row[name], row["oi_base"]) for row in mine]) for name in ("delta", "gamma", "theta", "vega", "vanna", "charm")},
            "gex": whole(sum(gex)) if gex else None,
        }  # fmt: skip
    return result


@pytest.mark.parametrize(("symbol", "exchanges"), CASES)
def test_every_field_of_every_contract(v2: Client, wh: Warehouse, symbol: str, exchanges: str | None) -> None:
    parameters = {"symbol": symbol, "as_of": FIRST.isoformat()} | ({"exchanges": exchanges} if exchanges else {})
    reply = v2.reply("/options/chain", **parameters)
    data, spot = reply["data"], reply["meta"]["spot_price"]
    expected = folded(contracts(wh, symbol, exchanges), spot, symbol == "IDX")
    assert [(row["expiry"], row["strike"], row["type"]) for row in data["contracts"]] == sorted(
        expected, key=lambda key: (datetime.strptime(key[0], "%d%b%y"), *key[1:])
    )
    dtes = {row["expiry"]: row["dte"] for row in v2.data("/expiries", symbol=symbol, as_of=FIRST.isoformat())["expiries"]}
    for row in data["contracts"]:
        wanted = expected[row["expiry"], row["strike"], row["type"]]
        assert row["dte"] == dtes[row["expiry"]]
        for name, divided_by in {"delta": 1, "gamma": 1, "theta": 1, "vanna": 1, "vega": 100, "charm": 365}.items():
            value = wanted.pop(name)
            assert row[name] == (None if value is None else pytest.approx(value / divided_by, rel=1e-5, abs=1e-12)), (row, name)
        assert {name: row[name] for name in wanted} == wanted
    assert data["available_expiries"] == list(dict.fromkeys(row["expiry"] for row in data["contracts"]))
    assert (data["truncated"], data["total_matching_count"], data["max_contracts"]) == (False, len(expected), 2000)


@pytest.mark.parametrize(("symbol", "exchanges"), CASES)
def test_aggregates_are_those_of_the_profile(v2: Client, symbol: str, exchanges: str | None) -> None:
    parameters = {"symbol": symbol, "as_of": FIRST.isoformat()} | ({"exchanges": exchanges} if exchanges else {})
    data = v2.data("/options/chain", **parameters, fields="aggregates")
    assert set(data) == {"aggregates", "truncated", "total_matching_count", "max_contracts"}
    sums = data["aggregates"]
    summary = v2.data("/options/expiry-summary", **parameters)["expiries"]
    assert sums["net_gex"] == v2.data("/gex/expiry-profile", **parameters)["total_gex"]
    for name in ("call_oi", "put_oi", "total_oi"):
        assert sums[name] == pytest.approx(sum(row[name] for row in summary))
    assert sums["call_gex"] + sums["put_gex"] == pytest.approx(sums["net_gex"], abs=2)
    assert sums["pcr"] == round(sums["put_oi"] / sums["call_oi"], 4)
    assert (sums["atm_iv"], sums["contract_count"]) == (summary[0]["atm_iv"], data["total_matching_count"])


@pytest.mark.parametrize(
    ("filters", "keeps"),
    [
        ({"strike_min": 95, "strike_max": 105}, lambda row, spot: 95 <= row["strike"] <= 105),
        ({"moneyness_min": 0.95, "moneyness_max": 1.05}, lambda row, spot: 0.95 <= row["strike"] / spot <= 1.05),
        ({"oi_min": 5, "oi_max": 30}, lambda row, spot: row["oi"] is not None and 5 <= row["oi"] <= 30),
        ({"delta_min": 0.2, "delta_max": 0.6}, lambda row, spot: row["delta"] is not None and 0.2 <= abs(row["delta"]) <= 0.6),
        ({"dte_max": 5}, lambda row, spot: row["dte"] <= 5),
        ({"dte_min": 5}, lambda row, spot: row["dte"] >= 5),
        ({"option_type": "put"}, lambda row, spot: row["type"] == "put"),
        ({"expiries": "13mar26"}, lambda row, spot: row["expiry"] == "13MAR26"),
        ({"expiries": "2026-03-06,13MAR26", "strike_min": 100, "delta_max": 0.5, "option_type": "call"}, lambda row, spot: row["strike"] >= 100 and row["delta"] is not None and abs(row["delta"]) <= 0.5 and row["type"] == "call"),
        ({"strike_min": 1e6}, lambda row, spot: False),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_filters_intersect_and_act_before_the_cap(v2: Client, filters: dict[str, Any], keeps: Any) -> None:
    parameters = {"symbol": "COINUSDT", "as_of": FIRST.isoformat()}
    whole_chain = v2.reply("/options/chain", **parameters)
    spot = whole_chain["meta"]["spot_price"]
    expected = [row for row in whole_chain["data"]["contracts"] if keeps(row, spot)]
    reply = v2.reply("/options/chain", **parameters, **filters)
    assert reply["data"]["contracts"] == expected and reply["data"]["total_matching_count"] == len(expected)
    assert reply["data"]["aggregates"]["contract_count"] == len(expected)
    assert reply["data"]["aggregates"]["net_gex"] == pytest.approx(sum(row["gex"] or 0 for row in expected), abs=len(expected))
    assert reply["meta"]["extra"]["filter_hash"] != whole_chain["meta"]["extra"]["filter_hash"]
    capped = v2.data("/options/chain", **parameters, **filters, max_contracts=3)
    nearest = sorted(
        expected, key=lambda row: (abs(row["strike"] - spot), row["strike"], datetime.strptime(row["expiry"], "%d%b%y"), row["type"])
    )[:3]
    assert sorted(map(str, capped["contracts"])) == sorted(map(str, nearest))
    assert (capped["truncated"], capped["total_matching_count"]) == (len(expected) > 3, len(expected))
    assert capped["aggregates"] == reply["data"]["aggregates"]


def test_rows_have_the_parts_included(v2: Client) -> None:
    parameters = {"symbol": "COINUSDT", "as_of": FIRST.isoformat(), "max_contracts": 1}
    parts = {
        "oi": {"oi"}, "iv": {"iv"}, "greeks": {"delta", "gamma", "theta", "vega", "vanna", "charm"}, "bid_ask": {"mark", "bid", "ask"},
        "volume": {"volume", "notional_volume", "trade_count"}, "gex": {"gex"},
    }  # fmt: skip
    for name, columns in parts.items():
        assert set(v2.data("/options/chain", **parameters, include=name)["contracts"][0]) == {"strike", "expiry", "dte", "type"} | columns
    assert set(v2.data("/options/chain", **parameters, fields="contracts")) == {
        "contracts",
        "truncated",
        "total_matching_count",
        "max_contracts",
    }


def test_the_same_filters_have_the_same_hash(v2: Client) -> None:
    def hash_of(**filters: Any) -> str:
        filter_hash: str = v2.reply("/options/chain", symbol="COINUSDT", as_of=FIRST.isoformat(), **filters)["meta"]["extra"]["filter_hash"]
        return filter_hash

    assert hash_of(expiries="13MAR26,06MAR26") == hash_of(expiries="2026-03-06,13mar26") != hash_of(expiries="13MAR26")
