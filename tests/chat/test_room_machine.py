"""The room as a state machine, beside a model without any queues."""

from collections import Counter
from collections.abc import Callable

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dumb_async.protocol import LINE_TOO_LONG, NEED_DATA, Action, Close, Compute, NeedData, Send
from variants.chat import Room, room

from .driver import Driver

Counts = Counter[str]

WELCOME = b"Welcome chat user no. %d!\n"

#: Of few bytes, so that lines end, and are too long, often; and whole lines, several at once.
chunks = st.lists(
    st.sampled_from([b"a", b"bc", b"\r", b"\n", b"\r\n", b"hi\n", b"1\n2\n3\n", b"sevenxx"]),
    min_size=1,
    max_size=6,
).map(b"".join)


def said(received: bytes, limit: int) -> tuple[list[bytes], bool]:
    """What of ``received`` is a message, and whether a line too long comes after it."""
    *lines, tail = received.split(b"\n")
    lines = [line.removesuffix(b"\r") for line in lines]
    for index, line in enumerate(lines):
        if len(line) > limit:
            return lines[:index], True
    return lines, len(tail.removesuffix(b"\r")) > limit


class Modelled:
    """A driver beside what its client must hear, and what it has said."""

    def __init__(self, chat: Room, limit_line: int) -> None:
        self.driver = Driver(chat, limit_line=limit_line)
        self.limit_line = limit_line
        self.expected = b""  # to be written to it, unless it is dropped
        self.received = b""
        self.passed_on = 0  # of its messages
        self.ended = self.inside = self.dropped = False
        self.refused = False  # it was told LINE_TOO_LONG

    @property
    def listens(self) -> bool:
        """Whether a driver would read from its client now."""
        return self.driver.listening and not (self.ended or self.driver.closed)

    @property
    def waiting(self) -> int:
        """Bytes that it has not been sent yet."""
        return len(self.expected) - len(self.driver.sent)


class RoomMachine(RuleBasedStateMachine):
    """Members come, speak, hear, stop reading, end and are lost, in any order.

    The model has no queues: it knows what has been said, and how much of it was passed on. All
    that is said goes to those who are in, and is sent to them in that order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(room, "SLICE", 6)
        self.patch.setattr(room, "SEND_SIZE", 40)
        self.everybody: list[Modelled] = []

    def teardown(self) -> None:
        """Give the room its own sizes back."""
        self.patch.undo()

    @initialize(longest=st.integers(26, 150))
    def open(self, longest: int) -> None:
        self.longest = longest
        self.chat = Room(longest_backlog=longest)

    @precondition(lambda self: len(self.everybody) < 8)
    @rule(limit_line=st.integers(1, 6))
    def join(self, limit_line: int) -> None:
        member = Modelled(self.chat, limit_line)
        self.everybody.append(member)
        member.inside = True
        self.post(member, WELCOME % len(self.everybody))

    @precondition(lambda self: self.those(lambda one: one.listens))
    @rule(data=st.data(), text=chunks)
    def say(self, data: st.DataObject, text: bytes) -> None:
        member = self.one_of(data, lambda one: one.listens)
        member.received += text
        member.driver.receive(text)

    @precondition(lambda self: self.those(lambda one: one.listens))
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        member = self.one_of(data, lambda one: one.listens)
        member.ended = True
        member.driver.end()
        self.settle(member)

    @precondition(lambda self: self.those(lambda one: one.listens))
    @rule(data=st.data(), text=chunks)
    def say_and_end(self, data: st.DataObject, text: bytes) -> None:
        """As at a stop, when the end of input is put where the client had come to."""
        member = self.one_of(data, lambda one: one.listens)
        member.received += text
        member.ended = True
        member.driver.receive(text).end()
        self.settle(member)

    @precondition(lambda self: self.those(lambda one: not one.driver.closed))
    @rule(data=st.data(), times=st.integers(1, 4))
    def perform(self, data: st.DataObject, times: int) -> None:
        member = self.one_of(data, lambda one: not one.driver.closed)
        for _ in range(times):
            if not member.driver.closed:
                self.step(member)

    @rule()
    def perform_all(self) -> None:
        while busy := self.those(lambda one: not (one.driver.closed or one.driver.listening)):
            for member in busy:
                self.step(member)
        self.serve_the_prodded()

    @rule()
    def serve_the_prodded(self) -> None:
        """What every driver does who listens and is prodded."""
        prodded = self.those(lambda one: one.driver.listening and one.driver.prods > 0)
        for member in prodded:
            while not member.driver.closed and self.step(member) is not NEED_DATA:
                pass

    @precondition(lambda self: self.everybody)
    @rule(data=st.data())
    def abandon(self, data: st.DataObject) -> None:
        member = self.one_of(data, lambda _: True)
        member.driver.member.abandon()
        member.driver.closed = True
        member.inside = False

    @invariant()
    def nothing_is_forgotten(self) -> None:
        assert [] == self.those(lambda one: one.driver.forgotten)

    @invariant()
    def only_what_was_said_is_sent(self) -> None:
        for member in self.everybody:
            assert member.expected.startswith(member.driver.sent)

    @invariant()
    def numbers_and_members_are_right(self) -> None:
        inside = [number for number, one in enumerate(self.everybody, 1) if one.inside]
        assert inside == sorted(getattr(self, "chat", Room()).members)

    @invariant()
    def all_is_counted(self) -> None:
        for one in self.everybody:
            expected = Counts(message=one.passed_on, dropped=one.dropped, too_long=one.refused)
            assert expected == one.driver.counts

    def step(self, member: Modelled) -> Action | NeedData:
        """Perform one action of it, and see that it was right."""
        action = member.driver.step()
        if isinstance(action, Compute):
            self.take_in_slice(member)
        elif isinstance(action, Close):
            assert not member.inside
            assert member.ended or member.refused or member.dropped
        if not isinstance(action, Send | Compute):
            assert member.dropped or not member.waiting
            lines, refused = said(member.received, member.limit_line)
            assert member.dropped or (len(lines), refused) == (member.passed_on, member.refused)
        return action

    def take_in_slice(self, member: Modelled) -> None:
        """Have the model say what a slice has passed on."""
        lines, too_long = said(member.received, member.limit_line)
        until = member.driver.counts["message"]
        assert 0 <= until - member.passed_on <= 6
        for line in lines[member.passed_on : until]:
            message = b"[User %d]: %s\n" % (member.driver.member.number, line)
            for one in self.those(lambda one: one.inside and one is not member):
                self.post(one, message)
        member.passed_on = until
        if member.driver.counts["too_long"]:
            assert too_long
            assert len(lines) == until
            member.refused, member.inside = True, False
            member.expected += LINE_TOO_LONG
        self.settle(member)

    def post(self, member: Modelled, message: bytes) -> None:
        """Have the model drop who is to hear more than may wait."""
        if member.waiting + len(message) > self.longest:
            member.dropped, member.inside = True, False
        else:
            member.expected += message

    def settle(self, member: Modelled) -> None:
        """Who has ended its side leaves with its last message."""
        lines, too_long = said(member.received, member.limit_line)
        if member.ended and member.passed_on == len(lines) and not too_long:
            member.inside = False

    def those(self, condition: Callable[[Modelled], bool]) -> list[Modelled]:
        """Everybody of this kind."""
        return [one for one in self.everybody if condition(one)]

    def one_of(self, data: st.DataObject, condition: Callable[[Modelled], bool]) -> Modelled:
        """Anybody of this kind."""
        return data.draw(st.sampled_from(self.those(condition)), label="who")


TestRoomMachine = RoomMachine.TestCase
TestRoomMachine.settings = settings(max_examples=60, stateful_step_count=40)
