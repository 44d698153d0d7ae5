"""The load generator: its plan and its counts, and runs against real servers."""
