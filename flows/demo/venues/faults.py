"""Faults on demand: `venue:kind[:argument…][@part of path or query]`, `*` for every venue.

N is a number of calls or `all`; counts go down only for calls that the fault hits. A share picks rows by a hash of their names, so the
same rows are hit each time. Of the first block one fault applies, the first in the list; the others combine.

    server_error[:N=1[:status=503]]            an HTML page with that status
    rate_limit[:N=1[:variant=plain[:s=1]]]     the venue's own signal; variants: seconds, date (Retry-After), deribit and okx also 200,
                                               bybit also 403 (access too frequent), binance also 418 (the ban)
    garbage[:N=1]                              an HTML page with HTTP 200
    reset[:N=1[:before|mid]]                   a TCP reset instead of a reply, or in the middle of it
    huge[:MB=200[:chunked|length|gzip[:N=all]]]  the right reply after so many MB of white space

    timeout[:s=30[:N=all]]                     delays the reply
    slow_drip[:s=10[:N=all]]                   spreads the body over that time
    truncate[:length|close|chunked|short[:N=all]]  half the body: too long a Content-Length, none at all, an unfinished chunked body,
                                               or half the document with a correct length

    empty_chain    half_chain[:share=0.5]      no rows; a share of them is gone
    one_side_gone[:C|P]                        no calls (or no puts)
    null_oi[:share=1]    negative_oi[:share=0.1]   no_iv_no_price[:share=1]
    absurd_oi[:share=0.1[:amount=1e12]]        open interest that no market has
    drop_field:NAME    rename_field:OLD:NEW    in every object of the reply
    string_numbers                             numbers of the rows become strings
    string_nan[:field=open_interest[:share=0.15[:string|bare]]]   "NaN", or NaN, which is not JSON
    duplicate_rows[:share=0.1[:same|conflict]] again at the end; with `conflict` on another open interest
    old_session[:N=all]                        the reply of the session before
    clock_skew:seconds                         moves the venue's time stamps
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

ALL = "all"


@dataclass(frozen=True)
class Parameter:
    """One positional argument of a kind; `default` None means that it must be given."""

    name: str
    default: Any
    choices: tuple[str, ...] = ()

    def read(self, text: str) -> Any:
        """The argument's value; `ValueError` when it is none."""
        if self.choices and text not in self.choices:
            raise ValueError(f"{self.name} must be one of {', '.join(self.choices)}, not {text!r}")
        if self.name == "calls":
            return None if text == ALL else int(text)
        return type(self.default)(text) if self.default is not None else text


def _calls(default: int | str) -> Parameter:
    return Parameter("calls", default)


REPLACING = ("server_error", "rate_limit", "garbage", "reset", "huge")
KINDS: dict[str, tuple[Parameter, ...]] = {
    "server_error": (_calls(1), Parameter("status", 503)),
    "rate_limit": (_calls(1), Parameter("variant", "plain"), Parameter("seconds", 1.0)),
    "garbage": (_calls(1),),
    "reset": (_calls(1), Parameter("where", "before", ("before", "mid"))),
    "huge": (Parameter("megabytes", 200.0), Parameter("how", "chunked", ("chunked", "length", "gzip")), _calls(ALL)),
    "timeout": (Parameter("seconds", 30.0), _calls(ALL)),
    "slow_drip": (Parameter("seconds", 10.0), _calls(ALL)),
    "truncate": (Parameter("how", "length", ("length", "close", "chunked", "short")), _calls(ALL)),
    "empty_chain": (_calls(ALL),),
    "half_chain": (Parameter("share", 0.5),),
    "one_side_gone": (Parameter("side", "C", ("C", "P")),),
    "null_oi": (Parameter("share", 1.0),),
    "negative_oi": (Parameter("share", 0.1),),
    "absurd_oi": (Parameter("share", 0.1), Parameter("amount", 1e12)),
    "no_iv_no_price": (Parameter("share", 1.0),),
    "drop_field": (Parameter("field", None),),
    "rename_field": (Parameter("field", None), Parameter("new", None)),
    "string_numbers": (),
    "string_nan": (Parameter("field", "open_interest"), Parameter("share", 0.15), Parameter("how", "string", ("string", "bare"))),
    "duplicate_rows": (Parameter("share", 0.1), Parameter("how", "same", ("same", "conflict"))),
    "old_session": (_calls(ALL),),
    "clock_skew": (Parameter("seconds", 0.0),),
}


@dataclass
class Fault:
    """One fault: where it applies, its arguments, and how many calls it has left (None: every call)."""

    spec: str
    venue: str
    kind: str
    part: str
    arguments: Mapping[str, Any]
    calls_left: int | None

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def applies(self, venue: str, target: str) -> bool:
        """Whether a request is one that it hits; `target` is path and query."""
        return self.venue in ("*", venue) and self.part in target and self.calls_left != 0


@dataclass
class Faults:
    """The faults in force; thread-safe."""

    faults: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def hitting(self, venue: str, target: str) -> list[Fault]:
        """Faults that hit a call; their counts go down. A replacing fault comes alone, except that a timeout may delay it."""
        with self._lock:
            hits = [fault for fault in self.faults if fault.applies(venue, target)]
            replacing = next((fault for fault in hits if fault.kind in REPLACING), None)
            if replacing is not None:
                hits = [fault for fault in hits if fault is replacing or fault.kind == "timeout"]
            for fault in hits:
                if fault.calls_left is not None:
                    fault.calls_left -= 1
            return hits


def parse_faults(specs: Iterable[str], variants: Mapping[str, tuple[str, ...]]) -> Faults:
    """Faults of specs; `variants` are the venues and the variants of their rate-limit signals. `ValueError` says what is wrong."""
    return Faults([_parse(spec, variants) for spec in specs])


def _parse(spec: str, variants: Mapping[str, tuple[str, ...]]) -> Fault:
    head, _, part = spec.partition("@")
    venue, *rest = head.split(":")
    kind, *texts = rest or [""]
    if venue != "*" and venue not in variants:
        raise ValueError(f"fault {spec!r}: no venue {venue!r}; one of {', '.join(variants)} or *")
    if kind not in KINDS:
        raise ValueError(f"fault {spec!r}: no kind {kind!r}; one of {', '.join(KINDS)}")
    parameters = KINDS[kind]
    if len(texts) > len(parameters):
        raise ValueError(f"fault {spec!r}: too many arguments; {kind} takes {', '.join(each.name for each in parameters) or 'none'}")
    arguments = {}
    for position, parameter in enumerate(parameters):
        if position >= len(texts) and parameter.default is None:
            raise ValueError(f"fault {spec!r}: {parameter.name} is missing")
        try:
            arguments[parameter.name] = parameter.read(texts[position] if position < len(texts) else str(parameter.default))
        except ValueError as error:
            raise ValueError(f"fault {spec!r}: {parameter.name}: {error}") from error
    known = [names for name, names in variants.items() if venue in ("*", name)]
    if kind == "rate_limit" and not all(arguments["variant"] in names for names in known):
        raise ValueError(f"fault {spec!r}: no variant {arguments['variant']!r}; {'; '.join(', '.join(names) for names in known)}")
    return Fault(spec, venue, kind, part, arguments, arguments.get("calls"))
