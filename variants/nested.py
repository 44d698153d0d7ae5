"""An epoll of one's own inside somebody else's event loop.

    clients ──▶ epoll ──▶ one descriptor ──▶ asyncio, uvloop or trio ──▶ turn()
                (an epoll can itself be polled: epoll(7))

The model. The loop of `epoll`, to the letter, but for who waits: the runtime watches one
descriptor, the epoll's, and takes a turn of ours when it is readable. No transport, stream,
task or timer of the runtime is involved for any client; it does not know that there are any.

Good at: showing what a runtime's own I/O costs and gives. Beside ``--loop`` of the same name
of the primary server it takes about the same CPU on trio as on asyncio, and less than a
kilobyte for an idle client: that difference is the price. What is had for it is all that is
missing here: a client has no task, so nothing can be awaited for it, cancelled with it or
traced to it, and its code is a state machine again. Programs with an event loop
of their own (Tk, a game, libcurl) are married to asyncio in this way.

Breaks: like `epoll`, and quietly more: the runtime's fairness, debugging and instruments see
one busy descriptor, whoever is behind it.
"""

from functools import partial

import click

from dumb_async import runtimes
from dumb_async.hosting import fail

from .common.host import Host
from .common.model import Model
from .epoll import Epoll


class Nested:
    """The loop of `epoll`, a turn at a time, when a runtime says so."""

    def __init__(self, host: Host, loop: str) -> None:
        self.host = host
        host.name = f"nested-{loop}"
        try:
            self.runtime = runtimes.load(loop)
        except ImportError as error:
            fail(f"--loop {loop} cannot be used: {error}")
        self.inner = Epoll(host)

    def run(self) -> None:
        """Serve until there is nobody left."""
        self.runtime.run(self.main)
        self.inner.epoll.close()

    async def main(self) -> None:
        """Wait, as the runtime does, until there is something to do; do it; wait again."""
        is_ready = partial(self.runtime.wait_readable, self.inner.epoll.fileno())
        while not self.host.over:
            await self.runtime.within(self.inner.schedule.timeout(), is_ready)
            self.inner.turn(0)


MODEL = Model(
    "nested",
    Nested,
    "the epoll of `epoll`, inside the loop of a runtime",
    __doc__,
    options=(
        click.option(
            "--loop",
            type=click.Choice(["asyncio", "uvloop", "trio"]),
            default="asyncio",
            show_default=True,
            help="The runtime whose loop it is in.",
        ),
    ),
)

if __name__ == "__main__":
    MODEL.main()
