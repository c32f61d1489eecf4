"""Every kind of fault that the venue double has, with arguments and settings that keep each quick."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from flows.demo.venues.faults import KINDS
from flows.demo.venues.server import WIRES

SHORT = {"TIMEOUT_S": "0.6"}  # the double holds replies for longer
SMALL = {"MAX_RESPONSE_MB": "6"}  # more than any reply needs, but for SPX of Cboe, whose chain is larger
INTEREST = {"cboe": "open_interest", "deribit": "open_interest", "bybit": "openInterest", "okx": "oi", "binance": "sumOpenInterest"}


@dataclass(frozen=True)
class FaultKind:
    """One kind of fault; of each venue, the argument lists that it may have."""

    kind: str
    arguments: tuple[str, ...] = ("",)
    settings: Mapping[str, str] | None = None
    venues: tuple[str, ...] = tuple(WIRES)

    def is_of(self, venue: str) -> bool:
        """Whether the venue can do it."""
        return venue in self.venues

    def spec(self, venue: str, dice: random.Random) -> str:
        """A fault as the double reads it."""
        field = INTEREST[venue]
        return f"{venue}:{self.kind}" + dice.choice(self.arguments).replace("FIELD", field)

    def variables(self, venue: str) -> dict[str, str]:
        """Settings of the venue in a run with this fault."""
        return {f"STRIKEHOUSE_SOURCES__{venue.upper()}__{name}": value for name, value in (self.settings or {}).items()}


FAULTS = (
    FaultKind("server_error", (":1", ":all:503", ":2:500", ":1:502")),
    FaultKind("rate_limit", (":1", ":1:seconds:0.1", ":1:date:1", ":all:seconds:2")),
    FaultKind("rate_limit", (":1:200", ":all:200"), venues=("deribit", "okx")),
    FaultKind("rate_limit", (":1:403",), venues=("bybit",)),
    FaultKind("rate_limit", (":1:418",), venues=("binance",)),
    FaultKind("garbage", (":1", ":all")),
    FaultKind("reset", (":1", ":1:mid", ":all", ":all:mid")),
    FaultKind("huge", (":8:chunked:1", ":8:length:1", ":20:gzip:1"), SMALL),
    FaultKind("timeout", (":1:1", ":1:all"), SHORT),
    FaultKind("slow_drip", (":1:1", ":0.3:all"), SHORT),
    FaultKind("truncate", (":length", ":close:1", ":chunked", ":short", ":length:1")),
    FaultKind("empty_chain", ("", ":1")),
    FaultKind("half_chain", ("", ":0.2", ":0.9")),
    FaultKind("one_side_gone", (":C", ":P")),
    FaultKind("null_oi", ("", ":0.3")),
    FaultKind("negative_oi", ("", ":0.6")),
    FaultKind("absurd_oi", ("", ":0.01:9.9e9", ":0.2:3e11")),
    FaultKind("no_iv_no_price", ("", ":0.3")),
    FaultKind("drop_field", (":FIELD",)),
    FaultKind("rename_field", (":FIELD:renamed",)),
    FaultKind("string_numbers"),
    FaultKind("string_nan", ("", ":open_interest:0.3:bare")),
    FaultKind("duplicate_rows", ("", ":0.2:conflict")),
    FaultKind("old_session", ("", ":1")),
    FaultKind("clock_skew", (":-900", ":45", ":7200")),
)
assert {fault.kind for fault in FAULTS} == set(KINDS), "every kind that the double has"
