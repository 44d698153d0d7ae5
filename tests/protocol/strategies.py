"""What clients may send, and how it may be cut."""

import itertools

from hypothesis import strategies as st

from dumb_async import Service, dumb_service

#: Limits low enough for a thousand examples.
LIMIT_WAIT = 1000.0
LIMIT_BURN = 50_000
LIMIT_STREAM = 40_000


def small_service() -> Service:
    """The four commands under low limits."""
    return dumb_service(limit_wait=LIMIT_WAIT, limit_burn=LIMIT_BURN, limit_stream=LIMIT_STREAM)


def _ascii(text: str) -> bytes:
    return text.encode()


#: Numbers of every size that makes a difference, and some that are none.
numbers: st.SearchStrategy[bytes] = st.one_of(
    st.sampled_from([0, 1, 999, 1000, 1001, 16_384, 16_385, 20_001, 40_000, 40_001, 50_001]).map(
        lambda number: b"%d" % number
    ),
    st.integers(0, 2000).map(lambda number: b"%03d" % number),
    st.decimals(0, 2000, places=2).map(str).map(_ascii),
    st.sampled_from([b"", b"-1", b"+5", b"1_0", b"nan", b"inf", b"1e3", b" 5", b"5 ", b"1."]),
    st.sampled_from(["٣", "²"]).map(_ascii),
)

verbs = st.sampled_from([b"PING", b"WAIT", b"BURN", b"STREAM"])

#: Lines without their end.
lines: st.SearchStrategy[bytes] = st.one_of(
    st.just(b"PING"),
    st.builds(lambda verb, number: verb + b" " + number, verbs, numbers),
    st.sampled_from(
        [b"", b" ", b"\r", b"\0", b"ping", b"PINGPONG", b"PING ", b"PING\r", b"WAIT", b"BURNOUT 7"]
    ),
    st.sampled_from(
        [
            b"GET / HTTP/1.1",
            b"POST / HTTP/1.0",
            b"SEARCH / HTTP/1.1",
            b"PRI",
            b"Host: x",
            b"SSH-2.0",
            b"\x16\x03\x01\x02\x00",
            b"\x16",
            b"\x16\x02",
            b"GETS",
            b"SSH",
            b"x\x16\x03",
            b"PING GET",
        ]
    ),
    st.binary(max_size=40).map(lambda data: data.replace(b"\n", b"")),
    st.integers(0, 60).map(lambda size: b"x" * size),
)

_ends = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r\r\n", b""])


@st.composite
def _blocks(draw: st.DrawFn) -> bytes:
    """One line with its end, often repeated: who pipelines does."""
    times = draw(st.one_of(st.just(1), st.integers(1, 12)))
    return (draw(lines) + draw(_ends)) * times


#: Whatever a client may send.
streams: st.SearchStrategy[bytes] = st.one_of(
    st.lists(_blocks(), max_size=8).map(b"".join),
    st.binary(max_size=200),
)


@st.composite
def cut(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    """The same bytes, in chunks: line by line, byte by byte, in twos and threes, or anyhow."""
    how = draw(st.sampled_from(["lines", "lines", "anyhow", "anyhow", 1, 2, 3, 7]))
    places = draw(st.lists(st.integers(0, len(stream)), max_size=3 if how == "lines" else 12))
    if how == "lines":
        places += [at + 1 for at, byte in enumerate(stream) if byte == ord("\n")]
    elif isinstance(how, int):
        places = list(range(how, len(stream), how))
    places.sort()
    return [stream[one:two] for one, two in itertools.pairwise([0, *places, len(stream)])]


#: Limits of a line and of a turn, low enough to be met.
limits = st.tuples(st.integers(1, 48), st.integers(1, 6))
