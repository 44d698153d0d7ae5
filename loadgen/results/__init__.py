"""Results: what is kept of a run, shown of it, and asked of it."""

from .result import PERCENTILES, SCHEMA, Agent, NoResult, Result, merge, summary
from .thresholds import Threshold
from .validity import doubts

__all__ = [
    "PERCENTILES",
    "SCHEMA",
    "Agent",
    "NoResult",
    "Result",
    "Threshold",
    "doubts",
    "merge",
    "summary",
]
