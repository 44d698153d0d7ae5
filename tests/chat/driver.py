"""A perfect driver of one member of a room, without a socket; it checks that none is forgotten."""

from collections import Counter
from typing import Self

from dumb_async.protocol import NEED_DATA, Action, Close, Compute, NeedData, Send
from variants.chat import Room


class Driver:
    """One member, and all that was written to its client.

    It asks for the next action when something has come in, when the last action is done, and
    when it was prodded; never else. Whatever `next_action` would say in between is lost.
    """

    def __init__(self, room: Room, *, limit_line: int = 1024) -> None:
        self.counts = Counter[str]()
        self.sends: list[bytes] = []
        self.computed = 0
        self.closed = False
        self.listening = False  # it was told NEED_DATA, and nothing has come in since
        self.prods = 0  # since it last asked
        self.member = room.join(self.counts, self._prod, limit_line=limit_line)

    @property
    def sent(self) -> bytes:
        """Every byte written."""
        return b"".join(self.sends)

    @property
    def forgotten(self) -> bool:
        """Whether there is something to do that its driver has no reason to ask for."""
        return self.listening and not self.prods and not self.closed and not self.member.settled

    def receive(self, data: bytes) -> Self:
        """Read ``data``; as every driver, only once there is nothing left to do."""
        assert not self.closed
        self.listening = False
        self.member.receive_data(data)
        return self

    def end(self) -> Self:
        """Read the end of input."""
        assert not self.closed
        self.listening = False
        self.member.receive_eof()
        return self

    def run(self) -> Self:
        """Perform actions until data is needed or the connection is closed."""
        while not self.closed and self.step() is not NEED_DATA:
            pass
        return self

    def step(self) -> Action | NeedData:
        """Perform one action; return it."""
        return self.perform(self.draw())

    def draw(self) -> Action | NeedData:
        """Ask for the next action, to perform it when it is its turn."""
        self.prods = 0
        action = self.member.next_action()
        self.listening = action is NEED_DATA
        return action

    def perform(self, action: Action | NeedData) -> Action | NeedData:
        """Perform what was drawn; return it."""
        match action:
            case Send(data):
                assert data, "a Send of nothing"
                self.sends.append(data)
            case Compute():
                self.computed += 1
                self.member.compute(action)
            case Close():
                self.closed = True
        if not self.closed and self.member.settled:
            # What a driver in a hurry relies on.
            assert NEED_DATA is self.member.next_action()
            self.listening = True
        return action

    def _prod(self) -> None:
        self.prods += 1
