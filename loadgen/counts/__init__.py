"""What is counted: latencies, errors, and all of a run; everything merges by addition."""

from .errors import ADVICE, Cause, Fault, Phase
from .histogram import LONGEST, Histogram
from .tally import Commanded, Tally

__all__ = ["ADVICE", "LONGEST", "Cause", "Commanded", "Fault", "Histogram", "Phase", "Tally"]
