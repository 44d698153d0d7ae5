"""The scheduler by itself: coroutines that wait for a descriptor, a time, a turn, or nothing."""

import socket
from typing import Any

import pytest

from dumb_async.hosting import Phase
from variants.common.host import Host
from variants.coro import TURN, Coro, Coroutine, Scheduler

from ..support import PATIENCE, reset

Pair = tuple[socket.socket, socket.socket]


def test_turns_go_round() -> None:
    """Each runs to its next yield, and then somebody else does."""
    scheduler, said = Scheduler(), []

    def count(name: str) -> Coroutine:
        for number in range(3):
            said.append(f"{name}{number}")
            yield TURN

    for name in "ab":
        scheduler.spawn(count(name))
    assert ["a0", "b0"] == said  # up to the first yield at once
    for _ in range(6):
        scheduler.turn()
    assert ["a0", "b0", "a1", "b1", "a2", "b2"] == said


def test_sleepers_wake_in_the_order_of_their_times() -> None:
    """And nobody else is waited for meanwhile."""
    scheduler, woken = Scheduler(), []

    def sleep(seconds: float) -> Coroutine:
        yield seconds
        woken.append(seconds)

    for seconds in (0.02, 0.01, 0):
        scheduler.spawn(sleep(seconds))
    while len(woken) < 3:
        scheduler.turn()
    assert [0, 0.01, 0.02] == woken


def test_who_waits_for_a_descriptor_goes_on_when_it_is_ready(pair: Pair) -> None:
    """And is forgotten at its end."""
    scheduler, read = Scheduler(), []

    def receive() -> Coroutine:
        for _ in range(2):
            yield Phase.LISTENING
            read.append(pair[1].recv(100))

    task = scheduler.spawn(receive(), pair[1].fileno())
    for word in (b"one", b"two"):
        assert task.phase is not Phase.CLOSED
        pair[0].send(word)
        scheduler.turn()
    assert [b"one", b"two"] == read
    assert (Phase.CLOSED, {}) == (task.phase, scheduler.tasks)


@pytest.mark.parametrize("wait", [3600.0, TURN], ids=["time", "turn"])
def test_who_waits_for_something_else_hears_of_a_reset(pair: Pair, wait: Any) -> None:
    """Where it stands: its ``finally`` runs."""
    scheduler, ended = Scheduler(), []

    def wait_for_it() -> Coroutine:
        try:
            yield wait
        except ConnectionResetError:
            ended.append(True)

    scheduler.spawn(wait_for_it(), pair[1].fileno())
    reset(pair[0])
    scheduler.turn()
    assert [True] == ended
    scheduler.spawn(nap())
    scheduler.turn()  # the agenda has nobody left but this one


def nap() -> Coroutine:
    """Sleep for no time at all."""
    yield 0


class Full:
    """Stands in for an epoll that takes nobody more."""

    def register(self, *_: int) -> None:
        """See `select.epoll`."""
        raise OSError(28, "No space left on device")


def test_who_cannot_be_watched_is_no_client(host: Host, pair: Pair) -> None:
    """Or the server would wait for it to leave, for ever."""
    loop = Coro(host)
    loop.scheduler.epoll = Full()  # type: ignore[assignment]
    host.acceptor(loop.admit, loop.refuse).take(pair[1])
    pair[0].settimeout(PATIENCE)
    assert b"" == pair[0].recv(100)
    assert {"busy": 0, "enospc": 1} == host.stats.rejected
    assert set() == host.clients


def test_who_cannot_be_watched_though_refused_is_forgotten(host: Host, pair: Pair) -> None:
    """Only so many can be refused at a time: each that stayed would be one fewer."""
    loop = Coro(host)
    loop.scheduler.epoll = Full()  # type: ignore[assignment]
    host.limit_clients(0, "full")
    host.acceptor(loop.admit, loop.refuse).take(pair[1])
    assert -1 == pair[1].fileno()
    assert set() == host._refused
