"""A terminal dashboard as users of the vendor's client write it: everything through `FlashAlpha`, only the base URL is ours.

`python -m tests.warehouse.api.dashboard http://127.0.0.1:8000 SPX SPY BTC` prints the pain curve, open interest by strike, the calendar and
the dealers' alignment of the first symbol, then a scanner over all of them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from flashalpha import FlashAlpha, FlashAlphaError

BARS = 40


def bar(value: float, largest: float) -> str:
    """A bar of at most `BARS` marks."""
    return "#" * round(BARS * value / largest) if largest else ""


def pain_curve(body: dict[str, Any], rows: int = 9) -> list[str]:
    """Total pain at the strikes around max pain."""
    curve = body["pain_curve"]
    at = next(index for index, one in enumerate(curve) if one["strike"] == body["max_pain_strike"])
    shown = curve[max(0, at - rows // 2) : at + rows // 2 + 1]
    largest = max(one["total_pain"] for one in shown)
    marks = {body["max_pain_strike"]: " <- max pain"}
    return [f"{one['strike']:>10,.2f} {bar(one['total_pain'], largest)}{marks.get(one['strike'], '')}" for one in shown]


def open_interest(body: dict[str, Any], rows: int = 8) -> list[str]:
    """The strikes with the most open interest."""
    top = sorted(body["oi_by_strike"], key=lambda one: -one["total_oi"])[:rows]
    return [
        f"{one['strike']:>10,.2f} calls {one['call_oi']:>12,} puts {one['put_oi']:>12,}"
        for one in sorted(top, key=lambda one: one["strike"])
    ]


def strike(value: float | None) -> str:
    """A strike; `-` for an expiration in which nobody holds anything."""
    return "-" if value is None else f"{value:,.2f}"


def calendar(body: dict[str, Any]) -> list[str]:
    """Max pain per expiration."""
    return [
        f"{one['expiration']} {one['dte']:>4} days {strike(one['max_pain_strike']):>10} {one['total_oi']:>14,}"
        for one in body["max_pain_by_expiration"]
    ]


def alignment(body: dict[str, Any]) -> list[str]:
    """How max pain stands to the dealers' levels."""
    dealers, move = body["dealer_alignment"], body["expected_move"]
    flip = "-" if dealers["gamma_flip"] is None else f"{dealers['gamma_flip']:,.2f}"
    return [
        f"{dealers['alignment'].upper()}: {dealers['description']}",
        f"flip {flip} call wall {dealers['call_wall']:,.2f} put wall {dealers['put_wall']:,.2f} regime {body['regime']}",
        f"straddle {move['straddle_price']:,.2f} IV {move['atm_iv']:.1f} % within range {move['max_pain_within_expected_range']}",
    ]


def scan(fa: FlashAlpha, symbols: Sequence[str]) -> list[str]:
    """The watchlist by pin probability; a symbol that fails does not stop the others."""
    rows = []
    for symbol in symbols:
        try:
            body = fa.max_pain(symbol)
            levels = fa.exposure_levels(symbol)["levels"]
        except FlashAlphaError as error:
            rows.append((-1, f"{symbol:<6} {error}"))
            continue
        pin = body["pin_probability"] or 0
        away = f"{body['distance']['percent']:.2f} % {body['distance']['direction']}"
        rows.append(
            (
                pin,
                f"{symbol:<6} pin {pin:>3} max pain {body['max_pain_strike']:>10,.2f} {away:<14} {body['signal']:<8} walls {levels['put_wall']:,.0f}/{levels['call_wall']:,.0f}",
            )
        )
    return [text for _, text in sorted(rows, key=lambda row: -row[0])]


def render(base_url: str, symbols: Sequence[str], *, key: str = "any-key") -> str:
    """The whole dashboard."""
    fa = FlashAlpha(key, base_url=base_url)
    body: Any = fa.max_pain(symbols[0])
    front: Any = fa.max_pain(symbols[0], expiration=body["expiration"])
    parts = {
        f"{body['symbol']} at {body['underlying_price']:,.2f}, {body['as_of']}": pain_curve(body),
        f"Front expiration {front['expiration']}": pain_curve(front),
        "Open interest": open_interest(body),
        "Calendar": calendar(body),
        "Dealers": alignment(body),
        "Scanner": scan(fa, symbols),
    }
    return "\n\n".join("\n".join((title, *lines)) for title, lines in parts.items())


if __name__ == "__main__":
    print(render(sys.argv[1], sys.argv[2:]))
