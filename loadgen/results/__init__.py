"""Results: what is kept of a run, shown of it, and asked of it."""

from .merging import merge, mismatches
from .reading import NoResult, load
from .result import PERCENTILES, SCHEMA, Agent, Result, summary
from .thresholds import Threshold
from .validity import LEAST, doubts

__all__ = [
    "LEAST",
    "PERCENTILES",
    "SCHEMA",
    "Agent",
    "NoResult",
    "Result",
    "Threshold",
    "doubts",
    "load",
    "merge",
    "mismatches",
    "summary",
]
