"""The program: what holds for all commands alike, namely how they end."""

from typing import Any, NoReturn

import click

from ..interrupting import interruptible
from . import status
from .output import fail
from .streams import forgiving


class Program(click.Group):
    """Commands that end with a line and a status, whoever interrupts them or does not read them."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run the command that is asked for, and exit."""
        code: str | int | None = status.OK
        with forgiving() as stdout:
            try:
                super().main(*args, **extra)
            except SystemExit as ended:
                code = ended.code
            stdout.flush()
            if stdout.error:
                fail(f"standard output could not be written: {stdout.error.strerror}")
            raise SystemExit(code)

    def invoke(self, ctx: click.Context) -> Any:
        """Run it; it may be interrupted until it has something to lose."""
        try:
            with interruptible():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            fail("interrupted before there was a result", status.INTERRUPTED)
