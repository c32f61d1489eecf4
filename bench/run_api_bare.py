"""The floor of the API's figures: one endpoint that does nothing, on the same server and framework. `--port PORT`."""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


def bare(_request: Request) -> JSONResponse:
    """An answer about as long as key levels."""
    return JSONResponse({"symbol": "SPX", "levels": {f"level_{number}": 7000.5 + number for number in range(24)}})


async def at_once(request: Request) -> JSONResponse:
    """The same without a thread."""
    return bare(request)


if __name__ == "__main__":
    app = Starlette(routes=[Route("/levels", at_once)])
    port = int(sys.argv[sys.argv.index("--port") + 1])
    uvicorn.run(app, host="127.0.0.1", port=port, log_config=None, access_log=False, server_header=False, lifespan="off", ws="none")
