"""The HTTP server: middleware, keys, limits, cache, metrics, access log."""
