"""`python -m bench [RUNS]`: prints the tables of docs/performance.md. Needs the recordings of real venues for the snapshot."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from bench.downloads import download_folder
from bench.measure import CHECKOUT, Measured, measure
from bench.prepare import archived_home, history_home, priced_options, strike_rows

RECORDINGS = Path(os.environ.get("STRIKEHOUSE_RECORDINGS") or CHECKOUT.parent / "shared" / "recordings")

SESSIONS = (5, 10, 20, 40)
STAGES = ("greeks_s", "smile_s", "ladder_s", "density_s", "models_s", "marts_s", "models_and_marts_s", "checks_s", "parse_s", "import_s")


def main(runs: int) -> None:
    """Measure everything; some ten minutes, most of it history."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        recording = RECORDINGS / "cboe" / "2026-07-22" / "_SPX.json.gz"
        if recording.exists():
            snapshot(root, recording, runs)
            analytics(root, recording, runs)
            history(root, runs)
        else:
            print(f"No recordings of real venues ({RECORDINGS.name}): snapshot, analytics and history are not measured.\n")
        pain(root, runs)


def snapshot(root: Path, recording: Path, runs: int) -> None:
    """One `_SPX` snapshot from archived bytes to published tables, against the bare copy."""
    prepared = archived_home(root / "prepared", recording).root
    home = root / "home"

    def fresh() -> None:
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(prepared, home)

    ours = measure("bench.run_snapshot", [str(home)], runs=runs, prepare=fresh)
    bare = measure("bench.run_bare", [str(home)], runs=runs, prepare=fresh)
    print(f"One `_SPX` snapshot, {ours.reported['contracts']:,.0f} contracts, medians of {runs} runs of the whole process:\n")
    print("| | wall s | of it imports | load: parse, compute, write | publish | processor s | peak MiB |\n|---|---|---|---|---|---|---|")
    for name, one in (("archived bytes to published tables", ours), ("bare: read, one table, copy", bare)):
        parts = " | ".join(f"{one.reported[part]:.2f}" for part in ("import_s", "load_s", "publish_s"))
        print(f"| {name} | {one.wall_s:.2f} | {parts} | {one.cpu_s:.2f} | {one.peak_mib:.0f} |")
    print()


def analytics(root: Path, recording: Path, runs: int) -> None:
    """Models and marts of one `_SPX` snapshot by stage, and its volatilities and greeks beside what other libraries take for them."""
    home = archived_home(root / "analytics", recording)
    ours = measure("bench.run_analytics", [str(home.root)], runs=runs)
    print(f"Models and marts of one `_SPX` snapshot, {ours.reported['contracts']:,.0f} contracts, medians of {runs} runs:\n")
    print(f"| {' | '.join(name.removesuffix('_s').replace('_', ' ') for name in STAGES)} |\n|{'---|' * len(STAGES)}")
    print(f"| {' | '.join(f'{ours.reported[name]:.3f}' for name in STAGES)} |\n")
    file = root / "options.parquet"
    priced_options(home, file)
    print("Implied volatility, delta, gamma and vega of its two-sided out-of-the-money options, one core, libraries loaded before:\n")
    print("| | solve s | options | solved | median difference of volatility | within 1e-9 |\n|---|---|---|---|---|---|")
    for name in ("strikehouse", "QuantLib", "vollib"):
        if name != "strikehouse" and find_spec(name) is None:
            print(f"| {name} | not installed | | | | |")
            continue
        one = measure("bench.run_peers", [str(file), name], runs=runs, with_development=True).reported
        numbers = f"{one['solve_s']:.3f} | {one['options']:,.0f} | {one['solved']:,.0f}"
        print(f"| {name} | {numbers} | {one['median_difference']:.0e} | {100 * one['within_1e_9']:.1f} % |", flush=True)
    print()


def history(root: Path, runs: int) -> None:
    """5 to 40 sessions of `_SPX` and `SPY`, rebuilt and imported: contracts a second, and whether time grows with their number."""
    print(f"Sessions of `_SPX` and `SPY`, medians of {min(runs, 3)} runs of the whole process:\n")
    print("| | sessions | contracts | wall s | contracts a second | processor s | of a contract µs | largest process MiB |")
    print("|---|---|---|---|---|---|---|---|")
    for sessions in SESSIONS:
        prepared = history_home(root / f"history-{sessions}", RECORDINGS, sessions).root
        downloads = download_folder(root / f"downloads-{sessions}", RECORDINGS, sessions)
        home = root / "history"

        def archived(prepared: Path = prepared, home: Path = home) -> None:
            shutil.rmtree(home, ignore_errors=True)
            shutil.copytree(prepared, home)

        def empty(home: Path = home) -> None:
            shutil.rmtree(home, ignore_errors=True)

        ways = (
            ("rebuild", "bench.run_history", [str(home)], archived),
            ("import of Cboe downloads", "bench.run_import", [str(home), str(downloads)], empty),
        )
        for way, module, arguments, prepare in ways:
            one = measure(module, arguments, runs=min(runs, 3), prepare=prepare)
            contracts = one.reported["contracts"]
            numbers = (
                f"{contracts:,.0f} | {one.wall_s:.1f} | {contracts / one.wall_s:,.0f} | {one.cpu_s:.1f} | {1e6 * one.cpu_s / contracts:.0f}"
            )
            print(f"| {way} | {sessions} | {numbers} | {one.reported['largest_process_mib']:.0f} |", flush=True)
    print()


def pain(root: Path, runs: int) -> None:
    """Pain curves of 1.7 million strike rows, running sums against strikes × strikes."""
    file = root / "strikes.duckdb"
    strike_rows(file)
    ways: dict[str, Measured] = {way: measure("bench.run_pain", [str(file), way], runs=runs) for way in ("sql", "naive")}
    if abs(ways["sql"].reported["checksum"] / ways["naive"].reported["checksum"] - 1) > 1e-12:
        raise SystemExit("The two ways disagree.")
    print(f"Pain curves of 1.7 million strike rows, medians of {runs} runs:\n")
    print("| | query s | whole process s | peak MiB |\n|---|---|---|---|")
    for name, one in ways.items():
        print(f"| {name} | {one.reported['query_s']:.2f} | {one.wall_s:.2f} | {one.peak_mib:.0f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
