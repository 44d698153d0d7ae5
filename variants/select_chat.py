"""Chat on ``select()``: one thread, and clients that hear of each other.

    client 1 ── "hi" ──▶ ┌──────────┐ ──▶ outbox of 2 ──▶ [User 1]: hi
    client 2 ──────────▶ │ the room │ ──▶ outbox of 3 ──▶ [User 1]: hi
    client 3 ──────────▶ └──────────┘      (bounded: who does not read is dropped)

The model. The loop is that of `select`, to the letter; another core is plugged in, a room
(`chat.room`) whose members have something to say though nobody asked. All of them live in
one thread, so a message goes from one client to all others without a lock. Whoever has
something in the outbox and does not take it goes from the set of readers to that of writers.

Good at: what threads are bad at, clients that share something.

Breaks: where `select` does, at 1,024 descriptors; and one message to n clients is n writes, so
n clients that talk are n² of them.
"""

from .chat import Room
from .common.model import Model
from .select_ import Select

MODEL = Model(
    "select-chat", Select, "chat on select(): a message goes to all others", __doc__, service=Room
)

if __name__ == "__main__":
    MODEL.main()
