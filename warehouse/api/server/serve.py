"""The server: uvicorn on one address, with logs without keys."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import uvicorn

from warehouse.api.app import create_app
from warehouse.api.server.keys import check_bind
from warehouse.home.paths import Home
from warehouse.settings import Settings

GRACE_S = 30  # for requests under way at shutdown
SWITCH_S = 0.0005  # by default the event loop waits 5 ms for each turn while another thread formats log lines or a response


def make_server(home: Home, settings: Settings, *, host: str, port: int) -> uvicorn.Server:
    """Create the server without starting it; raises `UsageError` when it would listen beyond loopback without keys."""
    check_bind(host, settings.api.keys)
    config = uvicorn.Config(
        create_app(home, settings),
        host=host,
        port=port,
        log_config=None,
        access_log=False,  # ours contains no keys
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
        lifespan="on",  # the log is complete at shutdown
        ws="none",
    )
    return uvicorn.Server(config)


def log_to(stream: TextIO) -> None:
    """Send the access log and the lines of uvicorn to a stream; other lines go to the log of Strikehouse."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s"))
    for name in ("strikehouse.api.access", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False


def serve(home: Home, settings: Settings, *, host: str, port: int) -> None:
    """Serve until interrupted."""
    server = make_server(home, settings, host=host, port=port)
    log_to(sys.stderr)
    sys.setswitchinterval(SWITCH_S)
    server.run()
