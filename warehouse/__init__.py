"""DuckDB and files: settings, archive, loader, SQL runner, publisher and query layer."""
