"""One module per file format: bytes to the same parsed chain as a source's. Pure."""
