"""A server of the API in this process, on a free port of loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from tests.chains import SETTINGS
from warehouse.api.server.serve import make_server
from warehouse.home.paths import Home
from warehouse.settings import ApiSettings, Settings


def api_settings(**of_api: Any) -> Settings:
    """The defaults of the tests, with these settings of the API."""
    return SETTINGS.model_copy(update={"api": ApiSettings(**of_api)})


def _run(server: Any, listening: socket.socket, started: threading.Event) -> None:
    """Run a server to its end; the event is set when it has started, and when it could not."""
    startup = server.startup

    async def start(*arguments: Any, **named: Any) -> None:
        await startup(*arguments, **named)
        started.set()

    server.startup = start
    try:
        server.run(sockets=[listening])
    finally:
        started.set()


@contextmanager
def serving(home: Home, settings: Settings | None = None, *, clock: Callable[[], datetime] | None = None) -> Iterator[str]:
    """The base URL of a server that runs as long as the block lasts; `clock` tells it the time, an aware instant."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    server = make_server(home, settings or api_settings(), host="127.0.0.1", port=port)
    app: Any = server.config.app
    app.state.clock = clock
    started = threading.Event()
    thread = threading.Thread(target=_run, args=(server, listening, started), daemon=True)
    thread.start()
    assert started.wait(30) and server.started, "the server does not start"
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        listening.close()
