"""Loading: snapshots are computed, merged and written to the work file."""
