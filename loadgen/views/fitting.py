"""Tables that fit a terminal: a figure is there as a whole or not at all.

Where a table is too wide its columns are parted among several tables, one below the other, each
with the names again. Words may be broken into lines, figures may not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

#: Columns between two columns.
GAP: Final = 2
#: A column of words is no narrower than this, if it must be narrower than its longest text.
LEAST: Final = 8
#: What is longer is no figure, but words.
LONGEST_FIGURE: Final = 24
#: Columns where there is no terminal.
WIDTH: Final = 140


@dataclass(slots=True)
class Sheet:
    """A table of texts.

    :param names: how many columns, from the left, are names and not figures.
    :param notes: what there is to say below it.
    """

    title: str
    head: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    names: int = 1
    notes: list[str] = field(default_factory=list)


def show(sheet: Sheet, console: Console) -> None:
    """Print a sheet, in as many tables as its columns need."""
    width = console.width if console.is_terminal else max(console.width, WIDTH)
    title = Text(sheet.title, style="bold")
    console.print(title, width=width)
    for part in parts(sheet, width):
        console.print(_table(sheet, part), width=width)
    for note in sheet.notes:
        console.print(Text(note, style="dim"), width=width)


def parts(sheet: Sheet, width: int) -> Iterator[dict[int, int]]:
    """Yield the columns of each table, and how wide each is: together no wider than ``width``."""
    widths = [_width(sheet, column) for column in range(len(sheet.head))]
    names = _narrowed(sheet, widths, width)
    part, room = dict(names), _room(names, width)
    for column in range(sheet.names, len(widths)):
        if min(widths[column], LONGEST_FIGURE) + GAP > room and len(part) > len(names):
            yield part
            part, room = dict(names), _room(names, width)
        part[column] = min(widths[column], max(room - GAP, LEAST))
        room -= part[column] + GAP
    yield part


def _room(names: dict[int, int], width: int) -> int:
    return width - sum(names.values()) - GAP * (len(names) - 1)


def _width(sheet: Sheet, column: int) -> int:
    """How wide a column has to be: as its longest text, or the longest word above it."""
    cells = max((len(row[column]) for row in sheet.rows), default=0)
    return max(cells, *map(len, sheet.head[column].split() or [""]))


def _narrowed(sheet: Sheet, widths: Sequence[int], width: int) -> dict[int, int]:
    """Make the names so narrow that the widest figure has room beside them."""
    names = {column: widths[column] for column in range(sheet.names)}
    widest = min(max(widths[sheet.names :], default=-GAP), LONGEST_FIGURE)
    while _room(names, width) < widest + GAP:
        column = max(names, key=lambda one: names[one])
        if names[column] <= LEAST:
            break
        names[column] -= 1
    return names


def _table(sheet: Sheet, part: dict[int, int]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column, width in part.items():
        left = column < sheet.names
        table.add_column(
            Text(sheet.head[column]), justify="left" if left else "right", width=width,
            overflow="fold",
        )  # fmt: skip
    for row in sheet.rows:
        table.add_row(*(Text(row[column]) for column in part))
    return table
