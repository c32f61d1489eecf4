"""The Python client, `open_warehouse`."""
