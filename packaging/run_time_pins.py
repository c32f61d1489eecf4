"""Print the pins of requirements.lock that an installed wheel needs: those of its dependencies, and of theirs; none of development's.

For the environment that runs this, in which the lock is installed.
"""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parent.parent


def run_time_packages() -> set[str]:
    """Names of the packages that the project's dependencies come to."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    waiting = [Requirement(text) for text in project["dependencies"]]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras} - {extra for other, extra in seen if other == name}:
            seen.add((name, extra))
            needs = [Requirement(text) for text in requires(name) or ()]
            waiting += [need for need in needs if need.marker is None or need.marker.evaluate({"extra": extra})]
    return {name for name, _ in seen}


def main() -> None:
    """Print the pins, each with its hashes."""
    packages = run_time_packages()
    for pin in re.split(r"(?m)^(?=[A-Za-z])", (CHECKOUT / "requirements.lock").read_text()):
        name = re.match(r"[\w.-]+", pin)
        if name and canonicalize_name(name[0]) in packages:
            print(pin, end="")


if __name__ == "__main__":
    main()
