"""What a host sees to for every model: who is in, who is refused, and what that leaves."""

import os
import signal
import socket
import threading
from contextlib import ExitStack
from typing import Any

import pytest

from dumb_async.hosting import REFUSALS_AT_A_TIME, NoRoom
from variants.chat import Room
from variants.common import model
from variants.common.client import Client
from variants.common.connections import Connections
from variants.common.host import Host
from variants.common.schedule import Schedule
from variants.common.state import EventHandler, State

from ..support import PATIENCE, reset, tcp_pair
from .conftest import MakeHost

Pair = tuple[socket.socket, socket.socket]


class Stage:
    """The connections of a loop that is the test.

    :param error: raised whenever somebody is to be watched.
    """

    def __init__(self, host: Host, error: Exception | None = None) -> None:
        self.watched: list[EventHandler] = []
        self.schedule = Schedule[Any](lambda handler: handler.resume())
        self.error = error
        connections = Connections(host, self.schedule, self.register)
        self.acceptor = host.acceptor(connections.admit, connections.refuse)

    def register(self, handler: EventHandler) -> None:
        """Note whom to wait for."""
        if self.error is not None:
            raise self.error
        self.watched.append(handler)


def test_who_is_admitted_is_watched_and_counted(host: Host, pair: Pair) -> None:
    """Until it leaves; what it was counted as having been, remains."""
    stage = Stage(host)
    stage.acceptor.take(pair[1])
    (client,) = stage.watched
    assert isinstance(client, Client)
    assert {client.session} == host.sessions
    assert (1, 1, 1) == (host.count(), host.stats.active, host.stats.connections)
    client.close()
    assert (0, 0, 1) == (host.count(), host.stats.active, host.stats.connections)


def test_a_model_may_hold_fewer_than_the_machine(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so once, however many are refused."""
    host.limit_clients(1, "too_small")
    stage = Stage(host)
    for reply in (b"", b"SERVER_BUSY\n", b"SERVER_BUSY\n"):
        with tcp_pair() as (client, server):
            stage.acceptor.take(server)
            client.settimeout(PATIENCE)
            assert reply == (client.recv(100) if reply else b"")
    assert {"busy": 0, "too_small": 2} == host.stats.rejected
    assert 1 == host.count()
    assert ["too_small: more than 1 clients are refused"] == caplog.messages


def test_who_is_refused_is_read_away_and_is_no_client(make_host: MakeHost, pair: Pair) -> None:
    """It takes nobody's place."""
    host = make_host(limit_connections=1)
    stage = Stage(host)
    with tcp_pair() as another:
        stage.acceptor.take(another[1])
        stage.acceptor.take(pair[1])
        _, refused = stage.watched
        assert State.LINGERING is refused.state
        assert (1, 1) == (host.count(), host.stats.rejected["busy"])
        pair[0].shutdown(socket.SHUT_WR)
        assert State.CLOSED is refused.ready()
        refused.close()
        assert set() == host._rejected


def test_who_is_refused_is_never_connected_to_the_service(make_host: MakeHost, pair: Pair) -> None:
    """It is asked nothing: in a chat, it takes no number and hears nobody."""
    room = Room()
    host = make_host(service=room, limit_connections=1)
    stage = Stage(host)
    with tcp_pair() as another:
        stage.acceptor.take(another[1])
        stage.acceptor.take(pair[1])
        assert 1 == host.stats.rejected["busy"]
        assert [1] == list(room.members)


def test_who_was_refused_and_has_left_is_forgotten(make_host: MakeHost, pair: Pair) -> None:
    """There is nobody to be watched."""
    host = make_host(limit_connections=1)
    stage = Stage(host)
    with tcp_pair() as another:
        stage.acceptor.take(another[1])
        reset(pair[0])
        stage.acceptor.take(pair[1])
    assert set() == host._rejected
    assert 1 == len(stage.watched)


ERRORS = pytest.mark.parametrize(
    ("error", "reason", "reply"),
    [
        (NoRoom("fd_setsize"), "fd_setsize", b"SERVER_BUSY\n"),
        (MemoryError(), "memory", b"SERVER_BUSY\n"),
        (OSError(28, "No space left on device"), "enospc", b""),
    ],
    ids=["no room", "no memory", "no watch"],
)


@ERRORS
def test_who_cannot_be_watched_is_no_client(
    host: Host, pair: Pair, error: Exception, reason: str, reply: bytes
) -> None:
    """Counted once, as refused, and the connection is ended."""
    Stage(host, error).acceptor.take(pair[1])
    pair[0].settimeout(PATIENCE)
    assert b"" == pair[0].makefile("rb").read().removeprefix(reply)
    assert (set(), 0, 0) == (host.sessions, host.stats.active, host.stats.connections)
    assert {"busy": 0, reason: 1} == host.stats.rejected


@pytest.mark.parametrize("error", [NoRoom("fd_setsize"), MemoryError()])
def test_who_cannot_be_watched_is_told_so(host: Host, pair: Pair, error: Exception) -> None:
    """As everybody who is refused."""
    Stage(host, error).acceptor.take(pair[1])
    pair[0].settimeout(PATIENCE)
    assert b"SERVER_BUSY\n" == pair[0].recv(100)


@pytest.mark.parametrize("error", [NoRoom("fd_setsize"), MemoryError(), OSError(28, "")])
def test_who_cannot_be_watched_though_refused_is_forgotten(
    host: Host, pair: Pair, error: Exception
) -> None:
    """Only so many can be refused at a time: each that stayed would be one fewer."""
    host.limit_clients(0, "full")
    Stage(host, error).acceptor.take(pair[1])
    assert -1 == pair[1].fileno()
    assert set() == host._rejected


def test_a_stop_ends_the_input_of_all(host: Host, pair: Pair) -> None:
    """Those who come later have theirs ended as well."""
    stage = Stage(host)
    stage.acceptor.take(pair[1])
    host.stop()
    with tcp_pair() as another:
        stage.acceptor.take(another[1])
        for handler in stage.watched:
            assert State.CLOSED is handler.ready()
            assert not host.over
            handler.close()
    assert host.over
    assert 1 == os.eventfd_read(host.stop_event)


def test_a_stop_needs_no_thread(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be no memory for one, or too many of them."""

    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(signal, "sigwait", lambda _: signal.SIGTERM)
    monkeypatch.setattr(signal, "sigtimedwait", lambda *_: None)
    monkeypatch.setattr(threading.Thread, "start", fail)
    model._stop_on_signals(host)
    assert host.stopping


def test_a_cancel_gives_everybody_up(host: Host, pair: Pair) -> None:
    """And whoever else wants to be told of it."""
    told = []
    host.at_cancel.append(lambda: told.append(True))
    stage = Stage(host)
    stage.acceptor.take(pair[1])
    host.cancel()
    assert [True] == told
    pair[0].settimeout(PATIENCE)
    assert b"" == pair[0].recv(10)
    assert [True] == [session.stream.cancelled for session in host.sessions]


def test_who_comes_during_a_stop_and_is_refused_is_closed_at_once(
    make_host: MakeHost, pair: Pair
) -> None:
    """A stop waits for nobody who is not served."""
    host = make_host(limit_connections=1)
    stage = Stage(host)
    with tcp_pair() as another:
        stage.acceptor.take(another[1])
        host.stop()
        stage.acceptor.take(pair[1])
        assert (1, set()) == (len(stage.watched), host._rejected)
        assert -1 == pair[1].fileno()


def test_so_many_are_refused_at_a_time(make_host: MakeHost, pair: Pair) -> None:
    """A flood of them costs no descriptors: the rest is closed at once."""
    host = make_host(limit_connections=1)
    stage = Stage(host)
    with ExitStack() as stack:
        for _ in range(1 + REFUSALS_AT_A_TIME):
            stage.acceptor.take(stack.enter_context(tcp_pair())[1])
        assert 1 + REFUSALS_AT_A_TIME == len(stage.watched)
        stage.acceptor.take(pair[1])
        assert -1 == pair[1].fileno()
        assert 1 + REFUSALS_AT_A_TIME == len(stage.watched)
        pair[0].settimeout(PATIENCE)
        assert b"SERVER_BUSY\n" == pair[0].recv(100)


def test_what_is_left_open_is_closed_with_the_host(make_host: MakeHost, pair: Pair) -> None:
    """Listening sockets, those who are served, those who are refused, and the event."""
    listener = socket.create_server(("127.0.0.1", 0))
    launch = make_host(limit_connections=1).launch
    host = Host(launch, [listener])
    stage = Stage(host)
    with tcp_pair() as another:
        stage.acceptor.take(pair[1])
        stage.acceptor.take(another[1])
        host.close()
        assert -1 == listener.fileno()
        for client, expected in ((pair[0], b""), (another[0], b"SERVER_BUSY\n")):
            client.settimeout(PATIENCE)
            assert expected == client.makefile("rb").read()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.eventfd_read(host.stop_event)
