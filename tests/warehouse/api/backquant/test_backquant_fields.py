"""Each field of each endpoint of `/v2` against the frame that it comes from, after the conversion that docs/api-backquant.md lists."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from tests.small_warehouse import FIRST, LAST, SECOND
from tests.warehouse.api.backquant.serving import NOW, Client
from warehouse.client.warehouse import Warehouse

# symbol, as_of, exchanges: several venues, some of them, one, and an index with AM and PM settlement on one date
SCOPES: list[tuple[str, datetime, str | None]] = [
    ("COINUSDT", FIRST, None),
    ("COINUSDT", FIRST, "okx,bybit"),
    ("COINUSDT", SECOND, None),
    ("COINUSDT", LAST, "deribit"),
    ("IDX", FIRST, None),
]
MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()


class Question:
    """A scope, asked of the API and of the frames."""

    def __init__(self, v2: Client, wh: Warehouse, symbol: str, at: datetime, exchanges: str | None) -> None:
        self.client, self.wh, self.symbol, self.at = v2, wh, symbol, at
        self.is_us = symbol == "IDX"
        self.parameters: dict[str, Any] = {"symbol": symbol, "as_of": at.isoformat()} | ({"exchanges": exchanges} if exchanges else {})
        self.venues = exchanges.split(",") if exchanges else None
        self.spot: float = self.read("gex_levels")["spot"][0]

    def data(self, path: str, **parameters: Any) -> dict[str, Any]:
        return self.client.data(path, **self.parameters, **parameters)

    def read(self, macro: str, **filters: Any) -> pl.DataFrame:
        return getattr(self.wh, macro)(self.symbol.removesuffix("USDT"), as_of=self.at.replace(tzinfo=None), venues=self.venues, **filters)

    def dates(self) -> list[date]:
        return self.read("max_pain")["expiry"].unique().sort().to_list()

    def main(self, expiry: date) -> dict[str, Any]:
        """The instant that speaks for a date: most open interest, the later one on a tie."""
        rows = self.read("max_pain").filter(pl.col("expiry") == expiry).rows(named=True)
        return max(rows, key=lambda row: (row["total_oi"] or 0, row["expires_at"]))

    def dte(self, expiry: date) -> int:
        return math.floor((self.main(expiry)["expires_at"] - self.at.replace(tzinfo=None)).total_seconds() / 86400)

    def oi(self, row: dict[str, Any], side: str) -> float | None:
        return rounded(row[f"{side}_oi_contracts" if self.is_us else f"{side}_oi"], 4)

    def pain(self, expiry: date) -> dict[str, Any]:
        row = self.read("max_pain", expiry=expiry).row(0, named=True)
        return {"strike": row["max_pain_strike"], "value": whole(row["max_pain_usd"])}

    def summary(self, expiry: date) -> dict[str, Any]:
        return self.read("expiry_summary", expires_at=self.main(expiry)["expires_at"]).row(0, named=True)

    def kind(self, expiry: date) -> tuple[str, bool]:
        row = self.summary(expiry)
        return row["type"], row["is_anchor"]


@pytest.fixture(params=SCOPES, ids=lambda scope: f"{scope[0]}-{scope[1]:%H}-{scope[2] or 'all'}")
def question(request: pytest.FixtureRequest, v2: Client, wh: Warehouse) -> Question:
    return Question(v2, wh, *request.param)


def whole(value: Any) -> int | None:
    return None if value is None else round(value)


def rounded(value: Any, decimals: int, times: float = 1.0) -> float | None:
    return None if value is None else round(float(value) * times, decimals)


def both(call: Any, put: Any) -> Any:
    return call if put is None else put if call is None else call + put


def token(expiry: date) -> str:
    return f"{expiry.day:02}{MONTHS[expiry.month - 1]}{expiry:%y}"


def top(frame: pl.DataFrame, scope_expiry: str = "all") -> list[dict[str, Any]]:
    return [
        {
            "rank": row["rank"],
            "strike": row["strike"],
            "gex": whole(row["net_gex_usd_1pct"]),
            "abs_gex": abs(whole(row["net_gex_usd_1pct"]) or 0),
        }
        for row in frame.filter(pl.col("scope_expiry") == scope_expiry).rows(named=True)
    ]


def quieter(question: Question, level: dict[str, Any], rows: pl.DataFrame) -> float | None:
    """By brute force: of the pair around hvl the strike whose sum from the lowest strike up is nearest zero."""
    pair = [level["hvl_lower_strike"], level["hvl_upper_strike"]]
    if pair[0] is None:
        return None
    sums = {
        one: sum(net for strike, net in rows.select("strike", "net_gex_usd_1pct").rows() if strike <= one and net is not None)
        for one in pair
    }
    return min(pair, key=lambda one: (abs(sums[one]), abs(one - question.spot), one))


def bounds(spot: float, move: float | None) -> dict[str, float | None]:
    signs = {"upper_1sd": 1, "lower_1sd": -1, "upper_2sd": 2, "lower_2sd": -2}
    return {name: None if move is None else round(spot + times * move, 2) for name, times in signs.items()}


def test_meta_tells_the_snapshot(question: Question) -> None:
    meta = question.client.reply("/gex/levels", **question.parameters)["meta"]
    level = question.read("gex_levels").row(0, named=True)
    at = level["captured_at"].replace(tzinfo=UTC)
    assert meta["version"] == "2.7" and meta["symbol"] == question.symbol
    assert meta["spot_price"] == round(level["spot"], 2)
    assert meta["timestamp"] == "2026-03-03T01:00:00.000Z"
    assert meta["computed_at"] == f"{at:%Y-%m-%dT%H:%M:%S}.000Z"
    assert meta["freshness_seconds"] == (NOW - at).total_seconds()
    scope = pl.Series(question.read("gex_levels")["scope_venue"])[0]
    known = (
        question.wh.table("core.snapshot_venues")
        .filter(pl.col("snapshot_id") == level["snapshot_id"], pl.col("status") == "ok")["venue"]
        .to_list()
    )
    assert sorted(meta["source"]) == sorted(known if scope == "all" else scope.split("+"))
    assert meta.get("exchanges_filtered") == question.venues
    assert meta["extra"]["as_of"] == {
        "requested": question.at.isoformat(), "snapshot_ts": at.isoformat(),
        "lag_seconds": (question.at - at).total_seconds(), "resolution": "at_or_before",
    }  # fmt: skip


def test_levels(question: Question) -> None:
    data = question.data("/gex/levels", include="ranked,max_pain,expected_move,zones,spot,candles")
    rows = {row["scope_expiry"]: row for row in question.read("gex_levels").rows(named=True)}
    walls = ("call_resistance", "call_wall_2", "call_wall_3", "put_support", "put_wall_2", "put_wall_3")
    heat = question.read("gex_heatmap")
    assert data["all_expiry"] == {"hvl": quieter(question, rows["all"], heat)} | {wall: rows["all"][wall] for wall in walls}
    assert {name: data["odte"][name] for name in ("call_resistance", "put_support")} == {
        name: rows["0dte"][name] for name in ("call_resistance", "put_support")
    }
    assert data["positioning"] == "std" and "candles" not in data
    ranked = question.read("gex_ranked")
    assert data["ranked"] == {"all_expiry_top_10": top(ranked), "odte_top_10": top(ranked, "0dte")}
    assert data["spot"] == {"spot_price": round(question.spot, 2), "perps_price": None}
    assert data["expected_move"] == bounds(question.spot, question.read("expiry_summary")["straddle_1d_1sd"][0])
    zones = question.read("gamma_flip_zones").filter(pl.col("scope_expiry") == "all").sort("level", "method").rows(named=True)
    assert len(data["gamma_flip_zones"]) == len(zones)
    for shown, row in zip(data["gamma_flip_zones"], zones, strict=True):
        assert shown["method"] == row["method"] and shown["price"] == round(row["level"], 2)
        assert shown["direction"] == {"rising": "negative_to_positive", "falling": "positive_to_negative"}[row["direction"]]
        kind = "level" if row["method"] == "cumulative_by_strike" else "strike"
        assert (shown["lower_strike"], shown["upper_strike"]) == (row[f"lower_{kind}"], row[f"upper_{kind}"])
        if row["method"] == "cumulative_by_strike":
            assert shown["strike"] == quieter(
                question, {"hvl_lower_strike": row["lower_level"], "hvl_upper_strike": row["upper_level"]}, heat
            )
        else:
            around = [one for one in (row["lower_strike"], row["upper_strike"]) if one is not None]
            assert shown["strike"] == min(around, key=lambda one: (abs(one - row["level"]), one))


@pytest.mark.parametrize("filters", [{}, {"window_pct": 7.5}, {"strike_min": 95.0, "moneyness_max": 1.1}], ids=str)
def test_strike_profile(question: Question, filters: dict[str, float]) -> None:
    for expiry in (None, *question.dates()):
        only = {} if expiry is None else {"expiry": expiry}
        parameters = {"spot_window_pct" if name == "window_pct" else name: value for name, value in filters.items()}
        data = question.data("/gex/strike-profile", **parameters, expiry="all" if expiry is None else token(expiry).lower())
        frame = question.read("gex_profile", **filters, **only)
        rows = frame.rows(named=True)
        assert (data["expiry"], data["dte"]) == ("all", None) if expiry is None else (token(expiry), question.dte(expiry))
        assert data["strikes"] == frame["strike"].to_list()
        for name in ("net_gex", "call_gex", "put_gex"):
            assert data[name] == [whole(row[f"{name}_usd_1pct"]) for row in rows]
        for side in ("call", "put"):
            assert data[f"{side}_oi"] == [question.oi(row, side) for row in rows]
        unit = "_oi_contracts" if question.is_us else "_oi"
        assert data["total_oi"] == [rounded(both(row[f"call{unit}"], row[f"put{unit}"]), 4) for row in rows]
        assert data["ranked_top_10"] == top(question.read("gex_ranked", **filters, **only))
        assert data["positioning"] == "std" and data["by_venue_unattributed"] is None and data["by_venue_note"] is None
        every = ("cboe",) if question.is_us else ("deribit", "bybit", "okx", "binance")
        assert tuple(data["by_venue"]) == every
        for venue, block in data["by_venue"].items():
            in_scope = question.venues is None or venue in question.venues
            alone = question.wh.gex_profile(
                question.symbol.removesuffix("USDT"), as_of=question.at.replace(tzinfo=None), venues=venue, **only
            )
            alone = alone.filter(
                pl.col("strike").is_in(data["strikes"]), in_scope & (pl.col("captured_at") == question.at.replace(tzinfo=None))
            )
            total = sum(both(row["call_oi"], row["put_oi"]) or 0 for row in alone.rows(named=True))
            assert block["call_oi"] == pytest.approx(sum(alone[f"call{unit}"].fill_null(0)))
            assert block["put_oi"] == pytest.approx(sum(alone[f"put{unit}"].fill_null(0)))
            assert block["total_oi"] == pytest.approx(sum(alone[f"call{unit}"].fill_null(0)) + sum(alone[f"put{unit}"].fill_null(0)))
            assert block["notional_oi_usd"] == pytest.approx(total * question.spot, abs=0.01)
        window = {
            "{}": None,
            "window_pct": {"min": round(question.spot * 0.925, 6), "max": round(question.spot * 1.075, 6)},
            "strike_min": {"min": 95.0, "max": round(question.spot * 1.1, 6)},
        }
        assert data["filtered_strike_window"] == window[next(iter(filters), "{}")]


def test_heatmap(question: Question) -> None:
    data = question.data("/gex/strike-expiry-heatmap", max_strikes=400, max_expiries=60)
    heat = question.read("gex_heatmap")
    dates = question.dates()
    assert data["unit"] == "usd_per_1pct_move" and data["spot_price"] == round(question.spot, 2) and data["positioning"] == "std"
    assert data["strikes"] == heat["strike"].unique().sort().to_list()
    assert data["expiries"] == [token(one) for one in dates] and data["expiry_dates"] == [one.isoformat() for one in dates]
    assert data["dtes"] == [question.dte(one) for one in dates] and data["types"] == [question.kind(one)[0] for one in dates]
    cells: dict[tuple[float, date], Any] = {}
    for strike, expiry, net in heat.select("strike", "expiry", "net_gex_usd_1pct").rows():
        cells[strike, expiry] = both(cells.get((strike, expiry)), net)
    assert data["net_gex"] == [[whole(cells.get((strike, expiry))) for expiry in dates] for strike in data["strikes"]]
    assert data["strike_totals"] == [whole(net) or 0 for net in question.read("gex_profile")["net_gex_usd_1pct"].to_list()]
    assert data["expiry_totals"] == question.data("/gex/expiry-profile")["net_gex"]
    assert (data["matched_strikes"], data["matched_expiries"], data["truncated"]) == (len(data["strikes"]), len(dates), False)


def test_expiry_profile(question: Question) -> None:
    data = question.data("/gex/expiry-profile")
    dates = question.dates()
    frame = question.read("gex_by_expiry")
    nets = [sum(frame.filter(pl.col("expiry") == one)["net_gex_usd_1pct"].drop_nulls()) for one in dates]
    assert data["unit"] == "usd_per_1pct_move" and data["positioning"] == "std"
    assert data["total_gex"] == whole(sum(nets))
    assert data["expiries"] == [token(one) for one in dates] and data["expiry_dates"] == [one.isoformat() for one in dates]
    assert data["dtes"] == [question.dte(one) for one in dates]
    assert list(zip(data["types"], data["is_anchor"], strict=True)) == [question.kind(one) for one in dates]
    assert data["net_gex"] == [whole(net) for net in nets]
    for side in ("call", "put"):
        assert data[f"{side}_gex"] == [
            whole(sum(frame.filter(pl.col("expiry") == one)[f"{side}_gex_usd_1pct"].drop_nulls())) for one in dates
        ]
    assert data["abs_gex_share_pct"] == pytest.approx([100 * float(abs(net) / sum(map(abs, nets))) for net in nets], abs=0.005001)
    rows = [question.read("max_pain", expiry=one).row(0, named=True) for one in dates]
    assert data["total_oi"] == [rounded(both(question.oi(row, "call"), question.oi(row, "put")), 4) for row in rows]


def test_max_pain(question: Question) -> None:
    dates = question.dates()
    assert question.data("/gex/max-pain") == {
        "expiry": "all",
        "per_expiry": [{"expiry": token(one), "dte": question.dte(one), "max_pain": question.pain(one)} for one in dates],
    }
    for one in dates:
        curve = question.read("pain_curve", expiry=one).rows(named=True)
        assert question.data("/gex/max-pain", expiry=one.isoformat()) == {
            "expiry": token(one),
            "dte": question.dte(one),
            "max_pain": question.pain(one),
            "pain_curve": [
                {
                    "strike": row["strike"],
                    "pain": whole(row["total_pain_usd"]),
                    "call_pain": whole(row["call_pain_usd"]),
                    "put_pain": whole(row["put_pain_usd"]),
                }
                for row in curve
            ],
        }


def test_opex(question: Question) -> None:
    data = question.data("/options/opex", horizon=365)
    dates = question.dates()
    assert [row["expiry_date"] for row in data["expirations"]] == [one.isoformat() for one in dates]
    kinds = [question.kind(one) for one in dates]
    for row, one, (kind, is_anchor) in zip(data["expirations"], dates, kinds, strict=True):
        pains, smile = question.read("max_pain", expiry=one).row(0, named=True), question.summary(one)
        walls = question.read("opex_calendar", expiry=one).row(0, named=True)
        assert (row["expiry"], row["dte"], row["type"], row["is_anchor"]) == (token(one), question.dte(one), kind, is_anchor)
        assert row["oi"] == {
            "call_oi": question.oi(pains, "call"), "put_oi": question.oi(pains, "put"),
            "total_oi": rounded(both(question.oi(pains, "call"), question.oi(pains, "put")), 4), "pcr": rounded(pains["pcr"], 4),
            "notional_oi_usd": rounded(pains["total_oi"] * question.spot, 2),
        }  # fmt: skip
        assert row["iv"] == {name: rounded(smile[name], 2, 100) for name in ("atm_iv", "skew_25d", "put_25d_iv", "call_25d_iv")}
        assert row["gamma"] == {
            "net_gex": whole(walls["net_gex_usd_1pct"]), "call_resistance": walls["call_resistance"], "put_support": walls["put_support"],
            "max_pain": question.pain(one),
        }  # fmt: skip
    assert (data["symbol"], data["horizon_days"], data["spot_price"]) == (question.symbol, 365, round(question.spot, 2))
    assert data["count"] == len(dates) and data["filtered_types"] is None
    assert data["type_counts"] == {kind: [one for one, _ in kinds].count(kind) for kind in ("daily", "weekly", "monthly", "quarterly")}
    anchors = [one for one, (_, is_anchor) in zip(dates, kinds, strict=True) if is_anchor]
    nearest = (
        {
            "type": question.kind(anchors[0])[0],
            "expiry": token(anchors[0]),
            "expiry_date": anchors[0].isoformat(),
            "dte": question.dte(anchors[0]),
        }
        if anchors
        else None
    )
    assert data["next_anchor"] == nearest


def test_expiry_summary(question: Question) -> None:
    data = question.data("/options/expiry-summary")
    calendar = question.data("/options/opex", horizon=365)
    assert len(data["expiries"]) == len(question.dates())
    for row, listed in zip(data["expiries"], calendar["expirations"], strict=True):
        blocks = row.pop("by_venue")
        assert row.pop("by_venue_unattributed") is None
        assert sum(block["total_oi"] for block in blocks.values()) == pytest.approx(row["total_oi"])
        assert sum(block["notional_oi_usd"] for block in blocks.values()) == pytest.approx(row["notional_oi_usd"], abs=0.03)
        same = {name: listed[name] for name in ("expiry", "expiry_date", "dte", "type", "is_anchor")}
        gamma = {"net_gex": listed["gamma"]["net_gex"], "max_pain": listed["gamma"]["max_pain"]}
        assert row == same | listed["oi"] | listed["iv"] | gamma
    assert data["type_counts"] == calendar["type_counts"]
    assert data["anchor_count"] == sum(row["is_anchor"] for row in data["expiries"])


def test_expected_move(question: Question) -> None:
    data = question.data("/options/expected-move")
    summary = question.read("expiry_summary")
    move, used = summary["straddle_1d_1sd"][0], summary["expiry_used"][0]
    assert data["horizon_days"] == 1 and data["spot_price"] == round(question.spot, 2)
    assert data["expiry_used"] == token(summary.filter(pl.col("expires_at") == used)["expiry"][0])
    assert data["move_1sd_usd"] == rounded(move, 2)
    assert {name: data[name] for name in bounds(1, 1)} == bounds(question.spot, move)
    for row, one in zip(data["per_expiry"], question.dates(), strict=True):
        smile = question.summary(one)
        assert row == {
            "expiry": token(one), "expiry_date": one.isoformat(), "dte": question.dte(one), "atm_iv": rounded(smile["atm_iv"], 2, 100),
            "straddle_usd": rounded(smile["straddle"], 2), "move_1sd_usd": rounded(smile["straddle_1sd"], 2),
            "move_1sd_pct": rounded(smile["straddle_1sd"] / question.spot, 3, 100), **bounds(question.spot, smile["straddle_1sd"]),
        }  # fmt: skip


def test_expiries(question: Question) -> None:
    if question.venues is not None:
        pytest.skip("takes no exchanges")
    rows = [
        {
            "expiry": token(one),
            "expiry_date": one.isoformat(),
            "dte": question.dte(one),
            "type": question.kind(one)[0],
            "is_anchor": question.kind(one)[1],
        }
        for one in question.dates()
    ]
    assert question.data("/expiries") == {"symbol": question.symbol, "count": len(rows), "expiries": rows}


def test_history_is_what_each_snapshot_says(question: Question) -> None:
    data = question.data("/gex/history")
    assert data["next_cursor"] is None and data["timestamps"] == sorted(data["timestamps"])
    for index, timestamp in enumerate(data["timestamps"]):
        then = Question(
            question.client, question.wh, question.symbol, datetime.fromisoformat(timestamp), ",".join(question.venues or []) or None
        )
        level = then.data("/gex/levels")["all_expiry"]
        profile = then.read("gex_profile")
        near = profile.filter((pl.col("strike") - then.spot).abs() <= then.spot * 0.05)["net_gex_usd_1pct"].drop_nulls()
        assert data["total_gex"][index] == whole(then.read("gex_levels")["net_gex_usd_1pct"][1])
        assert data["net_gex_local_5pct"][index] == whole(sum(near))
        assert (data["hvl"][index], data["call_wall"][index], data["put_wall"][index]) == (
            level["hvl"],
            level["call_resistance"],
            level["put_support"],
        )
        assert data["spot_price"][index] == round(then.spot, 2)


def test_several_symbols(v2: Client) -> None:
    data = v2.data("/multi/gex/levels", symbols="IDX,COINUSDT,SOLUSDT,DOGE,IDX", include="ranked,max_pain,expected_move,zones")
    assert (data["requested"], data["served"]) == (["IDX", "COINUSDT", "SOLUSDT", "DOGE"], ["IDX", "COINUSDT"])
    assert (data["missing"], data["invalid"]) == (["SOLUSDT"], ["DOGE"])
    assert list(data["results"]) == ["IDX", "COINUSDT", "SOLUSDT"] and data["results"]["SOLUSDT"] is None
    for symbol in data["served"]:
        alone = v2.reply("/gex/levels", symbol=symbol, include="ranked,max_pain,expected_move,zones")
        entry = {name: value for name, value in alone["data"].items() if name != "positioning"}
        assert data["results"][symbol] == entry | {"spot_price": alone["meta"]["spot_price"], "computed_at": alone["meta"]["computed_at"]}


def test_symbols(v2: Client, wh: Warehouse) -> None:
    data = v2.data("/symbols")
    assert data["count"] == 2 and "/v2/options/chain" in data["endpoints"]
    coin = next(row for row in data["symbols"] if row["symbol"] == "COINUSDT")
    category = {"available": True, "freshness_seconds": (NOW - LAST).total_seconds()}
    assert coin == {
        "symbol": "COINUSDT", "base": "COIN", "market": "crypto", "spot_price": 101.5, "expiry_count": wh.max_pain("COIN").height,
        "venues": ["deribit"], "categories": dict.fromkeys(("gex", "options", "chain"), category),
        "first_snapshot": f"{FIRST:%Y-%m-%dT%H:%M:%SZ}", "last_snapshot": f"{LAST:%Y-%m-%dT%H:%M:%SZ}",
    }  # fmt: skip
