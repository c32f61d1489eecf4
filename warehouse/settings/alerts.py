"""Settings of alerts: the rules, each of one kind, and where what they find is sent."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from warehouse.settings.base import SettingsPart

_NEXT_ADDRESS = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")  # an address may hold commas itself
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,60}")


def _split_addresses(value: Any) -> Any:
    return tuple(part for part in _NEXT_ADDRESS.split(value.strip()) if part) if isinstance(value, str) else value


def _upper(value: Any) -> Any:
    return tuple(one.upper() if isinstance(one, str) else one for one in value) if isinstance(value, list | tuple) else value


Addresses = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split_addresses)]
Underlyings = Annotated[tuple[str, ...], BeforeValidator(_upper)]


class _Rule(SettingsPart):
    name: str = ""  # default: the kind
    underlyings: Underlyings = ()  # empty: all

    @field_validator("name")
    @classmethod
    def _name_is_plain(cls, value: str) -> str:
        if value and not _NAME.fullmatch(value):
            raise ValueError("a name of a rule has letters, digits, `_`, `.` and `-`, at most 60")
        return value


class FlipCrossed(_Rule):
    """Spot stands on the other side of the gamma flip than in the snapshot before."""

    kind: Literal["flip_crossed"]


class MaxPainMoved(_Rule):
    """Max pain of an expiry moved by more than `pct` percent of spot since the snapshot before."""

    kind: Literal["max_pain_moved"]
    pct: float = Field(gt=0)
    expiries: Literal["front", "all"] = "all"  # front: the nearest one that has a max pain
    dte_max: int | None = Field(default=None, ge=0)


class RegimeChanged(_Rule):
    """The whole chain's gamma regime is another one than in the snapshot before."""

    kind: Literal["regime_changed"]


class Stale(_Rule):
    """Data of a watched underlying on a venue are this old, or older."""

    kind: Literal["stale"]
    level: Literal["degraded", "stale", "unavailable"] = "stale"


class CheckFailed(_Rule):
    """A check found something in the newest snapshot, or holds the publication back."""

    kind: Literal["check_failed"]
    severity: Literal["required", "any"] = "required"


class VenueMissing(_Rule):
    """A venue that the last run asked gave nothing usable."""

    kind: Literal["venue_missing"]
    venues: tuple[str, ...] = ()  # empty: all


Rule = Annotated[FlipCrossed | MaxPainMoved | RegimeChanged | Stale | CheckFailed | VenueMissing, Field(discriminator="kind")]


class AlertSettings(SettingsPart):
    """What is watched for, and who is told. `urls` are Apprise addresses; they hold tokens and are never shown."""

    urls: Addresses = ()
    notify_cleared: bool = False  # tell, too, when an alert that was delivered is over
    timeout_s: float = Field(default=10.0, gt=0, le=120)  # per address
    rules: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _rules_have_names_of_their_own(self) -> Self:
        names = [rule.name or rule.kind for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two rules are called {', '.join(twice)}: give each a `name` of its own")
        return self
