"""Ask a server whether it is well: ``python -m dumb_async.healthcheck``.

One real PING over a real connection. Exit status 0: it answered; 1: it did not.
"""

from .starting import begin

if __name__ == "__main__":
    begin(1)  # unhealthy, for all that is known


import sys
from typing import Final

import click

from .hosting import Duration, Port, ServerCommand, connect
from .protocol import UNKNOWN_COMMAND

#: A service of one's own need not know PING: that it says so shows that it is well.
_WELL: Final = frozenset({b"PONG\n", UNKNOWN_COMMAND})


def ping(host: str, port: int, timeout: float) -> bytes:
    """Send one PING, return the line that comes back, or what there is of it.

    :param timeout: seconds for each step.
    :raises OSError: if the server cannot be reached or says nothing in time.
    """
    with connect(host, port, timeout) as sock, sock.makefile("rb") as replies:
        sock.sendall(b"PING\n")
        return replies.readline(64)


@click.command(
    cls=ServerCommand, context_settings={"auto_envvar_prefix": "DUMB", "show_default": True}
)
@click.option("--host", default="127.0.0.1", help="Address the server listens on.")
@click.option("--port", type=Port(1, 65535), default=8090, help="Its port.")
@click.option(
    "--timeout",
    type=Duration(0, 86_400, min_open=True),
    default=2.0,
    help="How long each step may take.",
)
def main(host: str, port: int, timeout: float) -> None:
    """Exit with 0 if the server answers a PING, with 1 and a reason if not."""
    try:
        reply = ping(host, port, timeout)
    except OSError as error:
        click.echo(f"unhealthy: {error}", err=True)
        sys.exit(1)
    if reply not in _WELL:
        click.echo(f"unhealthy: answered {reply!r}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
