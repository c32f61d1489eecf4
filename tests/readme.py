"""What README.md shows of the demo: its output, shortened, and what its queries print. `python -m tests.readme` writes it again."""

from __future__ import annotations

import io
import re
import tempfile
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path

from flows.cli.printing.table import print_frame
from tests.commands import CHECKOUT, strikehouse
from warehouse.home.paths import Home
from warehouse.read.query import query

README = CHECKOUT / "README.md"
SESSIONS = 2
ROWS_SHOWN = {"BTC": 3, "SPX": 5}  # of each table with a row per expiry
_PICTURE = re.compile(r"(?<=and prints \(shortened\):\n\n```text\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)
_ANSWERED = re.compile(r"^```sql\n(.*?)^```\n\n```text\n.*?^```$", re.DOTALL | re.MULTILINE)


def readme_after(first_run: str, home: Home) -> str:
    """The README with the first run's output and with the answers of a home after all sessions."""
    text = _PICTURE.sub(lambda _: shortened(first_run), README.read_text())
    return _ANSWERED.sub(lambda match: f"```sql\n{match[1]}```\n\n```text\n{printed(home, match[1])}```", text)


def without_seconds(text: str) -> str:
    """The same without what differs from run to run."""
    return re.sub(r"\d+\.\d s$", "s", text, flags=re.MULTILINE)


def shortened(said: str) -> str:
    """The output of a run with a few expiries only."""
    lines: list[str] = []
    rows: Counter[str] = Counter()
    for line in said.splitlines():
        name = line.partition(" ")[0]
        is_expiry = re.match(r"[A-Z]+ +\d{4}-\d\d-\d\d", line) is not None
        rows[name] += is_expiry
        if not is_expiry or rows[name] <= ROWS_SHOWN.get(name, 0):
            lines.append(re.sub(r"(Published generation 1: ).*/published/", r"\1data-demo/published/", line))
        elif lines[-1] != "…":
            lines.append("…")
    return "\n".join(lines) + "\n"


def printed(home: Home, sql: str) -> str:
    """What `strikehouse sql` prints."""
    with redirect_stdout(io.StringIO()) as output:
        print_frame(query(home, sql))
    return output.getvalue()


def main() -> None:
    """Run the demo in a folder of its own and write the README."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        runs = [strikehouse(home.root, "demo", "--no-prefect") for _ in range(SESSIONS)]
        text = readme_after(runs[0].stdout, home)
    if without_seconds(text) != without_seconds(README.read_text()):
        README.write_text(text)


if __name__ == "__main__":
    main()
