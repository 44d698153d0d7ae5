"""How tables, numbers and verdicts are written."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")
Row = Sequence[str]


def table(title: str, head: Row, rows: Iterable[Row]) -> str:
    """Align the columns: the names to the left, the numbers to the right.

    A table without rows is no table.
    """
    body = list(rows)
    if not body:
        return ""
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    return "\n".join([title, *(line(row, widths) for row in (head, *body))])


def line(row: Row, widths: Sequence[int]) -> str:
    """Lay out one row; its first two columns are names."""
    cells = [
        cell.rjust(width) if column > 1 else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def judged(value: float, at_least: float | None = None, at_most: float | None = None) -> str:
    """Say whether a target is met; a server without a target is not judged."""
    if at_least is None and at_most is None:
        return ""
    met = (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
    return "met" if met else "MISSED"


def short(value: float) -> str:
    """Write a number with three digits and a decimal prefix."""
    for limit, prefix in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= limit:
            scaled = value / (limit if prefix != "k" else 1e3)
            return f"{scaled:.3g} {prefix}"
    return f"{value:.0f} "


def in_order(measured: Mapping[str, T], order: Iterable[str]) -> Iterator[tuple[str, T]]:
    """Return what was measured in the order of the tables."""
    return ((key, measured[key]) for key in order if key in measured)
