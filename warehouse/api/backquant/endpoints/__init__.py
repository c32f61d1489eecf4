"""Endpoints of the BackQuant dialect, one module per group of paths."""
