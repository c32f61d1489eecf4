"""Options of commands, made from the dataclass that states a request: names, defaults and meanings are its own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import Field, fields, make_dataclass
from datetime import date
from typing import Annotated, Any, get_type_hints

from cyclopts import Parameter

from flows.cli.app import listed
from warehouse.catalog.filters import CalendarFilters, Day, Instant, Names
from warehouse.explain.request import BY_FORM, ExplainRequest
from warehouse.read.filters import ChartRequest

_TYPES: dict[Any, Any] = {
    Instant | None: str | None,
    Day | None: date | None,
    Names | None: list[str] | None,
}  # in Python → on a command line
_SINGULAR = {"venues": "--venue"}  # may be repeated


def options_of(request: type, *, without: Collection[str] = ()) -> Any:
    """A class whose fields are the options of a request, each an option of its own; a parameter of a command may have it as its type."""
    hints = get_type_hints(request)
    rows = [(one.name, _option(one, hints[one.name]), one.default) for one in fields(request) if one.name not in without]
    made = make_dataclass(f"{request.__name__}Options", rows, frozen=True, kw_only=True, namespace={"__module__": __name__})
    return Parameter(name="*")(made)


def _option(one: Field[Any], hint: Any) -> Any:
    meaning = one.metadata["meaning"]
    text = f"{meaning[0].upper()}{meaning[1:].removesuffix(' …')}."
    taken = _TYPES.get(hint, hint)
    negative = "" if taken in (bool, list[str] | None) else None
    return Annotated[taken, Parameter(name=_SINGULAR.get(one.name), negative=negative, help=text)]


def arguments_of(options: Any) -> dict[str, Any]:
    """The options by the names of the request's fields; lists with what stands between commas apart."""
    return {name: listed(value) or None if isinstance(value, list) else value for name, value in vars(options).items()}


FilterOptions = options_of(CalendarFilters)
ChartOptions = options_of(ChartRequest, without=("underlying",))
ExplainOptions = options_of(ExplainRequest, without=("kind", "underlying", *BY_FORM))
