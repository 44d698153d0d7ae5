"""The command line of ``python -m dumb_async``."""

from dataclasses import asdict

import click

from .hosting import CONTEXT, EPILOG, Launch, ServerCommand, fail, server_options
from .running import run
from .runtimes import NAMES, load


@click.command(cls=ServerCommand, context_settings=CONTEXT, epilog=EPILOG)
@click.option(
    "--loop",
    type=click.Choice(["auto", *NAMES]),
    default="auto",
    help="Runtime to serve on; auto is uvloop where it is installed.",
)
@server_options
def main(launch: Launch, loop: str) -> None:
    """Serve a line protocol over TCP: PING, WAIT, BURN and STREAM, or a service of your own."""
    try:
        load(loop)
    except ImportError as error:
        fail(f"--loop {loop} cannot be used: {error}")
    run(
        launch.service,
        loop=loop,
        metrics_host=launch.metrics_host,
        metrics_port=launch.metrics_port,
        **asdict(launch.settings),
    )
