"""The accept loop: whatever accept(2) may say, it goes on."""

import errno
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import trio

from dumb_async.hosting.acceptor import BURST, EXHAUSTED, PAUSE, Acceptor, NoRoom
from dumb_async.hosting.stats import Stats
from dumb_async.listener import TURNS_TO_LEAVE, accept
from dumb_async.runtimes import load

from .conftest import RunInNoTime
from .support import BRIEFLY, PATIENCE, connect


class Listener(socket.socket):
    """A listening socket whose accept fails as it was told to, before it does what it should."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[int] = []
        self.out_of_memory = False
        self.script: list[socket.socket] = []
        self.bind(("127.0.0.1", 0))
        self.listen(500)
        self.setblocking(False)

    def accept(self) -> tuple[socket.socket, object]:
        """See `socket.socket.accept`."""
        if self.out_of_memory:
            self.out_of_memory = False
            raise MemoryError
        if self.errors:
            raise OSError(self.errors.pop(0), "told to")
        if self.script:
            return self.script.pop(), None
        return super().accept()


class Door:
    """An acceptor, who was admitted, and who was refused."""

    def __init__(self, room: int = 1000, reason: str = "busy") -> None:
        self.stats = Stats([])
        self.room = room
        self.reason = reason
        self.asked: list[int] = []  # how many were in whenever there had to be room
        self.admitted: list[socket.socket] = []
        self.refused: list[socket.socket] = []
        self.acceptor = Acceptor(
            self.stats, self._make_room, self.admitted.append, self.refused.append
        )

    @property
    def full(self) -> bool:
        """See `Clients`."""
        return len(self.admitted) >= self.room

    def _make_room(self) -> None:
        self.asked.append(len(self.admitted))
        if len(self.admitted) >= self.room:
            raise NoRoom(self.reason)

    def close(self) -> None:
        """Close everybody's connection."""
        for sock in (*self.admitted, *self.refused):
            sock.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    """A new listener."""
    with Listener() as one:
        yield one


@pytest.fixture
def door() -> Iterator[Door]:
    """Room for everybody."""
    one = Door()
    yield one
    one.close()


def as_clients(door: Door) -> Any:
    """As much of `Clients` as an accept loop asks for."""
    return door


async def keep_accepting(door: Door, listener: Listener) -> None:
    """Accept on trio until cancelled."""
    await accept(load("trio"), as_clients(door), listener)


def wait_at(listener: Listener, count: int) -> list[socket.socket]:
    """Clients who have connected and were not accepted yet."""
    return [connect(listener.getsockname()) for _ in range(count)]


def leave(clients: list[socket.socket]) -> None:
    """Close them all."""
    for client in clients:
        client.close()


def test_who_waits_is_admitted(listener: Listener, door: Door) -> None:
    """With a socket that does not block."""
    clients = wait_at(listener, 3)
    assert door.acceptor.accept_burst(listener)
    assert 3 == len(door.admitted)
    assert [0.0] * 3 == [sock.gettimeout() for sock in door.admitted]
    assert door.acceptor.accept_burst(listener)
    assert 3 == len(door.admitted)
    leave(clients)


def test_a_burst_is_bounded(listener: Listener, door: Door) -> None:
    """Those who are connected have their turn in between."""
    clients = wait_at(listener, BURST + 3)
    assert door.acceptor.accept_burst(listener)
    assert BURST == len(door.admitted)
    door.acceptor.accept_burst(listener)
    assert BURST + 3 == len(door.admitted)
    leave(clients)


@pytest.mark.parametrize("number", sorted(EXHAUSTED), ids=lambda number: errno.errorcode[number])
def test_exhaustion_is_counted_and_told(listener: Listener, door: Door, number: int) -> None:
    """Nobody is lost: who waits goes on waiting."""
    clients = wait_at(listener, 1)
    listener.errors = [number]
    assert not door.acceptor.accept_burst(listener)
    assert 1 == door.stats.rejected[errno.errorcode[number].lower()]
    assert [] == door.admitted
    assert door.acceptor.accept_burst(listener)
    assert 1 == len(door.admitted)
    leave(clients)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ECONNABORTED, "econnaborted"), (errno.EPROTO, "eproto"),
        (errno.EPERM, "eperm"), (errno.ENETDOWN, "enetdown"), (99999, "unknown"),
    ],
)  # fmt: skip
def test_an_error_of_one_client_is_nothing_to_others(
    listener: Listener, door: Door, number: int, reason: str
) -> None:
    """It is counted, and the next is accepted in the same burst."""
    clients = wait_at(listener, 1)
    listener.errors = [number, number]
    assert door.acceptor.accept_burst(listener)
    assert 1 == len(door.admitted)
    assert {"busy": 0, reason: 2} == door.stats.rejected
    leave(clients)


def test_who_is_too_many_is_told_so(listener: Listener) -> None:
    """And handed over to be closed gently; counted as rejected."""
    door = Door(room=1)
    clients = wait_at(listener, 3)
    door.acceptor.accept_burst(listener)
    assert (1, 2) == (len(door.admitted), len(door.refused))
    assert 2 == door.stats.rejected["busy"]
    clients[0].settimeout(BRIEFLY)
    with pytest.raises(TimeoutError):
        clients[0].recv(100)
    for client in clients[1:]:
        client.settimeout(PATIENCE)
        assert b"SERVER_BUSY\n" == client.recv(100)
    leave(clients)
    door.close()


def test_who_cannot_even_be_told_is_closed(listener: Listener) -> None:
    """A client that has left already, for one."""
    door = Door(room=0)

    class Gone(socket.socket):
        def send(self, *_: object) -> int:
            raise BrokenPipeError

    with Gone() as sock:
        listener.script = [sock]
        door.acceptor.accept_burst(listener)
        assert -1 == sock.fileno()
    assert [] == door.refused
    assert 1 == door.stats.rejected["busy"]


def test_running_accepts_whoever_comes(
    run_in_no_time: RunInNoTime, listener: Listener, door: Door
) -> None:
    """At once, but for a pause when something has run out; until it is cancelled."""

    async def main() -> None:
        clients = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_accepting, door, listener)
            for count in (1, 2):
                clients += wait_at(listener, 1)
                await trio.sleep(0.001)
                assert count == len(door.admitted)
            listener.errors = [errno.EMFILE, errno.ENFILE]
            clients += wait_at(listener, 2)
            await trio.sleep(2 * PAUSE - 0.01)
            assert 2 == len(door.admitted)
            await trio.sleep(0.02)
            assert 4 == len(door.admitted)
            nursery.cancel_scope.cancel()
        leave(clients)

    run_in_no_time(main)
    assert (1, 1) == (door.stats.rejected["emfile"], door.stats.rejected["enfile"])


def test_who_cannot_be_watched_is_closed(listener: Listener, door: Door) -> None:
    """Counted as rejected; the next is accepted in the same burst."""
    clients = wait_at(listener, 2)
    admit, errors = door.admitted.append, [OSError(errno.ENOSPC, "too many")]

    def fail_once(sock: socket.socket) -> None:
        if errors:
            raise errors.pop()
        admit(sock)

    acceptor = Acceptor(door.stats, lambda: None, fail_once, door.refused.append)
    assert acceptor.accept_burst(listener)
    assert 1 == len(door.admitted)
    assert {"busy": 0, "enospc": 1} == door.stats.rejected
    clients[0].settimeout(PATIENCE)
    assert b"" == clients[0].recv(1)
    leave(clients)


def test_room_is_made_for_each(listener: Listener, door: Door) -> None:
    """Before it is admitted; nobody is asked when nobody comes."""
    clients = wait_at(listener, 3)
    door.acceptor.accept_burst(listener)
    door.acceptor.accept_burst(listener)
    assert [0, 1, 2] == door.asked
    leave(clients)


@pytest.mark.parametrize("reason", ["busy", "memory", "fd_setsize"])
@pytest.mark.parametrize("where", ["make_room", "admit"])
def test_a_lack_of_room_has_its_reason(listener: Listener, reason: str, where: str) -> None:
    """Under which those are counted who were told SERVER_BUSY; the burst goes on."""
    door = Door()
    clients = wait_at(listener, 2)
    lacking = [NoRoom(reason), NoRoom(reason)]

    def lack(*_: object) -> None:
        raise lacking.pop()

    acceptor = Acceptor(
        door.stats,
        lack if where == "make_room" else lambda: None,
        lack if where == "admit" else door.admitted.append,
        door.refused.append,
    )
    assert acceptor.accept_burst(listener)
    assert {"busy": 0} | {reason: 2} == door.stats.rejected
    assert (0, 2) == (len(door.admitted), len(door.refused))
    for client in clients:
        client.settimeout(PATIENCE)
        assert b"SERVER_BUSY\n" == client.recv(100)
    leave(clients)
    door.close()


@pytest.mark.parametrize("where", ["make_room", "admit"])
def test_who_meets_a_lack_of_memory_is_told_so(listener: Listener, door: Door, where: str) -> None:
    """As one who is too many; the next is admitted in the same burst."""
    clients = wait_at(listener, 2)
    lacking = [MemoryError()]

    def make_room() -> None:
        if where == "make_room" and lacking:
            raise lacking.pop()

    def admit(sock: socket.socket) -> None:
        if lacking:
            raise lacking.pop()
        door.admitted.append(sock)

    acceptor = Acceptor(door.stats, make_room, admit, door.refused.append)
    assert acceptor.accept_burst(listener)
    assert {"busy": 0, "memory": 1} == door.stats.rejected
    assert (1, 1) == (len(door.admitted), len(door.refused))
    clients[0].settimeout(PATIENCE)
    assert b"SERVER_BUSY\n" == clients[0].recv(100)
    leave(clients)


def test_a_lack_of_memory_in_accepting_is_counted_and_told(listener: Listener, door: Door) -> None:
    """The caller pauses; who waits goes on waiting."""
    clients = wait_at(listener, 1)
    listener.out_of_memory = True
    assert not door.acceptor.accept_burst(listener)
    assert {"busy": 0, "memory": 1} == door.stats.rejected
    assert door.acceptor.accept_burst(listener)
    assert 1 == len(door.admitted)
    leave(clients)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOMEM, "no memory"), MemoryError(), NoRoom("memory")], ids=repr
)
def test_who_cannot_be_refused_gently_is_closed(listener: Listener, error: Exception) -> None:
    """It was told all the same, and is counted once."""
    stats = Stats([])
    clients = wait_at(listener, 1)

    def fail(*_: object) -> None:
        raise error

    def make_room() -> None:
        raise NoRoom("busy")

    assert Acceptor(stats, make_room, fail, fail).accept_burst(listener)
    assert {"busy": 1} == stats.rejected
    clients[0].settimeout(PATIENCE)
    assert [b"SERVER_BUSY\n", b""] == [clients[0].recv(100), clients[0].recv(100)]
    leave(clients)


@pytest.mark.parametrize("leaves", [True, False])
def test_who_leaves_in_time_makes_room_for_who_comes(
    run_in_no_time: RunInNoTime, listener: Listener, leaves: bool
) -> None:
    """A few turns of the loop: a full server lets those go first who have left already."""
    asked = trio.Event()

    class Full(Door):
        @property
        def full(self) -> bool:
            asked.set()
            return super().full

    door = Full(room=1)
    clients = wait_at(listener, 2)
    door.acceptor.accept_burst(listener, 1)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_accepting, door, listener)
            await asked.wait()
            for _ in range(TURNS_TO_LEAVE - 2):
                await trio.lowlevel.checkpoint()
            door.room += leaves
            await trio.sleep(1)
            nursery.cancel_scope.cancel()

    run_in_no_time(main)
    assert ((2, 0) if leaves else (1, 1)) == (len(door.admitted), len(door.refused))
    leave(clients)
    door.close()


def test_whoever_is_in_the_queue_is_still_accepted(listener: Listener, door: Door) -> None:
    """All of them; then nobody can connect any more."""
    clients = wait_at(listener, 2 * BURST + 5)
    address = listener.getsockname()
    door.acceptor.accept_rest(listener, 500)
    assert 2 * BURST + 5 == len(door.admitted)
    with pytest.raises(ConnectionRefusedError):
        connect(address)
    leave(clients)


def test_what_is_left_of_an_endless_queue_is_not_accepted(door: Door) -> None:
    """As many as the queue can hold, and one burst: others may go on connecting meanwhile."""
    accepted: list[int] = []

    class Endless(Listener):
        def accept(self) -> tuple[socket.socket, object]:
            accepted.append(1)
            raise OSError(errno.ECONNABORTED, "told to")

    door.acceptor.accept_rest(Endless(), 2 * BURST)
    assert 3 * BURST == len(accepted)
