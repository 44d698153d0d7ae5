"""Connecting: a few at a time, so that a listen backlog is not run over."""

import asyncio
import ipaddress
import socket
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Final

from ..counts import Fault, Phase, Tally

#: Connections being made at a time. Servers' backlogs are 128 and up.
AT_A_TIME: Final = 64
#: Seconds after which a connection that is not made is not one of those: the backlog is full, or
#: nobody is there, and the rest would wait for the time-outs of all before them.
STALLED: Final = 0.1
#: IP_BIND_ADDRESS_NO_PORT of ip(7), which Python names since 3.12.
_BIND_ADDRESS_NO_PORT: Final = 24


class Dialer:
    """Connects whoever asks, in order.

    :param address: where to, as `socket.getaddrinfo` gives it: family and address.
    :param sources: local addresses, used in turn by number; none: the system's choice.
    :param timeout: seconds a connection may take to be made.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        address: tuple[socket.AddressFamily, Any],
        sources: Sequence[str],
        timeout: float,
        tally: Callable[[], Tally],
    ) -> None:
        self._loop = loop
        self._family, self._address = address
        self._sources = sources
        self._timeout = timeout
        self._tally = tally
        self._queue: deque[tuple[int, asyncio.Protocol, Callable[[Fault], object]]] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._busy = 0  # of these, those that have not stalled

    def dial(
        self, number: int, protocol: asyncio.Protocol, failed: Callable[[Fault], object]
    ) -> None:
        """Connect ``protocol``; call ``failed`` if that can not be."""
        self._queue.append((number, protocol, failed))
        self._hire()

    async def close(self) -> None:
        """Connect nobody any more."""
        self._queue.clear()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    def _hire(self) -> None:
        if self._queue and self._busy < AT_A_TIME:
            self._busy += 1
            worker = self._loop.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    async def _work(self) -> None:
        while self._queue and self._busy <= AT_A_TIME:
            number, protocol, failed = self._queue.popleft()
            begun = monotonic()
            try:
                await self._connect(number, protocol)
            except OSError as error:
                fault = Fault.of(Phase.CONNECT, error)
                self._tally().lost_connections[fault] += 1
                failed(fault)
            else:
                self._tally().connect.record(monotonic() - begun)
        self._busy -= 1

    async def _connect(self, number: int, protocol: asyncio.Protocol) -> None:
        sock = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            if self._sources:
                # The port is chosen when the other end is known, so it need be free only there.
                with suppress(OSError):  # a kernel that cannot has fewer ports
                    sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
                sock.bind((self._sources[number % len(self._sources)], 0))
            # Over loopback it is made at once, which only a second call tells: there is no need
            # to wait then.
            if sock.connect_ex(self._address) and sock.connect_ex(self._address):
                await self._wait(sock)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.create_connection(lambda: protocol, sock=sock)
        except BaseException:
            sock.close()
            raise

    async def _wait(self, sock: socket.socket) -> None:
        """Wait until it is made; others need not."""
        stalled = False

        def stall() -> None:
            nonlocal stalled
            stalled = True
            self._busy -= 1
            self._hire()

        timer = self._loop.call_later(STALLED, stall)
        try:
            async with asyncio.timeout(self._timeout):
                await self._loop.sock_connect(sock, self._address)
        finally:
            timer.cancel()
            self._busy += stalled


def sources_between(text: str) -> list[str]:
    """Read ``127.0.0.2-127.0.0.9``, or one address.

    :raises ValueError: if it is neither, or too many (over 65,536).
    """
    first, _, last = text.partition("-")
    low = ipaddress.ip_address(first.strip())
    high = ipaddress.ip_address((last or first).strip())
    if low.version != high.version or not 0 <= int(high) - int(low) < 65_536:
        raise ValueError(f"{text!r} is not a range of addresses")
    return [str(low + i) for i in range(int(high) - int(low) + 1)]
