"""What this machine will hold, and what to change so that it holds more.

system (reads /proc and /sys) ─▶ checks ─▶ findings ─▶ shown by the command
"""

from .checks import examine
from .finding import Finding, Level
from .noise import Noise, listen_to
from .system import System

__all__ = ["Finding", "Level", "Noise", "System", "examine", "listen_to"]
