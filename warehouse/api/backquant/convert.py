"""Converts warehouse frames to the numbers of this dialect; no other module rounds or scales.

GEX and pain: whole USD. Notionals, spot and moves: 0.01 USD. Volatilities: percent, two decimals. Shares: percent, two decimals; moves in
percent of spot: three; put/call ratios and open interest: four. Greeks: six significant digits, vega per volatility point, charm per day.
Strikes and option prices as stored. Half to even; null stays null. Open interest is coins for crypto, contracts for US symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

VOL_POINTS = 100.0  # of 1.00 of volatility
DAYS_A_YEAR = 365.0


def numbers(column: pl.Series, decimals: int, *, times: float = 1.0) -> list[float | None]:
    """A column rounded to so many decimals."""
    return [number(value, decimals, times=times) for value in column.to_list()]


def number(value: Any, decimals: int, *, times: float = 1.0) -> float | None:
    """One value rounded to so many decimals; never -0."""
    return None if value is None else round(float(value) * times, decimals) + 0.0


def whole(column: pl.Series) -> list[int | None]:
    """USD amounts (GEX, pain) to the dollar."""
    return [whole_usd(value) for value in column.to_list()]


def whole_usd(value: Any) -> int | None:
    """One amount to the dollar."""
    return None if value is None else round(value)


def cents(value: Any) -> float | None:
    """Notionals, spot and moves."""
    return number(value, 2)


def percent(value: Any) -> float | None:
    """A fraction (volatility) in percent."""
    return number(value, 2, times=100.0)


def ratio(value: Any) -> float | None:
    """Put open interest / call open interest."""
    return number(value, 4)


def interest(value: Any) -> float | None:
    """Open interest, in the unit of its column."""
    return number(value, 4)


def greek(value: Any, divided_by: float = 1.0) -> float | None:
    """A greek to six significant digits."""
    return None if value is None else float(f"{float(value) / divided_by:.6g}") + 0.0


def both(call: Any, put: Any) -> Any:
    """Call and put together; a null side adds nothing; null when both are null."""
    if call is None or put is None:
        return put if call is None else call
    return call + put


def total(values: Sequence[Any]) -> Any:
    """Sum of the non-null values: 0 for an empty column, null when all values are null."""
    measured = [value for value in values if value is not None]
    return sum(measured) if measured or not values else None


def put_call_ratio(call: Any, put: Any) -> float | None:
    """Put open interest / call open interest; null when call open interest is 0 or null."""
    return None if put is None or not call else ratio(float(put) / float(call))


def oi_columns(market: str) -> tuple[str, str]:
    """The source columns for `call_oi` and `put_oi`."""
    return ("call_oi_contracts", "put_oi_contracts") if market == "us" else ("call_oi", "put_oi")


def measured_sum(name: str) -> pl.Expr:
    """Sum over a group; null when all values are null."""
    return pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name)


def pain(strike: Any, usd: Any) -> dict[str, Any]:
    """Max pain: its strike and the payout there, null together."""
    return {"strike": strike, "value": whole_usd(usd)}


def ranked(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows of `marts.gex_ranked` as this dialect shows them: `abs_gex` is the size of the net, not the gross."""
    gex = whole(frame["net_gex_usd_1pct"])
    return [
        {"rank": rank, "strike": strike, "gex": net, "abs_gex": None if net is None else abs(net)}
        for rank, strike, net in zip(frame["rank"].to_list(), frame["strike"].to_list(), gex, strict=True)
    ]
