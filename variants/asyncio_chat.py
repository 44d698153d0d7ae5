"""Chat on asyncio, in the style of the primary server.

    client 1 ── "hi" ──▶ ┌──────────┐ ──▶ outbox of 2 ──▶ written at once
    client 2 ──────────▶ │ the room │ ──▶ outbox of 3 ──▶ awaited, while the socket is full
    client n ──────────▶ └──────────┘

The model. The primary server as it is, with the room of the other chats instead of a service: a
coroutine for each member, parked until its client says something, or until it is told that there
is something to say to it. To wait for a client that does not take it is an ``await``, and a reset
or a stop cancels that.

Good at: what `epoll_chat` is good at, and to have the rest of asyncio beside it: a database,
HTTP, timers.

Breaks: like every loop, at the first call that blocks it.
"""

from dataclasses import asdict

from dumb_async import run
from dumb_async.hosting import Launch, server_options

from .chat import Room
from .common.model import Listed, described


@described("asyncio-chat", "chat on asyncio, in the style of the primary server", __doc__)
@server_options
def serve(launch: Launch) -> None:
    """Chat on asyncio, in the style of the primary server."""
    run(
        Room(),
        loop="asyncio",
        metrics_host=launch.metrics_host,
        metrics_port=launch.metrics_port,
        **asdict(launch.settings),
    )


MODEL = Listed(serve)

if __name__ == "__main__":
    MODEL.main()
