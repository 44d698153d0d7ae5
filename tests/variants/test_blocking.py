"""A client whose thread waits for it: the handler as a coroutine that never suspends."""

import select
import socket
import struct
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dumb_async import NEED_DATA, Action, Close, handle
from dumb_async.hosting import Session, Stats
from dumb_async.protocol import NeedData
from variants.common import blocking
from variants.common.blocking import (
    LOOK_INTERVAL,
    BlockingClients,
    BlockingContext,
    BlockingStream,
    accept_until_stopped,
    run_to_its_end,
)
from variants.common.host import Host

from ..support import PATIENCE, fill, reset
from .conftest import MakeHost

Pair = tuple[socket.socket, socket.socket]
BlockingSession = Session[BlockingStream]

NEVER = float("inf")


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
    """As much of a session as a `BlockingStream` needs.

    :param due: when it is due, if asked; ``None``: never again.
    """

    def __init__(self, due: float | None = None) -> None:
        self.is_due = due
        self.said: list[str] = []
        self.stalled = False

    def due(self, now: float) -> float | None:
        """See `Session.due`."""
        assert now
        return self.is_due

    def expire(self) -> None:
        """See `Session.expire`."""
        self.said.append("expire")

    def stall(self) -> None:
        """See `Session.stall`."""
        self.said.append("stall")
        self.stalled = True

    def go_on(self) -> None:
        """See `Session.go_on`."""
        self.said.append("go on")
        self.stalled = False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands at 1000."""
    clock = Clock()
    monkeypatch.setattr(blocking, "time", clock)
    return clock


@pytest.fixture
def stream(pair: Pair) -> BlockingStream:
    """The server's end of the pair, of a session that is never due."""
    return stream_of(pair[1], Someone())


def stream_of(sock: socket.socket, someone: Someone, patience: float = 0) -> BlockingStream:
    """A stream and its session."""
    stream = BlockingStream(sock, patience)
    session: Any = someone
    stream.session = session
    return stream


def timeout_of(sock: socket.socket, option: int = socket.SO_RCVTIMEO) -> float:
    """The kernel's, in seconds; 0: there is none."""
    seconds, micros = struct.unpack("ll", sock.getsockopt(socket.SOL_SOCKET, option, 16))
    return float(seconds + micros / 1e6)


@contextmanager
def in_thread(work: Callable[..., object], *args: Any) -> Iterator[None]:
    """Do it in a thread, which must end with the block."""
    thread = threading.Thread(target=work, args=args, daemon=True)
    thread.start()
    yield
    thread.join(PATIENCE)
    assert not thread.is_alive(), "it still waits"


def served(host: Host, sock: socket.socket, stats: Stats) -> Any:
    """Serve in a thread, which must end with the block."""
    return in_thread(BlockingClients(host).serve, sock, stats)


class Reads:
    """Receives for a session: notes what was read, and says when that is enough."""

    def __init__(self, enough: bytes = b"") -> None:
        self.reads: list[bytes] = []
        self.enough = enough

    def __call__(self, data: bytes) -> Action | NeedData:
        """See `Session.receive`."""
        self.reads.append(data)
        return Close() if data == self.enough else NEED_DATA


def serve(stream: BlockingStream, receive: Callable[[bytes], Action | NeedData]) -> None:
    """Read as the handler does."""

    async def read() -> None:
        await stream.serve(receive)

    run_to_its_end(read())


def test_a_coroutine_that_does_not_suspend_is_run_to_its_end() -> None:
    """What it raises comes out; one that does suspend is a mistake."""
    ran = []

    async def run() -> None:
        ran.append(True)

    class Suspends:
        def __await__(self) -> Generator[None, None, None]:
            yield

    async def suspend() -> None:
        await Suspends()

    async def fail() -> None:
        raise ZeroDivisionError

    run_to_its_end(run())
    assert [True] == ran
    with pytest.raises(RuntimeError, match="does not suspend"):
        run_to_its_end(suspend())
    with pytest.raises(ZeroDivisionError):
        run_to_its_end(fail())


def test_the_handler_is_run_in_place(pair: Pair, host: Host) -> None:
    """All that was asked is done by the time that it comes back, and its socket is closed."""
    client, server = pair
    client.send(b"PING\nWAIT 0\nBURN 50000\nSTREAM 70000\n")
    client.shutdown(socket.SHUT_WR)
    stream = BlockingStream(server, 0)
    stream.session = session = Session(stream, host.context(stream))
    run_to_its_end(handle(stream, session, BlockingContext(host)))
    expected = b"PONG\nDONE\nRESULT 1250025000\n" + b"A" * 70_000 + b"DONE\n"
    client.settimeout(PATIENCE)
    assert (expected == client.makefile("rb").read()) is True
    assert (-1, 0) == (server.fileno(), host.stats.resets)


def test_reads_are_handed_on_until_something_has_to_be_done(
    pair: Pair, stream: BlockingStream
) -> None:
    """One by one, with the end of input as the last of them."""
    reads = Reads(enough=b"stop")
    pair[0].send(b"go")
    threading.Timer(0.01, pair[0].send, [b"stop"]).start()
    serve(stream, reads)
    assert b"gostop" == b"".join(reads.reads)
    reads = Reads()
    pair[0].shutdown(socket.SHUT_WR)
    serve(stream, reads)
    assert [b""] == reads.reads


def test_an_input_that_was_ended_before_is_not_waited_for(stream: BlockingStream) -> None:
    """Though nobody has shut the socket down: nobody was reading."""
    stream.feed_eof()
    reads = Reads()
    serve(stream, reads)
    assert [b""] == reads.reads


def test_an_input_that_is_ended_by_another_thread_wakes_who_reads(
    pair: Pair, stream: BlockingStream
) -> None:
    """However far it has come in waiting."""

    class Told(Reads):
        def __call__(self, data: bytes) -> Action | NeedData:
            """Tell that something was read: next it waits again."""
            has_read.set()
            return super().__call__(data)

    has_read, reads = threading.Event(), Told()
    pair[0].send(b"hello")
    with in_thread(serve, stream, reads):
        assert has_read.wait(PATIENCE)
        stream.feed_eof()
    assert [b"hello", b""] == reads.reads


class Late(socket.socket):
    """A socket to whose reader something happens when it is about to wait."""

    def happen(self) -> None:
        """What does."""

    def recv(self, *args: Any) -> bytes:
        """See `socket.socket`."""
        self.happen()
        return super().recv(*args)


@pytest.mark.parametrize("method", ["feed_eof", "cancel"])
def test_no_end_is_lost_on_the_way_into_recv(pair: Pair, method: str) -> None:
    """It comes after it was looked for, and before anybody waits: the socket knows of it."""
    with Late(fileno=pair[1].detach()) as late:
        stream, reads = stream_of(late, Someone()), Reads()
        late.happen = getattr(stream, method)  # type: ignore[method-assign]
        with in_thread(serve, stream, reads):
            pass
    assert [b""] == reads.reads


def test_what_has_arrived_is_read_before_the_end(pair: Pair, stream: BlockingStream) -> None:
    """A shutdown would close the window of a client that is still heard."""
    pair[0].send(b"hello")
    stream._reading = True
    stream.feed_eof()
    assert b"hello" == stream.sock.recv(100)
    stream.sock.setblocking(False)
    with pytest.raises(BlockingIOError):  # and not the end
        stream.sock.recv(100)


def test_all_is_written_however_slowly_it_is_taken(pair: Pair, stream: BlockingStream) -> None:
    """Nothing is left over."""
    client, _ = pair
    client.settimeout(PATIENCE)
    data, taken = b"x" * 20_000_000, bytearray()
    with in_thread(stream.write, data):
        while len(taken) < len(data):
            taken += client.recv(1_000_000)
    assert (data == taken) is True
    assert 0 == len(stream.unwritten)


def test_a_write_has_half_its_patience_in_the_kernel(pair: Pair) -> None:
    """Progress can only be told from one look to the next; 0 is for ever."""
    for patience, expected in ((5.0, 2.5), (0.0, 0.0)):
        BlockingStream(pair[1], patience)
        assert expected == timeout_of(pair[1], socket.SO_SNDTIMEO)


def test_who_takes_nothing_is_looked_at_again_and_again(pair: Pair, clock: Clock) -> None:
    """It stalls at the first look, and expires when its time has come and not before."""
    client, server = pair
    while select.select([], [server], [], 0.05)[1]:  # what was sent moves on to the client
        fill(server)

    class Patient(Someone):
        def due(self, now: float) -> float | None:  # noqa: ARG002
            """Each look is a second later; the session is due after the third."""
            clock.now += 1
            return 1003.0

        def expire(self) -> None:
            """Have the write end."""
            super().expire()
            full.cancel()

    someone = Patient()
    full = stream_of(server, someone, patience=0.002)
    with pytest.raises(BrokenPipeError):
        full.write(b"x" * 1_000_000)  # the kernel may still find room for a little
    assert ["stall", "expire"] == [said for said in someone.said if said != "go on"][-2:]
    assert clock.now >= 1003.0
    assert client.fileno() >= 0


def test_who_takes_some_goes_on(pair: Pair) -> None:
    """It is stalled no more, and may stall again."""
    client, server = pair
    client.settimeout(PATIENCE)
    fill(server)

    class Slow(Someone):
        def stall(self) -> None:
            """Only now does the client take something."""
            super().stall()
            while len(client.recv(10_000_000)) < 100_000:
                pass

    someone = Slow()
    stream_of(server, someone, patience=0.002).write(b"x")
    assert "stall" == someone.said[0]
    assert "go on" == someone.said[-1]
    assert not someone.stalled


def test_time_passes(pair: Pair, stream: BlockingStream) -> None:
    """What the client sends meanwhile, even its end, wakes nobody."""
    client, _ = pair
    client.send(b"PING\n")
    client.shutdown(socket.SHUT_WR)
    stream.poll_errors(0.01)
    stream.poll_errors(0)


def test_a_sleep_may_be_longer_than_a_system_call(
    stream: BlockingStream, clock: Clock, monkeypatch: pytest.MonkeyPatch
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
    stream.poll_errors(86_401.0)
    assert [86_400_000.0, 1000.0] == [millis for millis in asked if millis]


def test_a_reset_ends_a_sleep(pair: Pair, stream: BlockingStream) -> None:
    """However long it was to be."""
    timer = threading.Timer(0.01, reset, [pair[0]])
    timer.start()
    with pytest.raises(ConnectionResetError):
        stream.poll_errors(3600)
    timer.join()


def test_a_cancel_of_another_thread_ends_a_sleep(stream: BlockingStream) -> None:
    """As if the connection were lost."""
    timer = threading.Timer(0.01, stream.cancel)
    timer.start()
    with pytest.raises(ConnectionResetError):
        stream.poll_errors(3600)
    timer.join()
    assert stream.cancelled


@pytest.mark.parametrize("how", ["reset", "cancel"])
def test_it_is_always_our_turn_to_compute(
    pair: Pair, stream: BlockingStream, clock: Clock, how: str
) -> None:
    """Unless the client is gone, or given up: that is looked at now and then."""
    stream.poll_errors_now_and_then()
    if how == "reset":
        reset(pair[0])
    else:
        stream.cancel()
    stream.poll_errors_now_and_then()  # it is too early to look again
    clock.now += LOOK_INTERVAL
    with pytest.raises(ConnectionResetError):
        stream.poll_errors_now_and_then()


def test_what_a_client_says_after_the_end_is_read_away(pair: Pair, stream: BlockingStream) -> None:
    """Until it ends its side."""
    client, _ = pair
    client.settimeout(PATIENCE)
    client.send(b"x" * 50_000)
    with in_thread(stream.read_away, PATIENCE):
        assert b"" == client.recv(10)
        client.send(b"more")
        client.shutdown(socket.SHUT_WR)
    assert 0 == stream.unread()


def test_who_does_not_end_is_not_read_away_for_ever(pair: Pair, stream: BlockingStream) -> None:
    """Not even one that goes on talking."""
    pair[0].send(b"x")
    stream.read_away(0.01)
    stream.read_away(0)


def test_a_deadline_is_the_kernels(stream: BlockingStream, clock: Clock) -> None:
    """It is only ever moved forward."""
    assert 0 == timeout_of(stream.sock)
    for due, expected in ((300, 300), (400, 300), (2.5, 2.5)):
        stream.watch(None, clock.now + due)
        assert (expected, 1000 + expected) == (timeout_of(stream.sock), stream._due)


def test_a_deadline_that_has_passed_is_still_one(stream: BlockingStream, clock: Clock) -> None:
    """To the kernel 0 would be for ever."""
    stream.watch(None, clock.now - 5)
    assert 0 < timeout_of(stream.sock) < 0.1


class LateReads(Reads):
    """Receives once, at a time of its own.

    :param now: what the clock shows after that.
    """

    def __init__(self, clock: Clock, now: float) -> None:
        super().__init__(enough=b"stop")
        self.clock = clock
        self.then = now

    def __call__(self, data: bytes) -> Action | NeedData:
        """See `Session.receive`."""
        self.clock.now = self.then
        return super().__call__(data)


@pytest.mark.parametrize(
    ("now", "due", "said", "expected", "timeout"),
    [
        (1009.9, 0.0, [], 1010.0, 10.0),
        (1010.0, 1010.0, ["expire"], NEVER, 10.0),
        (1010.0, 1030.0, [], 1030.0, 20.0),
        (1010.0, None, [], NEVER, 0.0),
    ],
    ids=["nobody is looked at early", "in time", "later", "never again"],
)
def test_a_session_is_looked_at_when_it_may_be_due(
    pair: Pair,
    clock: Clock,
    now: float,
    due: float | None,
    said: list[str],
    expected: float,
    timeout: float,
) -> None:
    """After the read; it expires, or the kernel is told when to look again, if ever."""
    someone = Someone(due)
    stream = stream_of(pair[1], someone)
    stream.watch(None, 1010.0)
    pair[0].send(b"stop")
    serve(stream, LateReads(clock, now))
    assert (said, expected) == (someone.said, stream._due)
    assert timeout == timeout_of(pair[1])


def test_a_read_that_lasts_too_long_ends_by_the_kernel(pair: Pair) -> None:
    """Then the session is looked at, though nothing has come."""

    class Due(Someone):
        def due(self, now: float) -> float | None:
            """Always, from now on."""
            return now

        def expire(self) -> None:
            """End the input, as sessions do."""
            super().expire()
            silent.feed_eof()

    someone, reads = Due(), Reads()
    silent = stream_of(pair[1], someone)
    silent.watch(None, 0.0)
    serve(silent, reads)
    assert (["expire"], [b""]) == (someone.said, reads.reads)


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
    assert (0, set()) == (host.stats.connections, host.sessions)
    assert -1 == server.fileno()


@pytest.mark.parametrize("requests", [b"", b"WAIT 3600\n", b"BURN 1000000000000\n"])
def test_who_is_cut_leaves_its_thread(pair: Pair, host: Host, requests: bytes) -> None:
    """Whatever the thread is waiting for, or busy with."""
    client, server = pair
    client.settimeout(PATIENCE)
    with served(host, server, host.stats):
        client.send(b"PING\n" + requests)
        assert b"PONG\n" == client.recv(100)
        host.cancel()
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


def test_a_stop_lets_a_busy_client_finish(pair: Pair, host: Host) -> None:
    """What it has asked for is done; its thread does not begin to read again."""
    client, server = pair
    client.settimeout(PATIENCE)
    with served(host, server, host.stats):
        client.send(b"PING\nWAIT 0.05\nBURN 3\n")
        assert b"PONG\n" == client.recv(5)
        host.stop()
        assert b"DONE\nRESULT 6\n" == client.makefile("rb").read()
    assert 0 == host.stats.resets


def test_an_unfinished_line_has_its_time(pair: Pair, make_host: MakeHost) -> None:
    """Kept by the kernel as well."""
    client, server = pair
    client.settimeout(PATIENCE)
    host = make_host(timeout_line=0.05)
    with served(host, server, host.stats):
        client.send(b"PIN")
        assert b"" == client.recv(100)
    assert {"idle": 0, "line": 1, "write": 0} == host.stats.timeouts


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

    monkeypatch.setattr(host, "serve", fail)
    monkeypatch.setattr(host, "reject", fail)
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


def test_who_is_refused_is_never_connected_to_the_service(pair: Pair, host: Host) -> None:
    """It is asked nothing."""
    connected = []
    connect = host.connect

    def note(*args: Any) -> Any:
        connected.append(True)
        return connect(*args)

    host.connect = note
    pair[0].shutdown(socket.SHUT_WR)
    BlockingClients(host).refuse(pair[1])
    assert [] == connected


def test_who_was_refused_is_forgotten_though_memory_runs_out(
    pair: Pair, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only so many can be refused at a time: each that stayed would be one fewer."""

    def fail(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(BlockingStream, "read_away", fail)
    BlockingClients(host).refuse(pair[1])
    assert -1 == pair[1].fileno()
    assert set() == host._rejected


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


def test_connections_are_accepted_until_the_stop(make_host: MakeHost) -> None:
    """Those who had connected by then are served as well; nobody after them can connect."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    address = listener.getsockname()
    host = make_host(listener)
    clients = [socket.create_connection(address)]

    def admit(sock: socket.socket) -> None:
        admitted.append(sock.getpeername())
        sock.close()
        if len(admitted) == 1:  # two more, and then the stop
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
