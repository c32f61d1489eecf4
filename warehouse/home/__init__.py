"""The home folder: its paths, whole-file writes, locks, logs."""
