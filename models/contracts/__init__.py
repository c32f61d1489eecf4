"""One typed contract per table, and the registry of tables."""
