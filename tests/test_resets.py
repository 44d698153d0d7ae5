"""Who has reset the connection while nobody reads from it is told of, once."""

import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from dumb_async.resets import Resets
from dumb_async.runtimes import Runtime

from .support import drain, fill, in_time, reset, tcp_pair


class Busy:
    """As much of a stream as is watched, and its client."""

    def __init__(self, pair: tuple[socket.socket, socket.socket]) -> None:
        self.client, self.sock = pair
        self.fd = self.sock.fileno()


@pytest.fixture
def streams() -> Iterator[list[Any]]:
    """Three of them."""
    with contextlib.ExitStack() as stack:
        yield [Busy(stack.enter_context(tcp_pair())) for _ in range(3)]


def watching(
    runtime: Runtime, body: Callable[[Resets, list[Any], Callable[[], Awaitable[None]]], Any]
) -> None:
    """Look out for resets beside ``body``; it is given them, who was lost, and turns to wait."""
    lost: list[Any] = []
    resets = Resets(lost.append)

    async def turns() -> None:
        for _ in range(10):
            await runtime.checkpoint()

    async def main() -> None:
        with contextlib.closing(resets):
            async with runtime.task_group() as group:
                end = group.start_soon(resets.run, runtime)
                await turns()
                await body(resets, lost, turns)
                end()

    in_time(runtime, main)


def test_a_reset_is_told_once(runtime: Runtime, streams: list[Any]) -> None:
    """Of the one whose it was, however long it stays watched."""

    async def body(resets: Resets, lost: list[Any], turns: Any) -> None:
        for stream in streams:
            resets.watch(stream)
            resets.watch(stream)
        await turns()
        assert [] == lost
        reset(streams[1].client)
        while not lost:
            await turns()
        reset(streams[2].client)
        await turns()
        while len(lost) < 2:
            await turns()
        await turns()
        assert streams[1:] == lost

    watching(runtime, body)


def test_a_reset_from_before_is_told_too(runtime: Runtime, streams: list[Any]) -> None:
    """Whoever becomes busy may be gone already."""

    async def body(resets: Resets, lost: list[Any], turns: Any) -> None:
        reset(streams[0].client)
        resets.watch(streams[0])
        while not lost:
            await turns()
        assert [streams[0]] == lost

    watching(runtime, body)


def test_whatever_else_a_client_does_is_no_reset(runtime: Runtime, streams: list[Any]) -> None:
    """It sends, ends its side, reads or does not."""

    async def body(resets: Resets, lost: list[Any], turns: Any) -> None:
        for stream in streams:
            resets.watch(stream)
        streams[0].client.send(b"PING\n")
        streams[1].client.shutdown(socket.SHUT_WR)
        fill(streams[2].sock)
        await turns()
        drain(streams[2].client)
        await turns()
        assert [] == lost

    watching(runtime, body)


def test_who_is_forgotten_is_not_told_of(runtime: Runtime, streams: list[Any]) -> None:
    """Nor is it an error to forget it twice, or one who was never watched."""

    async def body(resets: Resets, lost: list[Any], turns: Any) -> None:
        for stream in streams[:2]:
            resets.watch(stream)
        for stream in (streams[0], streams[0], streams[2]):
            resets.forget(stream)
        reset(streams[0].client)
        await turns()
        reset(streams[1].client)
        while not lost:
            await turns()
        assert [streams[1]] == lost

    watching(runtime, body)


def test_a_descriptor_that_comes_back_is_another_s(runtime: Runtime, streams: list[Any]) -> None:
    """Whose it was before is forgotten without harm to who has it now."""

    async def body(resets: Resets, lost: list[Any], turns: Any) -> None:
        before = Busy((streams[0].client, streams[0].sock))
        resets.watch(streams[0])
        resets.forget(before)  # type: ignore[arg-type]
        reset(streams[0].client)
        while not lost:
            await turns()
        assert [streams[0]] == lost

    watching(runtime, body)


def test_many_at_once_are_all_told(runtime: Runtime) -> None:
    """More than one look takes in."""

    async def body(resets: Resets, lost: list[Any], turns: Any) -> None:
        with contextlib.ExitStack() as stack:
            crowd = [Busy(stack.enter_context(tcp_pair())) for _ in range(50)]
            for one in crowd:
                resets.watch(one)  # type: ignore[arg-type]
            for one in crowd:
                reset(one.client)
            while len(lost) < len(crowd):
                await turns()
            assert set(crowd) == set(lost)
            for one in crowd:
                resets.forget(one)  # type: ignore[arg-type]

    watching(runtime, body)
