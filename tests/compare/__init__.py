"""Tests of `python -m variants compare`."""
