"""Charts of the published tables."""
