"""Chat on epoll: as `select_chat`, for thousands.

    client 1 ── "hi" ──▶ ┌──────────┐ ──▶ outbox of 2 ──▶ EPOLLOUT only if its socket is full
    client 2 ──────────▶ │ the room │ ──▶ outbox of 3 ──▶ EPOLLIN otherwise
    client n ──────────▶ └──────────┘      …

The model. The loop of `epoll` and the room of `select_chat`. Nothing of the one knows of
the other: a member prods its session, the session has itself resumed, the loop takes its
next step. To write is tried at once; only a client that does not take it is waited for.

Good at: thousands of listeners and few who talk; who does not read is dropped after 256 KiB
and costs nobody anything.

Breaks: as every chat does: a message to n clients is n writes, and they come a batch in each
turn of the loop, with the requests of others between.
"""

from .chat import Room
from .common.model import Model
from .epoll import Epoll

MODEL = Model(
    "epoll-chat", Epoll, "chat on epoll: a message goes to all others", __doc__, service=Room
)

if __name__ == "__main__":
    MODEL.main()
