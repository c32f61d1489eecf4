"""What a rebuild, a verification and maintenance did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.cli.printing.table import print_json, print_rows
from flows.history.rebuild import RebuildResult

if TYPE_CHECKING:
    from flows.history.maintain import Maintenance


def print_rebuild(result: RebuildResult, *, verify: bool, tolerance: float | None, json: bool) -> None:
    """What a rebuild or a verification found."""
    if json:
        print_json(result)
    elif not verify:
        done = "there was no usable snapshot to publish" if result.generation is None else f"published generation {result.generation}"
        print("\n".join([*result.differences, f"Rebuilt {_runs(result.runs)} from raw/ and {done}."]))
    elif result.differences:
        print("\n".join(result.differences))
        differing, compared = len(result.differences), f"from a rebuild of {_runs(result.runs)}"
        if tolerance is None:
            print(f"{differing} of {result.tables_compared} table partitions differ {compared}.")
        else:
            print(f"{differing} lines say what differs by more than {tolerance:g} {compared}.")
    else:
        how = "bit for bit" if tolerance is None else f"within {tolerance:g}"
        print(f"Equal, {how}: {result.tables_compared} table partitions, rebuilt from {_runs(result.runs)}.")
    if result.kept and not json:
        print(f"{result.kept} snapshots cannot be rebuilt, because `maintain` removed their replies: their rows were kept.")


def _runs(number: int) -> str:
    return f"{number} run{'' if number == 1 else 's'}"


def print_maintenance(result: Maintenance, *, dry_run: bool, json: bool) -> None:
    """What maintenance did, or would do, and the space that it won."""
    won = result.bytes_before - result.bytes_after
    if json:
        print_json({**{name: getattr(result, name) for name in result.__dataclass_fields__}, "bytes_won": won, "dry_run": dry_run})
        return
    if not result.actions:
        print("Nothing is due.")
        return
    print_rows([{"action": one.action, "what": one.what, "bytes": one.bytes} for one in result.actions], json=False)
    if dry_run:
        print("\nNothing was done: this is what is due.")
        return
    more = f"{-won / 1e6:,.1f} MB more, because earlier generations are kept beside the new one"
    change = f"{won / 1e6:,.1f} MB won" if won >= 0 else more
    published = "" if result.published_bytes is None else f"; the published file has {result.published_bytes / 1e6:,.1f} MB"
    print(f"\n{result.bytes_before / 1e6:,.1f} MB before, {result.bytes_after / 1e6:,.1f} MB after: {change}{published}.")
