"""Benchmarks: whole processes, medians, each against the naive way in the same run. `python -m bench` prints the table of docs/performance.md."""
