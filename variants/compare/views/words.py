"""Figures and circumstances, as people read them."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from loadgen.plan.units import show_duration

from ..diagnosis import State
from ..estimates import Estimate
from ..findings import Scaled, Watched
from ..metrics import Mark
from ..report import Report
from . import marking

#: What stands where there is no figure.
NOTHING: Final = "\N{EN DASH}"
_TIMES: Final = "\N{MULTIPLICATION SIGN}"
_SIZES: Final = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))


def seconds(value: float | None) -> str:
    """Show a duration in µs, ms or s."""
    return NOTHING if value is None else show_duration(value)


def round_seconds(value: float) -> str:
    """Show a round duration, for an axis: without digits that say nothing."""
    unit, each = next(((u, s) for u, s in (("s", 1.0), ("ms", 1e-3)) if value > s * 0.999),
                      ("µs", 1e-6))  # fmt: skip
    return f"{value / each:.3g} {unit}"


def round_size(value: float) -> str:
    """Show a round number of bytes, for an axis."""
    return size(value).replace(".0 ", " ")


def size(value: float | None) -> str:
    """Show bytes in KiB, MiB or GiB."""
    if value is None:
        return NOTHING
    for unit, each in _SIZES:
        if value >= each:
            return f"{value / each:.{1 if value < 100 * each else 0}f} {unit}"
    return f"{value:.0f} B"


def number(value: float | None) -> str:
    """Show a number: whole from a hundred on, with one digit more below."""
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def times(ratio: float) -> str:
    """Show a ratio in three digits."""
    digits = 2 if ratio < 10 else 1 if ratio < 100 else 0
    return f"{ratio:,.{digits}f}{_TIMES}" if ratio >= 0.01 else f"<0.01{_TIMES}"


def about(ratio: float) -> str:
    """Show a ratio in two digits, for an axis."""
    return f"{ratio:.2g}{_TIMES}" if ratio < 10 else f"{ratio:,.0f}{_TIMES}"


def interval(estimate: Estimate) -> str:
    """Show an interval; one that is open above ends in ∞."""
    low, high = estimate.low, estimate.high
    if low is None or high is None:
        return "no interval"
    return f"{low:.2f}{NOTHING}{'∞' if high == math.inf else f'{high:,.2f}'}"


def marks(counts: Mapping[Mark, int]) -> str:
    """Show which rounds are to be taken with caution, and why."""
    return ", ".join(f"{mark.value} in {_rounds(count)}" for mark, count in counts.items())


def kinds(counts: Mapping[str, int]) -> str:
    """Show errors by what they are."""
    return ", ".join(f"{kind} ({count:,})" for kind, count in counts.items())


def load(workload: str, connections: int) -> str:
    """Name a load."""
    return f"{workload}, {connections:,} connection{'s' * (connections != 1)}"


def in_cell(one: Watched, said: Collection[Mark] = ()) -> str:
    """What stands in a cell of the matrix.

    :param said: marks that are said of all cells, and not in each.
    """
    if one.state is State.FAILED:
        return "failed"
    if one.state is State.PARALYSED:
        return f"hardly: {one.answered / one.asked:.1%}" if one.answered else "never"
    return (
        seconds(one.p99)
        + "*" * (one.state is State.UNTROUBLED)
        + "†" * bool(marking.rest(one, said))
    )


def figures(one: Scaled) -> list[str]:
    """Sum up one contestant under one load, a line for each thing."""
    lines = []
    if one.rate is not None:
        bound = "at least " if Mark.GENERATOR in one.marks else ""
        lines.append(f"{bound}{one.rate:,.0f} requests/s")
        latencies = zip(("p50", "p99", "p99.9"), (one.p50, one.p99, one.p999), strict=True)
        lines.append(" · ".join(f"{name} {seconds(value)}" for name, value in latencies))
    if one.cpu_us is not None:
        parts = f"{number(one.user_us)} user, {number(one.system_us)} system"
        lines.append(f"CPU {number(one.cpu_us)} µs a request ({parts})")
    if one.resident_bytes is not None:
        threads = f"{number(one.threads)} thread{'s' * (one.threads != 1)}"
        lines.append(f"{size(one.resident_bytes)} resident, {threads}")
    if one.never_served:
        lines.append(f"served {one.served:,} of {one.connections:,} clients")
    if one.errors:
        lines.append(f"{one.errors:,} errors: {kinds(one.error_kinds)}")
    return [*lines, *filter(None, [marks(one.marks)]), *one.failures]


def cpus(study: Mapping[str, Any]) -> str:
    """Say which CPUs the server had, and which the load."""
    theirs, ours = (_listed(study["cpus"][name]) for name in ("server", "load"))
    return f"Servers ran on {theirs} and nowhere else, the load and its bystander on {ours}."


def when(begun: str, ended: str) -> str:
    """Say when it was, and how long it took."""
    first = datetime.fromisoformat(begun).astimezone(UTC)
    text = f"Measured on {first:%d %B %Y, %H:%M} UTC"
    if not ended:
        return text
    took = (datetime.fromisoformat(ended) - first).total_seconds()
    return f"{text}, in {int(took // 60)} min {int(took % 60)} s,"


def machine(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Describe a machine."""
    sizes = {"memory_bytes": ("memory", size)}
    named = ((*sizes.get(key, (key.replace("_", " "), str)), value) for key, value in about.items())
    return [(name, show(value)) for name, show, value in named]


def marked(report: Report, counts: Mapping[Mark, int], marked_rounds: int) -> str:
    """Sum up how much is to be taken with caution."""
    total = len(report.measurements) + len(report.observations)
    if not marked_rounds:
        return (
            f"None of {total:,} measurements is marked: the generator never was the bottleneck,"
            " and nobody else used the machine."
        )
    saturated, disturbed = counts.get(Mark.GENERATOR, 0), counts.get(Mark.DISTURBED, 0)
    are = "is" if marked_rounds == 1 else "are"
    return (
        f"{marked_rounds:,} of {total:,} measurements {are} marked: in {saturated:,} the generator"
        f" was saturated, in {disturbed:,} the machine was disturbed."
    )


def listed(names: Iterable[str]) -> str:
    """Join names as in a sentence."""
    each = list(names)
    return f"{', '.join(each[:-1])} and {each[-1]}" if len(each) > 1 else "".join(each)


def _listed(numbers: Sequence[int]) -> str:
    return f"CPU{'s' * (len(numbers) > 1)} {listed(map(str, numbers))}"


def _rounds(count: int) -> str:
    return f"{count} round{'s' * (count != 1)}"
