"""Whether JSON has the form that a typed dictionary promises: every key, and the type of each value."""

from __future__ import annotations

import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

NUMBERS = {float: (int, float), int: (int,)}


def misfits(value: Any, form: Any, *, absent: frozenset[str] = frozenset(), at: str = "body") -> list[str]:
    """What does not fit, by place; `absent` names keys that may be missing."""
    origin = get_origin(form)
    if is_typeddict(form):
        problems = _of_dictionary(value, form, absent, at)
    elif origin in (Union, types.UnionType):
        others = [one for one in get_args(form) if one is not type(None)]
        problems = [] if value is None and len(others) < len(get_args(form)) else misfits(value, others[0], absent=absent, at=at)
    elif origin is list:
        items = value if isinstance(value, list) else []
        problems = [] if isinstance(value, list) else [f"{at}: {value!r} is no list"]
        problems += [
            one for index, item in enumerate(items) for one in misfits(item, get_args(form)[0], absent=absent, at=f"{at}[{index}]")
        ]
    elif origin is Literal:
        problems = [] if value in get_args(form) else [f"{at}: {value!r} is none of {get_args(form)}"]
    else:
        fits = isinstance(value, NUMBERS.get(form, (form,))) and not (form in NUMBERS and isinstance(value, bool))
        problems = [] if fits else [f"{at}: {value!r} is no {form}"]
    return problems


def _of_dictionary(value: Any, form: Any, absent: frozenset[str], at: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{at}: {value!r} is no object"]
    hints = get_type_hints(form)
    missing = [f"{at}.{key}: missing" for key in hints if key not in value and key not in absent]
    unknown = [f"{at}.{key}: not in the type" for key in value if key not in hints]
    fitting = [one for key, hint in hints.items() if key in value for one in misfits(value[key], hint, absent=absent, at=f"{at}.{key}")]
    return missing + unknown + fitting
