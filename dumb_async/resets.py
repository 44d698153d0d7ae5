"""Who has reset the connection while something is done for them: one epoll, for errors alone.

A transport that is paused and a task that sleeps do not hear of a reset, on any runtime. An
epoll hears of it also for sockets that it is to watch for nothing (errors are always reported,
epoll_ctl(2)), and the descriptor of an epoll can itself be waited for (epoll(7)).
"""

import contextlib
import select

from .runtimes import OnLost, Runtime, RuntimeStream


class Resets:
    """Tells of connections that are reset.

    :param on_lost: called with the stream of each.
    """

    def __init__(self, on_lost: OnLost) -> None:
        self._epoll = select.epoll()
        self._streams: dict[int, RuntimeStream] = {}
        self._on_lost = on_lost

    def watch(self, stream: RuntimeStream) -> None:
        """Look after ``stream``, once and for all: who was busy once will be again."""
        if self._streams.get(stream.fd) is not stream:
            self._epoll.register(stream.fd, select.EPOLLET)
            self._streams[stream.fd] = stream

    def forget(self, stream: RuntimeStream) -> None:
        """Look after it no more. A runtime may have closed it, and its descriptor be another's."""
        if self._streams.get(stream.fd) is stream:
            del self._streams[stream.fd]
            with contextlib.suppress(OSError):
                self._epoll.unregister(stream.fd)

    async def run(self, runtime: Runtime) -> None:
        """Look out for resets until cancelled."""
        while True:
            await runtime.wait_readable(self._epoll.fileno())
            for fd, _ in self._epoll.poll(0):
                if fd in self._streams:  # else forgotten since, by what was done for another
                    self._on_lost(self._streams[fd])

    def close(self) -> None:
        """Let go of the epoll."""
        self._epoll.close()
