"""Run a service as a program: an event loop, signals, metrics, from start to stop."""

import functools
import logging
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from .hosting import Cores, Exporter, announce_address, registry_for
from .protocol import Service
from .runtimes import Runtime, load
from .server import Address, Server
from .starting import SIGNALS, masked

logger = logging.getLogger(__name__)


def run(
    service: Service | Cores | None = None,
    *,
    loop: str = "auto",
    metrics_host: str = "127.0.0.1",
    metrics_port: int | None = None,
    **options: Any,
) -> None:
    """Serve ``service`` until SIGTERM or SIGINT; to be called from the main thread.

    The first signal stops gracefully, the second at once. They are blocked but while it serves:
    one that comes as it starts stops it as soon as it can be stopped, one that comes on the way
    out changes nothing.

    :param loop: one of `dumb_async.runtimes.NAMES`, or ``auto``.
    :param metrics_port: where to serve metrics; 0 picks a free port, ``None``: nowhere.
    :param options: the fields of `Settings`.
    :raises OSError: if an address cannot be listened on.
    :raises ValueError: if a setting is out of its range, or there is no such loop.
    """
    runtime = load(loop)
    server = Server(service, **options)
    with ExitStack() as stack:
        stack.enter_context(_signals_blocked())
        server.listen()
        stack.callback(server.close)
        exporter = None
        if metrics_port is not None:
            registry = registry_for(server.stats)
            exporter = stack.enter_context(Exporter(registry, metrics_host, metrics_port))
        runtime.run(functools.partial(_main, server, runtime, exporter))


async def _main(server: Server, runtime: Runtime, exporter: Exporter | None) -> None:
    with runtime.signals(*SIGNALS) as signals, masked(signal.SIG_UNBLOCK, SIGNALS):
        async with runtime.task_group() as group:
            end = group.start_soon(_stop_on, signals, server)
            started = _Announcement(runtime, exporter)
            await server.serve(runtime=runtime, task_status=started)
            end()


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Block signals in this block; those that came and were not heard are forgotten."""
    ours = not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & {*SIGNALS}
    with masked(signal.SIG_BLOCK, SIGNALS):
        try:
            yield
        finally:
            while ours and signal.sigtimedwait(SIGNALS, 0) is not None:
                pass


async def _stop_on(signals: Any, server: Server) -> None:
    async for number in signals:
        name, count = signal.Signals(number).name, server.stats.active
        server.stop()
        logger.info("%s: stopping, %d clients connected", name, count)


class _Announcement:
    """Says what serves where, once it can be connected to."""

    def __init__(self, runtime: Runtime, exporter: Exporter | None) -> None:
        self._loop = runtime.name
        self._exporter = exporter

    def started(self, value: list[Address], /) -> None:
        announce_address(value, self._loop, self._exporter)
