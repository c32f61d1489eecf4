"""The synthetic market at one instant: spots, fair values, open interest and volume, from which each venue makes its replies.

Nothing here reads a clock or keeps state: `Market(session=3)` is the same market in every process and on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache

import numpy as np

from flows.demo.market.listing import Expiry, crypto_expiries, us_expiries
from flows.demo.market.paths import BRIDGE_STEPS, Path, crypto_clock, crypto_path, us_path
from flows.demo.market.positions import Holders
from flows.demo.market.pricing import YEAR_SECONDS, Valuation, at_the_money_vol, smile_vol, value
from flows.demo.market.products import (
    CRYPTO_BASIS,
    CRYPTO_DAY_TRADING,
    CRYPTO_PRODUCTS,
    CRYPTO_ROUNDNESS,
    INDEX_ANCHOR,
    INDEX_PATH,
    INDEX_RATE,
    INDEX_SMILE,
    INDEX_VOL,
    INDEX_YIELD,
    US_PRODUCTS,
    CryptoProduct,
    Smile,
    UsProduct,
)
from flows.demo.market.randomness import Floats, normal
from flows.demo.market.sessions import FIRST_NUMBER, LAST_NUMBER, Session, clearing_day, last_session_by, last_session_open_at, session

CAPTURE_TIME = time(22, 40, 31)  # UTC: when a session's chains are fetched, well after any close
DELAY = timedelta(minutes=15)  # of the US feed
CRYPTO_LAG = timedelta(seconds=12, milliseconds=345)  # the venues of one run do not answer at one instant
SETTLED_TAU = 600 / YEAR_SECONDS  # a settled series keeps the greeks of its last minutes
MONTH = 30 / 365


@dataclass(frozen=True)
class Series:
    """One expiry with fair values now and a day ago, and per strike the open interest and volume of calls and puts."""

    expiry: Expiry
    is_settled: bool
    fair: Valuation
    before: Valuation
    call_oi: Floats
    put_oi: Floats
    call_volume: Floats
    put_volume: Floats


@dataclass(frozen=True)
class UsChain:
    """One underlying of the US feed: its day so far, and its series by root and date."""

    product: UsProduct
    session: Session  # of the underlying's last trade
    is_closed: bool
    open: float
    high: float
    low: float
    close: float  # in the session: the last price
    after_hours: float  # what it is worth after the close
    previous_close: float
    iv30: float  # fraction
    iv30_before: float
    series: list[Series]


@dataclass(frozen=True)
class CryptoChain:
    """One currency pair of Deribit: its index and its series by date."""

    product: CryptoProduct
    now: datetime
    index: float
    series: list[Series]


class Market:
    """The market after a numbered US session (22:40:31 UTC of its date), or at any instant."""

    def __init__(self, session: int | None = None, now: datetime | None = None) -> None:
        if (session is None) == (now is None):
            raise ValueError("a market has either a session number or an instant")
        self.now = now.astimezone(UTC) if now is not None else _capture_instant(session or 0)
        self._us: dict[str, UsChain] = {}
        self._crypto: dict[str, CryptoChain] = {}

    def previous(self) -> Market:
        """The market one session earlier, at the same time of day."""
        number = last_session_by(self.now.date())
        return Market(now=self.now - (session(number).date - session(number - 1).date))

    def at(self, now: datetime) -> Market:
        """The market at another instant."""
        return Market(now=now)

    def us(self, symbol: str) -> UsChain:
        """The chain of one symbol of the US feed, computed on first use."""
        if symbol not in self._us:
            self._us[symbol] = self._us_chain(US_PRODUCTS[symbol])
        return self._us[symbol]

    def crypto(self, pair: str) -> CryptoChain:
        """The chain of one currency pair of Deribit, computed on first use."""
        if pair not in self._crypto:
            self._crypto[pair] = self._crypto_chain(CRYPTO_PRODUCTS[pair])
        return self._crypto[pair]

    def delivery_prices(self, product: CryptoProduct, offset: int, count: int) -> tuple[list[tuple[str, float]], int]:
        """Dates and delivery prices of a pair, the newest first, and how many there are since 2025."""
        first, last = datetime(2025, 1, 1, 8, tzinfo=UTC), self.now.replace(hour=8, minute=0, second=0, microsecond=0)
        if last > self.now:
            last -= timedelta(days=1)
        total = (last - first).days + 1
        days = [last - timedelta(days=back) for back in range(offset, min(offset + count, total))]
        return [(day.date().isoformat(), _delivery_price(product, day)) for day in days], total

    def _us_chain(self, product: UsProduct) -> UsChain:
        path, scale = us_path(INDEX_PATH, INDEX_ANCHOR, INDEX_VOL), product.spot_per_index
        quoted = self.now - DELAY
        last = session(last_session_open_at(quoted))
        is_closed = quoted >= last.closes_at
        share = min((quoted - last.opens_at) / (last.closes_at - last.opens_at), 1.0)
        day = np.round(path.within(last.number)[: int(share * BRIDGE_STEPS) + 1] * scale, 2)
        spot, previous_close = float(day[-1]), round(float(path.at(last.number - 1)) * scale, 2)
        drift = 0.0006 * float(normal("after hours", last.number)) if is_closed else 0.0
        stress, stress_before = path.stress_at(last.number), path.stress_at(last.number - 1)

        listing = last_session_by(clearing_day(self.now))
        cleared = last_session_by(clearing_day(self.now) - timedelta(days=1))
        # Index options trade on after the index stops; stock and fund options stop with it, and so do their quotes.
        priced_at = self.now if product.is_index else min(self.now, last.closes_at)
        spot_now = spot * float(np.exp(drift)) if product.is_index else spot
        series = []
        for expiry in us_expiries(product, listing, last.number, path):
            holders = Holders(
                name=expiry.root,
                spot_at=lambda clock: path.at(clock) * scale,
                roundness=product.roundness[expiry.root],
                call_share=product.call_share,
                daily_vol=path.daily_vol,
                lot=1,
                day_trading=product.day_trading[expiry.root],
                day_trading_fade=2.0,
            )
            call_oi, put_oi = holders.open_interest(expiry, cleared)
            call_volume, put_volume = holders.volume(expiry, last.number, share)
            is_settled = expiry.expires_at <= self.now
            fair = _us_value(product, spot if is_settled else spot_now, expiry, priced_at, stress)
            before = _us_value(product, previous_close, expiry, session(last.number - 1).closes_at, stress_before)
            series.append(Series(expiry, is_settled, fair, before, call_oi, put_oi, call_volume, put_volume))
        return UsChain(
            product=product,
            session=last,
            is_closed=is_closed,
            open=float(day[0]),
            high=float(day.max()),
            low=float(day.min()),
            close=spot,
            after_hours=round(spot * float(np.exp(drift)), 2),
            previous_close=previous_close,
            iv30=at_the_money_vol(INDEX_SMILE, MONTH, stress),
            iv30_before=at_the_money_vol(INDEX_SMILE, MONTH, stress_before),
            series=series,
        )

    def _crypto_chain(self, product: CryptoProduct) -> CryptoChain:
        now = self.now + CRYPTO_LAG
        path, clock = _crypto_path(product), crypto_clock(now)
        index = round(path.around_the_clock(clock), product.spot_digits)
        before = round(path.around_the_clock(clock - 1), product.spot_digits)
        holders = Holders(
            name=product.pair,
            spot_at=path.at,
            roundness={multiple * product.unit: weight for multiple, weight in CRYPTO_ROUNDNESS.items()},
            call_share=product.call_share,
            daily_vol=path.daily_vol,
            lot=product.lot,
            day_trading=CRYPTO_DAY_TRADING * product.size,
            day_trading_fade=0.7,
        )
        series = []
        for expiry in crypto_expiries(product, now, path):
            fair = _crypto_value(product.smile, index, expiry, now, path.stress_at(clock))
            yesterday = _crypto_value(product.smile, before, expiry, now - timedelta(days=1), path.stress_at(clock - 1))
            series.append(Series(expiry, False, fair, yesterday, *holders.open_interest(expiry, clock), *holders.volume(expiry, clock)))
        return CryptoChain(product, now, index, series)


def _capture_instant(number: int) -> datetime:
    if not FIRST_NUMBER <= number <= LAST_NUMBER:
        raise ValueError(f"session {number} is out of range: {FIRST_NUMBER} to {LAST_NUMBER}")
    return datetime.combine(session(number).date, CAPTURE_TIME, UTC)


def _us_value(product: UsProduct, spot: float, expiry: Expiry, at: datetime, stress: float) -> Valuation:
    tau = max((expiry.expires_at - at).total_seconds() / YEAR_SECONDS, SETTLED_TAU)
    forward = spot * float(np.exp((INDEX_RATE - INDEX_YIELD) * tau))
    vol = smile_vol(INDEX_SMILE, np.log(expiry.strikes / forward), tau, stress)
    fair = value(spot, forward, expiry.strikes, vol, tau, INDEX_RATE)
    if product.is_index:
        return fair
    # American: never under what exercise brings (the rest of the early-exercise premium is left out).
    return replace(fair, call=np.maximum(fair.call, spot - expiry.strikes), put=np.maximum(fair.put, expiry.strikes - spot))


def _crypto_value(smile: Smile, index: float, expiry: Expiry, at: datetime, stress: float) -> Valuation:
    tau = max((expiry.expires_at - at).total_seconds() / YEAR_SECONDS, SETTLED_TAU)
    forward = round(index * float(np.exp(CRYPTO_BASIS * tau)), 4)
    # Deribit gives its mark volatility in percent with two digits: what it gives is what it marks with.
    vol = np.round(smile_vol(smile, np.log(expiry.strikes / forward), tau, stress), 4)
    return value(index, forward, expiry.strikes, vol, tau, 0.0)


def _crypto_path(product: CryptoProduct) -> Path:
    # One path per coin: BTC and BTC_USDC follow the same index.
    return crypto_path(product.base, product.anchor, product.annual_vol)


@lru_cache(maxsize=4096)
def _delivery_price(product: CryptoProduct, at: datetime) -> float:
    """The average index over the half hour before 08:00 UTC (venues §1.5)."""
    path, clock = _crypto_path(product), crypto_clock(at)
    window = [path.around_the_clock(clock - minutes / 1440) for minutes in range(30, 0, -3)]
    return round(float(np.mean(window)), product.spot_digits)
