"""How each venue is asked: address, pace, and what its documentation leaves open."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from warehouse.settings.base import CommaSeparated, SettingsPart


class SourceSettings(SettingsPart):
    """How one venue is asked: address and politeness."""

    base_url: str
    max_requests_per_second: float = Field(gt=0)
    timeout_s: float = Field(default=20.0, gt=0)
    max_attempts: int = Field(default=4, ge=1)
    max_wait_s: float = Field(default=30.0, ge=0)  # a venue that asks for a longer rest fails at once
    max_response_mb: float = Field(default=100.0, gt=0)


class CboeSettings(SourceSettings):
    """Cboe: whole chains of US equities and indices, 15 minutes late."""

    base_url: str = "https://cdn.cboe.com"
    max_requests_per_second: float = Field(default=1.0, gt=0)  # no published tolerance
    timeout_s: float = Field(default=60.0, gt=0)  # SPX is a 13 MB reply


class DeribitSettings(SourceSettings):
    """Deribit: BTC and ETH inverse books, and the USDC book."""

    base_url: str = "https://www.deribit.com"
    max_requests_per_second: float = Field(default=5.0, gt=0)  # the unauthenticated limit is undisclosed
    instruments_per_second: float = Field(default=1.0, gt=0, le=1.0)  # get_instruments has a limit of its own


class BybitSettings(SourceSettings):
    """Bybit: a coin with all its contracts, settled in USDC and in USDT."""

    base_url: str = "https://api.bybit.com"
    max_requests_per_second: float = Field(default=10.0, gt=0)
    option_oi_sides: int = Field(default=1, ge=1, le=2)  # whether open interest counts one side of a trade or both is not said for options
    underlying_price: Literal["forward", "index"] = "forward"  # what underlyingPrice is; as an index it gives no forward, and parity does


class OkxSettings(SourceSettings):
    """OKX: families, coin-margined and USD-margined."""

    base_url: str = "https://www.okx.com"  # two documented hosts; all libraries use this one
    max_requests_per_second: float = Field(default=4.0, gt=0)  # mark-price allows 5
    inverse_premium: Literal["forward", "index"] = "forward"  # the price in USD that a premium in coin is taken times
    coin_margined: CommaSeparated = ("BTC", "ETH")  # underlyings with such a family, beside the USD-margined one that all have


class BinanceSettings(SourceSettings):
    """Binance: options settled in USDT."""

    base_url: str = "https://eapi.binance.com"
    max_requests_per_second: float = Field(default=5.0, gt=0)
    # What sumOpenInterest counts is not clear where a contract is several coins (XRP, DOGE): by its value in USD, or stated here.
    oi_basis: Literal["usd_over_index", "coins", "contracts"] = "usd_over_index"
    ticker_weight_all: int = Field(default=40, ge=1)  # of 2400 a minute; older documentation says 5


class Sources(SettingsPart):
    """All venues."""

    cboe: CboeSettings = CboeSettings()
    deribit: DeribitSettings = DeribitSettings()
    bybit: BybitSettings = BybitSettings()
    okx: OkxSettings = OkxSettings()
    binance: BinanceSettings = BinanceSettings()
