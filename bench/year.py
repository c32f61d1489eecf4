"""A year of daily snapshots of twelve underlyings: chains of the synthetic market, archived as runs and rebuilt through the real pipeline.

Twelve products of one market, each with an expiry on every session (so every snapshot has 0DTE), captured at 17:00 UTC, in the session.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time
from pathlib import Path

from bench.prepare import archive_run
from flows.demo.market.market import Market
from flows.demo.market.products import INDEX_ANCHOR, SPX, SPY, US_PRODUCTS, Band, Kind, UsProduct
from flows.demo.market.sessions import session
from flows.demo.venues.cboe import Cboe
from flows.history.rebuild import EVERY_SESSION, rebuild
from warehouse.archive.runs import run_ids
from warehouse.home.paths import Home
from warehouse.settings import Settings

CAPTURED = time(17)  # UTC: in the session all year round, also where it closes early
SESSIONS, LAST_SESSION = 252, 4
NAMES = ("SPY", "QQQ", "IWM", "DIA", "AAPL", "NVDA", "TSLA", "MSFT", "AMZN", "META", "GOOGL")
WHOLE = "whole"  # written last


def year_home(root: Path, sessions: int = SESSIONS) -> Home:
    """The home in a folder, built there unless it was before; 300 to 550 contracts a snapshot, SPX 1,100."""
    home = Home(root)
    if (root / WHOLE).exists() and int((root / WHOLE).read_text()) == sessions:
        return home
    home.prepare()
    products = twelve_products()
    US_PRODUCTS.update({product.feed_symbol: product for product in products})
    there = len(run_ids(home))  # of a build that was stopped
    for number in range(LAST_SESSION - sessions + 1 + there, LAST_SESSION + 1):
        at = datetime.combine(session(number).date, CAPTURED, UTC)
        market = Market(now=at)
        archive_run(home, at, {product.symbol: _reply(market, product) for product in products})
    rebuild(home, Settings(), sessions=EVERY_SESSION, progress=lambda run_id: print(run_id, flush=True))
    (root / WHOLE).write_text(str(sessions))
    return home


def twelve_products() -> tuple[UsProduct, ...]:
    """An index and eleven funds or stocks, at levels of their own on the market's one path."""
    index = replace(SPX, kinds={("SPX", "quarterly"): Kind(130, 4_000_000, _bands(100)), **_kinds("SPXW", 5)})
    others = []
    for number, name in enumerate(NAMES):
        share = (300 + 37 * number) / INDEX_ANCHOR
        others.append(
            replace(
                SPY,
                symbol=name,
                feed_symbol=name,
                data_symbol=name,
                spot_per_index=share,
                kinds=_kinds(name, 0.5 if number < 3 else 1.0),
                roundness={name: SPY.roundness["SPY"]},
                day_trading={name: SPY.day_trading["SPY"]},
            )
        )
    return (index, *others)


def _kinds(root: str, step: float) -> dict[tuple[str, str], Kind]:
    """Dailies for a week, weeklies for a month, and longer ones, on strikes of multiples of a step."""
    return {
        (root, "daily"): Kind(6, 400_000, (Band(2 * step, 0.012, 0.012),)),
        (root, "weekly"): Kind(25, 800_000, _bands(5 * step)),
        (root, "monthly" if root != "SPXW" else "third_friday"): Kind(60, 2_900_000, _bands(10 * step)),
        (root, "quarterly" if root != "SPXW" else "month_end"): Kind(90, 3_600_000, _bands(10 * step)),
    }


def _bands(step: float) -> tuple[Band, ...]:
    return (Band(step, 0.04, 0.03), Band(4 * step, 0.15, 0.10))


def _reply(market: Market, product: UsProduct) -> bytes:
    return Cboe().answer(market, f"/api/global/delayed_quotes/options/{product.feed_symbol}.json", {}).body
