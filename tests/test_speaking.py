"""A core may speak though nobody asked, as that of a chat does: on every runtime."""

import logging
import socket
from collections.abc import Callable, MutableMapping, Sequence

import pytest

from dumb_async import (
    NEED_DATA,
    Action,
    Config,
    Connection,
    Send,
    Server,
    Settings,
    dumb_service,
)
from dumb_async.hosting import Connect
from dumb_async.protocol import Core, NeedData
from dumb_async.runtimes import Runtime
from dumb_async.server import Address

from .support import connect, read, with_server


class Talker(Connection):
    """A core that also speaks unasked, once what was asked is answered."""

    def __init__(
        self, config: Config, counts: MutableMapping[str, int], wake: Callable[[], object]
    ) -> None:
        super().__init__(config, counts)
        self._wake = wake
        self._unsaid: list[Send | Exception] = []

    def say(self, *words: bytes | Exception) -> None:
        """Have something to say, or to fail at."""
        self.settled = False
        self._unsaid += [Send(word) if isinstance(word, bytes) else word for word in words]
        self._wake()

    def next_action(self) -> Action | NeedData:
        """See `Connection.next_action`."""
        action = super().next_action()
        if not self._unsaid:
            return action
        self.settled = False
        if action is not NEED_DATA:
            return action
        word = self._unsaid.pop(0)
        if isinstance(word, Exception):
            raise word
        return word


class Talkers:
    """Makes such cores; see `hosting.Cores`.

    :param greeting: what each is to say first.
    """

    def __init__(self, greeting: bytes = b"") -> None:
        self.service = dumb_service()
        self.made: list[Talker] = []
        self._greeting = greeting

    @property
    def labels(self) -> Sequence[str]:
        """See `Cores`."""
        return self.service.labels

    def stop(self) -> None:
        """See `Cores`."""

    def connector(self, _: Settings) -> Connect:
        """See `Cores`."""
        config = Config(self.service)

        def make(counts: MutableMapping[str, int], wake: Callable[[], object]) -> Core:
            core = Talker(config, counts, wake)
            self.made.append(core)
            if self._greeting:
                core.say(self._greeting)
            return core

        return make


@pytest.fixture
def talkers() -> Talkers:
    """They have nothing to say yet."""
    return Talkers()


async def join(
    runtime: Runtime, address: Address, talkers: Talkers
) -> tuple[socket.socket, Talker]:
    """Connect; return the client, who is listened to, and its core."""
    before = len(talkers.made)
    client = connect(address)
    client.send(b"PING\n")
    assert b"PONG\n" == await read(runtime, client, 5)
    await turns(runtime)
    return client, talkers.made[before]


async def turns(runtime: Runtime) -> None:
    """Let everything happen that is going to."""
    for _ in range(20):
        await runtime.checkpoint()


def test_what_is_said_is_heard(runtime: Runtime, talkers: Talkers) -> None:
    """Soon; all of it, however often it is said; and requests are answered as before."""

    async def body(address: Address) -> None:
        client, core = await join(runtime, address, talkers)
        with client:
            core.say(b"hello\n")
            assert b"hello\n" == await read(runtime, client, 6)
            await turns(runtime)
            core.say(b"one\n", b"two\n")
            core.say(b"three\n")
            assert b"one\ntwo\nthree\n" == await read(runtime, client, 14)
            client.send(b"PING\n")
            assert b"PONG\n" == await read(runtime, client, 5)

    with_server(runtime, Server(talkers, port=0), body)


def test_what_is_said_as_a_client_comes_is_heard(runtime: Runtime) -> None:
    """Before it is listened to, and though it says nothing."""
    talkers = Talkers(b"welcome\n")

    async def body(address: Address) -> None:
        with connect(address) as client:
            assert b"welcome\n" == await read(runtime, client, 8)

    with_server(runtime, Server(talkers, port=0), body)


@pytest.mark.parametrize("after", range(5))
def test_what_is_said_while_a_client_is_taken_in_is_heard(
    runtime: Runtime, talkers: Talkers, after: int
) -> None:
    """In whatever turn: what others say to the room is for who has just come in, too."""

    async def body(address: Address) -> None:
        with connect(address) as client:
            while not talkers.made:
                await runtime.checkpoint()
            for _ in range(after):
                await runtime.checkpoint()
            talkers.made[0].say(b"hello\n")
            assert b"hello\n" == await read(runtime, client, 6)

    with_server(runtime, Server(talkers, port=0), body)


def test_what_is_said_to_who_asks_is_said_once(runtime: Runtime, talkers: Talkers) -> None:
    """With the reply, if that is sooner."""

    async def body(address: Address) -> None:
        client, core = await join(runtime, address, talkers)
        with client:
            client.send(b"PING\n")
            core.say(b"hello\n")
            assert b"PING\n" != await read(runtime, client, 11)
            await turns(runtime)
            client.send(b"PING\n")
            assert b"PONG\n" == await read(runtime, client, 5)

    with_server(runtime, Server(talkers, port=0), body)


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (b"WAIT 0.02\n", b"DONE\n"),
        (b"BURN 100000\n", b"RESULT 5000050000\n"),
        (b"STREAM 9000000\n", b"A" * 9_000_000 + b"DONE\n"),
    ],
    ids=["WAIT", "BURN", "STREAM"],
)
def test_who_is_busy_is_spoken_to_afterwards(
    runtime: Runtime, talkers: Talkers, request_: bytes, reply: bytes
) -> None:
    """Speaking cuts nothing short; nothing is asked for twice."""

    async def body(address: Address) -> None:
        client, core = await join(runtime, address, talkers)
        with client:
            client.send(request_)
            while sum(server.stats.requests.values()) != 2:
                await runtime.checkpoint()
            core.say(b"hello\n")
            assert reply + b"hello\n" == await read(runtime, client, len(reply) + 6)
            client.send(b"PING\n")
            assert b"PONG\n" == await read(runtime, client, 5)

    server = Server(talkers, port=0)
    with_server(runtime, server, body)


def test_words_that_a_client_does_not_take_are_waited_for(
    runtime: Runtime, talkers: Talkers
) -> None:
    """As replies are."""
    size = 9_000_000

    async def body(address: Address) -> None:
        client, core = await join(runtime, address, talkers)
        with client:
            core.say(b"x" * size, b"bye\n")
            await turns(runtime)
            client.send(b"PING\n")
            assert b"x" * size + b"bye\nPONG\n" == await read(runtime, client, size + 9)

    with_server(runtime, Server(talkers, port=0), body)


def test_who_leaves_before_it_was_said_is_gone(runtime: Runtime, talkers: Talkers) -> None:
    """Nobody speaks to it, then or later."""

    async def body(address: Address) -> None:
        client, core = await join(runtime, address, talkers)
        client.close()
        core.say(b"hello\n")
        while server.stats.active:
            await runtime.checkpoint()
        core.say(b"are you there?\n")
        await turns(runtime)

    server = Server(talkers, port=0)
    with_server(runtime, server, body)


def test_a_core_that_fails_to_speak_costs_one_connection(
    runtime: Runtime, talkers: Talkers, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged; others are spoken to."""

    async def body(address: Address) -> None:
        unlucky, failing = await join(runtime, address, talkers)
        other, core = await join(runtime, address, talkers)
        with unlucky, other:
            failing.say(ZeroDivisionError())
            core.say(b"hello\n")
            assert b"hello\n" == await read(runtime, other, 6)
            assert b"" == await read(runtime, unlucky)
            assert 1 == server.stats.active

    server = Server(talkers, port=0)
    with caplog.at_level(logging.ERROR):
        with_server(runtime, server, body)
    (record,) = caplog.records
    assert "a bug in the server" in record.getMessage()


def test_one_client_can_speak_to_another(runtime: Runtime, talkers: Talkers) -> None:
    """In the very turn in which it was read."""

    async def body(address: Address) -> None:
        one, core = await join(runtime, address, talkers)
        other, listener = await join(runtime, address, talkers)
        receive = core._answer_lines

        def tell() -> bytes:
            listener.say(b"told\n")
            return receive()

        core._answer_lines = tell  # type: ignore[method-assign]
        with one, other:
            one.send(b"?\n")
            assert b"UNKNOWN_COMMAND\n" == await read(runtime, one, 16)
            assert b"told\n" == await read(runtime, other, 5)

    with_server(runtime, Server(talkers, port=0), body)


def test_a_stop_says_what_there_is_to_say(runtime: Runtime, talkers: Talkers) -> None:
    """And then closes."""

    async def body(address: Address) -> None:
        client, core = await join(runtime, address, talkers)
        with client:
            core.say(b"bye\n")
            server.stop()
            assert b"bye\n" == await read(runtime, client)

    server = Server(talkers, port=0)
    with_server(runtime, server, body)
