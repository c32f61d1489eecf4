"""The query layer: connections, macros as calls, filters, export."""
