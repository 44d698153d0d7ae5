"""Client core against server core: no socket between them, and any cut on both ways."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumb_async import Action, Send, Service
from dumb_async.protocol import (
    NEED_DATA,
    WRONG_PROTOCOL,
    ClientConnection,
    Closed,
    Config,
    Event,
    Outcome,
    Reply,
)

from .driver import Driver
from .strategies import lines, small_service

SERVICE = small_service()
OK, REFUSED, WRONG = Outcome.OK, Outcome.REFUSED, Outcome.WRONG


class Link:
    """Both sides and what is under way between them."""

    def __init__(self, config: Config, service: Service, chance: random.Random) -> None:
        self.client = ClientConnection(service)
        self.server = Driver(config)
        self.events: list[Event] = []
        self._chance = chance
        self._requests = b""
        self._delivered = 0

    def talk(self, requests: list[bytes]) -> list[Event]:
        """Ask all, in any order of sending and delivery; return what the client is told."""
        left = list(requests)
        while left or self._requests or self._delivered < len(self.server.sent):
            if left and self._chance.random() < 0.5:
                self._requests += self.client.send(left.pop(0))
            self._deliver_requests()
            self._deliver_replies()
        self.server.end()
        self._deliver_replies(everything=True)
        self.client.receive_eof()
        self._collect()
        return self.events

    def _deliver_requests(self) -> None:
        size = self._chance.choice([0, 1, 3, 20, 1000])
        data, self._requests = self._requests[:size], self._requests[size:]
        self.server.receive(data)

    def _deliver_replies(self, *, everything: bool = False) -> None:
        sent = self.server.sent
        size = len(sent) if everything else self._chance.choice([0, 1, 3, 20, 1000, 100_000])
        data = sent[self._delivered : self._delivered + size]
        self._delivered += len(data)
        self.client.receive_data(data)
        self._collect()

    def _collect(self) -> None:
        while (event := self.client.next_event()) is not NEED_DATA:
            self.events.append(event)
            if isinstance(event, Closed):
                return


chances = st.integers(0, 2**32).map(random.Random)
#: After one of another protocol the server closes.
ours = lines.filter(lambda line: SERVICE.expect(line).text != WRONG_PROTOCOL)
requests_ = st.lists(ours, max_size=12)


@settings(max_examples=100)
@given(requests=requests_, chance=chances, limit_pipeline=st.integers(1, 5))
def test_every_reply_is_right(
    requests: list[bytes], chance: random.Random, limit_pipeline: int
) -> None:
    """Each request gets its own, in order; both sides have the same view of the service."""
    link = Link(Config(SERVICE, limit_pipeline=limit_pipeline), SERVICE, chance)
    *replies, closed = link.talk(requests)
    assert Closed(0) == closed
    assert [(request, OK) for request in requests] == [
        (reply.request, reply.outcome) for reply in replies if isinstance(reply, Reply)
    ]


@pytest.mark.parametrize("line", [b"PING\r", b"BURN 3\r", b"STREAM 5\r", b"nonsense\r", b"\r"])
def test_a_request_may_end_in_cr(line: bytes) -> None:
    """The server takes it for a part of the line's end, so the client does."""
    events = Link(Config(SERVICE), SERVICE, random.Random(0)).talk([line])
    assert [OK] == [event.outcome for event in events if isinstance(event, Reply)]


@given(requests=requests_, chance=chances)
def test_a_line_too_long_is_refused_and_ends_it(
    requests: list[bytes], chance: random.Random
) -> None:
    """Replies before it are right, requests after it are counted as unanswered."""
    requests = [line for line in requests if len(line) <= 48]
    link = Link(Config(SERVICE, limit_line=48), SERVICE, chance)
    events = link.talk([*requests, b"x" * 50, b"PING", b"PING"])
    assert [OK] * len(requests) + [REFUSED] == [
        event.outcome for event in events if isinstance(event, Reply)
    ]
    assert Closed(2) == events[-1]


LIES = {"PING": b"PUNG\n", "WAIT": b"DONE \n", "BURN": b"RESULT 1\n", "STREAM": b"AADONE\n"}


def lying(verb: str) -> Service:
    """The service, but for one command that answers wrongly."""
    service = Service("liar")
    for command in SERVICE.commands.values():
        if command.verb != verb:
            service.command(command.verb)(command.function)

    @service.command(verb)
    def lie(_argument: bytes = b"") -> Iterator[Action]:
        yield Send(LIES[verb])

    return service


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("request_", [b"PING", b"WAIT 1", b"BURN 3", b"STREAM 3"])
def test_a_server_that_lies_is_caught(request_: bytes, seed: int) -> None:
    """In the very request that it lied about."""
    others = [b"PING", b"WAIT 1", b"BURN 3", b"STREAM 3", b"?"]
    others.remove(request_)
    link = Link(Config(lying(request_.split()[0].decode())), SERVICE, random.Random(seed))
    events = link.talk([*others, request_, *others])
    replies = [event for event in events if isinstance(event, Reply)]
    assert [OK] * len(others) + [WRONG] == [reply.outcome for reply in replies]
    assert request_ == replies[-1].request
    assert isinstance(events[-1], Closed)
    assert len(others) == events[-1].unanswered


def test_a_server_that_lacks_a_command_refuses_it() -> None:
    """And one with other limits, too: it is no lie."""
    events = Link(Config(Service()), SERVICE, random.Random(1)).talk([b"PING", b"STREAM 5"])
    assert [REFUSED, REFUSED] == [event.outcome for event in events if isinstance(event, Reply)]


def test_a_command_that_fails_is_a_refusal() -> None:
    """What was asked after it is unanswered."""
    service = Service()
    service.command("BOOM")(lambda: b"%d" % (1 // 0))
    events = Link(Config(service), service, random.Random(2)).talk([b"BOOM", b"BOOM"])
    assert [Reply(b"BOOM", REFUSED, b"INTERNAL_ERROR\n"), Closed(1)] == events
