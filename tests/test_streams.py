"""Each runtime's stream: what it hands over, what it keeps, and how it ends."""

import contextlib
import contextvars
import functools
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import trio

from dumb_async.hosting import FLUSH, READ_SIZE, Aborted
from dumb_async.protocol import NEED_DATA, Action, Close, NeedData, Send
from dumb_async.runtimes import NAMES, Runtime, RuntimeStream, load

from .support import drain, fill, in_time, open_descriptors, read, reset, tcp_pair

Body = Callable[[RuntimeStream], Awaitable[None]]

#: Turns of a loop after which everything has happened that is going to.
TURNS = 30


class Bench:
    """A client, the server's stream of it, and the task in which that is used."""

    def __init__(self, runtime: Runtime, client: socket.socket, server: socket.socket) -> None:
        self.runtime = runtime
        self.client = client
        self.stream = runtime.stream(server, self._lose)
        self.lost: list[object] = []
        self.errors: list[Exception] = []
        self.received: list[bytes] = []
        self.ended = runtime.event()
        self.began = self.opened = False
        self.server = server
        self.open_after_close = False

    async def use(self, body: Body) -> None:
        """Open it, have ``body`` use it, close it: as a handler does."""
        try:
            async with self.runtime.task_group() as group:
                group.start_stream(self._use, self.stream, body)
        finally:
            self.ended.set()
            if not self.began:  # asyncio begins no task that is cancelled before
                await self.stream.aclose()

    async def leave(self) -> None:
        """Have the client end its side."""
        self.client.shutdown(socket.SHUT_WR)

    async def turns(self) -> None:
        """Let everything happen that is going to."""
        for _ in range(TURNS):
            await self.runtime.checkpoint()

    def receive(self, data: bytes) -> Action | NeedData:
        """Take everything, up to an end of input or of a line."""
        self.received.append(data)
        return NEED_DATA if data and not data.endswith(b"\n") else Close()

    async def _use(self, stream: RuntimeStream, body: Body) -> None:
        self.began = True
        try:
            await stream.open()
            self.opened = True
            await body(stream)
        except Exception as error:
            self.errors.append(error)
        finally:
            await stream.aclose()
            # What is cancelled while it is opened may be closed in the next turn.
            self.open_after_close = self.opened and self.server.fileno() != -1

    def _lose(self, stream: Any) -> None:
        self.lost.append(stream)
        stream.cancel()


def on_stream(
    runtime: Runtime,
    body: Callable[[Bench], Awaitable[None]],
    beside: Callable[[Bench], Awaitable[None]] | None = None,
) -> Bench:
    """Run ``body`` as the task of a new stream, and something beside it; return its bench."""

    async def main() -> Bench:
        with tcp_pair() as (client, server):
            bench = Bench(runtime, client, server)
            async with runtime.task_group() as group:
                group.start_soon(bench.use, lambda _: body(bench))
                if beside is not None:
                    await beside(bench)
            assert -1 == server.fileno()
        assert not bench.open_after_close
        return bench

    return in_time(runtime, main)


@pytest.fixture(scope="module", autouse=True)
def warm_up() -> None:
    """What a runtime opens once and for all is none of a stream's business."""
    for name in NAMES:
        on_stream(load(name), park, lambda bench: bench.leave())


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    """As many descriptors as before."""
    before = open_descriptors()
    yield
    assert before == open_descriptors()


def test_what_comes_in_is_handed_over(runtime: Runtime) -> None:
    """Read by read, until something has to wait."""

    async def body(bench: Bench) -> None:
        assert Close() == await bench.stream.serve(bench.receive)

    async def beside(bench: Bench) -> None:
        for data in (b"a", b"b", b"c\n"):
            await bench.turns()
            bench.client.send(data)

    assert [b"a", b"b", b"c\n"] == on_stream(runtime, body, beside).received


def test_what_comes_while_nobody_serves_is_kept(runtime: Runtime) -> None:
    """It is handed over first, in pieces that hold nobody up, and nothing is lost or doubled."""
    text = bytes(range(11, 251)) * 400

    async def body(bench: Bench) -> None:
        for part in (text[:5], text[5:70_000], text[70_000:] + b"\n"):
            bench.client.send(part)
            await bench.turns()
        assert Close() == await bench.stream.serve(bench.receive)

    received = on_stream(runtime, body).received
    assert text + b"\n" == b"".join(received)
    assert READ_SIZE >= max(map(len, received))


def test_much_at_once_comes_in_pieces(runtime: Runtime) -> None:
    """Others have their turn between them."""
    text = b"x" * 100_000 + b"\n"

    async def body(bench: Bench) -> None:
        assert Close() == await bench.stream.serve(bench.receive)

    async def beside(bench: Bench) -> None:
        await bench.turns()
        bench.client.send(text)

    received = on_stream(runtime, body, beside).received
    assert text == b"".join(received)
    assert READ_SIZE >= max(map(len, received))


def test_the_order_is_kept_whenever_it_is_served(runtime: Runtime) -> None:
    """With work in between, while more comes in."""

    async def body(bench: Bench) -> None:
        for number in range(20):
            bench.client.send(b"%d\n" % number)
            if number % 3 == 0:
                await bench.turns()
                while b"%d\n" % number not in b"".join(bench.received):
                    assert Close() == await bench.stream.serve(bench.receive)

    received = b"".join(on_stream(runtime, body).received)
    assert b"".join(b"%d\n" % number for number in range(19)) == received


def test_who_is_not_served_cannot_burden_us(runtime: Runtime) -> None:
    """What it sends beyond a little stays in the kernel, and in the end with itself."""

    async def body(bench: Bench) -> None:
        bench.client.send(b"now wait\n")
        await bench.stream.serve(bench.receive)
        taken = [0]
        while len(taken) < 500 and any(taken[-5:]) | (len(taken) < 6):
            taken.append(fill(bench.client))
            await bench.turns()
        assert len(taken) < 500
        assert sum(taken) >= bench.stream.unread() >= 1

    assert [] == on_stream(runtime, body).errors


def test_unread_is_what_was_not_handed_over(runtime: Runtime) -> None:
    """Whether it is in the kernel or was read and kept."""

    async def body(bench: Bench) -> None:
        assert 0 == bench.stream.unread()
        bench.client.send(b"12345")
        await bench.turns()
        assert 5 == bench.stream.unread()
        bench.client.send(b"678\n")
        await bench.turns()
        assert 9 == bench.stream.unread()
        assert Close() == await bench.stream.serve(bench.receive)
        assert 0 == bench.stream.unread()

    assert [] == on_stream(runtime, body).errors


def test_the_end_of_input_comes_last(runtime: Runtime) -> None:
    """As b"", again each time that somebody asks; the client can still be written to."""

    async def body(bench: Bench) -> None:
        bench.client.send(b"abc")
        bench.client.shutdown(socket.SHUT_WR)
        await bench.turns()
        assert Close() == await bench.stream.serve(bench.receive)
        assert Close() == await bench.stream.serve(bench.receive)
        assert bench.stream.write(b"still there") or not await bench.stream.drain()
        await bench.turns()
        assert b"still there" == bench.client.recv(100)

    bench = on_stream(runtime, body)
    assert ([b"abc", b"", b""], []) == (bench.received, bench.errors)


@pytest.mark.parametrize("parked", [True, False])
def test_an_input_can_be_ended(runtime: Runtime, parked: bool) -> None:
    """While somebody serves, or before: it ends as if the client had ended it."""

    async def body(bench: Bench) -> None:
        if not parked:
            bench.stream.feed_eof()
            await bench.turns()
        assert Close() == await bench.stream.serve(bench.receive)

    async def beside(bench: Bench) -> None:
        await bench.turns()
        if parked:
            assert [] == bench.received
            bench.stream.feed_eof()

    bench = on_stream(runtime, body, beside)
    assert ([b""], [], []) == (bench.received, bench.errors, bench.lost)


def test_a_parked_handler_can_be_woken(runtime: Runtime) -> None:
    """To see what there is to say; then it is served as before."""

    async def body(bench: Bench) -> None:
        for _ in range(3):
            assert FLUSH is await bench.stream.serve(bench.receive)
        assert Close() == await bench.stream.serve(bench.receive)

    async def beside(bench: Bench) -> None:
        for _ in range(3):
            await bench.turns()
            bench.stream.wake()
        await bench.turns()
        bench.client.send(b"abc\n")

    bench = on_stream(runtime, body, beside)
    assert ([b"abc\n"], []) == (bench.received, bench.errors)


def test_waking_who_is_busy_does_no_harm(runtime: Runtime) -> None:
    """What comes in is served all the same, and the input can be ended."""

    async def body(bench: Bench) -> None:
        bench.stream.wake()
        await bench.turns()
        bench.client.send(b"abc\n")
        await serve(bench)
        bench.stream.wake()
        bench.stream.feed_eof()
        await serve(bench)

    async def serve(bench: Bench) -> None:
        action: Action | NeedData = FLUSH
        while action is FLUSH:
            action = await bench.stream.serve(bench.receive)
        assert Close() == action

    bench = on_stream(runtime, body)
    assert ([b"abc\n", b""], []) == (bench.received, bench.errors)


def test_waking_loses_nothing_that_comes_in_the_same_turn(runtime: Runtime) -> None:
    """Whichever is seen first."""

    async def body(bench: Bench) -> None:
        while not bench.received:
            await bench.stream.serve(bench.receive)

    async def beside(bench: Bench) -> None:
        await bench.turns()
        bench.client.send(b"abc\n")
        bench.stream.wake()

    assert [b"abc\n"] == on_stream(runtime, body, beside).received


def test_what_the_client_does_not_take_is_waited_for(runtime: Runtime) -> None:
    """Until all of it has gone; meanwhile what is unsent is known."""
    size = 20_000_000

    async def body(bench: Bench) -> None:
        assert not bench.stream.write(b"y" * size)
        await bench.stream.drain()
        assert size > bench.stream.unsent()

    async def beside(bench: Bench) -> None:
        await bench.turns()
        assert not bench.ended.is_set()
        assert 0 < bench.stream.unsent()
        assert b"y" * size == await read(runtime, bench.client, size)
        assert [] == bench.errors

    on_stream(runtime, body, beside)


def test_what_was_taken_needs_no_waiting(runtime: Runtime) -> None:
    """Draining it is over at once, on every stream that has to be asked; twice, too."""

    async def body(bench: Bench) -> None:
        for _ in range(3):
            if not bench.stream.write(memoryview(b"abc")):
                await bench.stream.drain()
            await bench.stream.drain()

    async def beside(bench: Bench) -> None:
        await bench.ended.wait()
        assert b"abc" * 3 == drain(bench.client)

    assert [] == on_stream(runtime, body, beside).errors


def test_our_side_can_be_ended_by_itself(runtime: Runtime) -> None:
    """The client sees an end of input, and can still be heard."""

    async def body(bench: Bench) -> None:
        bench.stream.write_eof()
        assert Close() == await bench.stream.serve(bench.receive)

    async def beside(bench: Bench) -> None:
        assert b"" == await read(runtime, bench.client)
        bench.client.send(b"abc\n")

    assert [b"abc\n"] == on_stream(runtime, body, beside).received


def test_an_error_of_the_receiver_comes_out(runtime: Runtime) -> None:
    """To whoever serves."""

    async def body(bench: Bench) -> None:
        def fail(_: bytes) -> Action | NeedData:
            raise LookupError

        bench.client.send(b"abc")
        await bench.stream.serve(fail)

    async def late(bench: Bench) -> None:
        bench.client.send(b"abc")
        await bench.turns()
        await body(bench)

    for one in (body, late):
        (error,) = on_stream(runtime, one).errors
        assert isinstance(error, LookupError)


async def park(bench: Bench) -> None:
    """Wait for something to read."""
    await bench.stream.serve(bench.receive)


async def sleep(bench: Bench) -> None:
    """Wait for time to pass."""
    with bench.stream.cancellable():
        await bench.runtime.sleep(3600)


async def stall(bench: Bench) -> None:
    """Wait for the client to read."""
    bench.stream.write(b"y" * 20_000_000)
    with bench.stream.cancellable():
        await bench.stream.drain()


WAITS = pytest.mark.parametrize("wait", [park, sleep, stall])


@WAITS
@pytest.mark.parametrize("when", [0, 1, 2, 3, 4, 5, TURNS])
def test_whatever_is_done_can_be_cancelled(
    runtime: Runtime, wait: Callable[[Bench], Awaitable[None]], when: int
) -> None:
    """After however many turns, from the first on; twice is once, and it is no loss."""

    async def body(bench: Bench) -> None:
        await wait(bench)
        raise AssertionError

    async def beside(bench: Bench) -> None:
        for _ in range(2 + when):  # two tasks begin, one in the other
            await runtime.checkpoint()
        bench.stream.cancel()
        bench.stream.cancel()
        await bench.ended.wait()

    bench = on_stream(runtime, body, beside)
    assert all(isinstance(error, Aborted | OSError) for error in bench.errors), bench.errors
    assert [] == bench.lost


@WAITS
def test_a_cancellation_between_two_waits_ends_the_second(
    runtime: Runtime, wait: Callable[[Bench], Awaitable[None]]
) -> None:
    """However long after."""

    async def body(bench: Bench) -> None:
        bench.stream.cancel()
        await wait(bench)
        raise AssertionError

    bench = on_stream(runtime, body)
    assert all(isinstance(error, Aborted | OSError) for error in bench.errors), bench.errors
    assert [] == bench.lost


@WAITS
def test_cancelling_the_task_closes(
    runtime: Runtime, wait: Callable[[Bench], Awaitable[None]]
) -> None:
    """Its cancellation passes through."""

    async def main() -> None:
        with tcp_pair() as (client, server):
            bench = Bench(runtime, client, server)
            async with runtime.task_group() as group:
                end = group.start_soon(bench.use, lambda _: wait(bench))
                await bench.turns()
                end()
            assert bench.ended.is_set()
            assert -1 == server.fileno()
            assert [] == bench.errors

    in_time(runtime, main)


@pytest.mark.parametrize("wait", [park, stall])
def test_a_reset_ends_it(runtime: Runtime, wait: Callable[[Bench], Awaitable[None]]) -> None:
    """By an error, or whoever is told of lost connections cancels it."""

    async def beside(bench: Bench) -> None:
        await bench.turns()
        reset(bench.client)
        await bench.ended.wait()

    bench = on_stream(runtime, wait, beside)
    assert bench.lost or isinstance(bench.errors[0], OSError)


def test_a_connection_that_is_lost_before_it_is_opened_ends(runtime: Runtime) -> None:
    """By an error, when it is opened or served, or by being told."""

    async def main() -> None:
        with tcp_pair() as (client, server):
            reset(client)
            bench = Bench(runtime, client, server)
            await bench.use(lambda _: park(bench))
            assert bench.lost or isinstance(bench.errors[0], OSError)
            assert -1 == server.fileno()

    in_time(runtime, main)


def test_it_can_be_closed_before_it_is_opened(runtime: Runtime) -> None:
    """And is closed then; the client sees the end."""

    async def main() -> None:
        with tcp_pair() as (client, server):
            stream = runtime.stream(server, lambda _: None)
            await stream.aclose()
            assert -1 == server.fileno()
            assert b"" == await read(runtime, client)

    in_time(runtime, main)


def test_closing_drops_what_is_unsent(runtime: Runtime) -> None:
    """Nobody waits for the client."""

    async def body(bench: Bench) -> None:
        bench.stream.write(b"y" * 20_000_000)

    assert [] == on_stream(runtime, body).errors


def test_reads_are_received_in_the_context_of_the_task(runtime: Runtime) -> None:
    """Whoever reads them: what a command sets is there when it goes on."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nobody's")
    seen: list[str] = []

    async def body(bench: Bench) -> None:
        variable.set("task's")

        def receive(data: bytes) -> Action | NeedData:
            seen.append(variable.get())
            variable.set(data.decode())
            return NEED_DATA if data != b"c" else Send(data)

        await bench.stream.serve(receive)
        seen.append(variable.get())

    async def beside(bench: Bench) -> None:
        for data in (b"a", b"b", b"c"):
            await bench.turns()
            bench.client.send(data)
        await bench.ended.wait()
        assert "nobody's" == variable.get()

    on_stream(runtime, body, beside)
    assert ["task's", "a", "b", "c"] == seen


def test_two_streams_do_not_mix(runtime: Runtime) -> None:
    """Though they may share a buffer."""

    async def main() -> None:
        with contextlib.ExitStack() as stack:
            pairs = [stack.enter_context(tcp_pair()) for _ in range(2)]
            benches = [Bench(runtime, *pair) for pair in pairs]
            async with runtime.task_group() as group:
                for bench in benches:
                    group.start_soon(bench.use, functools.partial(_park, bench))
                await benches[0].turns()
                for data in (b"a", b"b", b"c\n"):
                    for number, bench in enumerate(benches):
                        bench.client.send(b"%d" % number + data)
                    await benches[0].turns()
            assert [b"0a0b0c\n", b"1a1b1c\n"] == [b"".join(bench.received) for bench in benches]

    async def _park(bench: Bench, _: RuntimeStream) -> None:
        await park(bench)

    in_time(runtime, main)


def test_nothing_to_read_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wake-ups can be spurious, and trio tells us of them."""
    wait_readable = trio.lowlevel.wait_readable
    spurious = [True, False, True]

    async def wait(fd: Any) -> None:
        if spurious and spurious.pop():
            await trio.lowlevel.checkpoint()
        else:
            await wait_readable(fd)

    async def beside(bench: Bench) -> None:
        for data in (b"a", b"b\n"):
            await bench.turns()
            bench.client.send(data)

    monkeypatch.setattr(trio.lowlevel, "wait_readable", wait)
    bench = on_stream(load("trio"), park, beside)
    assert ([b"a", b"b\n"], []) == (bench.received, bench.errors)
    assert [] == spurious
