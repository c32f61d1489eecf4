"""How much of a session is left: opening, close, early closes, holidays, and markets that never close."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tests.conftest import Demo
from tests.warehouse.api.serving import api_settings
from warehouse.api.flashalpha.chain import Chain, Moment
from warehouse.api.flashalpha.exposure.summary import hedge
from warehouse.api.flashalpha.session import session_of
from warehouse.client.warehouse import Warehouse

NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture(scope="module")
def taken(demo: Demo) -> Iterator[Callable[..., Chain]]:
    """A chain as if it had been captured at a New York time."""
    with Warehouse(demo.home) as wh:

        def at(*local: int, market: str = "us", spot: float = 100.0) -> Chain:
            captured = datetime(*local, tzinfo=NEW_YORK)  # type: ignore[misc]
            naive = captured.astimezone(UTC).replace(tzinfo=None)
            when = Moment(wh, api_settings(), None, naive)
            return Chain(when, {"underlying": "SPY", "market": market, "captured_at": naive, "local_date": captured.date(), "spot": spot})

        yield at


@pytest.mark.parametrize(
    ("local", "is_open", "hours_left", "elapsed_pct"),
    [
        ((2026, 11, 13, 13, 30), True, 2.5, 100 * 4 / 6.5),
        ((2026, 11, 13, 9, 30), True, 6.5, 0),
        ((2026, 11, 13, 9, 29), False, 0, 0),
        ((2026, 11, 13, 16, 0), False, 0, 100),
        ((2026, 11, 13, 20, 0), False, 0, 100),
        ((2026, 11, 14, 12, 0), False, 0, 100),  # Saturday
        ((2026, 11, 26, 12, 0), False, 0, 100),  # Thanksgiving
        ((2026, 11, 27, 12, 0), True, 1, 100 * 2.5 / 3.5),  # closes at 13:00
        ((2026, 7, 13, 15, 30), True, 0.5, 100 * 6 / 6.5),  # summer time
    ],
)
def test_a_us_session(taken: Callable[..., Chain], local: tuple[int, ...], is_open: bool, hours_left: float, elapsed_pct: float) -> None:
    session = session_of(taken(*local), None)
    assert (session.is_open, session.hours_left) == (is_open, hours_left)
    assert session.elapsed_pct == pytest.approx(elapsed_pct)


@pytest.mark.parametrize(("minute", "is_ending"), [(54, False), (55, True), (59, True)])
def test_a_session_ends_within_five_minutes(taken: Callable[..., Chain], minute: int, is_ending: bool) -> None:
    assert session_of(taken(2026, 11, 13, 15, minute), None).is_ending is is_ending


def test_crypto_counts_to_its_settlement(taken: Callable[..., Chain]) -> None:
    chain = taken(2026, 11, 14, 21, 0, market="crypto")  # 02:00 UTC of the 15th
    session = session_of(chain, datetime(2026, 11, 15, 8))
    assert (session.is_open, session.hours_left, session.elapsed_pct) == (True, 6.0, 75.0)
    assert session_of(chain, datetime(2026, 12, 25, 8)).elapsed_pct == 0


def test_dealers_with_long_gamma_sell_rallies_and_buy_dips(taken: Callable[..., Chain]) -> None:
    chain = taken(2026, 11, 13, 13, 30, spot=601.2)
    up, down = (hedge(chain, 461859613.0, move) for move in (0.01, -0.01))
    assert (up.dealer_shares_to_trade, up.direction) == (-768230, "sell") and (down.dealer_shares_to_trade, down.direction) == (
        768230,
        "buy",
    )
    assert up.notional_usd == down.notional_usd == pytest.approx(461859876)
    signed = hedge(chain, 173359600.0, 0.001, is_signed=True)
    assert (signed.dealer_shares_to_trade, round(signed.notional_usd)) == (-28836, -17336203), "the contract's own figures"
