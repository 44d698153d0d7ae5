"""The one line that says what serves where, once it can be connected to."""

import logging
import platform
from collections.abc import Sequence

from .exporter import Exporter
from .listening import show_address
from .logs import announce

logger = logging.getLogger(__name__)


def announce_address(
    addresses: Sequence[tuple[str, int]], model: str, exporter: Exporter | None
) -> None:
    """Say it on standard error, whatever the log level is.

    :param addresses: host and port of each listening socket.
    :param model: the runtime or variant that serves.
    """
    where = " and ".join(map(show_address, addresses))
    python = f"{platform.python_implementation()} {platform.python_version()}"
    places = exporter.addresses if exporter else []
    pages = [f"http://{show_address(place)}/metrics" for place in places]
    announce(
        logger,
        f"dumb_async serves on {where} ({model}, {python})"
        + (f", metrics on {' and '.join(pages)}" if pages else ""),
        addresses=[show_address(address) for address in addresses],
        loop=model,
        metrics=pages[0] if pages else None,
    )
