"""Markets: when they trade and what they list."""
