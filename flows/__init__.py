"""When, and in what order: sources, runs, history, schedules and the command line."""
