"""The HTTP API, asked over real HTTP on loopback."""
