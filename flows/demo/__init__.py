"""The demo: the synthetic market, the venue server that serves it, and what a demo run needs."""
