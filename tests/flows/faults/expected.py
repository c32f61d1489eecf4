"""What must come of each fault at each venue: the one table that the tests of this folder go through.

`{holder}` is the part of a path that asks for open interest, `{oi}`, `{key}`, `{rows}`, `{iv}` are the venue's own field names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flows.run.exit_codes import DONE, PARTLY

VENUES = ("cboe", "deribit", "bybit", "okx", "binance")
CRYPTO = VENUES[1:]
WORDS: Mapping[str, Mapping[str, str]] = {
    "cboe": {"holder": "options", "oi": "open_interest", "key": "option", "rows": "options@options", "iv": "iv"},
    "deribit": {"holder": "book_summary", "oi": "open_interest", "key": "instrument_name", "rows": "result@book_summary", "iv": "mark_iv"},
    "bybit": {"holder": "tickers", "oi": "openInterest", "key": "symbol", "rows": "list@tickers", "iv": "markIv"},
    "okx": {"holder": "open-interest", "oi": "oiCcy", "key": "instId", "rows": "data@open-interest", "iv": "markVol"},
    "binance": {
        "holder": "openInterest", "oi": "sumOpenInterestUsd", "key": "symbol", "rows": "optionSymbols@exchangeInfo", "iv": "markIV",
    },
}  # fmt: skip
ATTEMPTS = 3  # of each request in these tests
# Of the venue's contracts: all as on a good day; some, with open interest unchanged; none of that day; those of another instant.
WHOLE, SOME, NONE, OTHER = "whole", "some", "none", "other"


@dataclass(frozen=True)
class Expected:
    """What comes of one venue on a bad day, and of the whole run when only this venue is bad."""

    status: str = "ok"
    exit_code: int = DONE
    says: tuple[str, ...] = ()  # parts of its error
    hits: int | None = None  # requests that the fault hits: retries are counted, and nobody is asked too often
    archived: bool = True  # the replies that were hit arrived whole, so they are in raw/
    contracts: str = WHOLE
    reasons: tuple[str, ...] = ()  # of refused rows; none of another reason
    warns: str = ""
    rest_s: float = 0.0  # the venue asks for a rest that the next request keeps
    left_alone_s: float = 0.0  # it asks for a longer one, which later runs keep


@dataclass(frozen=True)
class Group:
    """Venues that are bad in one run, and those that are not."""

    bad: tuple[str, ...]
    good: tuple[str, ...]


HALF = (Group(("bybit", "okx"), ("deribit", "binance")), Group(("deribit", "binance"), ("bybit", "okx")))
EACH = tuple(Group((venue,), tuple(name for name in CRYPTO if name != venue)) for venue in CRYPTO)


@dataclass(frozen=True)
class Fault:
    """One fault, for every venue or some, with what is expected and how single venues differ from it."""

    spec: str
    expected: Expected
    but: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # venue → other values of Expected, or its own `spec`
    venues: tuple[str, ...] = VENUES
    settings: Mapping[str, float] = field(default_factory=dict)  # of the bad venues
    groups: tuple[Group, ...] = ()  # runs that show it; empty: any, since venues do not touch each other

    def of(self, venue: str) -> tuple[str, Expected]:
        """The fault as the double wants it, and what is expected of the venue."""
        other = dict(self.but.get(venue, {}))
        spec, words = other.pop("spec", self.spec), WORDS[venue]
        expected = replace(self.expected, **other)
        warns, says = expected.warns.format(**words), tuple(part.format(**words) for part in expected.says)
        return f"{venue}:{spec.format(**words)}", replace(expected, says=says, warns=warns)

    def together(self, index: int) -> list[Group]:
        """As few runs as possible: one in which all its venues are bad but one crypto venue, which by its place in the table is another.

        Cboe's chain is large: where it is read to its end, it takes part in every second run. `alone` has what is left out.
        """
        if self.groups:
            return list(self.groups)
        good = next(venue for venue in (CRYPTO * 2)[index % len(CRYPTO) :] if {venue} != set(self.venues))
        is_left_out = index % 2 == 1 and len(self.venues) > 1 and self.expected.status in ("ok", "rejected")
        left_out = {good, "cboe"} if is_left_out else {good}
        return [Group(tuple(venue for venue in self.venues if venue not in left_out), (good,))]

    def alone(self) -> list[Group]:
        """A run for each venue, in which it alone is bad."""
        return [Group((venue,), ("deribit" if venue != "deribit" else "bybit",)) for venue in self.venues if not self.groups]


def failed(*says: str, **other: Any) -> Expected:
    return Expected("failed", PARTLY, says, **{"contracts": NONE, **other})


def rejected(*says: str, **other: Any) -> Expected:
    return Expected("rejected", PARTLY, says, **{"contracts": SOME, **other})


HURRY = {"timeout_s": 0.6}  # enough for a healthy reply on a busy machine
PATIENT = {"max_wait_s": 3.0}
UNREAD = "could not be read"
PART = ("only a part of the reply", "Try later")
NO_DELIVERY = "no delivery prices of sol_usdc came with the chain"
LONG_REST = ("asks for a rest of 120 s", "is left alone until")

FAULTS: Sequence[Fault] = (
    # What passes costs nothing but time.
    Fault("server_error:2:503@{holder}", Expected(hits=2)),
    Fault("garbage:2@{holder}", Expected(hits=2)),
    Fault("reset:2@{holder}", Expected(hits=2, archived=False)),
    Fault("reset:1:mid@{holder}", Expected(hits=1, archived=False)),
    Fault("truncate:length:1@{holder}", Expected(hits=1, archived=False)),
    Fault("truncate:chunked:1@{holder}", Expected(hits=1, archived=False)),
    Fault("truncate:close:1@{holder}", Expected(hits=1)),
    Fault("truncate:short:2@{holder}", Expected(hits=2)),
    Fault("timeout:1:1@{holder}", Expected(hits=1, archived=False), settings=HURRY),
    Fault("slow_drip:2:1@{holder}", Expected(hits=1, archived=False), settings=HURRY),
    Fault("slow_drip:0.2@{holder}", Expected()),
    # Each venue says "slow down" in its own way.
    Fault(
        "rate_limit:1@{holder}",
        Expected(hits=1),
        but={"bybit": {"spec": "rate_limit:1:plain:0.3@{holder}", "rest_s": 0.25}, "binance": {"rest_s": 1.0}},
        settings=PATIENT,
    ),
    Fault("rate_limit:1:seconds:1@{holder}", Expected(hits=1, rest_s=1.0), settings=PATIENT),
    Fault("rate_limit:1:date:2@{holder}", Expected(hits=1, rest_s=1.0), settings=PATIENT),
    Fault("rate_limit:2:200@{holder}", Expected(hits=2), venues=("deribit", "okx")),
    Fault(
        "rate_limit:all@{holder}",
        failed("Try later", hits=ATTEMPTS),
        but={
            "cboe": {"says": ("its content network blocks the request", "(HTTP 403)", "try later")},
            "deribit": {"says": ("code 10028, too_many_requests", "Try later")},
            "okx": {"says": ("code 50011, Too Many Requests", "Try later")},
            "bybit": {"spec": "rate_limit:all:plain:0.2@{holder}", "says": ("retCode 10006, Too many visits", "Try later")},
            "binance": {"says": ("code -1003, Too many requests", "Try later"), "rest_s": 1.0},
        },
        settings=PATIENT,
    ),
    Fault("rate_limit:all:seconds:120@{holder}", failed(*LONG_REST, hits=1, left_alone_s=120)),
    Fault(
        "rate_limit:all",
        failed(hits=1),
        but={
            "bybit": {
                "spec": "rate_limit:all:403",
                "says": ("HTTP 403", "access too frequent", "asks for a rest of 600 s"),
                "left_alone_s": 600,
            },
            "binance": {"spec": "rate_limit:all:418", "says": ("HTTP 418", "banned", "asks for a rest of 120 s"), "left_alone_s": 120},
        },
        venues=("bybit", "binance"),
    ),
    # What stays fails the venue in one clear line, after so many attempts as make sense.
    Fault("server_error:all:502@{holder}", failed("HTTP 502", "Try later", hits=ATTEMPTS)),
    Fault("garbage:all@{holder}", failed("is a web page and not JSON", "Try later", hits=ATTEMPTS)),
    Fault("reset:all@{holder}", failed(UNREAD, "Check the network, or try later", hits=ATTEMPTS, archived=False)),
    Fault("reset:all:mid@{holder}", failed(UNREAD, "Check the network, or try later", hits=ATTEMPTS, archived=False)),
    Fault("truncate:length@{holder}", failed(UNREAD, "try later", hits=ATTEMPTS, archived=False)),
    Fault("truncate:chunked@{holder}", failed(UNREAD, "try later", hits=ATTEMPTS, archived=False)),
    Fault("truncate:close@{holder}", failed(*PART, hits=ATTEMPTS)),
    Fault("truncate:short@{holder}", failed(*PART, hits=ATTEMPTS)),
    Fault("timeout:1@{holder}", failed("took longer than 0.6 s", "TIMEOUT_S", hits=ATTEMPTS, archived=False), settings=HURRY),
    Fault("slow_drip:4@{holder}", failed("took longer than 0.6 s", "TIMEOUT_S", hits=ATTEMPTS, archived=False), settings=HURRY),
    *(
        Fault(
            f"huge:8:{how}@{{holder}}",
            failed("is larger than 4 MB", "raise STRIKEHOUSE_SOURCES__", "MAX_RESPONSE_MB", hits=1, archived=False),
            settings={"max_response_mb": 4.0},
        )
        for how in ("chunked", "length", "gzip")
    ),
    Fault("huge:2:gzip@{holder}", Expected(), settings={"max_response_mb": 4.0}),
    # Chains that are not there, or not whole.
    Fault(
        "empty_chain",
        Expected("empty", PARTLY, ("the venue lists no contract of it",), contracts=NONE),
        but={"deribit": {"status": "failed", "says": ("lists no options on SOL", "Check the symbol")}},
    ),
    Fault(
        "empty_chain@{holder}",
        rejected("no_open_interest: none of"),
        but={"bybit": {"says": ("no_spot: the venue gave no spot price",)}},  # its tickers hold the index too
        venues=CRYPTO,
    ),
    Fault("half_chain:0.5", Expected(contracts=SOME), but={"okx": {"spec": "half_chain:0.5@instType"}}),  # not its index
    Fault("one_side_gone:C", rejected("side_gone: 0 of", "are calls")),
    Fault("one_side_gone:P", rejected("side_gone: 0 of", "are puts")),
    # Fields gone or renamed.
    Fault("null_oi", rejected("no_open_interest: none of")),
    Fault("null_oi:0.3", Expected(contracts=SOME)),
    Fault("drop_field:{oi}@{holder}", rejected("no_open_interest: none of", warns="field {oi} is gone from every row")),
    Fault("rename_field:{oi}:open_contracts@{holder}", rejected("no_open_interest: none of", warns="unknown field open_contracts")),
    Fault("drop_field:{key}@{holder}", failed("no row has the field {key}", "The wire format has changed")),
    Fault("rename_field:{key}:ticker@{holder}", failed("no row has the field {key}", "The wire format has changed")),
    Fault("drop_field:{rows}", failed("is missing", "The wire format has changed", hits=1)),
    Fault("drop_field:{iv}", Expected(warns="field {iv} is gone from every row", contracts=SOME)),
    Fault("no_iv_no_price", rejected("no_prices: 0 of")),
    # Values that are none.
    Fault("string_numbers", Expected(contracts=WHOLE)),
    Fault("string_nan", Expected(contracts=SOME, reasons=("not_a_number",))),
    Fault("string_nan:{oi}:0.2:bare@{holder}", failed("is no JSON", "It is in the archive"), but={"cboe": {"hits": 1}}),
    Fault("negative_oi:0.2", Expected(contracts=SOME, reasons=("negative",))),
    Fault("absurd_oi:0.1:1e10", Expected(contracts=SOME, reasons=("too_large",))),
    Fault("absurd_oi:0.1:1e300", Expected(contracts=SOME, reasons=("too_large",))),
    Fault("absurd_oi:0.4:9e9", rejected("absurd_open_interest: "), venues=("cboe", "deribit", "bybit")),
    # The same contract twice.
    Fault("duplicate_rows:0.2", Expected(reasons=("duplicate",))),
    Fault("duplicate_rows:0.2:conflict", Expected(reasons=("conflicting_duplicate", "duplicate"))),
    # Clocks. An underlying of one venue has no other to compare with: its snapshot is that of the older instant.
    Fault("old_session", rejected("stale_clock: its instant", contracts=OTHER), venues=CRYPTO, groups=HALF),
    Fault("clock_skew:-3600", rejected("stale_clock: its instant"), venues=CRYPTO, groups=HALF),
    Fault("clock_skew:3600", rejected("stale_clock: its instant", "s from the snapshot's"), venues=CRYPTO, groups=EACH),
    Fault("clock_skew:300", Expected(contracts=SOME), venues=CRYPTO, groups=HALF),
    Fault("old_session", Expected(contracts=NONE), venues=("cboe",)),
    Fault("clock_skew:-3600", Expected(contracts=NONE), venues=("cboe",)),
    # Delivery prices of past days: the chain is whole without them.
    Fault("server_error:2:503@get_delivery_prices", Expected(hits=2), venues=("deribit",)),
    Fault("server_error:all:503@get_delivery_prices", Expected(warns=NO_DELIVERY), venues=("deribit",)),
    Fault("garbage:all@get_delivery_prices", Expected(warns=NO_DELIVERY), venues=("deribit",)),
    Fault("rate_limit:all:seconds:120@get_delivery_prices", Expected(hits=1, warns=NO_DELIVERY, left_alone_s=120), venues=("deribit",)),
)
