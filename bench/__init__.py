"""Benchmarks: whole processes, medians, each against the naive way in the same run. `make bench` prints what docs/performance.md holds."""
