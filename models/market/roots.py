"""Option roots of the US market: their underlying, settlement time and exercise style.

definitions §1 (companion roots are an allow-list) and the exchanges' contract specifications (AM and PM settlement).
"""

from __future__ import annotations

# Weekly classes that a venue lists inside the parent's chain. Any other root that differs from the symbol is an adjusted contract.
COMPANION_ROOTS: dict[str, frozenset[str]] = {
    "SPX": frozenset({"SPXW"}),
    "NDX": frozenset({"NDXP"}),
    "RUT": frozenset({"RUTW"}),
    "VIX": frozenset({"VIXW"}),
}

# Symbols of cash-settled European indices; the Cboe feed writes them with a leading underscore.
INDEX_SYMBOLS = frozenset({"SPX", "VIX", "NDX", "RUT", "XSP", "DJX", "MRUT", "XND", "NANOS"})
# OEX is an index too, but its options are American.
AMERICAN_INDEX_SYMBOLS = frozenset({"OEX"})
INDEX_UNDERLYINGS = INDEX_SYMBOLS | AMERICAN_INDEX_SYMBOLS

# Settled by an opening quotation at 09:30 New York on the expiry date; every other US root settles at the session's close.
AM_SETTLED_ROOTS = frozenset({"SPX", "NDX", "RUT", "DJX", "VIX", "VIXW"})


def is_adjusted(root: str, underlying: str) -> bool:
    """Whether a root denotes a non-standard deliverable of the underlying (definitions §1)."""
    return root != underlying and root not in COMPANION_ROOTS.get(underlying, frozenset())


def exercise_of(underlying: str) -> str:
    """`european` for index options except OEX, else `american`."""
    return "european" if underlying in INDEX_SYMBOLS else "american"
