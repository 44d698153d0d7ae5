"""A service whose commands do what they should not."""

import subprocess
import sys
from collections.abc import Iterator

from dumb_async import Action, Close, Compute, Send, Service, Sleep

service = Service("misbehaving")
service.constant("PING", b"PONG\n")


@service.command("FAIL")
def fail(secret: bytes) -> bytes:
    """Fail at once."""
    raise ZeroDivisionError(secret.decode())


@service.command("LATER")
def later(secret: bytes) -> Iterator[Action]:
    """Fail after a while."""
    yield Sleep(0.01)
    raise ZeroDivisionError(secret.decode())


@service.command("WORK")
def work(secret: bytes) -> Iterator[Action]:
    """Fail while computing."""
    yield Compute(fail, secret)


@service.command("CATCH")
def catch(secret: bytes) -> Iterator[Action]:
    """Survive that."""
    try:
        yield Compute(fail, secret)
    except ZeroDivisionError:
        yield Send(b"CAUGHT\n")


class Unheard(BaseException):
    """What no ``except Exception`` catches."""


ENDS = {
    b"EXIT": SystemExit(0), b"INTERRUPT": KeyboardInterrupt(), b"GENERATOR": GeneratorExit(),
    b"UNHEARD": Unheard(),
}  # fmt: skip


def end(kind: bytes) -> bytes:
    """Raise what would end a program."""
    if kind == b"EXIT":
        sys.exit(0)
    raise ENDS[kind]


@service.command("END")
def end_at_once(kind: bytes) -> bytes:
    """Raise it at once."""
    return end(kind)


@service.command("ENDLATER")
def end_later(kind: bytes) -> Iterator[Action]:
    """Raise it after a while."""
    yield Sleep(0.01)
    end(kind)


@service.command("ENDWORK")
def end_work(kind: bytes) -> Iterator[Action]:
    """Raise it while computing."""
    yield Compute(end, kind)


@service.command("ENDLEFT")
def end_left(kind: bytes) -> Iterator[Action]:
    """Raise it when the client leaves."""
    try:
        yield Sleep(3600)
    finally:
        end(kind)


@service.command("DESCRIPTORS")
def descriptors() -> bytes:
    """Those that a program inherits which is started here; the last is that it lists them with."""
    listing = ["ls", "/proc/self/fd"]
    listed = subprocess.run(listing, stdout=subprocess.PIPE, close_fds=False, check=True)
    return b" ".join(listed.stdout.split()) + b"\n"


@service.command("BYE")
def bye() -> Iterator[Action]:
    """Close of one's own accord."""
    yield Send(b"BYE\n")
    yield Close()
