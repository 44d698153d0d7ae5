"""The command line of ``python -m variants``: lists the models, runs one, or compares them."""

from importlib import import_module
from typing import Final

import click

from . import NAMES, module_of

#: The one command that is no model.
COMPARE: Final = "compare"


class _Models(click.Group):
    """The models as commands, each imported only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Every model there is, in the order in which they are taught; and what compares them."""
        return [*NAMES, COMPARE]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of one model, ``None`` if there is none of that name."""
        if cmd_name == COMPARE:
            command: click.Command = import_module(".compare.command", __package__).compare
        elif cmd_name in NAMES:
            command = import_module(f".{module_of(cmd_name)}", __package__).MODEL.command
        else:
            return None
        return command


@click.command(
    cls=_Models,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.pass_context
def main(ctx: click.Context) -> None:
    """Serve under one concurrency model, for instance: python -m variants epoll --port 8090."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
