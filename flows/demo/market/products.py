"""What is traded in the synthetic market: levels, listing rules and sizes, fitted by eye to chains of 2026.

US sizes are contracts of 100, crypto sizes coins; open interest of an expiry is what it has on its last day, calls and puts together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Band(NamedTuple):
    """Strikes at every multiple of `step` from `below` under the lowest to `above` over the highest spot of the listing's life."""

    step: float
    below: float
    above: float


@dataclass(frozen=True)
class Kind:
    """One kind of expiry: for how long it is listed (sessions or days), its open interest on the last day, its strikes."""

    life: int
    open_interest: float
    bands: tuple[Band, ...]


@dataclass(frozen=True)
class Smile:
    """An SVI curve in standardised log-moneyness, 1.0 at the forward, times an at-the-money term structure."""

    short_vol: float
    long_vol: float
    level: float
    slope: float
    tilt: float
    centre: float
    width: float


@dataclass(frozen=True)
class UsProduct:
    """One underlying of the Cboe feed."""

    symbol: str
    feed_symbol: str  # in the path and at the top level of the reply
    data_symbol: str  # inside `data`
    is_index: bool
    spot_per_index: float  # spot over the index level of the shared path
    tick: float
    tick_above_three: float
    call_share: float
    kinds: dict[tuple[str, str], Kind]  # by root and kind
    roundness: dict[str, dict[float, float]]  # root -> multiple -> weight of its open interest
    day_trading: dict[str, float]  # root -> volume of a series on its last day beyond what moves open interest


@dataclass(frozen=True)
class CryptoProduct:
    """One currency pair of Deribit; `unit` is the step of its strikes near the money."""

    pair: str  # as instrument names begin
    book: str
    base: str
    index_name: str
    anchor: float
    annual_vol: float
    smile: Smile
    unit: float
    size: float  # open interest of a quarterly on its last day, coins
    lot: float
    contract_size: float
    tick: float
    tick_above: tuple[float, float] | None  # (price, coarser tick above it)
    spot_digits: int
    call_share: float
    lists_all: bool  # BTC and ETH list more expiries than the others

    @property
    def is_linear(self) -> bool:
        """Whether prices are in USDC per coin instead of coin per coin."""
        return self.book == "USDC"

    @property
    def kinds(self) -> dict[str, Kind]:
        """Kinds of expiry by name."""
        return CRYPTO_KINDS if self.lists_all else THIN_KINDS


# Names of the random walks; another name is another history.
INDEX_PATH, COMMON_CRYPTO_PATH = "us index", "all coins"
INDEX_ANCHOR, INDEX_VOL = 7485.0, 0.125
INDEX_RATE, INDEX_YIELD, CRYPTO_BASIS = 0.04, 0.012, 0.05
INDEX_SMILE = Smile(short_vol=0.132, long_vol=0.188, level=0.12, slope=0.567, tilt=-0.5, centre=0.81, width=0.81)


def _crypto_smile(vol: float) -> Smile:
    return Smile(short_vol=vol, long_vol=vol * 1.08, level=0.627, slope=0.37, tilt=-0.38, centre=0.285, width=0.854)


_SPX_NEAR = (Band(5, 0.007, 0.007), Band(10, 0.018, 0.015), Band(25, 0.045, 0.03), Band(50, 0.10, 0.05), Band(100, 0.16, 0.08))
_SPX_WEEKLY = (Band(25, 0.05, 0.035), Band(50, 0.14, 0.07), Band(100, 0.26, 0.12))
_SPX_MONTHLY = (Band(25, 0.06, 0.05), Band(50, 0.15, 0.09), Band(100, 0.35, 0.18), Band(200, 0.60, 0.28))
_SPX_LONG = (Band(50, 0.06, 0.06), Band(100, 0.25, 0.16), Band(200, 0.55, 0.35), Band(500, 0.80, 0.55))

SPX = UsProduct(
    symbol="SPX",
    feed_symbol="_SPX",
    data_symbol="^SPX",
    is_index=True,
    spot_per_index=1.0,
    tick=0.05,
    tick_above_three=0.10,
    call_share=0.44,
    kinds={
        ("SPX", "monthly"): Kind(130, 2_300_000, _SPX_MONTHLY),
        ("SPX", "quarterly"): Kind(390, 4_000_000, _SPX_LONG),
        ("SPX", "december"): Kind(760, 4_000_000, _SPX_LONG),
        ("SPXW", "daily"): Kind(10, 340_000, _SPX_NEAR),
        ("SPXW", "weekly"): Kind(30, 700_000, _SPX_WEEKLY),
        ("SPXW", "third_friday"): Kind(60, 420_000, _SPX_WEEKLY),
        ("SPXW", "month_end"): Kind(63, 800_000, _SPX_WEEKLY),
        ("SPXW", "quarter_end"): Kind(130, 1_000_000, _SPX_WEEKLY),
    },
    roundness={
        "SPX": {1000: 17, 500: 15, 100: 11, 50: 5, 25: 1.8, 10: 0.7, 5: 0.35},
        "SPXW": {500: 8, 100: 6, 50: 3.5, 25: 1.6, 10: 0.9, 5: 0.45},
    },
    day_trading={"SPX": 150_000, "SPXW": 2_300_000},
)

_SPY_NEAR = (Band(1, 0.018, 0.014), Band(5, 0.07, 0.04), Band(10, 0.15, 0.07))
_SPY_WEEKLY = (Band(2, 0.03, 0.024), Band(5, 0.12, 0.07), Band(10, 0.22, 0.10))
_SPY_MONTHLY = (Band(5, 0.18, 0.10), Band(10, 0.35, 0.16))
_SPY_LONG = (Band(5, 0.10, 0.06), Band(10, 0.35, 0.20), Band(25, 0.70, 0.45))

SPY = UsProduct(
    symbol="SPY",
    feed_symbol="SPY",
    data_symbol="SPY",
    is_index=False,
    spot_per_index=0.09973,
    tick=0.01,
    tick_above_three=0.01,
    call_share=0.37,
    kinds={
        ("SPY", "daily"): Kind(8, 400_000, _SPY_NEAR),
        ("SPY", "weekly"): Kind(25, 800_000, _SPY_WEEKLY),
        ("SPY", "monthly"): Kind(90, 2_900_000, _SPY_MONTHLY),
        ("SPY", "quarterly"): Kind(250, 3_600_000, _SPY_LONG),
        ("SPY", "january"): Kind(500, 2_200_000, _SPY_LONG),
        ("SPY", "month_end"): Kind(45, 1_100_000, _SPY_WEEKLY),
        ("SPY", "quarter_end"): Kind(120, 1_200_000, _SPY_MONTHLY),
        # Left over from a distribution: root + digit, another deliverable, little open interest.
        ("SPY1", "adjusted"): Kind(65, 900, (Band(25, 0.08, 0.06),)),
    },
    roundness={"SPY": {50: 22, 10: 13, 5: 6.5, 1: 1}, "SPY1": {1: 1}},
    day_trading={"SPY": 6_000_000, "SPY1": 0},
)

US_PRODUCTS = {product.feed_symbol: product for product in (SPX, SPY)}

# In units of `CryptoProduct.unit`; life in days; open interest as a share of `size`.
CRYPTO_KINDS = {
    "daily": Kind(3, 0.018, (Band(0.5, 0.012, 0.012), Band(1, 0.06, 0.06), Band(2, 0.10, 0.12))),
    "weekly": Kind(21, 0.11, (Band(1, 0.05, 0.05), Band(2, 0.16, 0.18), Band(5, 0.30, 0.36))),
    "monthly": Kind(98, 0.55, (Band(2, 0.05, 0.06), Band(5, 0.30, 0.40), Band(10, 0.55, 0.90))),
    "quarterly": Kind(372, 1.0, (Band(5, 0.10, 0.15), Band(10, 0.50, 0.70), Band(20, 0.70, 1.50))),
}
# The USDC book is thin, and lists accordingly.
THIN_KINDS = {
    "daily": Kind(2, 0.018, (Band(1, 0.07, 0.07),)),
    "weekly": Kind(14, 0.11, (Band(1, 0.04, 0.04), Band(2, 0.12, 0.14))),
    "monthly": Kind(60, 0.55, (Band(2, 0.08, 0.12), Band(5, 0.35, 0.50))),
    "quarterly": Kind(100, 1.0, (Band(5, 0.35, 0.70),)),
}
CRYPTO_DAY_TRADING = 0.03  # of `size`
CRYPTO_ROUNDNESS = {10.0: 7.0, 5.0: 4.5, 2.0: 1.6, 1.0: 1.0, 0.5: 0.4}


def _linear(base: str, anchor: float, vol: float, unit: float, size: float, lot: float, tick: float, digits: int) -> CryptoProduct:
    return CryptoProduct(
        pair=f"{base}_USDC",
        book="USDC",
        base=base,
        index_name=f"{base.lower()}_usdc",
        anchor=anchor,
        annual_vol=vol,
        smile=_crypto_smile(vol * 0.97),
        unit=unit,
        size=size,
        lot=lot,
        contract_size=max(lot, 1),
        tick=tick,
        tick_above=None,
        spot_digits=digits,
        call_share=0.52,
        lists_all=False,
    )


def _inverse(base: str, anchor: float, vol: float, unit: float, size: float, lot: float, call_share: float) -> CryptoProduct:
    return CryptoProduct(
        pair=base,
        book=base,
        base=base,
        index_name=f"{base.lower()}_usd",
        anchor=anchor,
        annual_vol=vol,
        smile=_crypto_smile(vol * 0.97),
        unit=unit,
        size=size,
        lot=lot,
        contract_size=1,
        tick=0.0001,
        tick_above=(0.005, 0.0005),
        spot_digits=2,
        call_share=call_share,
        lists_all=True,
    )


CRYPTO_PRODUCTS = {
    product.pair: product
    for product in (
        _inverse("BTC", 81250, 0.43, unit=1000, size=160_000, lot=0.1, call_share=0.58),
        _inverse("ETH", 2840, 0.60, unit=50, size=1_150_000, lot=1, call_share=0.52),
        _linear("BTC", 81250, 0.43, unit=2500, size=2_600, lot=0.01, tick=5, digits=2),
        _linear("ETH", 2840, 0.60, unit=100, size=21_000, lot=0.1, tick=0.5, digits=2),
        _linear("SOL", 138, 0.70, unit=5, size=420_000, lot=10, tick=0.05, digits=4),
        _linear("XRP", 1.27, 0.72, unit=0.05, size=24_000_000, lot=1000, tick=0.0005, digits=4),
        _linear("HYPE", 36, 0.88, unit=2, size=310_000, lot=10, tick=0.01, digits=4),
    )
}
