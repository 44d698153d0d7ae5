"""A client whose thread waits for it: what its socket and its clock are used for."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dumb_async.hosting import Phase, Stats
from variants.common import blocking
from variants.common.blocking import (
    LOOK_INTERVAL,
    BlockingClients,
    InPlace,
    KernelDeadline,
    accept_until_stopped,
)
from variants.common.host import Host

from ..support import PATIENCE, reset
from .conftest import MakeHost

Pair = tuple[socket.socket, socket.socket]


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """See `time.monotonic`."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """See `time.sleep`."""
        self.now += seconds


class Someone:
    """As much of a client as `InPlace` and `KernelDeadline` need.

    :param due: when it is due, if asked; ``None``: never again.
    """

    def __init__(self, sock: socket.socket, due: float | None = None) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.given_up = False
        self.is_due = due
        self.expired = 0

    def due(self, now: float) -> float | None:
        """See `Session.due`."""
        assert now
        return self.is_due

    def expire(self) -> None:
        """See `Session.expire`."""
        self.expired += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands at 1000."""
    clock = Clock()
    monkeypatch.setattr(blocking, "time", clock)
    return clock


def timeout_of(sock: socket.socket, option: int = socket.SO_RCVTIMEO) -> float:
    """The kernel's, in seconds; 0: there is none."""
    seconds, micros = struct.unpack("ll", sock.getsockopt(socket.SOL_SOCKET, option, 16))
    return float(seconds + micros / 1e6)


@contextmanager
def served(host: Host, sock: socket.socket, stats: Stats) -> Iterator[None]:
    """Serve in a thread, which must end with the block."""
    thread = threading.Thread(target=BlockingClients(host).serve, args=(sock, stats), daemon=True)
    thread.start()
    yield
    thread.join(PATIENCE)
    assert not thread.is_alive(), "it still waits for its client"


def test_to_sleep_is_to_sleep(pair: Pair) -> None:
    """What the client sends meanwhile, even its end, wakes nobody."""
    client, server = pair
    client.send(b"PING\n")
    client.shutdown(socket.SHUT_WR)
    someone: Any = Someone(server)
    InPlace().sleep(someone, 0.01)
    InPlace().sleep(someone, 0)


def test_a_sleep_may_be_longer_than_a_system_call(
    pair: Pair, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is then several of them."""
    asked = []

    class Poll:
        def register(self, *_: int) -> None:
            """See `select.poll`."""

        def poll(self, millis: float) -> list[Any]:
            """See `select.poll`."""
            asked.append(millis)
            clock.now += millis / 1000
            return []

    monkeypatch.setattr(blocking.select, "poll", Poll)  # type: ignore[attr-defined]
    someone: Any = Someone(pair[1])
    InPlace().sleep(someone, 86_401.0)
    assert [86_400_000.0, 1000.0] == asked


def test_a_reset_ends_a_sleep(pair: Pair) -> None:
    """However long it was to be."""
    someone: Any = Someone(pair[1])
    timer = threading.Timer(0.01, reset, [pair[0]])
    timer.start()
    with pytest.raises(ConnectionResetError):
        InPlace().sleep(someone, 3600)
    timer.join()


def test_it_is_always_our_turn(pair: Pair, clock: Clock) -> None:
    """Unless the client was given up, or is gone: that is looked at now and then."""
    someone: Any = Someone(pair[1])
    place = InPlace()
    place.queue(someone)
    someone.given_up = True
    with pytest.raises(ConnectionResetError):
        place.queue(someone)
    someone.given_up = False
    reset(pair[0])
    clock.now += LOOK_INTERVAL
    with pytest.raises(ConnectionResetError):
        place.queue(someone)


def test_a_deadline_is_the_kernels(pair: Pair, clock: Clock) -> None:
    """It is only ever moved forward."""
    someone, deadline = Someone(pair[1]), KernelDeadline()
    assert 0 == timeout_of(someone.sock)
    deadline.watch(someone, clock.now + 300)
    assert 300 == timeout_of(someone.sock)
    deadline.watch(someone, clock.now + 400)
    assert (300, 1300) == (timeout_of(someone.sock), deadline.next)
    deadline.watch(someone, clock.now + 2.5)
    assert (2.5, 1002.5) == (timeout_of(someone.sock), deadline.next)


def test_a_deadline_that_has_passed_is_still_one(pair: Pair, clock: Clock) -> None:
    """To the kernel 0 would be for ever."""
    someone, deadline = Someone(pair[1]), KernelDeadline()
    deadline.watch(someone, clock.now - 5)
    assert 0 < timeout_of(someone.sock) < 0.1


def test_nobody_is_looked_at_early(pair: Pair, clock: Clock) -> None:
    """Whoever asks."""
    someone: Any = Someone(pair[1], due=0.0)
    deadline = KernelDeadline()
    deadline.look(someone)
    deadline.watch(someone, 1010.0)
    clock.now = 1009.9
    deadline.look(someone)
    assert (0, 1010.0) == (someone.expired, deadline.next)


def test_whose_time_has_come_expires(pair: Pair, clock: Clock) -> None:
    """Once."""
    someone: Any = Someone(pair[1], due=1010.0)
    deadline = KernelDeadline()
    deadline.watch(someone, 1010.0)
    clock.now = 1010.0
    deadline.look(someone)
    deadline.look(someone)
    assert (1, float("inf")) == (someone.expired, deadline.next)


def test_who_is_due_later_is_looked_at_later(pair: Pair, clock: Clock) -> None:
    """The kernel is told."""
    someone: Any = Someone(pair[1], due=1030.0)
    deadline = KernelDeadline()
    deadline.watch(someone, 1010.0)
    clock.now = 1010.0
    deadline.look(someone)
    assert (0, 1030.0) == (someone.expired, deadline.next)
    assert 20 == timeout_of(someone.sock)


def test_who_is_never_due_again_has_for_ever(pair: Pair, clock: Clock) -> None:
    """The kernel is told that as well."""
    someone: Any = Someone(pair[1], due=None)
    deadline = KernelDeadline()
    deadline.watch(someone, 1010.0)
    clock.now = 1010.0
    deadline.look(someone)
    assert (0, float("inf"), 0) == (someone.expired, deadline.next, timeout_of(someone.sock))


def test_a_client_is_served_to_its_end(pair: Pair, host: Host) -> None:
    """With all it has asked for, in order; it is counted where its thread counts."""
    client, server = pair
    client.settimeout(PATIENCE)
    stats = Stats(host.service.labels)
    with served(host, server, stats):
        client.send(b"PING\nWAIT 0.01\nBURN 50000\nSTREAM 70000\nPIN")
        client.shutdown(socket.SHUT_WR)
        replies = client.makefile("rb").read()
    assert b"PONG\nDONE\nRESULT 1250025000\n" + b"A" * 70_000 + b"DONE\n" == replies
    assert (1, 1, len(replies)) == (stats.connections, stats.requests["burn"], stats.bytes_sent)
    assert (0, set()) == (host.stats.connections, host.clients)
    assert -1 == server.fileno()


@pytest.mark.parametrize("requests", [b"", b"WAIT 3600\n", b"BURN 1000000000000\n"])
def test_who_is_cut_leaves_its_thread(pair: Pair, host: Host, requests: bytes) -> None:
    """Whatever the thread is waiting for, or busy with."""
    client, server = pair
    client.settimeout(PATIENCE)
    with served(host, server, host.stats):
        client.send(b"PING\n" + requests)
        assert b"PONG\n" == client.recv(100)
        host.cut()
        assert b"" == client.recv(100)
    assert 0 == host.stats.resets


def test_a_stop_lets_an_idle_client_go(pair: Pair, host: Host) -> None:
    """Its thread reads an end of input."""
    client, server = pair
    client.settimeout(PATIENCE)
    with served(host, server, host.stats):
        client.send(b"PING\n")
        assert b"PONG\n" == client.recv(100)
        host.stop()
        assert b"" == client.recv(100)


def test_an_idle_client_is_let_go(pair: Pair, make_host: MakeHost) -> None:
    """By the kernel's deadline."""
    client, server = pair
    client.settimeout(PATIENCE)
    host = make_host(timeout_idle=0.05)
    with served(host, server, host.stats):
        assert b"" == client.recv(100)
    assert 1 == host.stats.timeouts["idle"]


def test_who_takes_nothing_is_given_up(pair: Pair, make_host: MakeHost) -> None:
    """After the time that a write may take."""
    client, server = pair
    host = make_host(timeout_write=0.1)
    with served(host, server, host.stats):
        client.send(b"STREAM 1000000000000\n")
    assert 1 == host.stats.timeouts["write"]


def test_a_client_that_has_left_already_is_counted_as_lost(pair: Pair, host: Host) -> None:
    """And its socket is closed."""
    client, server = pair
    reset(client)
    with served(host, server, host.stats):
        pass
    assert (1, 1, -1) == (host.stats.connections, host.stats.resets, server.fileno())


def test_a_client_that_cannot_be_made_is_lost(
    pair: Pair, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that runs out is the client's loss, and counted."""

    def fail(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(host, "welcome", fail)
    monkeypatch.setattr(host, "turn_away", fail)
    with served(host, pair[1], host.stats):
        pass
    assert (1, -1) == (host.stats.rejected["memory"], pair[1].fileno())
    BlockingClients(host).refuse(pair[0])
    assert -1 == pair[0].fileno()


def test_who_is_refused_is_seen_off_by_somebody_else(pair: Pair, host: Host) -> None:
    """So nobody waits for it to have read why."""
    client, server = pair
    client.settimeout(PATIENCE)
    before = set(threading.enumerate())
    server.send(b"SERVER_BUSY\n")
    BlockingClients(host).refuse_beside(server)
    (thread,) = set(threading.enumerate()) - before
    assert b"SERVER_BUSY\n" == client.makefile("rb").read()
    assert thread.is_alive()
    client.shutdown(socket.SHUT_WR)
    thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.mark.parametrize("error", [RuntimeError, MemoryError])
def test_who_cannot_be_seen_off_is_closed(
    pair: Pair, host: Host, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """When there can be no more threads."""

    def fail(_: threading.Thread) -> None:
        raise error

    monkeypatch.setattr(threading.Thread, "start", fail)
    BlockingClients(host).refuse_beside(pair[1])
    assert -1 == pair[1].fileno()


def test_connections_are_accepted_until_the_bell_rings(make_host: MakeHost) -> None:
    """Those who had connected by then are served as well; nobody after them can connect."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    address = listener.getsockname()
    host = make_host(listener)
    clients = [socket.create_connection(address)]

    def admit(sock: socket.socket) -> None:
        admitted.append(sock.getpeername())
        sock.close()
        if len(admitted) == 1:  # two more, and then the bell
            clients.extend(socket.create_connection(address) for _ in range(2))
            host.stop()

    admitted: list[Any] = []
    accept_until_stopped(host, host.acceptor(admit, socket.socket.close))
    assert [client.getsockname() for client in clients] == admitted
    assert ([], -1) == (host.listeners, listener.fileno())
    for client in clients:
        client.close()


def test_what_else_is_to_be_heard_is_heard_once(host: Host) -> None:
    """Though what is readable stays so."""
    ours, theirs = socket.socketpair()
    heard = []

    def hear() -> None:
        heard.append(True)
        threading.Timer(0.01, host.stop).start()

    with ours, theirs:
        theirs.send(b"x")
        accept_until_stopped(host, host.acceptor(print, print), {ours.fileno(): hear})
    assert [True] == heard


def test_an_acceptor_that_has_run_out_pauses(
    make_host: MakeHost, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not ask again and again for what it cannot have."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        host = make_host(listener)
        acceptor = host.acceptor(print, print)

        def run_out(*_: Any) -> bool:
            if clock.now > 1000.25:
                host.stop()
            return False

        monkeypatch.setattr(acceptor, "accept_burst", run_out)
        with socket.create_connection(listener.getsockname()):
            accept_until_stopped(host, acceptor)
    assert 1000.4 == pytest.approx(clock.now)


def test_a_phase_is_all_there_is_to_go_by(pair: Pair, host: Host) -> None:
    """The client of a thread is that of a loop."""
    schedule = InPlace()
    shared = host.surroundings(schedule, KernelDeadline(), host.stats, schedule.prod)
    client = host.welcome(pair[1], shared)
    assert Phase.LISTENING is client.phase
    client.close()
    assert set() == host.clients
