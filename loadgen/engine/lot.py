"""What clients are given to send."""

from dataclasses import dataclass

from dumb_async import Service
from dumb_async.protocol import Request

from ..counts import Commanded, Tally
from ..plan import Mix


@dataclass(frozen=True, slots=True)
class Lot:
    """One request of the mix, and where it is counted."""

    request: Request
    counted: Commanded


def draw(mix: Mix, service: Service, tally: Tally) -> list[Lot]:
    """Make a lot of each request of ``mix``, to be counted in ``tally``."""
    lots = []
    for line in mix.requests:
        counted = tally.commands.setdefault(line.decode(errors="replace"), Commanded())
        lots.append(Lot(Request(line, service.expect(line)), counted))
    return lots
