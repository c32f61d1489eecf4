"""Freshness, alerts, and the health of machine and home."""
