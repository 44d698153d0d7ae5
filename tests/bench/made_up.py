"""Results that nobody measured, to lay out and to judge."""

from bench.bystander import Scene, Watch
from bench.plan import Round
from bench.ratio import Sample
from bench.workers import Turn

FLOOR_PER_S = 100_000.0


def sample(ratio: float, *, errors: int = 0, unanswered: int = 0) -> Sample:
    """A turn that was so fast beside the floor's."""
    return Sample(FLOOR_PER_S * ratio, 8.0 / ratio, 2000.0, errors, unanswered)


def compared(ratio: float, *, errors: int = 0, unanswered: int = 0) -> Round:
    """A round in which a server was so fast beside the floor."""
    return Round(sample(1), sample(ratio, errors=errors, unanswered=unanswered))


def scene(p99_ms: float, *, unanswered: int = 0) -> Scene:
    """A round in which the bystander waited for so long each time."""
    watch = Watch([p99_ms / 1e3] * 100, [p99_ms / 1e3], 0.0001, unanswered)
    return Scene(watch, 4, "held", 0.0, 0.25, 0.2)


def turn(per_s: float, cpus: float = 1.0) -> Turn:
    """A round in which a crew answered so many BURNs a second."""
    return Turn(
        per_s, cpu_us=300, cpus=cpus, client=0.05, stolen=0.02, others=0.25, of_free=cpus / 2
    )
