"""``c10k``: a run with the options of Dan Kegel's question, ten thousand clients at once."""

from typing import Final

import click

from .run import run

CLIENTS: Final = "1000"
#: Every client computes a little every 100 ms, and is patient for 3 s.
OPTIONS: Final = (
    "--mix", "BURN 300", "--think", "100ms", "--timeout", "3s", "--reconnect-delay", "1s",
)  # fmt: skip


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, required=True, type=click.UNPROCESSED,
                metavar="HOST:PORT [N] [OPTIONS OF run]...")  # fmt: skip
@click.pass_context
def c10k(context: click.Context, arguments: tuple[str, ...]) -> None:
    """Run N clients (1000) that each send BURN 300 every 100 ms.

    They wait 3 s for a reply, and reconnect a second after a failure. It is `run` with -c N
    --mix 'BURN 300' --think 100ms --timeout 3s --reconnect-delay 1s; its other options can
    follow, and these be given again.
    """
    target, *rest = arguments
    clients = rest.pop(0) if rest and not rest[0].startswith("-") else CLIENTS
    given = [target, "-c", clients, *OPTIONS, *rest]
    with run.make_context("run", given, parent=context.parent) as inner:
        run.invoke(inner)
