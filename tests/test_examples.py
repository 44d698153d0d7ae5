"""Services written with the public API alone run on every loop."""

import re
from pathlib import Path
from typing import Any

import pytest

import dumb_async
from dumb_async import Server, Service
from dumb_async.protocol import ClientConnection, Outcome, Reply
from dumb_async.runtimes import Runtime
from examples import greeter

from .protocol.driver import converse as converse_without_sockets
from .support import converse, with_server

CONVERSATION = (
    b"PING\nECHO hello  world\nUPPER abc\nSAY 0.001 good bye\nSAY x y\nSAY 61 y\nSAY\n?\n"
)
REPLIES = b"PONG\nhello  world\nABC\ngood bye\n" + b"INVALID_ARGUMENT\n" * 3 + b"UNKNOWN_COMMAND\n"


def test_the_greeter_runs_on_every_loop(runtime: Runtime) -> None:
    """With its own labels in the counts."""
    server = Server(greeter.service, port=0)

    async def body(address: Any) -> None:
        assert REPLIES == await converse(runtime, address, CONVERSATION)

    with_server(runtime, server, body)
    assert {
        "ping": 1, "echo": 1, "upper": 1, "say": 1, "invalid": 3, "unknown": 1, "too_long": 0,
    } == server.stats.requests  # fmt: skip


def test_the_greeter_needs_no_loop_to_be_tested() -> None:
    """The core is enough."""
    assert REPLIES == converse_without_sockets(greeter.service, CONVERSATION).sent


def test_a_client_knows_the_greeter() -> None:
    """What nobody has described is any line."""
    client = ClientConnection(greeter.service)
    client.send(b"ECHO x")
    client.receive_data(b"x\n")
    event = client.next_event()
    assert isinstance(event, Reply)
    assert Outcome.OK is event.outcome


def test_the_example_in_the_docstring_works() -> None:
    """As it stands there."""
    assert dumb_async.__doc__ is not None
    check_example(dumb_async.__doc__)


def test_the_example_in_the_readme_works() -> None:
    """As it stands there."""
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    (example,) = re.findall(r"```python\n# greeter\.py\n(.*?)```", readme, re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)
    sent = converse_without_sockets(names["service"], b"ECHO hello\nSAY 0.5 world\n").sent
    assert b"hello\nworld\n" == sent


def check_example(text: str) -> None:
    """Run the indented block of a docstring, and ask it to ECHO."""
    block = "".join(line[4:] + "\n" for line in text.splitlines() if line.startswith("    "))
    served: list[Service] = []
    exec(block, {"Service": Service, "run": served.append})
    assert b"x\n" == converse_without_sockets(served[0], b"ECHO x\n").sent


@pytest.mark.parametrize("name", sorted(dumb_async.__all__))
def test_public_names_can_be_imported_from_the_package(name: str) -> None:
    """And nothing else is needed to write a service."""
    assert getattr(dumb_async, name) is not None
