"""Settings of alerts: the rules, each of one kind, and the addresses for delivery."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from warehouse.settings.base import SettingsPart

_NEXT_ADDRESS = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")  # an address can contain commas
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,60}")


def _split_addresses(value: Any) -> Any:
    return tuple(part for part in _NEXT_ADDRESS.split(value.strip()) if part) if isinstance(value, str) else value


def _upper(value: Any) -> Any:
    return tuple(one.upper() if isinstance(one, str) else one for one in value) if isinstance(value, list | tuple) else value


Addresses = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split_addresses)]
Underlyings = Annotated[tuple[str, ...], BeforeValidator(_upper)]


class _Rule(SettingsPart):
    name: str = Field(default="", description="name of the rule in alerts; empty: its kind")
    underlyings: Underlyings = Field(default=(), description="the rule is for these; empty: all")

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
    pct: float = Field(gt=0, description="move that is reported, in percent of spot")
    expiries: Literal["front", "all"] = Field(default="all", description="front: the nearest expiry that has a max pain; or all")
    dte_max: int | None = Field(default=None, ge=0, description="expiries up to so many days; none: all")


class RegimeChanged(_Rule):
    """The whole chain's gamma regime is another one than in the snapshot before."""

    kind: Literal["regime_changed"]


class Stale(_Rule):
    """Data of a watched underlying on a venue are this old, or older."""

    kind: Literal["stale"]
    level: Literal["degraded", "stale", "unavailable"] = Field(default="stale", description="freshness from which on it is reported")


class CheckFailed(_Rule):
    """A check found something in the newest snapshot, or holds the publication back."""

    kind: Literal["check_failed"]
    severity: Literal["required", "any"] = Field(default="required", description="required checks only, or any")


class VenueMissing(_Rule):
    """A venue that the last run asked gave nothing usable."""

    kind: Literal["venue_missing"]
    venues: tuple[str, ...] = Field(default=(), description="the rule is for these; empty: all")


Rule = Annotated[FlipCrossed | MaxPainMoved | RegimeChanged | Stale | CheckFailed | VenueMissing, Field(discriminator="kind")]


class AlertSettings(SettingsPart):
    """What is watched for, and who is told. `urls` are Apprise addresses; they hold tokens and are never shown."""

    urls: Addresses = Field(default=(), description="Apprise addresses to which alerts are sent; they are never shown")
    notify_cleared: bool = Field(default=False, description="send a message, too, when an alert that was delivered is over")
    timeout_s: float = Field(default=10.0, gt=0, le=120, description="seconds until sending gives up, per address")
    rules: tuple[Rule, ...] = Field(default=(), description="what is watched for, each rule of one kind: see below")

    @model_validator(mode="after")
    def _rules_have_names_of_their_own(self) -> Self:
        names = [rule.name or rule.kind for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two rules are called {', '.join(twice)}: give each a `name` of its own")
        return self
