"""A service whose commands do what they should not."""

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


@service.command("BYE")
def bye() -> Iterator[Action]:
    """Close of one's own accord."""
    yield Send(b"BYE\n")
    yield Close()
