"""Zero gamma of a recorded Cboe chain, straight from its JSON: parity forwards, volatilities, and every contract re-priced at any spot.

Nothing of the project is used here (definitions §2, §3, §6 read once more). Volatilities that Cboe does not give are solved with SciPy
from the mid; the few contracts with neither are left out.
"""

from __future__ import annotations

import gzip
import json
import math
import re
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from tests.acceptance.brute_force import AM, NEW_YORK, PM

RATE, YEAR, HOUR = 0.04, 31_536_000, 3600
STEPS = 81  # enough to separate roots; each is then refined

Quote = dict[str, Any]


class GammaRoot(NamedTuple):
    """Where net gamma exposure is zero, and whether it rises through it."""

    level: float
    is_rising: bool


class Chain(NamedTuple):
    """What a recorded chain says about gamma."""

    spot: float
    net: Callable[[float], float]  # USD per 1 % move at spot × factor
    roots: list[GammaRoot]


def read_chain(folder: Path, capture: str, symbol: str) -> Chain:
    document = json.loads(gzip.decompress((folder / "cboe" / capture / f"{symbol}.json.gz").read_bytes()))
    captured_at = datetime.strptime(document["timestamp"], "%Y-%m-%d %H:%M:%S")
    spot = document["data"]["close"]
    expiries: defaultdict[datetime, defaultdict[tuple[str, float], Quote]] = defaultdict(lambda: defaultdict(dict))
    for option in document["data"]["options"]:
        root, day, kind, strike = re.fullmatch(r"(.+)(\d\d\d\d\d\d)(.)(\d{8})", option["option"]).groups()
        local = datetime.combine(datetime.strptime(day, "%y%m%d"), AM if root == "SPX" else PM, NEW_YORK)
        settles = local.astimezone(UTC).replace(tzinfo=None)
        if settles > captured_at:
            expiries[settles][root, int(strike) / 1000][kind] = option
    columns = [_expiry((settles - captured_at).total_seconds(), lines, spot) for settles, lines in expiries.items()]
    forward, strike, tau, vol, signed_oi = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    width = vol * np.sqrt(np.maximum(tau, HOUR / YEAR))
    scale = 0.01 * signed_oi * np.exp(-RATE * tau) * forward / (math.sqrt(2 * math.pi) * width)
    log_moneyness = np.log(forward / strike)

    def net(factor: float) -> float:
        d1 = (log_moneyness + math.log(factor)) / width + width / 2
        return float((scale * factor * np.exp(-d1 * d1 / 2)).sum())

    grid = np.linspace(0.8, 1.2, STEPS).tolist()
    crossings = [(brentq(net, low, high), net(high) > 0) for low, high in pairwise(grid) if net(low) * net(high) < 0]
    return Chain(spot, net, [GammaRoot(factor * spot, is_rising) for factor, is_rising in crossings])


def _expiry(seconds: float, lines: dict[tuple[str, float], Quote], spot: float) -> list[np.ndarray[Any, Any]]:
    """Forward, strike, tau, volatility and calls less puts of open interest, one entry per root and strike that has a volatility."""
    tau = seconds / YEAR
    discount = math.exp(-RATE * tau)
    forward = _parity(lines, spot / discount, discount, tau, spot)
    rows = []
    for (_, strike), sides in lines.items():
        shares = [100 * sides[kind]["open_interest"] if kind in sides else 0 for kind in "CP"]
        if any(shares):
            vol = _volatility(sides, forward, strike, tau, discount)
            if vol is not None:
                rows.append((forward, strike, tau, vol, shares[0] - shares[1]))
    return list(np.array(rows, dtype=float).reshape(-1, 5).T)


def _parity(lines: dict[tuple[str, float], Quote], forward: float, discount: float, tau: float, spot: float) -> float:
    points = [
        (strike, strike + (_mid(sides["C"]) - _mid(sides["P"])) / discount)
        for (_, strike), sides in lines.items()
        if len(sides) == 2 and all(_is_two_sided(side) for side in sides.values())
    ]
    carried = forward
    if len(points) < 2:
        return carried
    for _ in range(2):
        nearest = sorted(points, key=lambda point: (abs(point[0] - forward), point[0]))[:6]
        forward = float(np.median([implied for _, implied in nearest]))
    return forward if abs(math.log(forward / spot) - RATE * tau) <= 0.02 + 0.10 * tau else carried


def _volatility(sides: Quote, forward: float, strike: float, tau: float, discount: float) -> float | None:
    """Of the out-of-the-money side: the venue's, else from its mid; else the other side's."""
    kinds = "PC" if strike < forward else "CP"
    for kind in kinds:
        side = sides.get(kind)
        if side and 0.01 <= side["iv"] <= 10:
            return float(side["iv"])
        if side and kind == kinds[0] and _is_two_sided(side):
            sign = 1 if kind == "C" else -1
            vol = _solved(_mid(side) / discount, forward, strike, tau, sign)
            if vol is not None:
                return vol
    return None


def _solved(price: float, forward: float, strike: float, tau: float, sign: int) -> float | None:
    def missing(vol: float) -> float:
        width = vol * math.sqrt(tau)
        d1 = math.log(forward / strike) / width + width / 2
        return float(sign * (forward * ndtr(sign * d1) - strike * ndtr(sign * (d1 - width))) - price)

    return float(brentq(missing, 0.001, 20.0)) if missing(0.001) < 0 < missing(20.0) else None


def _is_two_sided(option: Quote) -> bool:
    return bool(0 < option["bid"] <= option["ask"])


def _mid(option: Quote) -> float:
    return float((option["bid"] + option["ask"]) / 2)
