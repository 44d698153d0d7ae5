"""A report as Markdown, to paste."""

from collections.abc import Iterable, Iterator

from loadgen.views import Sheet

from ..findings import Findings
from ..report import Report
from .sheets import facts, sheets


def render(report: Report, findings: Findings, changed: Sheet | None = None) -> str:
    """Return the text of a Markdown document."""
    parts = ["# Comparison\n", _listed(facts(report))]
    parts += map(_section, sheets(report, findings))
    if changed is not None:
        parts.append(_section(changed))
    return "\n".join(parts)


def _section(sheet: Sheet) -> str:
    return "\n".join([f"## {_escaped(sheet.title)}\n", *_table(sheet), "", _listed(sheet.notes)])


def _table(sheet: Sheet) -> Iterator[str]:
    yield _row(sheet.head)
    rules = ["---" if column < sheet.names else "--:" for column in range(len(sheet.head))]
    yield f"|{'|'.join(rules)}|"
    yield from map(_row, sheet.rows)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_escaped, cells))} |"


def _listed(lines: Iterable[str]) -> str:
    return "".join(f"* {_escaped(line)}\n" for line in lines)


def _escaped(text: str) -> str:
    """Names of servers, and what they say last, are anybody's: no markup in them."""
    for special in "\\`*_[]<>|#":
        text = text.replace(special, f"\\{special}")
    return text
