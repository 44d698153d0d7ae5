"""A service of a user's own, under every model."""

import re

import pytest

from .client import eventually
from .misbehaving import ENDS
from .process import Server, Share, Start
from .servers import Need, Target

SECRET = b"dragon"


@pytest.fixture
def greeter(share: Share) -> Server:
    """The example of a service."""
    return share("--service", "examples.greeter:service")


@pytest.fixture
def misbehaving(share: Share) -> Server:
    """A service that fails in every way there is."""
    return share("--service", "tests.conformance.misbehaving:service")


def test_its_commands_are_served_and_no_others(greeter: Server) -> None:
    """In order, pipelined, those that take time and those that do not."""
    requests = b"ECHO a  b\nSAY 0.05 later\nUPPER now\nBURN 3\nSAY x y\nPING\n"
    expected = b"a  b\nlater\nNOW\nUNKNOWN_COMMAND\nINVALID_ARGUMENT\nPONG\n"
    assert expected == greeter.converse(requests)


def test_its_commands_are_counted(greeter: Server) -> None:
    """Under their own names."""
    name = 'server_requests_total{request_type="upper"}'
    before = greeter.samples()[name]
    greeter.converse(b"UPPER a\nUPPER b\n")
    assert eventually(lambda: greeter.samples()[name] == before + 2)


@pytest.mark.parametrize("command", [b"FAIL", b"LATER", b"WORK"])
def test_a_command_that_fails_ends_its_own_connection(misbehaving: Server, command: bytes) -> None:
    """The client is told and closed, everybody else is served, and the log quotes nobody."""
    with misbehaving.connect() as client:
        client.send(b"PING\n%s %s\nPING\n" % (command, SECRET))
        assert b"PONG\nINTERNAL_ERROR\n" == client.read_all()
    assert b"PONG\n" == misbehaving.converse(b"PING\n")
    assert eventually(lambda: "a command failed" in misbehaving.stderr)
    assert SECRET.decode() not in misbehaving.stderr


@pytest.mark.parametrize("command", [b"END", b"ENDLATER", b"ENDWORK"])
def test_no_command_ends_the_server(misbehaving: Server, command: bytes) -> None:
    """Neither by sys.exit() nor by anything else that is raised: it is a failure like any other."""
    for kind in ENDS:
        logged = misbehaving.stderr.count(f": {type(ENDS[kind]).__name__}")
        with misbehaving.connect() as client:
            client.send(b"PING\n%s %s\nPING\n" % (command, kind))
            assert b"PONG\nINTERNAL_ERROR\n" == client.read_all()
        assert b"PONG\n" == misbehaving.converse(b"PING\n")
        assert eventually(
            lambda kind=kind, logged=logged: (  # type: ignore[misc]
                misbehaving.stderr.count(f": {type(ENDS[kind]).__name__}") == logged + 1
            )
        )


@pytest.mark.needs(Need.RESETS)
def test_nor_as_its_client_leaves(misbehaving: Server) -> None:
    """The connection is let go of all the same."""
    for kind in ENDS:
        misbehaving.get_in(b"ENDLEFT %s\n" % kind).reset()
    assert b"PONG\n" == misbehaving.converse(b"PING\n")
    if misbehaving.metrics_url is not None:
        assert eventually(lambda: misbehaving.samples()["server_active_connections"] == 0)


def test_a_program_that_a_command_starts_inherits_no_connection(misbehaving: Server) -> None:
    """Nor any other descriptor of the server, which would keep it open."""
    assert b"0 1 2 3\n" == misbehaving.converse(b"DESCRIPTORS\n")


def test_a_command_may_catch_what_its_computation_raises(misbehaving: Server) -> None:
    """The error comes back where it was yielded."""
    assert b"CAUGHT\nPONG\n" == misbehaving.converse(b"CATCH %s\nPING\n" % SECRET)


def test_a_command_may_close(misbehaving: Server) -> None:
    """Nothing of what was asked after it is answered."""
    with misbehaving.connect() as client:
        client.send(b"BYE\nPING\n")
        assert b"BYE\n" == client.read_all()


def test_every_exchange_is_logged_if_asked_for(start_server: Start, target: Target) -> None:
    """Who asked for what; not with which words."""
    if not target.ours:
        pytest.skip("a foreign server does not take our flags")
    server = start_server("--access-log")
    assert b"PONG\nDONE\n" == server.converse(b"PING\nWAIT 0.01\n")
    pattern = re.compile(r"127\.0\.0\.1:\d+ ping=1 wait=1 in 0\.\d+ s|ping=1.*\n.*wait=1")
    assert eventually(lambda: bool(pattern.search(server.stderr))), server.stderr
