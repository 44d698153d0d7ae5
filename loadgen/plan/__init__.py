"""What is to be sent, and when: data, without a socket or a clock.

A `Plan` is the same on every machine that is given the same arguments and seed. Agents
share it: request i is that of agent i mod N, so N of them together send exactly what one
would.
"""

from .arrivals import Arrivals
from .mix import Mix
from .plan import Plan, Share
from .profiles import Profile, Stage
from .think import Think
from .units import duration, quantity

__all__ = [
    "Arrivals",
    "Mix",
    "Plan",
    "Profile",
    "Share",
    "Stage",
    "Think",
    "duration",
    "quantity",
]
