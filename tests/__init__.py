"""Tests, and the venue double that they and the demo share."""
