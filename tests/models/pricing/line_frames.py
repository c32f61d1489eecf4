"""Strike lines of chains by hand or recorded, as the ladder, the smile and the density take them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from models.pricing.forwards import expiry_forwards
from models.pricing.strike_lines import STRIKE_LINES, strike_lines
from tests.models.chain_frames import QUOTED_AT, spots
from tests.models.default_models import option_greeks


def lines_of(quotes: pl.DataFrame, by_venue: pl.DataFrame | None = None, *, spot: float | None = 100.0, **options: Any) -> pl.DataFrame:
    """The strike lines of quotes as `chain_frames` makes them."""
    if by_venue is None:
        by_venue = spots(**dict.fromkeys(sorted(set(quotes["venue"])), spot))
    greeks = option_greeks(quotes, expiry_forwards(quotes, by_venue), **options)
    rate = quotes["rate"].max()
    assert isinstance(rate, float)
    return strike_lines(quotes, greeks, by_venue, rate=rate)


def one_expiry(
    strikes: list[float],
    ivs: list[float | None],
    *,
    forward: float | None = 100.0,
    tau: float = 0.25,
    discount: float = 1.0,
    **columns: Any,
) -> pl.DataFrame:
    """Strike lines of one expiry with these volatilities and no quotes; `columns` gives whole columns or one value for all."""
    expires_at: datetime = QUOTED_AT + timedelta(days=365 * tau)
    row = {"venue": "cboe", "book": "XYZ", "root": "XYZ", "expires_at": expires_at, "spot": 100.0, "forward": forward, "tau": tau}
    row |= {"discount": discount, "forward_source": "parity" if forward else None}
    given = {name: list(values) if isinstance(values, list | np.ndarray) else [values] * len(strikes) for name, values in columns.items()}
    values = {name: [value] * len(strikes) for name, value in (dict.fromkeys(STRIKE_LINES.names()) | row).items()}
    return pl.DataFrame(values | {"strike": strikes, "iv": ivs} | given, schema=STRIKE_LINES)
