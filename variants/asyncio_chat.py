"""Chat on asyncio, in the style of the primary server.

    client 1 ── "hi" ──▶ ┌──────────┐ ──▶ outbox of 2 ──▶ written at once
    client 2 ──────────▶ │ the room │ ──▶ outbox of 3 ──▶ a task, while the socket is full
    client n ──────────▶ └──────────┘

The model. The primary server as it is, with the room of the other chats instead of a service:
bytes are answered where they are read, and a task exists only for a client that does not
take what is written to it. The task lives in the server's task group; to wait for the
client is an ``await`` in it, and a reset or a stop cancels it.

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
