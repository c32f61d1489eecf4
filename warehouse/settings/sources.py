"""Settings of venues: address, request rate, and choices that their documentation leaves open."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from warehouse.settings.base import CommaSeparated, SettingsPart, number


class SourceSettings(SettingsPart):
    """How one venue is asked: address and politeness."""

    base_url: str = Field(description="scheme, host and prefix of the venue's API")
    max_requests_per_second: float = Field(gt=0, description="requests per second, at most")
    timeout_s: float = Field(default=20.0, gt=0, description="seconds until a request gives up")
    max_attempts: int = Field(default=4, ge=1, description="attempts per request, the first included")
    max_wait_s: float = Field(default=30.0, ge=0, description="a venue that demands a longer cooldown fails at once")
    max_response_mb: float = Field(default=100.0, gt=0, description="a larger reply is refused")


class CboeSettings(SourceSettings):
    """Cboe: whole chains of US equities and indices, 15 minutes late."""

    base_url: str = "https://cdn.cboe.com"
    max_requests_per_second: float = Field(default=1.0, gt=0)  # no published tolerance
    timeout_s: float = Field(default=60.0, gt=0)  # SPX is a 13 MB reply


class DeribitSettings(SourceSettings):
    """Deribit: BTC and ETH inverse books, and the USDC book."""

    base_url: str = "https://www.deribit.com"
    max_requests_per_second: float = Field(default=5.0, gt=0)  # the unauthenticated limit is undisclosed
    instruments_per_second: float = Field(default=1.0, gt=0, le=1.0, description="get_instruments has a limit of its own")


class BybitSettings(SourceSettings):
    """Bybit: a coin with all its contracts, settled in USDC and in USDT."""

    base_url: str = "https://api.bybit.com"
    max_requests_per_second: float = Field(default=10.0, gt=0)
    # not documented for options
    option_oi_sides: int = number(1, "whether open interest counts one side of a trade, or both", ge=1, le=2)
    underlying_price: Literal["forward", "index"] = number(
        "forward", "what underlyingPrice is; as an index it gives no forward, and put–call parity does"
    )


class OkxSettings(SourceSettings):
    """OKX: families, coin-margined and USD-margined."""

    base_url: str = "https://www.okx.com"  # two documented hosts; all libraries use this one
    max_requests_per_second: float = Field(default=4.0, gt=0)  # mark-price allows 5
    inverse_premium: Literal["forward", "index"] = number("forward", "price in USD by which a premium in coin is multiplied")
    coin_margined: CommaSeparated = Field(
        default=("BTC", "ETH"), description="underlyings that have a coin-margined family besides the USD-margined one"
    )


class BinanceSettings(SourceSettings):
    """Binance: options settled in USDT."""

    base_url: str = "https://eapi.binance.com"
    max_requests_per_second: float = Field(default=5.0, gt=0)
    # not documented where a contract is several coins (XRP, DOGE)
    oi_basis: Literal["usd_over_index", "coins", "contracts"] = number(
        "usd_over_index", "what sumOpenInterest counts: coins or contracts; or its value in USD, over the index, says it"
    )
    # older documentation says 5
    ticker_weight_all: int = Field(default=40, ge=1, description="weight of a request for all tickers, of 2400 a minute")


class Sources(SettingsPart):
    """All venues."""

    cboe: CboeSettings = CboeSettings()
    deribit: DeribitSettings = DeribitSettings()
    bybit: BybitSettings = BybitSettings()
    okx: OkxSettings = OkxSettings()
    binance: BinanceSettings = BinanceSettings()
