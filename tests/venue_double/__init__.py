"""A small server that speaks the venues' wire formats, with a deterministic synthetic market whose clock is an argument.

    with serve(session=3, faults=["deribit:server_error:all"]) as double:
        double.urls       # {"cboe": "http://127.0.0.1:PORT/cboe", "deribit": "http://127.0.0.1:PORT/deribit", …}
        double.requests   # what was asked so far

`python -m tests.venue_double --session 3` does the same from a shell; `faults.py` says how a fault is written. One file, one subject:

    randomness   numbers from names, the same everywhere      wire       what a venue is to the server
    products     what is traded: sizes, strikes, smiles       cboe       delayed quotes
    sessions     numbered US sessions                         deribit    JSON-RPC over GET
    paths        spot and volatility paths                    bybit      USDC and USDT books, pages
    listing      which expiries and strikes are listed        okx        families, five replies each
    pricing      smiles and Black-76                          binance    weights, open interest per expiry
    positions    open interest and volume                     faults     what a fault spec means
    market       all of it, at one instant                    damage     faults of the document
    coins        the contracts of Bybit, OKX and Binance      delivery   faults of the connection, gzip
                                                              server     HTTP, log, start and stop
"""

from tests.venue_double.server import Double, serve

__all__ = ["Double", "serve"]
