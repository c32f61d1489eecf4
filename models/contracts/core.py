"""Contracts of the `core` tables: captured data, and model results."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from models.chain import ParsedQuotes

USD = {"unit": "USD"}
BASE = {"unit": "base"}  # units of the underlying: coins, or shares
PERCENT = {"unit": "percent"}
FRACTION = {"unit": "fraction"}


class SnapshotKey(dy.Schema):
    """Which snapshot a row belongs to."""

    snapshot_id = dy.String(primary_key=True, description="<underlying>-<captured_at>")


class SnapshotRow(SnapshotKey):
    """What every row of a snapshot carries."""

    underlying = dy.String(description="what the option is on: SPX, SPY, BTC …")
    captured_at = dy.Datetime(description="instant of the snapshot, UTC: the median instant of its venues, cut to seconds")
    session_date = dy.Date(description="US: trading session of the quotes; crypto: UTC date of captured_at")


class Snapshots(SnapshotRow):
    """Snapshots of an underlying that have at least one usable venue. One row per snapshot_id."""

    market = dy.String(description="us or crypto")
    local_date = dy.Date(description="date of captured_at in the market's zone: New York, or UTC for crypto")
    spot = dy.Float64(nullable=True, description="median spot of the usable venues", metadata=USD)
    status = dy.String(description="complete, or partial when a venue that was asked is missing or gave only a part of its chain")
    venues = dy.String(description="usable venues, comma-separated, sorted")
    venues_missing = dy.String(description="venues asked and not usable, comma-separated, sorted; empty when none")
    venue_spread_seconds = dy.Float64(min=0, description="time between the first and the last venue instant", metadata={"unit": "seconds"})
    origin = dy.String(description="live or import")
    oi_hash = dy.String(description="hash of the open-interest vector over venue and instrument")
    quotes_hash = dy.String(description="hash of everything else that was quoted, and of the spot")
    is_repeat = dy.Bool(description="an earlier snapshot has the same session_date and the same open interest")
    quotes_changed = dy.Bool(nullable=True, description="for a repeat: whether anything but the open interest differs from that snapshot")
    settings_hash = dy.String(description="hash of the settings that change numbers")
    run_id = dy.String(description="the run that fetched it")


class SnapshotVenues(SnapshotKey):
    """What each venue gave to a snapshot. One row per snapshot_id, venue."""

    venue = dy.String(primary_key=True, description="deribit, bybit, okx, binance or cboe")
    underlying = dy.String(description="what the option is on")
    market = dy.String(description="us or crypto")
    origin = dy.String(description="live or import")
    status = dy.String(description="ok, failed, rejected or empty")
    captured_at = dy.Datetime(nullable=True, description="the venue's own instant, UTC; null when it gave none")
    received_at = dy.Datetime(nullable=True, description="when the last of its replies arrived, UTC")
    session_date = dy.Date(nullable=True, description="US: trading session of the quotes; crypto: UTC date of captured_at")
    spot = dy.Float64(nullable=True, description="the venue's spot", metadata=USD)
    spot_source = dy.String(nullable=True, description="close, current_price or index; when imported also last or file")
    spot_current = dy.Float64(nullable=True, description="US: current_price, after-hours trades included", metadata=USD)
    spot_close = dy.Float64(nullable=True, description="US: official close of the session", metadata=USD)
    prev_day_close = dy.Float64(nullable=True, description="US: close of the session before", metadata=USD)
    spot_implied = dy.Float64(
        nullable=True, description="spot that the nearest put–call parity forward implies: F·e^(−r·tau)", metadata=USD
    )
    spot_basis_bp = dy.Float64(nullable=True, description="spot_implied against spot", metadata={"unit": "basis points"})
    contracts = dy.Int64(nullable=True, min=0, description="listed contracts, settled and adjusted ones included")
    live_contracts = dy.Int64(nullable=True, min=0, description="contracts that settle after the snapshot and are not adjusted")
    oi_base_total = dy.Float64(nullable=True, min=0, description="open interest of all listed contracts", metadata=BASE)
    rejected_rows = dy.Int64(nullable=True, min=0, description="rows that the parser refused; see ops.rejected_rows")
    oi_as_of = dy.Date(nullable=True, description="US: session at whose close the open interest was taken; crypto: UTC date of captured_at")
    error = dy.String(nullable=True, description="why it is not ok: the error, or the name of the check")
    incomplete_reason = dy.String(
        nullable=True, description="why its chain is only a part of what is listed, such as a near-the-money download; null otherwise"
    )
    content_hash = dy.String(nullable=True, description="hash of the replies that it was read from")
    run_id = dy.String(description="the run that fetched it")


class OptionQuotes(SnapshotKey, ParsedQuotes):
    """Every listed contract as its venue quoted it. One row per snapshot_id, venue, instrument."""

    venue = dy.String(primary_key=True, description="who lists it")
    underlying = dy.String(description="what the option is on")
    is_live = dy.Bool(description="settles after captured_at and is not adjusted; only live contracts enter marts")
    quoted_at = dy.Datetime(description="instant from which time to settlement is measured, UTC")


class OptionGreeks(SnapshotKey):
    """Forward, volatility, greeks and USD exposures of each live contract. One row per snapshot_id, venue, instrument.

    The exposures carry the signs of the `std` scenario: calls +1, puts −1.
    """

    venue = dy.String(primary_key=True, description="who lists it")
    instrument = dy.String(primary_key=True, description="as its venue names it")
    forward = dy.Float64(nullable=True, description="forward of its venue, book and expiry", metadata=USD)
    forward_source = dy.String(nullable=True, description="venue, parity, cross_venue or carry")
    tau = dy.Float64(description="time to settlement, ACT/365, not floored", metadata={"unit": "years"})
    iv = dy.Float64(nullable=True, description="one per strike, of the out-of-the-money side; annualised", metadata=FRACTION)
    iv_source = dy.String(nullable=True, description="where the volatility comes from")
    iv_reason = dy.String(nullable=True, description="why there is none")
    delta = dy.Float64(nullable=True, description="Black-76 with respect to spot")
    gamma = dy.Float64(nullable=True, description="Black-76 with respect to spot", metadata={"unit": "1/USD"})
    vega = dy.Float64(nullable=True, description="per 1.00 of volatility", metadata=USD)
    theta = dy.Float64(nullable=True, description="per calendar day", metadata=USD)
    vanna = dy.Float64(nullable=True, description="change of delta per 1.00 of volatility")
    charm = dy.Float64(nullable=True, description="change of delta per year of passing time")
    gex_usd_1pct = dy.Decimal(18, 2, nullable=True, description="gamma exposure per 1 % move", metadata=USD)
    dex_usd = dy.Decimal(18, 2, nullable=True, description="delta exposure", metadata=USD)
    vex_usd_1vol = dy.Decimal(18, 2, nullable=True, description="vanna exposure per volatility point", metadata=USD)
    chex_usd_day = dy.Decimal(18, 2, nullable=True, description="charm exposure per calendar day", metadata=USD)


class Scopes(SnapshotKey):
    """Which venues a published number covers. One row per snapshot_id, scope_venue."""

    scope_venue = dy.String(primary_key=True, description="all, or one venue")
    market = dy.String(description="us or crypto")
    underlying = dy.String(description="what the option is on")
    captured_at = dy.Datetime(description="instant of the snapshot, UTC")
    session_date = dy.Date(description="trading session of the quotes")
    local_date = dy.Date(description="date of captured_at in the market's zone")
    venues = dy.String(description="venues covered, comma-separated, sorted")
    spot = dy.Float64(nullable=True, description="median spot of these venues", metadata=USD)


class Series(SnapshotKey):
    """Expiries of a scope, and its pool of all live expiries. One row per snapshot_id, scope_venue, series_id."""

    scope_venue = dy.String(primary_key=True, description="all, or one venue")
    series_id = dy.Int64(
        primary_key=True,
        min=1,
        description="narrow key: hash of the snapshot, then the dense number of the series in it, by scope_venue and expires_at",
    )
    kind = dy.String(description="expiry, or pooled (all live expiries together)")
    expires_at = dy.Datetime(nullable=True, description="settlement instant, UTC; null for the pool")
    expiry = dy.Date(nullable=True, description="calendar date of expires_at in the market's zone; null for the pool")
    dte = dy.Int32(nullable=True, min=0, description="US: calendar days; crypto: whole days of 24 hours", metadata={"unit": "days"})
    is_zero_dte = dy.Bool(nullable=True, description="belongs to the 0DTE profile")
    oi_scale = dy.Float64(description="power of ten that makes its open interest whole")
    strike_scale = dy.Float64(description="power of ten that makes its strikes whole")


class OiByStrike(SnapshotKey):
    """Open interest on each listed strike of a series. One row per snapshot_id, series_id, strike."""

    series_id = dy.Int64(primary_key=True, min=1, description="see core.series")
    strike = dy.Float64(primary_key=True, description="strike", metadata=USD)
    call_oi = dy.Float64(nullable=True, min=0, description="open interest of calls; null when no venue says", metadata=BASE)
    put_oi = dy.Float64(nullable=True, min=0, description="open interest of puts; null when no venue says", metadata=BASE)
    call_lots = dy.Int64(min=0, description="call_oi × oi_scale, 0 when null")
    put_lots = dy.Int64(min=0, description="put_oi × oi_scale, 0 when null")
    strike_ticks = dy.Int64(min=0, description="strike × strike_scale")


class ExpiryType(dy.Schema):
    """What kind of expiry a settlement instant is, by the date and the market's rules."""

    type = dy.String(description="daily, weekly, monthly, quarterly or unknown")
    is_anchor = dy.Bool(description="monthly or quarterly")
    is_month_end = dy.Bool(description="last session (crypto: day) of its month")
    is_quarter_end = dy.Bool(description="last session (crypto: day) of its quarter")
    is_am_settled = dy.Bool(description="settles by an opening quotation at 09:30 New York")
    is_triple_witching = dy.Bool(description="a US quarterly")
    is_holiday_shifted = dy.Bool(description="the regular day is a holiday")
    is_vix_settlement = dy.Bool(description="VIX futures and options settle on this date")


class SettlementInstant(dy.Schema):
    """When options of a market settle."""

    market = dy.String(primary_key=True, description="us or crypto")
    expires_at = dy.Datetime(primary_key=True, description="settlement instant, UTC")
    expiry = dy.Date(description="calendar date of expires_at in the market's zone")


class Calendar(SettlementInstant, ExpiryType):
    """Type and flags of every settlement instant that the rules foresee until 2040, and of others seen. One row per market, expires_at."""


class Sessions(dy.Schema):
    """Regular sessions of the US market (XNYS), 2000 to 2040. One row per session_date."""

    session_date = dy.Date(primary_key=True, description="New York date")
    opens_at = dy.Datetime(description="opening, UTC")
    closes_at = dy.Datetime(description="close, UTC")
    is_early_close = dy.Bool(description="closes at 13:00 New York")


class ListingRules(dy.Schema):
    """Which scheduled expiries an underlying lists, for calendars without a chain. One row per market, underlying."""

    market = dy.String(primary_key=True, description="us or crypto")
    underlying = dy.String(primary_key=True, description="what the option is on; * for every other of the market")
    closes = dy.String(description="every (session, crypto: day), week_end (the last session of a week), or none")
    mornings = dy.String(description="09:30 New York of third_friday, of vix settlement days, or none")


class Parameters(dy.Schema):
    """The settings that SQL reads. One row."""

    settings_hash = dy.String(primary_key=True, description="hash of the settings that change numbers")
    level_min_share = dy.Float64(description="a wall needs this share of the profile's largest |net|")
    min_live_share_of_previous = dy.Float64(description="live contracts against the venue's snapshot before")
    max_gone_expiries_share = dy.Float64(description="expiries of the venue's snapshot before that may be missing")
    spot_outlier_pct = dy.Float64(description="a venue's spot this far from the median is named", metadata={"unit": "percent"})
    previous_max_age_days = dy.Float64(description="how old that snapshot may be", metadata={"unit": "days"})
    thin_contracts = dy.Float64(
        description="US: an expiry with less open interest has no shape and no pin score", metadata={"unit": "contracts"}
    )
    thin_coins = dy.Float64(description="crypto: the same", metadata={"unit": "coins"})
    flat_depth = dy.Float64(description="a pain curve less deep is flat", metadata=FRACTION)
    v_depth = dy.Float64(description="a narrow pain curve at least this deep is a v", metadata=FRACTION)
    skewed_asymmetry = dy.Float64(description="a pain curve this lopsided is skewed")
    gamma_source = dy.String(description="whose gamma the exposures carry: model, or venue")
    flip_min_strikes = dy.Int32(description="a gamma flip needs so many strikes with open interest on either side of spot")
    flip_min_window_pct = dy.Float64(description="within at least this distance from spot", metadata=PERCENT)
    flip_sensitive_pct = dy.Float64(description="a second root this near to it, in percent of spot, spoils a flip", metadata=PERCENT)


class SignScenarios(dy.Schema):
    """What dealers are assumed to hold. One row per scenario."""

    scenario = dy.String(primary_key=True, description="std, short_both, inverted or gross")
    call_sign = dy.Int8(description="sign of call exposures: +1 dealers are long")
    put_sign = dy.Int8(description="sign of put exposures: +1 dealers are long")
    meaning = dy.String(description="in words")


SIGN_SCENARIOS = pl.DataFrame(
    {
        "scenario": ["std", "short_both", "inverted", "gross"],
        "call_sign": [1, -1, -1, 1],
        "put_sign": [-1, -1, 1, 1],
        "meaning": [
            "dealers are long calls and short puts: what every mart carries",
            "dealers are short calls and puts",
            "dealers are short calls and long puts",
            "no assumption: both sides added",
        ],
    },
    schema_overrides={"call_sign": pl.Int8, "put_sign": pl.Int8},
)

LISTING_RULES = pl.DataFrame(
    [
        *(("crypto", coin, "every", "none") for coin in ("*", "AVAX", "BTC", "ETH", "HYPE", "SOL", "TRX", "XRP")),
        ("us", "*", "week_end", "none"),
        ("us", "IWM", "every", "none"),
        ("us", "NDX", "week_end", "third_friday"),
        ("us", "QQQ", "every", "none"),
        ("us", "RUT", "week_end", "third_friday"),
        ("us", "SPX", "every", "third_friday"),
        ("us", "SPY", "every", "none"),
        ("us", "VIX", "none", "vix"),
    ],
    schema=["market", "underlying", "closes", "mornings"],
    orient="row",
)
