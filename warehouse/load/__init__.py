"""One snapshot computed, merged and written."""
