"""Tests of the core: bytes in, actions out, and no socket anywhere."""
