"""When and in what order: flows, sources and the command line."""
