"""The command line: arguments in, tables and exit codes out."""

from flows.cli.entry import app, main

__all__ = ["app", "main"]
