"""Implied volatility, delta, gamma and vega of options from their prices: `strikehouse` by columns, `QuantLib` and `vollib` one by one.

The file holds forward, strike, tau, discount, price, is_call, and the volatility that the models found. Prints seconds as JSON.
"""

import sys
import time
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl

Floats: TypeAlias = npt.NDArray[np.float64]
RATE = 0.04  # of US underlyings, by default


def strikehouse(forward: Floats, strike: Floats, tau: Floats, discount: Floats, price: Floats, is_call: npt.NDArray[np.bool_]) -> Floats:
    """Volatility, delta, gamma, vega, a row each."""
    from models.pricing import black76
    from models.pricing.implied_vol import implied_vol

    vol, _ = implied_vol(price, forward, strike, tau, is_call, discount)
    greeks = black76.greeks(forward, strike, tau, vol, is_call, discount, forward)
    return np.stack([vol, greeks.delta, greeks.gamma, black76.vega(forward, strike, tau, vol, discount)])


def quantlib(forward: Floats, strike: Floats, tau: Floats, discount: Floats, price: Floats, is_call: npt.NDArray[np.bool_]) -> Floats:
    """The same; NaN where its solver gives up."""
    import QuantLib as ql

    result = np.full((4, forward.size), np.nan)
    columns = (column.tolist() for column in (forward, strike, tau, discount, price, is_call))
    for row, (f, k, t, df, p, call) in enumerate(zip(*columns, strict=True)):
        kind = ql.Option.Call if call else ql.Option.Put
        try:
            deviation = ql.blackFormulaImpliedStdDevLiRS(kind, k, f, p, df, 0.0, ql.nullDouble(), 1.0, 1e-12, 100)
        except RuntimeError:
            continue
        one = ql.BlackCalculator(ql.PlainVanillaPayoff(kind, k), f, deviation, df)
        result[:, row] = deviation / t**0.5, one.delta(f), one.gamma(f), one.vega(t)
    return result


def vollib(forward: Floats, strike: Floats, tau: Floats, discount: Floats, price: Floats, is_call: npt.NDArray[np.bool_]) -> Floats:
    """The same; it takes a rate instead of a discount factor, and its vega is per volatility point."""
    from vollib.black.greeks.analytical import delta, gamma, vega
    from vollib.black.implied_volatility import implied_volatility
    from vollib.helpers.exceptions import PriceIsAboveMaximum, PriceIsBelowIntrinsic

    result = np.full((4, forward.size), np.nan)
    columns = (column.tolist() for column in (forward, strike, tau, price, is_call))
    for row, (f, k, t, p, call) in enumerate(zip(*columns, strict=True)):
        flag = "c" if call else "p"
        try:
            vol = implied_volatility(p, f, k, RATE, t, flag)
        except (PriceIsAboveMaximum, PriceIsBelowIntrinsic):
            continue
        arguments = (flag, f, k, t, RATE, vol)
        result[:, row] = vol, delta(*arguments), gamma(*arguments), 100 * vega(*arguments)
    return result


if __name__ == "__main__":
    file, way = sys.argv[1:]
    options = pl.read_parquet(file)
    arguments = [options[name].to_numpy() for name in ("forward", "strike", "tau", "discount", "price", "is_call")]
    function = {"strikehouse": strikehouse, "QuantLib": quantlib, "vollib": vollib}[way]
    function(*(column[:10] for column in arguments))  # its library is loaded outside the clock
    started = time.perf_counter()
    result = function(*arguments)
    elapsed = time.perf_counter() - started
    off = np.abs(result[0] - options["vol"].to_numpy())
    report = {
        "solve_s": elapsed,
        "options": options.height,
        "solved": int(np.isfinite(result).all(axis=0).sum()),
        "median_difference": float(np.nanmedian(off)),
        "within_1e_9": float(np.mean(off <= 1e-9)),
    }
    print(orjson.dumps(report).decode())
