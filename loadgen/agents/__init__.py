"""Agents: processes that carry out a plan, each its share, and the crew that leads them.

    crew ── job ──▶ agent: connects, says READY
         ── go(instant) ──▶ carries out its share, sends progress
         ◀── done(tally, vitals)

An agent has its process to itself: nothing that is drawn or scraped makes it late.
"""

from .crew import Crew
from .messages import Done, Failed, Job, Outcome

__all__ = ["Crew", "Done", "Failed", "Job", "Outcome"]
