"""A small server that speaks the venues' wire formats, with the synthetic market of `flows/demo/market`, whose clock is an argument.

    with serve(session=3, faults=["deribit:server_error:all"]) as double:
        double.urls       # {"cboe": "http://127.0.0.1:PORT/cboe", "deribit": "http://127.0.0.1:PORT/deribit", …}
        double.requests   # the requests so far

`python -m flows.demo.venues --session 3` does the same from a shell; `faults.py` says how a fault is written. One file, one subject:

    wire       what a venue is to the server          okx        families, five replies each
    cboe       delayed quotes                         binance    weights, open interest per expiry
    deribit    JSON-RPC over GET                      faults     what a fault spec means
    bybit      USDC and USDT books, pages             damage     faults of the document
    server     HTTP, log, start and stop              delivery   faults of the connection, gzip
"""

from flows.demo.venues.server import Double, serve

__all__ = ["Double", "serve"]
