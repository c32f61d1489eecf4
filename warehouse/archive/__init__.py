"""raw/ and its manifests: the source of truth."""
