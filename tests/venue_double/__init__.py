"""A small server that speaks the venues' wire formats, with a deterministic synthetic market whose clock is an argument.

    with serve(session=3, faults=["deribit:server_error:all"]) as double:
        double.urls       # {"cboe": "http://127.0.0.1:PORT/cboe", "deribit": "http://127.0.0.1:PORT/deribit"}
        double.requests   # what was asked so far

`python -m tests.venue_double --session 3` does the same from a shell; `faults.py` says how a fault is written. One file, one subject:

    randomness   numbers from names, the same everywhere      wire       what a venue is to the server
    products     what is traded: sizes, strikes, smiles       cboe       delayed quotes
    sessions     numbered US sessions                         deribit    JSON-RPC over GET
    paths        spot and volatility paths                    faults     what a fault spec means
    listing      which expiries and strikes are listed        damage     faults of the document
    pricing      smiles and Black-76                          delivery   faults of the connection, gzip
    positions    open interest and volume                     server     HTTP, log, start and stop
    market       all of it, at one instant
"""

from tests.venue_double.server import Double, serve

__all__ = ["Double", "serve"]
