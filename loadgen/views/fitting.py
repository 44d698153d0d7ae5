"""Tables that fit a terminal: a figure is there as a whole or not at all.

Where a table is too wide its columns are parted among several tables, one below the other, each
with the names again. Words may be broken into lines, figures may not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

#: Columns between two columns.
GAP: Final = 2
#: A column of words is no narrower than this, if it must be narrower than its longest text.
LEAST: Final = 8
#: What is longer is no figure, but words.
LONGEST_FIGURE: Final = 24
#: Columns where there is no terminal: as many as it takes.
ENDLESS: Final = 10_000
#: Columns of what is written there for people.
WIDTH: Final = 140

Cell = str | Text


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


@dataclass(slots=True)
class Fitted:
    """A table for `rich` that is parted where it is too wide.

    :param names: how many columns, from the left, are names and not figures.
    :param words: other columns that hold no figures.
    :param styles: of each row, if not that of everything.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    names: int = 1
    words: frozenset[int] = frozenset()
    style: str = "bold"
    styles: Sequence[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Give the tables."""
        if console.is_terminal:
            yield from map(self._table, parts(self.head, self.rows, self.names, options.max_width))
        else:
            table = self._table(dict.fromkeys(range(len(self.head))))
            yield from console.render(table, options.update(max_width=ENDLESS))

    def _table(self, part: Mapping[int, int | None]) -> Table:
        table = Table(box=None, pad_edge=False, header_style=self.style, show_header=any(self.head))
        for column, width in part.items():
            left = column < self.names or column in self.words
            title = Text(self.head[column], justify="left" if left else "right")
            table.add_column(title, justify=title.justify or "left", width=width, overflow="fold")
        for number, row in enumerate(self.rows):
            cells = (row[column] for column in part)
            table.add_row(
                *(Text(one) if isinstance(one, str) else one for one in cells),
                style=self.styles[number] if self.styles else None,
            )
        return table


def show(sheet: Sheet, console: Console) -> None:
    """Print a sheet, and what there is to say below it."""
    width = console.width if console.is_terminal else max(console.width, WIDTH)
    console.print(Text(sheet.title, style="bold"), width=width)
    console.print(Fitted(sheet.head, sheet.rows, sheet.names, style="dim"), crop=False)
    for note in sheet.notes:
        console.print(Text(note, style="dim"), width=width)


def parts(
    head: Sequence[str], rows: Sequence[Sequence[Cell]], names: int, width: int
) -> Iterator[dict[int, int]]:
    """Yield the columns of each table, and how wide each is: together no wider than ``width``."""
    widths = [_width(title, [row[column] for row in rows]) for column, title in enumerate(head)]
    left = _narrowed(dict(enumerate(widths[:names])), widths[names:], width)
    part, room = dict(left), _room(left, width)
    for column in range(names, len(widths)):
        if min(widths[column], LONGEST_FIGURE) + GAP > room and len(part) > len(left):
            yield part
            part, room = dict(left), _room(left, width)
        part[column] = min(widths[column], max(room - GAP, LEAST))
        room -= part[column] + GAP
    yield part


def _room(names: dict[int, int], width: int) -> int:
    return width - sum(names.values()) - GAP * (len(names) - 1)


def _width(title: str, cells: Sequence[Cell]) -> int:
    """How wide a column has to be: as its longest text, or the longest word above it."""
    return max(*map(len, title.split() or [""]), *map(len, cells), 0)


def _narrowed(names: dict[int, int], figures: Sequence[int], width: int) -> dict[int, int]:
    """Make the names so narrow that the widest figure has room beside them."""
    widest = min(max(figures, default=-GAP), LONGEST_FIGURE)
    while _room(names, width) < widest + GAP:
        column = max(names, key=lambda one: names[one])
        if names[column] <= LEAST:
            break
        names[column] -= 1
    return names
