"""The workers of a cluster of Dask, or of one of our own on this machine."""

import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from ..engine.addresses import check_host, scoped
from ..shelter import sheltered

#: Seconds in which a scheduler has to answer.
PATIENCE = 5.0
#: How Dask reaches other machines, of what it can be asked for everywhere.
_SCHEMES: Final = {"tcp", "tls", "ws", "wss"}


class CannotShare(Exception):
    """The load can not be shared out; the text says why, in one line."""


class NoDask(CannotShare):
    """Dask is not installed."""


@contextmanager
def cluster(scheduler: str | None, workers: int) -> Iterator[Any]:
    """Give a `distributed.Client` of ``scheduler``, or of ``workers`` processes of this machine.

    :raises NoDask: if it is not installed.
    :raises CannotShare: if the scheduler can not be reached.
    """
    try:
        from distributed import Client, LocalCluster  # noqa: PLC0415 - an extra
    except ImportError:
        raise NoDask("it needs Dask: pip install 'dumb_async[dist]'") from None
    _be_quiet()
    with ExitStack() as stack:
        address: Any = scheduler
        if scheduler is None:
            with sheltered():  # workers go on until they are told to stop
                address = stack.enter_context(
                    LocalCluster(
                        n_workers=workers,
                        threads_per_worker=1,
                        host="127.0.0.1",
                        dashboard_address=None,
                        # Without one it still serves pages, and on a port that may be taken.
                        scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                        silence_logs=logging.CRITICAL,
                    )  # type: ignore[no-untyped-call]
                )
        if scheduler is not None:
            _check_address(scheduler)
        try:
            client = Client(address, timeout=PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
        except Exception as error:  # noqa: BLE001 - of many libraries; what matters is its text
            why = f"{_first_line(error)}; does dask scheduler run there?"
            raise CannotShare(f"no scheduler at {scheduler}: {why}") from None
        yield stack.enter_context(client)


def _check_address(scheduler: str) -> None:
    """See that it can be one; Dask's own complaint leaves half a client behind.

    :raises CannotShare: if it can not.
    """
    from distributed.comm.addressing import parse_address, parse_host_port  # noqa: PLC0415

    try:
        scheme, place = parse_address(scheduler)
        host, port = parse_host_port(place)
        scoped(check_host(host), int(port))
        if scheme not in _SCHEMES or not 0 < int(port) < 65536:
            raise ValueError
    except OSError as error:
        raise CannotShare(f"no scheduler at {scheduler}: {error}") from None
    except ValueError:
        raise CannotShare(
            f"no scheduler at {scheduler!r}: it is not such as tcp://HOST:8786"
        ) from None
    if scheme in {"tls", "wss"}:
        _check_security(scheduler)


def _check_security(scheduler: str) -> None:
    """See that there is what TLS needs.

    :raises CannotShare: if not.
    """
    from distributed.security import Security  # noqa: PLC0415 - an extra

    try:
        context = Security().get_connection_args("client")["ssl_context"]  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:  # a file that is not there, or no certificate
        why = f"Dask's TLS configuration cannot be used: {_first_line(error)}"
        raise CannotShare(f"no scheduler at {scheduler}: {why}") from None
    if context is None:
        raise CannotShare(
            f"no scheduler at {scheduler}: Dask has no TLS configuration here; set"
            " distributed.comm.tls.ca-file, .client.cert and .client.key, as in"
            " https://distributed.dask.org/en/stable/tls.html"
        )


def workers_of(client: Any) -> dict[str, float]:
    """Return the addresses of all workers there are, and when each was last heard of.

    :raises CannotShare: if the scheduler was lost.
    """
    # One that is reached again has forgotten its tasks.
    if client.status == "running":
        workers = client.scheduler_info(n_workers=-1).get("workers")
        if client.status == "running" and workers is not None:
            return {address: worker["last_seen"] for address, worker in sorted(workers.items())}
    raise CannotShare("the scheduler was lost")


def choose(client: Any, count: int) -> list[str]:
    """Return the addresses of ``count`` workers.

    :raises CannotShare: if there are fewer.
    """
    there = list(workers_of(client))
    if len(there) < count:
        raise CannotShare(
            f"{count} agents need as many workers, and there are {len(there)}: start more"
            " (dask worker), or use fewer --agents"
        )
    return there[:count]


def clock_offsets(client: Any, workers: Sequence[str]) -> dict[str, float]:
    """Return by how many seconds the clock of each worker is ahead of ours, at the least.

    What the way there and back may account for is left out.
    """
    before = time.time()
    clocks = client.run(time.time, workers=list(workers))
    after = time.time()
    return {
        worker: max(clock - after, 0.0) + min(clock - before, 0.0)
        for worker, clock in clocks.items()
    }


def _be_quiet() -> None:
    """What Dask logs when workers leave and close is no user's business."""
    warnings.filterwarnings("ignore", module="distributed")
    noisy = ("distributed", "tornado", "asyncio")
    for name in (*noisy, *logging.root.manager.loggerDict):
        if name.partition(".")[0] in noisy:  # Dask gives many of its own a level
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
