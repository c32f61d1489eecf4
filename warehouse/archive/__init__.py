"""The archive of raw replies, raw/, with its manifests: the source of truth."""
