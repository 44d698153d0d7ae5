"""A service of one's own: python -m dumb_async --service examples.greeter:service"""

from collections.abc import Iterator

from dumb_async import Action, Send, Service, Sleep, decimal

service = Service("greeter")
service.constant("PING", b"PONG\n")


@service.command("ECHO")
def echo(text: bytes) -> bytes:
    return text + b"\n"


@service.command("UPPER")
def upper(text: bytes) -> bytes:
    return text.upper() + b"\n"


@service.command("SAY")
def say(seconds: bytes, text: bytes) -> Iterator[Action]:
    yield Sleep(decimal(seconds, limit=60))
    yield Send(text + b"\n")
