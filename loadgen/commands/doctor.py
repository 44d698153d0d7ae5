"""``doctor``: what this machine will hold, and what to change."""

import math
from functools import partial
from typing import Final

import click
from rich.table import Table
from rich.text import Text

from ..doctor import Finding, Level, System, examine, listen_to
from ..plan.units import show_quantity
from ..views import console_for
from . import option_types as types
from . import status
from .output import end, show_answer

SCHEMA: Final = "dumb_async.loadgen.doctor/1"
_STYLES: Final = {Level.OK: "green", Level.WARNING: "yellow", Level.TOO_FEW: "bold red"}


@click.command()
@click.option("-c", "--connections", type=types.MANY, default="10k", show_default=True,
              help="How many a process is to hold.")  # fmt: skip
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text",
              show_default=True, help="The form of what is found.")  # fmt: skip
@click.pass_context
def doctor(context: click.Context, connections: int, output: str) -> None:
    """Say what this machine will hold, and the commands that change it.

    Exit status: 0 if so many connections will hold, 1 if not.
    """
    system = System()
    findings = examine(system, connections, listen_to(system))
    holds = all(finding.level is not Level.TOO_FEW for finding in findings)
    answer = _as_json(findings, connections, holds=holds)
    shown = partial(show_answer, answer, output, partial(_show, findings, connections))
    end(context, status.OK if holds else status.FAILED, shown)


def _as_json(findings: list[Finding], connections: int, *, holds: bool) -> dict[str, object]:
    most = _most(findings)
    return {
        "schema": SCHEMA,
        "connections": connections,
        "holds": holds,
        "most": None if math.isinf(most) else int(most),
        "findings": [finding.as_json() for finding in findings],
    }


def _most(findings: list[Finding]) -> float:
    """The connections that all findings allow."""
    return min((finding.holds for finding in findings), default=math.inf)


def _show(findings: list[Finding], connections: int) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    for finding in findings:
        style = _STYLES[finding.level]
        head = Text(finding.level.value, style=style)
        table.add_row(head, finding.name, Text(finding.value))
        table.add_row("", "", Text(finding.allows), style="dim")
        if finding.change:
            table.add_row("", "", Text(f"▶ {finding.change}", style=style))
    console = console_for()
    console.print(table, soft_wrap=not console.is_terminal)
    most = _most(findings)
    if most >= connections:
        console.print(f"{connections:,} connections will hold", style="bold green")
        return
    console.print(
        f"{connections:,} connections will not hold, {show_quantity(most)} will: see ▶ above",
        style="bold red",
    )
