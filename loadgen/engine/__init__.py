"""The engine: one thread, one event loop, and as many clients as its descriptors allow.

    agenda ─▶ what is due: arrivals, thinkers, clients to come and go
       │                                          │
       ▼                                          ▼
    feed ──── gives requests to ────▶ clients ◀── dialer (connects them)
    (closed, thinking, open loop)        │
                                         ▼
                                       tally

A `Client` is an `asyncio.Protocol` over the client's side of the protocol core. A feed says
what it sends next, and is all that differs between closed and open loops.
"""

from .engine import Engine
from .options import Options, Target

__all__ = ["Engine", "Options", "Target"]
