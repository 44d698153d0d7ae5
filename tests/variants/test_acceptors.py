"""How clients come in, and how a loop hears that it is to stop."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from dumb_async.hosting import PAUSE, Acceptor
from variants.common.acceptors import ListenerHandler, StopHandler
from variants.common.host import Host
from variants.common.schedule import LONGEST_WAIT, Schedule
from variants.common.state import State

from .conftest import MakeHost

READING, BUSY, CLOSED = State.READING, State.BUSY, State.CLOSED


class Porch:
    """A host, its handlers, and a loop that is the test."""

    def __init__(self, make_host: MakeHost, *listeners: socket.socket) -> None:
        self.listeners = listeners
        self.host: Host = make_host(*listeners)
        self.came: list[Any] = []
        self.closed: list[Any] = []
        self.schedule = Schedule[Any](self.resume)
        self.acceptor = self.host.acceptor(self.admit, socket.socket.close)
        self.handlers = self.host.acceptors(self.acceptor, self.schedule)

    def admit(self, sock: socket.socket) -> None:
        """Note who has come."""
        self.came.append(sock.getpeername())
        sock.close()

    def resume(self, handler: Any) -> None:
        """Close it if it is at its end, as a loop does."""
        if handler.resume() is CLOSED:
            self.closed.append(handler)
            handler.close()


@pytest.fixture
def porch(make_host: MakeHost, now: list[float]) -> Iterator[Porch]:
    """Two listening sockets, at 1000 on the clock."""
    assert now
    address = ("127.0.0.1", 0)
    with socket.create_server(address) as one, socket.create_server(address) as two:
        for listener in (one, two):
            listener.setblocking(False)
        yield Porch(make_host, one, two)


def test_a_loop_watches_what_listens_and_the_stop_event(porch: Porch) -> None:
    """Each by its descriptor, to be read."""
    one, two, stop = porch.handlers
    assert (ListenerHandler, ListenerHandler, StopHandler) == (type(one), type(two), type(stop))
    assert [porch.listeners[0].fileno(), porch.listeners[1].fileno(), porch.host.stop_event] == [
        handler.fd for handler in porch.handlers
    ]
    assert [READING] * 3 == [handler.state for handler in porch.handlers]


def test_those_who_wait_are_accepted(porch: Porch) -> None:
    """All of them; to be called though nobody waits is no mistake."""
    handler, address = porch.handlers[0], porch.listeners[0].getsockname()
    assert READING is handler.ready()
    with socket.create_connection(address) as one, socket.create_connection(address) as two:
        assert READING is handler.ready()
        assert [one.getsockname(), two.getsockname()] == porch.came


def test_who_has_run_out_pauses(
    porch: Porch, now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It wants to hear of nothing for a while; then it listens again."""
    monkeypatch.setattr(Acceptor, "accept_burst", lambda *_: False)
    handler = porch.handlers[0]
    assert BUSY is handler.ready()
    assert pytest.approx(PAUSE) == porch.schedule.timeout()
    now[0] += 2 * PAUSE
    porch.schedule.run_due()
    assert READING is handler.state
    assert LONGEST_WAIT == porch.schedule.timeout()
    assert [] == porch.closed


def test_a_stop_closes_what_listens(porch: Porch) -> None:
    """One a turn, after those who had connected by then were let in; nobody else gets in."""
    *listeners, stop = porch.handlers
    addresses = [listener.getsockname() for listener in porch.listeners]
    with socket.create_connection(addresses[0]) as late:
        porch.host.stop()
        assert CLOSED is stop.ready()
        stop.close()
        for count in (1, 2):
            porch.schedule.run_due()
            assert listeners[:count] == porch.closed
        assert [late.getsockname()] == porch.came
    assert porch.host.over
    assert [CLOSED] * 3 == [handler.state for handler in porch.handlers]
    for address in addresses:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)


def test_who_pauses_during_a_stop_is_closed_once(
    porch: Porch, now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it is resumed by the stop, and would be by its time."""
    monkeypatch.setattr(Acceptor, "accept_burst", lambda *_: False)
    *listeners, stop = porch.handlers
    assert BUSY is listeners[0].ready()
    porch.host.stop()
    stop.ready()
    for _ in range(2):
        porch.schedule.run_due()
    assert listeners == porch.closed
    now[0] += 2 * PAUSE
    porch.schedule.run_due()
    assert listeners == porch.closed


def test_the_stop_event_only_ever_waits_to_be_read(porch: Porch) -> None:
    """To resume it changes nothing."""
    assert READING is porch.handlers[2].resume()
