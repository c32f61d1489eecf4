"""`python -m flows.demo.venues --session N [--port 0] [--fault SPEC …] [--log FILE]`: one JSON line of base addresses, then serves."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from flows.demo.venues import faults
from flows.demo.venues.server import serve


def main() -> int:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(
        "python -m flows.demo.venues", description=__doc__, epilog=faults.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--session", type=int, default=1, help="US session; 1 is 2026-11-16")
    parser.add_argument("--now", type=datetime.fromisoformat, help="any instant instead; UTC without an offset")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--fault", action="append", default=[], metavar="SPEC", help="repeat for several; see below")
    parser.add_argument("--log", type=Path, help="appends one JSON line per request")
    arguments = parser.parse_args()
    now = arguments.now.replace(tzinfo=UTC) if arguments.now is not None and arguments.now.tzinfo is None else arguments.now

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        with serve(arguments.session, now=now, faults=arguments.fault, port=arguments.port, log=arguments.log) as double:
            print(json.dumps(double.urls), flush=True)
            double.warm()
            while not stop.wait(0.2):  # a signal taken by a library's thread does not wake this one
                pass
    except (ValueError, OSError) as error:
        print(f"venue server: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
