"""/v1/exposure/zero-dte/{symbol}: the expiration of today, or any other, close up."""

from __future__ import annotations

from datetime import UTC, date

from fastapi import Request

from warehouse.api.flashalpha.chain import Chain, OfChain
from warehouse.api.flashalpha.convert import day, instant, known, share_pct
from warehouse.api.flashalpha.exposure.summary import net_exposures
from warehouse.api.flashalpha.parameters import Expiry, StrikeRange, read_date
from warehouse.api.flashalpha.session import Session, session_of
from warehouse.api.flashalpha.zero_dte.context import decay_of, liquidity_of, metadata_of, vol_context_of
from warehouse.api.flashalpha.zero_dte.models import NoZeroDte, ZeroDte, ZeroDteExposures
from warehouse.api.flashalpha.zero_dte.sections import Closeup, flow_of, hedging_of, levels_of, move_of, pin_risk_of, regime_of
from warehouse.api.flashalpha.zero_dte.strikes import in_window, strike_rows, strikes_of


def zero_dte(request: Request, chain: OfChain, strike_range: StrikeRange = 0.03, expiry: Expiry = None) -> ZeroDte | NoZeroDte:
    """0DTE, or the expiration asked for; `strike_range` narrows `strikes` only. The age of the newest answer is that of the second."""
    if chain.when.at is None:
        request.state.second = int(chain.when.now.replace(tzinfo=UTC).timestamp())  # how old the data are changes with the clock
    settlement_date = read_date("expiry", expiry)
    if settlement_date is None:
        dates = chain.zero_dte_dates
        if not dates:
            return _nothing_today(chain)
        settlement_date = dates[0]
    return _answer(chain, settlement_date, session_of(chain, chain.expires_at(settlement_date)), strike_range)


def _answer(chain: Chain, expiry: date, session: Session, strike_range: float) -> ZeroDte:
    frame, settlement = strikes_of(chain, expiry), chain.settlement(expiry)
    window = in_window(frame, chain.spot, strike_range)
    near = Closeup(
        chain=chain,
        expiry=expiry,
        session=session,
        frame=frame,
        levels=chain.levels(expiry),
        settlement=settlement,
        exposures=net_exposures([settlement]),
    )
    answer = ZeroDte(
        **chain.head(),
        expiration=day(expiry),
        market_open=session.is_open,
        time_to_close_hours=round(session.hours_left, 4),
        time_to_close_pct=round(session.elapsed_pct, 1),
        regime=regime_of(near),
        exposures=_exposures(near),
        expected_move=move_of(near),
        pin_risk=pin_risk_of(near),
        hedging=hedging_of(near),
        decay=decay_of(near),
        vol_context=vol_context_of(near),
        flow=flow_of(near),
        levels=levels_of(near),
        liquidity=liquidity_of(near, window),
        metadata=metadata_of(near, window),
        strikes=strike_rows(chain, expiry, frame, window),
    )
    if session.is_ending:
        answer.warnings = ["The session closes within 5 minutes: greeks are unstable."]
    return answer


def _exposures(near: Closeup) -> ZeroDteExposures:
    total = near.chain.levels()["net_gex_usd_1pct"]
    return ZeroDteExposures(
        **{name: known(value) for name, value in near.exposures.items()},
        pct_of_total_gex=share_pct(near.exposures["net_gex"], total),
        total_chain_net_gex=known(total),
    )


def _nothing_today(chain: Chain) -> NoZeroDte:
    session = session_of(chain, None)
    today: date = chain.snapshot["local_date"]
    following: date | None = min((row["expiry"] for row in chain.instants), default=None)  # live ones: none of them is of today
    then = f" Next expiry: {following}." if following else ""
    return NoZeroDte(
        symbol=chain.symbol,
        underlying_price=chain.spot,
        expiration=None,
        as_of=instant(chain.captured_at) or "",
        market_open=session.is_open,
        no_zero_dte=True,
        message=f"No 0DTE expiry for {chain.symbol} today ({today:%A}).{then}",
        next_zero_dte_expiry=day(following) if following else None,
        data_as_of=chain.feeds(),
    )
