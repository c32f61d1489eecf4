"""Same question, same answer: the Python frame is the SQL macro's, and HTTP is that frame after one conversion per dialect.

The conversions (docs/api.md, docs/api-backquant.md) stand here a second time. Moments, expiries, venues and filters are random.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from tests.warehouse.api.backquant import test_backquant_fields as fields
from tests.warehouse.api.backquant.serving import NOW, published
from tests.warehouse.api.backquant.test_backquant_fields import both, token, top, whole
from tests.warehouse.api.same_answers import (
    MOMENTS,
    Case,
    ComparedWarehouse,
    Question,
    WholeServer,
    client_of,
    exposures,
    is_close,
    main_smile,
    rounded,
    share,
    usd,
)
from tests.warehouse.api.serving import serving
from warehouse.home.paths import Home

# --- /v1 --------------------------------------------------------------------------------------------------------------------------------


def max_pain(case: Case) -> None:
    body = case.body("/v1/maxpain/" + case.symbol.lower(), **case.expiry_parameter("expiration"))
    dates = case.dates()
    front = case.expiry or dates[0]
    row = case.row("max_pain", expiry=case.expiry) if case.expiry else case.row("max_pain_pooled")
    pin = case.row("pin_score", expiry=case.expiry) if case.expiry else row
    levels, smile = case.levels(**case.only()), main_smile(case, front)
    assert (body["max_pain_strike"], body["signal"], body["expiration"]) == (row["max_pain_strike"], row["signal"], front.isoformat())
    distance = {"absolute": rounded(row["distance_abs"], 4), "percent": rounded(row["distance_pct"], 2), "direction": row["direction"]}
    assert body["distance"] == distance and body["put_call_oi_ratio"] == rounded(row["pcr"], 3)
    assert body["pin_probability"] == pin["pin_score"] and body["regime"] == levels["regime"]
    names = ("alignment", "description", "gamma_flip_status", "call_wall", "put_wall")
    assert body["dealer_alignment"] == {name: pin[name] for name in names} | {"gamma_flip": rounded(pin["gamma_flip"], 4)}
    assert body["dealer_alignment"]["call_wall"] == levels["call_wall"] and body["dealer_alignment"]["put_wall"] == levels["put_wall"]
    move = body["expected_move"]
    assert (move["straddle_price"], move["atm_iv"]) == (
        rounded(smile["straddle"], 4),
        share(smile["atm_iv"], 1) if smile["atm_iv"] else None,
    )
    if smile["straddle"] is not None:
        assert move["max_pain_within_expected_range"] is (abs(row["spot"] - row["max_pain_strike"]) <= smile["straddle"])
    profile = case.read("gex_profile", **case.only()).rows(named=True)
    assert [(one["strike"], one["call_oi"], one["put_oi"]) for one in body["oi_by_strike"]] == [
        (one["strike"], case.oi(one, "call") or 0, case.oi(one, "put") or 0) for one in profile
    ]
    if case.expiry is not None:
        curve = case.read("pain_curve", expiry=case.expiry)
        columns = ("strike", "call_pain_usd", "put_pain_usd", "total_pain_usd")
        assert [tuple(one.values()) for one in body["pain_curve"]] == curve.select(columns).rows()
        assert body["max_pain_by_expiration"] is None
        return
    assert min((one["total_pain"], one["strike"]) for one in body["pain_curve"])[1] == row["max_pain_strike"]
    for one, expiry in zip(body["max_pain_by_expiration"], dates, strict=True):
        own = case.row("max_pain", expiry=expiry)
        total = (case.oi(own, "call") or 0) + (case.oi(own, "put") or 0)
        assert (one["expiration"], one["max_pain_strike"], one["total_oi"]) == (expiry.isoformat(), own["max_pain_strike"], total)


def gex(case: Case) -> None:
    body = case.body(f"/v1/exposure/gex/{case.symbol}", **case.expiry_parameter("expiration"), min_oi=3)
    levels = case.levels(**case.only())
    assert body["net_gex"] == usd(levels["net_gex_usd_1pct"])
    assert body["net_gex_label"] == ("positive" if levels["net_gex_usd_1pct"] >= 0 else "negative")
    assert (body["gamma_flip"], body["gamma_flip_status"]) == (rounded(levels["gamma_flip"], 4), levels["gamma_flip_status"])
    shown = [tuple(one[name] for name in ("strike", "call_gex", "put_gex", "net_gex", "call_oi", "put_oi")) for one in body["strikes"]]
    assert shown == [
        (row["strike"], *(usd(row[f"{side}_gex_usd_1pct"]) for side in ("call", "put", "net")), case.oi(row, "call"), case.oi(row, "put"))
        for row in case.read("gex_profile", **case.only()).rows(named=True)
        if (case.oi(row, "call") or 0) + (case.oi(row, "put") or 0) >= 3
    ]


def levels(case: Case) -> None:
    body = case.body(f"/v1/exposure/levels/{case.symbol}")["levels"]
    row = case.levels()
    assert body == {name: row[name] for name in body} | {"gamma_flip": rounded(row["gamma_flip"], 4)}


def summary(case: Case) -> None:
    body = case.body(f"/v1/exposure/summary/{case.symbol}")
    rows = case.read("gex_by_expiry").rows(named=True)
    sums, row, spot = exposures(rows), case.levels(), body["underlying_price"]
    assert body["exposures"] == sums
    assert (body["regime"], body["gamma_flip"], body["gamma_flip_status"]) == (
        row["regime"],
        rounded(row["gamma_flip"], 4),
        row["gamma_flip_status"],
    )
    down, up = body["hedging_estimate"]["spot_down_1pct"], body["hedging_estimate"]["spot_up_1pct"]
    shares = round(sums["net_gex"] / spot, 0 if case.is_us else 4)
    assert (down["dealer_shares_to_trade"], up["dealer_shares_to_trade"]) == (shares, -shares)
    assert down["notional_usd"] == up["notional_usd"] == round(abs(shares * spot), 2)
    today = case.read("gex_levels").filter(pl.col("scope_expiry") == "0dte").row(0, named=True)
    if body["zero_dte"]["expiration"] is None:
        assert body["zero_dte"]["net_gex"] is today["net_gex_usd_1pct"] is None
    else:
        assert body["zero_dte"]["net_gex"] == usd(today["net_gex_usd_1pct"])
        assert body["zero_dte"]["pct_of_total_gex"] == share(body["zero_dte"]["net_gex"], sums["net_gex"])


def term_structure(case: Case) -> None:
    body = case.body(f"/v1/exposure/term-structure/{case.symbol}")
    rows, kinds = case.read("gex_by_expiry").rows(named=True), case.read("opex_calendar").rows(named=True)
    whole_chain = sum(abs(exposures([row for row in rows if row["expiry"] == one])["net_gex"]) for one in case.dates())
    for shown, expiry in zip(body["by_expiry"], case.dates(), strict=True):
        mine = [row for row in rows if row["expiry"] == expiry]
        sums, own = exposures(mine), [row for row in kinds if row["expiry"] == expiry]
        assert {name: shown[name] for name in sums} == sums
        assert (shown["expiration"], shown["dte"]) == (expiry.isoformat(), max(row["dte"] for row in mine))
        assert shown["is_opex"] is any(row["is_anchor"] for row in own)
        quarterly = "is_triple_witching" if case.is_us else "is_quarterly"
        assert shown["is_triple_witching"] is any(
            row["type"] == "quarterly" if quarterly == "is_quarterly" else row[quarterly] for row in own
        )
        assert shown["pct_of_chain_gex"] == (share(abs(sums["net_gex"]), whole_chain) or 0)
    for bucket in body["by_dte_bucket"]:
        low, high = bucket["dte_range"]
        assert {name: bucket[name] for name in ("net_gex", "net_dex", "net_vex", "net_chex")} == exposures(
            [row for row in rows if low <= row["dte"] <= high]
        )


def expected_move(case: Case) -> None:
    body = case.body(f"/v1/expected-move/{case.symbol}", **case.expiry_parameter("expiry"))
    spot = body["underlying_price"]
    for expiry_parameter, expiry in zip(body["expected_moves"], [case.expiry] if case.expiry else case.dates(), strict=True):
        row = main_smile(case, expiry)
        move = row["expected_move_1sd"]
        assert expiry_parameter == {
            "expiry": expiry.isoformat(), "daysToExpiry": row["dte"], "atmIv": rounded(row["atm_iv"], 6), "expectedMove": rounded(move, 4),
            "expectedMovePct": None if move is None else round(100 * (move / spot), 4),
            "lowerBound": None if move is None else round(spot - move, 4), "upperBound": None if move is None else round(spot + move, 4),
        }  # fmt: skip


def zero_dte(case: Case) -> None:
    expiry = case.expiry or case.dates()[0]
    body = case.body(f"/v1/exposure/zero-dte/{case.symbol}", expiry=expiry.isoformat(), strike_range=0.06)
    only = {"expiry": expiry}
    sums, whole_chain = exposures(case.read("gex_by_expiry", **only).rows(named=True)), usd(case.levels()["net_gex_usd_1pct"]) or 0.0
    assert body["exposures"] == sums | {"total_chain_net_gex": whole_chain, "pct_of_total_gex": share(sums["net_gex"], whole_chain)}
    row, smile, profile = case.levels(**only), main_smile(case, expiry), case.read("gex_profile", **only).rows(named=True)
    for name in ("call_wall", "put_wall", "highest_oi_strike", "max_positive_gamma", "max_negative_gamma"):
        assert body["levels"][name] == row[name], name
    assert (body["regime"]["label"], body["regime"]["gamma_flip"]) == (row["regime"], rounded(row["gamma_flip"], 4))
    assert body["pin_risk"]["max_pain"] == case.row("max_pain", **only)["max_pain_strike"]
    sizes = {one["strike"]: abs(one["net_gex_usd_1pct"]) for one in profile if one["net_gex_usd_1pct"] is not None}
    spot = body["underlying_price"]
    magnet = min(sizes, key=lambda strike: (-sizes[strike], abs(strike - spot), strike)) if sizes else None
    assert body["pin_risk"]["magnet_strike"] == magnet
    assert (body["expected_move"]["straddle_price"], body["expected_move"]["atm_iv"]) == (
        rounded(smile["straddle"], 4),
        rounded(smile["atm_iv"], 6),
    )
    assert is_close(body["vol_context"]["zero_dte_atm_iv"], None if smile["atm_iv"] is None else round(100 * smile["atm_iv"], 2))
    totals = {side: sum(case.oi(one, side) or 0 for one in profile) for side in ("call", "put")}
    assert is_close(body["flow"]["call_oi"], totals["call"]) and is_close(body["flow"]["put_oi"], totals["put"])
    near = [one for one in profile if abs(one["strike"] - spot) <= 0.06 * spot]
    names = ("strike", "call_gex", "put_gex", "net_gex", "call_dex", "put_dex", "net_vex", "net_chex", "call_oi", "put_oi")
    assert [tuple(one[name] for name in names) for one in body["strikes"]] == [
        (
            one["strike"], usd(one["call_gex_usd_1pct"]), usd(one["put_gex_usd_1pct"]), usd(one["net_gex_usd_1pct"]), usd(one["call_dex_usd"]),
            None if one["put_dex_usd"] is None else 0.0 - float(one["put_dex_usd"]), usd(one["net_vex_usd_1vol"]),
            None if one["net_chex_usd_day"] is None else 0.0 - float(one["net_chex_usd_day"]), case.oi(one, "call"), case.oi(one, "put"),
        )
        for one in near
    ]  # fmt: skip


V1: tuple[Callable[[Case], None], ...] = (max_pain, gex, levels, summary, term_structure, expected_move, zero_dte)

# --- /v2 --------------------------------------------------------------------------------------------------------------------------------

Filters = dict[str, float]


def to_parameters(filters: Filters) -> Filters:
    return {"spot_window_pct" if name == "window_pct" else name: value for name, value in filters.items()}


def strike_profile(question: Question, expiry: date | None, filters: Filters) -> None:
    only = {} if expiry is None else {"expiry": expiry}
    body = question.data("/gex/strike-profile", **to_parameters(filters), expiry="all" if expiry is None else token(expiry))
    rows = question.read("gex_profile", **filters, **only).rows(named=True)
    assert body["strikes"] == [row["strike"] for row in rows]
    for name in ("net_gex", "call_gex", "put_gex"):
        assert body[name] == [whole(row[f"{name}_usd_1pct"]) for row in rows]
    for side in ("call", "put"):
        assert body[f"{side}_oi"] == [question.oi(row, side) for row in rows]
    assert body["ranked_top_10"] == top(question.read("gex_ranked", **filters, **only))


def heatmap(question: Question, expiry: date | None, filters: Filters) -> None:
    filters = {name: value for name, value in filters.items() if name != "strike_min"}
    body = question.data("/gex/strike-expiry-heatmap", **to_parameters(filters))
    nets: dict[Any, Any] = {}
    for row in question.read("gex_heatmap", **filters).rows(named=True):
        key = row["strike"], token(row["expiry"])
        nets[key] = both(nets.get(key), row["net_gex_usd_1pct"])
    cells = {
        (strike, expiry): net
        for strike, line in zip(body["strikes"], body["net_gex"], strict=True)
        for expiry, net in zip(body["expiries"], line, strict=True)
        if net is not None
    }
    assert cells == {key: whole(net) for key, net in nets.items() if net is not None}


def pain(question: Question, expiry: date | None, filters: Filters) -> None:
    if expiry is None:
        rows = [{"expiry": token(one), "dte": question.dte(one), "max_pain": question.pain(one)} for one in question.dates()]
        assert question.data("/gex/max-pain") == {"expiry": "all", "per_expiry": rows}
        return
    body = question.data("/gex/max-pain", expiry=expiry.isoformat())
    assert (body["expiry"], body["dte"], body["max_pain"]) == (token(expiry), question.dte(expiry), question.pain(expiry))
    columns = ("strike", "total_pain_usd", "call_pain_usd", "put_pain_usd")
    curve = question.read("pain_curve", expiry=expiry).select(columns).rows()
    assert [tuple(one.values()) for one in body["pain_curve"]] == [(row[0], *map(whole, row[1:])) for row in curve]


def history(question: Question, expiry: date | None, filters: Filters) -> None:
    body = question.data("/gex/history", limit=1)
    row = question.read("gex_levels").filter(pl.col("scope_expiry") == "all").row(0, named=True)
    if body["timestamps"] != [f"{row['captured_at']:%Y-%m-%dT%H:%M:%SZ}"]:
        raise AssertionError(body)
    names = {"total_gex": whole(row["net_gex_usd_1pct"]), "call_wall": row["call_resistance"], "put_wall": row["put_support"]}
    assert {name: body[name] for name in names} == {name: [value] for name, value in names.items()}
    assert body["spot_price"] == [round(row["spot"], 2)]


def chain(question: Question, expiry: date | None, filters: Filters) -> None:
    parameters = {} if expiry is None else {"expiries": token(expiry)}
    body = question.data("/options/chain", **parameters, fields="aggregates,contracts", include="gex,oi")
    sums = body["aggregates"]
    only = {} if expiry is None else {"expiry": expiry}
    row = question.read("gex_levels", **only).filter(pl.col("scope_expiry") == "all").row(0, named=True)
    pains = [question.read("max_pain", expiry=one).row(0, named=True) for one in ([expiry] if expiry else question.dates())]
    assert sums["net_gex"] == whole(row["net_gex_usd_1pct"])
    for side in ("call", "put"):
        assert sums[f"{side}_oi"] == pytest.approx(sum(question.oi(one, side) or 0 for one in pains))
    assert sum(one["gex"] or 0 for one in body["contracts"]) == pytest.approx(sums["net_gex"], abs=len(body["contracts"]))


def several(question: Question, expiry: date | None, filters: Filters) -> None:
    body = question.client.data("/multi/gex/levels", symbols=f"{question.symbol},DOGE", as_of=question.at.isoformat(), include="ranked")
    row = {
        one["scope_expiry"]: one
        for one in question.wh.gex_levels(question.symbol.removesuffix("USDT"), as_of=question.at.replace(tzinfo=None)).rows(named=True)
    }
    entry = body["results"][question.symbol]
    for wall in ("call_resistance", "call_wall_2", "call_wall_3", "put_support", "put_wall_2", "put_wall_3"):
        assert entry["all_expiry"][wall] == row["all"][wall]
    assert (body["invalid"], entry["odte"]["call_resistance"]) == (["DOGE"], row["0dte"]["call_resistance"])


def of_fields(check: Callable[[Question], None]) -> Callable[[Question, date | None, Filters], None]:
    """A check of all fields of an endpoint."""

    def checked(question: Question, expiry: date | None, filters: Filters) -> None:
        check(question)

    checked.__name__ = check.__name__.removeprefix("test_")
    return checked


V2: tuple[Callable[[Question, date | None, Filters], None], ...] = (
    strike_profile, heatmap, pain, history, chain, several, of_fields(fields.test_levels), of_fields(fields.test_expiry_profile),
    of_fields(fields.test_opex), of_fields(fields.test_expiry_summary), of_fields(fields.test_expected_move),
)  # fmt: skip

# --- macros without a path of their own -------------------------------------------------------------------------------------------------


def scan(case: Case) -> None:
    rows = case.wh.scan(case.symbol, as_of=case.at.replace(tzinfo=None)).rows(named=True)
    assert [row["underlying"] for row in rows] == [case.symbol]
    body = case.body(f"/v1/maxpain/{case.symbol}", expiration=rows[0]["expiry"].isoformat())
    assert body["dealer_alignment"]["alignment"] == rows[0]["alignment"] and body["pin_probability"] == rows[0]["pin_score"]


def probability(case: Case) -> None:
    spot = case.row("max_pain_pooled")["spot"]
    frame = case.wh.probability_between(case.symbol, 0.95 * spot, None, as_of=case.at.replace(tzinfo=None))
    assert set(frame["expires_at"]) == set(case.read("expiry_summary")["expires_at"]), "a row per venue and book of each"


def others(case: Case) -> None:
    for macro in ("gamma_profile", "gamma_flip_zones"):
        assert set(case.read(macro, **case.only())["snapshot_id"]) <= {case.row("max_pain_pooled")["snapshot_id"]}


FILTERS: tuple[Filters, ...] = ({}, {}, {"strike_min": 95.0}, {"moneyness_min": 0.93, "moneyness_max": 1.04}, {"window_pct": 6.0})


@pytest.fixture(scope="module")
def interfaces(stocked_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ComparedWarehouse]]:
    home = published(stocked_home, tmp_path_factory.mktemp("interfaces"))
    with serving(home, clock=lambda: NOW) as url, ComparedWarehouse(home) as wh:
        yield url, wh


def ask(interfaces: tuple[str, ComparedWarehouse], samples: int, number: int, *, is_narrow: bool) -> Counter[str]:
    """So many random questions; returns how often each endpoint was asked."""
    url, wh = interfaces
    client, http, dice = client_of(url), WholeServer(url), random.Random(number)
    counts: Counter[str] = Counter()
    for _ in range(samples):
        symbol = dice.choice(["COIN", "COIN", "IDX"])
        # few different questions of the frames, which are what takes time
        at = MOMENTS[0] + timedelta(seconds=17) if is_narrow else dice.choice(MOMENTS) + dice.choice((timedelta(), timedelta(seconds=1799)))
        check: Any = dice.choice((*V1, *V2, scan, probability, others))
        case = Case(http, wh, symbol, at, None, dice.choice(["", "/historical"]))
        expiry = dice.choice([None, *case.dates()])
        if check in V2:
            venues = None if symbol == "IDX" or is_narrow else dice.choice((None, "deribit", "okx,deribit", "bybit,deribit"))
            question = Question(client, wh, symbol if symbol == "IDX" else "COINUSDT", at, venues)
            check(question, expiry if expiry in question.dates() else None, dice.choice(FILTERS))
        else:
            check(Case(http, wh, symbol, at, expiry, case.prefix))
        counts[("v2 " if check in V2 else "v1 ") + check.__name__] += 1
    return counts


@pytest.mark.slow
def test_two_hundred_random_questions_have_one_answer_through_all_interfaces(interfaces: tuple[str, ComparedWarehouse]) -> None:
    counts = ask(interfaces, 200, 20261121, is_narrow=True)
    assert len(counts) == len(V1) + len(V2) + 3 and min(counts.values()) >= 3, counts


@pytest.mark.acceptance
@pytest.mark.parametrize("number", range(5))
def test_a_thousand_random_questions_have_one_answer_through_all_interfaces(interfaces: tuple[str, ComparedWarehouse], number: int) -> None:
    interfaces[1].compares = True
    counts = ask(interfaces, 200, number, is_narrow=False)
    print(dict(counts), len(interfaces[1].known), "frames, compared with their macro")
    assert len(counts) == len(V1) + len(V2) + 3, counts
