"""Partitions: hot rows in the work file, cold rows in Parquet."""
