"""A Prefect server of our own for `strikehouse schedule`, on this machine only; its database is in the home.

`python -m flows.prefect_app.server PORT` is that server. It ends when its standard input does, hence with the process that started it,
however that ends: a server left over would hold the port and the database.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from flows.prefect_app.environment import set_prefect_environment
from models.errors import AlreadyRunning, StrikehouseError
from warehouse.home.locks import schedule_lock
from warehouse.home.paths import Home
from warehouse.settings import Settings

HOST = "127.0.0.1"
START_SECONDS = 300.0  # it starts in ten; a crowded machine at its boot takes longer, and one that ends is noticed at once
POLL_SECONDS = 0.2


@contextmanager
def serving_prefect(home: Home, settings: Settings) -> Iterator[None]:
    """Be the process that serves the home's schedules, with the Prefect server that PREFECT_API_URL names, or one of our own.

    Raises `AlreadyRunning` when another process serves them, or the port is taken. Nothing of Prefect may be imported before.
    """
    with schedule_lock(home):
        set_prefect_environment(home)
        if named := os.environ.get("PREFECT_API_URL"):
            if not _answers(named):
                raise StrikehouseError(f"No Prefect server answers at {named}, as PREFECT_API_URL says. Start it, or unset the variable.")
            yield
            return
        with prefect_server(settings.schedule.port) as url:
            os.environ["PREFECT_API_URL"] = url  # of this process, and of the runs that it starts
            yield


@contextmanager
def prefect_server(port: int) -> Iterator[str]:
    """Start the server and wait until it answers; gives the URL of its API. Raises `AlreadyRunning` when the port is taken."""
    _refuse_taken(port)
    url = f"http://{HOST}:{port}/api"
    with subprocess.Popen([sys.executable, "-m", "flows.prefect_app.server", str(port)], stdin=subprocess.PIPE) as server:
        try:
            _wait_until_it_answers(server, url)
            yield url
        finally:
            server.terminate()


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            advice = "Set STRIKEHOUSE_SCHEDULE__PORT to a free one, or PREFECT_API_URL to a Prefect server that is to be used."
            raise AlreadyRunning(f"Port {port} of {HOST} is taken ({error.strerror}). {advice}") from error


def _wait_until_it_answers(server: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise StrikehouseError(f"The Prefect server ended at once, with {server.returncode}. What it printed says why.")
        if _answers(url):
            return
        time.sleep(POLL_SECONDS)
    raise StrikehouseError(f"The Prefect server did not answer at {url} within {START_SECONDS:g} s. Start again when the machine is idler.")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as reply:  # noqa: S310 - our own server
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def main(port: int) -> None:
    """Serve until told to stop, or until standard input ends."""
    import uvicorn

    def stop_with_the_parent() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop_with_the_parent, daemon=True).start()
    uvicorn.run("prefect.server.api.server:create_app", factory=True, host=HOST, port=port, log_level="error", lifespan="on")


if __name__ == "__main__":
    main(int(sys.argv[1]))
