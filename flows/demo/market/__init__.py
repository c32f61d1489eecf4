"""The synthetic market: what is listed in it at any instant, with fair values, open interest and volume. No wire formats.

One file, one subject, in the order in which they use each other:

    randomness   numbers from names, the same everywhere    pricing     smiles and Black-76
    products     sizes, strikes, smiles                     positions   open interest and volume
    sessions     numbered US sessions                       market      all of it, at one instant
    paths        spot and volatility paths                  coins       the contracts of Bybit, OKX and Binance
    listing      which expiries and strikes are listed
"""
