"""One load from many machines, as tasks of Dask.

    dist ── a task each, pinned ──▶ worker of Dask on some machine
                                        │ spawns: python -m loadgen run … --share k/N --start-at T
      ◀── its result, as JSON ──────────┘

Request i of the plan goes to agent i mod N, and all begin at the instant T: together they send
what one machine would. Counts are added. A task is never tried twice: what it would send by then
is not the plan any more.

Dask is imported here and nowhere else; it is the extra ``dist``.
"""

from .cluster import CannotShare, NoDask
from .sharing import share_out

__all__ = ["CannotShare", "NoDask", "share_out"]
