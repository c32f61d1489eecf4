"""What Bybit, OKX and Binance list: the contracts of Deribit's books, with the open interest and quotes of each venue.

A coin's open interest equals that of the Deribit pair of the same strikes, split over the venue's own books to the last lot: the four
venues show one market.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import NamedTuple

import numpy as np

from flows.demo.market.market import CryptoChain, Series
from flows.demo.market.positions import name_key

PAIRS = {"BTC": "BTC", "ETH": "ETH", "SOL": "SOL_USDC", "XRP": "XRP_USDC"}  # coin -> the Deribit pair it mirrors
TICKS = {"BTC": 5.0, "ETH": 0.5, "SOL": 0.05, "XRP": 0.0005}  # USD


class Contract(NamedTuple):
    """One contract; prices in USD and amounts in coins."""

    day: date
    expires_at: datetime
    listed_at: datetime
    strike: float
    side: str  # C or P
    forward: float
    vol: float
    mark: float
    out_of_the_money: float  # premium of the side that is
    delta: float
    gamma: float
    vega: float  # per vol point
    theta: float  # per day
    open_interest: float
    volume: float


def contracts(chain: CryptoChain) -> list[Contract]:
    """The contracts of a coin by expiry, calls first."""
    return [contract for series in chain.series for contract in _contracts(series)]


def coming(chain: CryptoChain, count: int = 2) -> list[Contract]:
    """Contracts that are announced for the last expiry and not traded yet."""
    last = [contract for contract in _contracts(chain.series[-1]) if contract.side == "C"]
    step = last[-1].strike - last[-2].strike
    return [last[-1]._replace(strike=last[-1].strike + step * number) for number in range(1, count + 1)]


def shuffled(rows: list[Contract], name: Callable[[Contract], str], salt: str) -> list[Contract]:
    """Contracts in an order of their own, as venues send them."""
    keys = name_key([name(row) for row in rows], salt).tolist() if rows else []
    return [row for _, row in sorted(zip(keys, rows, strict=True), key=lambda pair: pair[0])]


def share(amount: float, name: str, of_first: float, lot: float) -> tuple[float, float]:
    """An amount split in two, about so much in the first part, in whole lots that add up to it."""
    luck = float(name_key([name], "share")[0])
    first = round(round(amount * min(of_first + 0.1 * (luck - 0.5), 1.0) / lot) * lot, 9)
    return first, round(amount - first, 9)


def quotes(contract: Contract, tick: float) -> tuple[float, float]:
    """Bid, 0 where nobody bids, and ask, in ticks around the mark."""
    half = tick + 0.012 * contract.out_of_the_money + 0.012 * (contract.mark - contract.out_of_the_money)
    bid = np.floor((contract.mark - half) / tick) * tick
    return round(float(max(bid, 0.0)), 9), round(float(np.ceil((contract.mark + half) / tick) * tick), 9)


def text(value: float, digits: int = 8) -> str:
    """A number as venues write it: no exponent, no zeros at the end."""
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:.0f}"


def ms(instant: datetime) -> int:
    """Milliseconds since 1970."""
    return round(instant.timestamp() * 1000)


def _contracts(series: Series) -> list[Contract]:
    expiry, fair = series.expiry, series.fair
    listed_at = expiry.expires_at - timedelta(days=round(expiry.expires - expiry.listed - 0.5))
    sides = (
        ("C", fair.call, fair.call_delta, fair.call_theta, series.call_oi, series.call_volume),
        ("P", fair.put, fair.put_delta, fair.put_theta, series.put_oi, series.put_volume),
    )
    columns = (expiry.strikes, fair.vol, np.minimum(fair.call, fair.put), fair.gamma, fair.vega)
    by_strike = list(zip(*(each.tolist() for each in columns), strict=True))
    return [
        Contract(
            expiry.day,
            expiry.expires_at,
            listed_at,
            strike,
            side,
            fair.forward,
            vol,
            mark,
            least,
            delta,
            gamma,
            vega,
            theta,
            interest,
            traded,
        )
        for side, *values in sides
        for (strike, vol, least, gamma, vega), mark, delta, theta, interest, traded in zip(
            by_strike, *(each.tolist() for each in values), strict=True
        )
    ]
