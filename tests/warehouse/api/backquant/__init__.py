"""Tests of the BackQuant dialect."""
