"""A request is stated once: commands, macros, charts, the client, HTTP and the docs take the same arguments, by the same names."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields

import pytest

from flows.cli import app
from flows.cli.options import ChartOptions, arguments_of
from tests.conftest import CHECKOUT
from warehouse.api.explain import router
from warehouse.catalog.filters import CalendarFilters, Filters, meanings
from warehouse.catalog.macros import FILTERS, MACROS, create_macros
from warehouse.client.warehouse import Warehouse
from warehouse.explain.request import BY_FORM, KINDS, ExplainRequest
from warehouse.read.filters import ChartRequest

NAMES = [one.name for one in fields(Filters)]
OWN_OPTIONS = {"show": {"table", "underlying", "limit", "json"}, "chart": {"kind", "underlying", "output", "json"}}


def options(command: str) -> dict[str, str]:
    """Option of a command, as an argument is named → its help."""
    arguments = [one for one in app[command].assemble_argument_collection() if one.name != "*"]  # that is the group of a request's options
    taken_by = {one.name.removeprefix("--").replace("-", "_").lower(): one.parameter.help or "" for one in arguments}
    return {"venues" if name == "venue" else name: text for name, text in taken_by.items()}


def parameters(method: str) -> list[str]:
    return [name for name in inspect.signature(getattr(Warehouse, method)).parameters if name not in ("self", "underlying")]


@pytest.mark.parametrize("macro", MACROS)
def test_macro_client_and_documentation_take_the_same_filters(macro: str) -> None:
    taken = [one.name for one in fields(FILTERS.get(macro, Filters))]
    assert taken[: len(NAMES)] == NAMES
    (definition,) = (one for one in create_macros() if one.startswith(f"create or replace macro main.{macro}("))
    listed = definition.partition("(")[2].partition(")")[0].split(", ")
    assert [one.split(" := ")[0] for one in listed] == ["underlying", *taken]
    assert parameters(macro) == taken


def test_the_documentation_lists_every_argument_with_its_meaning() -> None:
    section = (CHECKOUT / "docs" / "tables.md").read_text().partition("| argument | meaning |")[2].partition("With arguments")[0]
    rows = dict(re.findall(r"^\| `(\w+) := \w+` \| (.*) \|$", section, re.MULTILINE))
    assert rows == meanings(CalendarFilters)


@pytest.mark.parametrize(("command", "request_class"), [("show", CalendarFilters), ("chart", ChartRequest)])
def test_commands_have_an_option_for_every_filter_and_say_what_it_means(command: str, request_class: type) -> None:
    taken_by = options(command)
    expected = {name: f"{text[0].upper()}{text[1:]}." for name, text in meanings(request_class).items()}
    assert set(NAMES) < set(expected)
    assert {name: taken_by[name] for name in expected} == expected
    assert set(taken_by) - set(expected) == OWN_OPTIONS[command]


def test_a_chart_has_the_filters_of_the_macros() -> None:
    request = ChartRequest("SPX", **arguments_of(ChartOptions(dte_max=0, venues=["deribit,okx", "bybit"], complete_only=True)))
    assert list(request.arguments()) == [*NAMES, "underlying"]
    given = {name: value for name, value in request.arguments().items() if value is not None}
    assert given == {"underlying": "SPX", "dte_max": 0, "venues": ["deribit", "okx", "bybit"], "complete_only": True}


def test_command_client_and_http_take_the_same_arguments_of_an_explanation() -> None:
    taken = list(meanings(ExplainRequest))
    assert [name for name in parameters("explain") if name != "kind"] == taken
    taken_by = set(options("explain")) - {"kind", "underlying", "about", "json"}
    assert taken_by | set(BY_FORM) == set(taken)
    (route,) = router.routes
    queries = {one.name for dependant in route.dependant.dependencies for one in dependant.query_params}  # type: ignore[attr-defined]
    assert queries == set(taken)
    assert {name for names in KINDS.values() for name in names} < set(taken)


def test_every_form_of_an_argument_becomes_one() -> None:
    text = ExplainRequest("max_pain", "spx", expiry="2026-12-18", as_of="2026-11-18T00:00+01:00", venues="Deribit, okx")
    assert text == ExplainRequest("max-pain", "SPX", expiry=text.expiry, as_of=text.as_of, venues=["deribit", "OKX"])
    assert (str(text.expiry), text.as_of, text.venues) == ("2026-12-18", "2026-11-17T23:00:00", ["deribit", "okx"])
