"""Every error is counted under its phase and its cause; each is provoked for real.

What takes as long as a time-out that a reply must not, see the simulated ones.
"""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
import uvloop

from dumb_async import dumb_service
from loadgen.counts import Cause, Fault, Phase
from loadgen.engine import Engine, Options
from loadgen.plan import Mix, Plan, Profile

from ..conformance.process import Server
from . import faulty
from .conftest import PATIENCE, Drive
from .faulty import Behaviour, Faulty
from .test_run_processes import connecting_to

#: One request on one connection.
ONCE = Plan(requests=1, seconds=None)
#: What somebody stops.
ENDLESS = Plan(seconds=PATIENCE)
BRIEF = Options(timeout=0.1, connect_timeout=0.1)


def of(phase: Phase, cause: Cause, count: int = 1) -> Counter[Fault]:
    """So many errors of one kind, and no others."""
    return Counter({Fault(phase, cause): count})


async def until(condition: Callable[[], object]) -> None:
    """Wait for it."""
    while not condition():  # noqa: ASYNC110 - an engine does not tell
        await asyncio.sleep(0.01)


async def until_served(engine: Engine) -> None:
    """Wait for the first reply."""
    await until(lambda: engine.tally.replies)


def test_refused_where_nobody_listens(drive: Drive) -> None:
    """A client that could never connect has failed, was never served, and tries again."""
    with Faulty(faulty.lavish) as gone:
        pass

    async def tried_again(engine: Engine) -> None:
        await until(lambda: engine.tally.lost_connections.total() >= 2)
        engine.stop()

    options = Options(reconnect_delay=0.02)
    engine = drive(gone.address, ENDLESS, options, meanwhile=tried_again)

    assert {Fault(Phase.CONNECT, Cause.REFUSED)} == set(engine.tally.lost_connections)
    assert 1 == engine.tally.never_served
    assert 0 == engine.tally.connections
    assert 0 == engine.tally.sent


def test_a_server_killed_in_mid_run(drive: Drive, serve: Callable[..., Server]) -> None:
    """What was under way is lost, and from then on connections are refused."""
    server = serve()
    refused = Fault(Phase.CONNECT, Cause.REFUSED)

    async def kill(engine: Engine) -> None:
        await until_served(engine)
        server.kill()
        await until(lambda: engine.tally.lost_connections[refused] >= 4)
        engine.stop()

    plan = replace(ENDLESS, clients=Profile.constant(4, 1))
    engine = drive(server.address, plan, Options(reconnect_delay=0.05), meanwhile=kill)

    faults = engine.tally.lost_connections
    lost = sum(n for fault, n in faults.items() if fault.phase is not Phase.CONNECT)
    assert 4 == lost, faults
    assert {Cause.RESET, Cause.EOF} >= {f.cause for f in faults if f.phase is not Phase.CONNECT}
    assert engine.tally.sent == engine.tally.replies + engine.tally.lost_requests.total()


def test_a_connection_that_is_never_made(drive: Drive) -> None:
    """A full backlog answers nothing: connecting is given up after --connect-timeout."""
    with faulty.full_backlog() as address:
        engine = drive(address, Plan(seconds=0.01), BRIEF)

    assert of(Phase.CONNECT, Cause.TIMEOUT) == engine.tally.lost_connections
    assert 1 == engine.tally.never_served


def test_a_source_address_that_is_not_ours(drive: Drive) -> None:
    """An address of the documentation's (RFC 5737) can not be connected from."""
    with Faulty(faulty.lavish) as server:
        engine = drive(server.address, Plan(seconds=0.01), Options(sources=("192.0.2.1",)))

    assert of(Phase.CONNECT, Cause.EADDRNOTAVAIL) == engine.tally.lost_connections
    assert [] == server.accepted


@pytest.mark.parametrize(
    ("behave", "cause"),
    [
        pytest.param(faulty.resetting, Cause.RESET, id="reset"),
        pytest.param(faulty.hanging_up(), Cause.EOF, id="no reply"),
        pytest.param(faulty.hanging_up(b"PO"), Cause.EOF, id="half a reply"),
        pytest.param(faulty.saying(b"PANG\n"), Cause.WRONG_REPLY, id="another word"),
        pytest.param(faulty.saying(b"PONG \n"), Cause.WRONG_REPLY, id="a space more"),
        pytest.param(faulty.saying(b"PONG\r\n"), Cause.WRONG_REPLY, id="another line end"),
        pytest.param(faulty.saying(b"pong\n"), Cause.WRONG_REPLY, id="another case"),
        pytest.param(faulty.saying(b"SERVER_BUSY\n"), Cause.BUSY, id="busy"),
        pytest.param(faulty.saying(b"UNKNOWN_COMMAND\n"), Cause.REJECTED, id="rejected"),
    ],
)
def test_while_reading(drive: Drive, behave: Behaviour, cause: Cause) -> None:
    """A request without its right reply is lost, of which kind is told; it has no latency."""
    with Faulty(behave) as server:
        engine = drive(server.address, ONCE)

    assert of(Phase.READ, cause) == engine.tally.lost_requests
    good = cause is Cause.REJECTED  # the connection is no worse for it
    assert (Counter() if good else of(Phase.READ, cause)) == engine.tally.lost_connections
    assert 1 == engine.tally.sent
    assert 0 == engine.tally.response.total
    assert 0 == engine.tally.replies


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (b"STREAM 9", b"AAAABAAAADONE\n"),
        (b"STREAM 9", b"AAAAAAAADONE\n"),
        (b"STREAM 9", b"AAAAAAAAAADONE\n"),
        (b"BURN 4", b"RESULT 11\n"),
        (b"WAIT 0", b"PONG\n"),
    ],
)
def test_every_byte_of_a_reply_is_checked(drive: Drive, request_: bytes, reply: bytes) -> None:
    """A wrong byte amid many, one too few, one too many, another sum, another command's."""
    with Faulty(faulty.saying(reply)) as server:
        engine = drive(server.address, Plan(Mix((request_,), (1.0,)), requests=1, seconds=None))

    assert of(Phase.READ, Cause.WRONG_REPLY) == engine.tally.lost_requests
    assert engine.wrong is not None
    assert request_ == engine.wrong[0]


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(faulty.saying(b"PONG\n" * 2), id="two replies for one"),
        pytest.param(faulty.blurting(b"PONG\n"), id="one before it is asked"),
    ],
)
def test_a_reply_that_nobody_asked_for(drive: Drive, behave: Behaviour) -> None:
    """One reply too many is found out, although each of them looks right."""
    with Faulty(behave) as server:
        engine = drive(server.address, Plan(requests=3, seconds=None))

    assert of(Phase.READ, Cause.WRONG_REPLY) == engine.tally.lost_connections
    assert engine.wrong is not None
    assert engine.wrong[1].startswith(b"PONG\n")


def test_no_reply_in_time(drive: Drive) -> None:
    """A request that was given up stays in the distribution, as one of at least so long."""
    with Faulty(faulty.mute) as server:
        engine = drive(server.address, Plan(requests=3, pipeline=3, seconds=None), BRIEF)

    tally = engine.tally
    assert of(Phase.READ, Cause.TIMEOUT, 3) == tally.lost_requests
    assert of(Phase.READ, Cause.TIMEOUT) == tally.lost_connections
    assert 3 == tally.response.total == tally.at_least.total
    assert tally.response.min >= 0.099  # 3 digits are kept
    assert 0 == tally.replies == tally.service.total
    assert 1 == tally.never_served


def test_who_is_served_once_others_have_left(drive: Drive) -> None:
    """By a server that takes one client at a time; who stays, see the simulated ones."""
    turn = threading.Lock()

    def one_at_a_time(connection: socket.socket) -> None:
        with turn:
            faulty.lavish(connection)

    async def leave(engine: Engine) -> None:
        await until_served(engine)
        engine.stop()

    plan = replace(ENDLESS, clients=Profile.constant(3, 1))
    with Faulty(one_at_a_time) as server:
        tally = drive(server.address, plan, Options(timeout=PATIENCE), meanwhile=leave).tally

    assert (0, 0) == (tally.never_served, tally.errors)
    assert tally.sent == tally.replies >= 3


def test_those_who_stay_leave_together_once_all_have_their_replies(drive: Drive) -> None:
    """In good order: nothing is lost, and nobody is waited for."""
    plan = Plan(requests=30, seconds=None, clients=Profile.constant(3, 1))
    with Faulty(faulty.lavish) as server:
        engine = drive(server.address, plan, Options(stay=True))

    assert (30, 0) == (engine.tally.replies, engine.tally.errors)
    assert not engine.tally.lost_connections


def test_nobody_waits_for_the_time_outs_of_others() -> None:
    """Of a full backlog: all are at it at a time, though none has come to an end."""
    plan = replace(ENDLESS, clients=Profile.constant(200, 1))

    async def connect(address: tuple[str, int]) -> Engine:
        loop, options = asyncio.get_running_loop(), Options(connect_timeout=10 * PATIENCE)
        engine = Engine(loop, plan, dumb_service(), (socket.AF_INET, address), options)
        connecting = asyncio.ensure_future(engine.connect())
        try:
            async with asyncio.timeout(PATIENCE):
                await until(lambda: connecting_to(address[1]) >= 190)
            assert not connecting.done()
        finally:
            connecting.cancel()
            await engine.close()
        return engine

    with (
        socket.create_server(("127.0.0.1", 0), backlog=1) as listener,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        engine = runner.run(connect(listener.getsockname()))

    assert Counter() == engine.tally.lost_connections


def test_all_time_outs_are_counted(drive: Drive) -> None:
    """And that connecting took as long as these, at least."""
    plan = Plan(seconds=0.05, clients=Profile.constant(20, 1))
    options = Options(timeout=0.1, connect_timeout=0.3, reconnect_delay=60)
    with faulty.full_backlog() as address:
        engine = drive(address, plan, options)

    assert of(Phase.CONNECT, Cause.TIMEOUT, 20) == engine.tally.lost_connections
    assert engine.vitals.connecting_s >= 0.3


def test_a_server_that_does_not_read(drive: Drive) -> None:
    """What could not even be written in time is an error of writing."""
    mix = Mix((b"X" * 1000,), (1.0,))
    plan = Plan(mix, requests=10_000, pipeline=10_000, seconds=None)
    with Faulty(faulty.deaf, receive_buffer=4096) as server:
        engine = drive(server.address, plan, Options(timeout=0.3))

    assert of(Phase.WRITE, Cause.TIMEOUT, 10_000) == engine.tally.lost_requests
    assert 1 == engine.tally.lost_connections[Fault(Phase.WRITE, Cause.TIMEOUT)]
    assert 10_000 == engine.tally.at_least.total


def test_limits_of_a_server(drive: Drive, serve: Callable[..., Server]) -> None:
    """Above its --limit-connections it is busy; what is over its limits it rejects."""
    server = serve("--limit-connections", "2", "--limit-wait", "1")

    async def turned_away(engine: Engine) -> None:
        await until_served(engine)
        await until(lambda: sum(client.failed for client in engine.clients) >= 3)
        # Who was turned away before the measuring began is told so again.
        await until(lambda: sum(engine.tally.lost_connections.values()))
        engine.stop()

    crowd = replace(ENDLESS, clients=Profile.constant(5, 1))
    options = Options(reconnect_delay=0.05)
    tally = drive(server.address, crowd, options, meanwhile=turned_away).tally
    assert Cause.BUSY in {fault.cause for fault in tally.lost_connections}
    assert {Cause.BUSY, Cause.RESET} >= {fault.cause for fault in tally.lost_connections}
    assert 3 == tally.never_served

    # It refuses WAIT 1.5 by its own limits; of WAIT abc that is the right reply.
    mix = Mix((b"WAIT abc", b"WAIT 1.5", b"WAIT 0"), (1.0, 1.0, 1.0))
    tally = drive(server.address, Plan(mix, requests=60, seconds=None)).tally
    refused = tally.commands["WAIT 1.5"].sent
    assert 0 < refused < 60
    assert refused == tally.lost_requests[Fault(Phase.READ, Cause.REJECTED)]
    assert refused == 60 - tally.replies


def test_a_server_that_does_not_close(drive: Drive) -> None:
    """After our end of input the server has to close: not for ever is it waited for."""
    with Faulty(faulty.lingering) as server:
        engine = drive(server.address, ONCE, BRIEF)

    assert 1 == engine.tally.lost_connections.total()
    assert {Cause.TIMEOUT} == {fault.cause for fault in engine.tally.lost_connections}


def test_a_server_that_never_stops_talking(drive: Drive) -> None:
    """What it says after our end of input does not put off the end of the run."""
    with Faulty(faulty.babbling) as server:
        engine = drive(server.address, ONCE, BRIEF)

    assert 1 == engine.tally.lost_connections.total()
    assert {Cause.TIMEOUT} == {fault.cause for fault in engine.tally.lost_connections}


def test_a_server_that_resets_at_the_end(drive: Drive) -> None:
    """It is an error of closing, and no request is lost by it."""
    with Faulty(faulty.resetting_at_end) as server:
        engine = drive(server.address, ONCE)

    assert of(Phase.CLOSE, Cause.RESET) == engine.tally.lost_connections
    assert Counter() == engine.tally.lost_requests
    assert 1 == engine.tally.replies
