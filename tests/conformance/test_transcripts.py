"""One transcript: what clients read is the same to the byte, whatever the model behind it.

Hypothesis draws sessions and plays each to every server. They differ in who waits for whom;
what they say is the core's, and the core says it without a socket too.
"""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dumb_async import dumb_service
from dumb_async.protocol import LINE_TOO_LONG

from ..protocol.driver import converse
from .process import Server
from .servers import Need, Target

#: Session after session, and every server plays each of them.
EXAMPLES = 25
#: The default of ``--limit-line``.
LIMIT_LINE = 1024

#: Replies that have to be written in parts.
MORE_THAN_A_SOCKET_TAKES = b"STREAM 6000000\nPING\nSTREAM 6000000\nPIN"

#: A line that is answered, whatever comes before or after it.
requests: st.SearchStrategy[bytes] = st.one_of(
    st.just(b"PING"),
    st.sampled_from([0, 1, 1000, 1001, 20_000, 20_001, 45_000]).map(lambda n: b"BURN %d" % n),
    st.sampled_from([0, 1, 16_384, 16_385, 70_000]).map(lambda size: b"STREAM %d" % size),
    st.sampled_from([b"WAIT 0", b"WAIT 0.001", b"WAIT 0.01"]),
    st.sampled_from([b"", b"ping", b"PONG", b"\0", b"BURNOUT 7", b" PING", b"\r", b"STREAM\t5"]),
    st.sampled_from([b"PING ", b"WAIT", b"WAIT nan", b"BURN -1", b"BURN 1 2", b"STREAM  5"]),
    st.binary(max_size=12).map(lambda data: data.replace(b"\n", b"")),
    st.just(b"x" * LIMIT_LINE),
)
#: After this nothing is answered any more; rarely, as every session would end so.
oversize = st.sampled_from([b"x" * (LIMIT_LINE + 1), b"PING" * LIMIT_LINE, b"\r" * 2000])
ends = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r\r\n"])
halves = st.sampled_from([b"", b"", b"PIN", b"PING", b"PING\r", b"WAIT 3600", b"x" * 1500])


@st.composite
def _blocks(draw: st.DrawFn) -> bytes:
    """A request with its end, often repeated: who pipelines does."""
    times = draw(st.sampled_from([1, 1, 1, 2, 5, 300]))
    line = draw(requests)
    # Three hundred waits, burns or long replies say nothing that three do not.
    times = min(times, 3) if line.startswith((b"WAIT", b"BURN", b"STREAM")) else times
    return (line + draw(ends)) * times


@st.composite
def sessions(draw: st.DrawFn) -> list[bytes]:
    """All that a client sends before it ends its side, in the pieces it sends it in."""
    blocks = draw(st.lists(_blocks(), max_size=6))
    if draw(st.integers(0, 4)) == 4:
        blocks.insert(draw(st.integers(0, len(blocks))), draw(oversize) + draw(ends))
    stream = b"".join(blocks) + draw(halves)
    places = draw(st.lists(st.integers(0, len(stream)), max_size=20))
    places = sorted({0, *places, len(stream)})
    return [stream[start:end] for start, end in itertools.pairwise(places)]


@pytest.fixture(scope="module")
def servers(targets: tuple[Target, ...]) -> Iterator[list[Server]]:
    """One of every target, started and stopped side by side."""
    with ExitStack() as stack:

        def start(target: Target) -> Server:
            server = Server(target)
            stack.callback(server.kill)
            return server

        with ThreadPoolExecutor() as pool:
            servers = list(pool.map(start, targets))
        yield servers
        ours = [server for server in servers if server.target.ours]
        for server in ours:
            server.signal()
        for server in ours:
            assert 0 == server.stop(), server.stderr
            server.check()


@settings(
    max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@example(pieces=[MORE_THAN_A_SOCKET_TAKES])
@example(pieces=[b"PING\nBURN 45000\nWAIT 0.01\nPI", b"NG\n", b"x" * 1025, b"\nPING\n"])
@given(pieces=sessions())
def test_every_model_gives_the_same_transcript(servers: list[Server], pieces: list[bytes]) -> None:
    """That of the core, from the first byte to a clean end of input."""
    expected = converse(dumb_service(), *pieces).sent
    if expected.endswith(LINE_TOO_LONG):  # what is sent after that is a reset to who lingers not
        servers = [one for one in servers if Need.LINGERING not in one.target.lacks]
    for name, transcript in _play(servers, pieces).items():
        # Compared before the assertion: a difference of megabytes is not to be shown.
        assert (expected == transcript) is True, f"{name}: {_difference(expected, transcript)}"


def _play(servers: list[Server], pieces: list[bytes]) -> dict[str, bytes]:
    """Send every piece to one client of each server, then the end; what each of them reads.

    Nobody is read from before all is said, so that all of them wait at the same time.
    """
    with ExitStack() as stack:
        clients = {server.target.id: stack.enter_context(server.connect()) for server in servers}
        for piece in pieces:
            for client in clients.values():
                client.send(piece)
        for client in clients.values():
            client.shutdown_write()
        return {name: client.read_all() for name, client in clients.items()}


def _difference(expected: bytes, transcript: bytes) -> str:
    """Where two transcripts part."""
    shorter = min(len(expected), len(transcript))
    at = 0
    for step in (65_536, 256, 1):  # of megabytes, not every byte by itself
        while at < shorter and expected[at : at + step] == transcript[at : at + step]:
            at = min(at + step, shorter)
    return f"at {at}: not {expected[at : at + 40]!r}, but {transcript[at : at + 40]!r}"
