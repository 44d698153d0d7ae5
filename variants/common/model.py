"""From a model to a program: command line, signals, metrics, from start to stop."""

import logging
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Protocol

import click

from dumb_async.hosting import (
    CONTEXT,
    EPILOG,
    Cores,
    Exporter,
    Launch,
    ServerCommand,
    announce_address,
    open_listeners,
    server_options,
    warn_of_descriptors,
)
from dumb_async.starting import SIGNALS

from .host import Host
from .needs import Need

logger = logging.getLogger(__name__)

Option = Callable[[Any], Any]


class Runnable(Protocol):
    """A model, ready to serve."""

    def run(self) -> None:
        """Serve until the host is told to stop and its clients are gone."""


def described(
    name: str, summary: str, essay: str | None
) -> Callable[[Callable[..., None]], click.Command]:
    """Make a command whose help is the essay, as it was written."""
    paragraphs = "\n\n".join(f"\b\n{text}" for text in (essay or "").strip().split("\n\n"))
    return click.command(
        name,
        cls=ServerCommand,
        context_settings=CONTEXT,
        epilog=EPILOG,
        short_help=summary,
        help=paragraphs,
    )


class Listed:
    """Something that can be listed and run by its name."""

    def __init__(self, command: click.Command) -> None:
        self.command = command

    def main(self) -> None:
        """Run it as a program."""
        self.command()


class Model(Listed):
    """One concurrency model, as it is listed and run.

    :param name: what it is called on the command line.
    :param make: sets it up for a host; what it returns is run. Processes are forked in
        here, before there is any thread.
    :param summary: what it is, in a line of 60 characters at the most.
    :param essay: what it is, at length.
    :param options: click options of its own, passed on to ``make``.
    :param service: makes what is served, if it is not what the command line says.
    :param lacks: what the model does not hold, and why.
    """

    def __init__(
        self,
        name: str,
        make: Callable[..., Runnable],
        summary: str,
        essay: str | None,
        *,
        options: Sequence[Option] = (),
        service: Callable[[], Cores] | None = None,
        lacks: Mapping[Need, str] | None = None,
    ) -> None:
        self.name = name
        self.lacks = dict(lacks or {})
        self._make = make
        self._service = service
        serve = server_options(self.serve)
        for option in options:
            serve = option(serve)
        super().__init__(described(name, summary, essay)(serve))

    def serve(self, launch: Launch, **options: Any) -> None:
        """Serve until SIGTERM or SIGINT; to be called from the main thread, which blocks them.

        So does every thread that it starts: signals are for the one that waits for them.

        :raises OSError: if an address cannot be listened on.
        """
        settings = launch.settings
        warn_of_descriptors(settings)
        with ExitStack() as stack:
            listeners = open_listeners(settings.host, settings.port, settings.backlog)
            addresses = [listener.getsockname()[:2] for listener in listeners]
            host = Host(launch, listeners, self._service and self._service(), self.name)
            stack.callback(host.close)
            model = self._make(host, **options)
            exporter = None
            if launch.metrics_port is not None:
                exporter = stack.enter_context(
                    Exporter(host.registry, launch.metrics_host, launch.metrics_port)
                )
            threading.Thread(target=_stop_on_signals, args=(host,), daemon=True).start()
            announce_address(addresses, host.name, exporter)
            model.run()


def _stop_on_signals(host: Host) -> None:
    """Stop the host gracefully at the first signal, and at once at the second, or in time."""
    name = signal.Signals(signal.sigwait(SIGNALS)).name
    # Whoever reads the log, this waits for nobody (`hosting.logs`).
    logger.info("%s: stopping, %d clients connected", name, host.count())
    # In a thread of its own: under a crowd of threads it may take longer than the grace.
    try:
        threading.Thread(target=host.stop, daemon=True).start()
    except (RuntimeError, MemoryError):  # there cannot be one more
        host.stop()
    signal.sigtimedwait(SIGNALS, host.settings.timeout_graceful)
    host.cancel()
