"""Clients of a chat that all listen at the same time, in one thread."""

import re
import selectors
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager

from ..conformance.client import PATIENCE, Client
from ..conformance.process import Server

_WELCOME = re.compile(rb"Welcome chat user no\. ([1-9]\d*)!\n")


class Chatter(Client):
    """One who is in the room.

    :raises AssertionError: if it is not welcomed.
    """

    def __init__(self, server: Server, *, receive_buffer: int | None = None) -> None:
        super().__init__(server.address, receive_buffer=receive_buffer)
        self.ended = False  # the server has ended the connection, in whatever way
        try:
            welcome = self.read_line()
            match = _WELCOME.fullmatch(welcome)
            assert match, welcome
        except BaseException:
            self.reset()
            raise
        self.number = int(match[1])

    @property
    def heard(self) -> bytes:
        """All it has heard since it was welcomed."""
        return bytes(self._received)

    @property
    def size(self) -> int:
        """How much that is."""
        return len(self._received)

    def says(self, text: bytes) -> bytes:
        """How others hear it say this."""
        return b"[User %d]: %s\n" % (self.number, text)

    def say(self, text: bytes) -> bytes:
        """Say it; return how others hear it."""
        self.send(text + b"\n")
        return self.says(text)

    def take(self) -> None:
        """Read once."""
        try:
            self.ended = not self._receive()
        except ConnectionError:
            self.ended = True

    def forget(self) -> None:
        """Forget what it has heard."""
        self._received.clear()


@contextmanager
def chatting(server: Server, count: int) -> Iterator[list[Chatter]]:
    """So many who have come in one after the other; they are reset in the end."""
    with ExitStack() as stack:
        yield [stack.enter_context(Chatter(server)) for _ in range(count)]


def listen(
    chatters: Iterable[Chatter], until: Callable[[], bool], *, within: float = PATIENCE
) -> bool:
    """Have all of them read until something holds; false if it does not hold in time."""
    deadline = time.monotonic() + within
    with selectors.DefaultSelector() as selector:
        for chatter in chatters:
            if not chatter.ended:
                selector.register(chatter, selectors.EVENT_READ)
        while not until():
            left = deadline - time.monotonic()
            if left <= 0 or not selector.get_map():
                return False
            for key, _ in selector.select(left):
                assert isinstance(key.fileobj, Chatter)
                key.fileobj.take()
                if key.fileobj.ended:
                    selector.unregister(key.fileobj)
    return True


def hear(chatters: Iterable[Chatter], what: bytes, *, within: float = PATIENCE) -> bool:
    """Have all of them read until the last that each has heard is this."""
    chatters = list(chatters)
    return listen(
        chatters,
        lambda: all(chatter._received.endswith(what) for chatter in chatters),
        within=within,
    )
