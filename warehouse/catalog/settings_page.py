"""docs/settings.md, generated: every setting with its meaning, its default, and whether it changes numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from warehouse.catalog.markdown import markdown_table
from warehouse.settings import Settings, Watch
from warehouse.settings.alerts import Rule
from warehouse.settings.base import changes_numbers
from warehouse.settings.tree import DEFAULT_CONFIG, PREFIX

_HEAD = f"""# Settings

Generated from `warehouse/settings/` by `make docs`.

A setting is read from `{DEFAULT_CONFIG}` in the working folder (`[sources.cboe]`, then `timeout_s = 10`), or from a variable whose nested \
names are joined by `__` (`{PREFIX}SOURCES__CBOE__TIMEOUT_S=10`); a variable wins. An unknown name is an error.

Those that change numbers are hashed into `settings_hash` of `core.snapshots`. When a run has used others than the snapshots before it, \
`strikehouse status` says that a `strikehouse rebuild` is due. What SQL reads of them is `core.parameters`."""


def settings_page() -> str:
    """The whole page."""
    own = {name: field for name, field in Settings.model_fields.items() if not _is_section(field)}
    sections = [name for name in Settings.model_fields if name not in own]
    parts = [_HEAD, _table(Settings, own), *(part for name in sections for part in _section(name, _model(Settings.model_fields[name])))]
    return "\n\n".join([*parts, _entry("`watchlist.<underlying>`", Watch), *_rules()]) + "\n"


def meaning(model: type[BaseModel], name: str) -> str:
    """What a setting means; a class that only changes a default inherits the meaning. Empty when there is no description."""
    classes = [one for one in model.__mro__ if issubclass(one, BaseModel) and name in one.model_fields]
    return next((text for one in classes if (text := one.model_fields[name].description)), "")


def _section(path: str, model: type[BaseModel]) -> list[str]:
    """A section and its nested sections, each with a heading."""
    own = {name: field for name, field in model.model_fields.items() if not _is_section(field)}
    further = [name for name in model.model_fields if name not in own]
    parts = [part for name in further for part in _section(f"{path}.{name}", _model(model.model_fields[name]))]
    return [_entry(f"`{path}`", model), *parts] if own else parts


def _entry(heading: str, model: type[BaseModel]) -> str:
    (summary, *_) = (model.__doc__ or "").split("\n\n")
    return f"## {heading}\n\n{' '.join(summary.split())}\n\n{_table(model, model.model_fields)}"


def _rules() -> list[str]:
    """Kinds of alert rules, each an entry of `alerts.rules`."""
    kinds = get_args(get_args(Rule)[0])
    return [_entry(f"`alerts.rules` of kind `{get_args(kind.model_fields['kind'].annotation)[0]}`", kind) for kind in kinds]


def _table(model: type[BaseModel], fields: Mapping[str, FieldInfo]) -> str:
    rows = [
        (f"`{name}`", meaning(model, name), _default(field), "yes" if changes_numbers(field) else "")
        for name, field in fields.items()
        if name != "kind"
    ]
    return markdown_table(("setting", "meaning", "default", "changes numbers"), rows)


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, dict):
        return ", ".join(f"`{name}`" for name in value)
    if value is None or value in ((), ""):
        return "none"
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _model(field: FieldInfo) -> type[BaseModel]:
    assert isinstance(field.annotation, type)
    assert issubclass(field.annotation, BaseModel)
    return field.annotation
