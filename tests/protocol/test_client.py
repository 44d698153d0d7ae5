"""The client's side: requests out, replies matched one by one, whatever the server does."""

import tracemalloc
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumb_async import Service, dumb_service
from dumb_async.protocol import (
    NEED_DATA,
    REFUSALS,
    ClientConnection,
    Closed,
    Event,
    Expected,
    NeedData,
    Outcome,
    ProtocolError,
    Reply,
    Request,
)

from ..support import cpu_time
from .strategies import cut

SERVICE = dumb_service()
OK, REFUSED, WRONG = Outcome.OK, Outcome.REFUSED, Outcome.WRONG


def events_of(client: ClientConnection) -> list[Event]:
    """What there is to be told now, up to NEED_DATA or the first Closed."""
    events: list[Event] = []
    event: Event | NeedData
    while (event := client.next_event()) is not NEED_DATA:
        events.append(event)
        if isinstance(event, Closed):
            break
    return events


def converse(
    requests: Sequence[bytes], replies: Iterable[bytes], service: Service = SERVICE
) -> list[Event]:
    """What a client is told who asks all at once, reads ``replies`` and the end of input."""
    client = ClientConnection(service)
    for request in requests:
        client.send(request)
    events = []
    for data in replies:
        client.receive_data(data)
        events += events_of(client)
    client.receive_eof()
    return events + events_of(client)


@given(
    lines=st.lists(st.sampled_from([b"PING", b"BURN 3", b"STREAM 5", b"?", b"WAIT x"]), max_size=9),
    data=st.data(),
)
def test_a_request_made_once_can_be_asked_often(lines: list[bytes], data: st.DataObject) -> None:
    """It is told what a client is told who makes a new one each time, in whatever pieces."""
    made = {line: Request(line, SERVICE.expect(line)) for line in lines}
    often, anew = ClientConnection(SERVICE), ClientConnection(SERVICE)
    assert [often.ask(made[line]) for line in lines] == [anew.send(line) for line in lines]
    replies = {b"PING": b"PONG\n", b"BURN 3": b"RESULT 7\n", b"STREAM 5": b"AAAAADONE\n"}
    stream = b"".join(replies.get(line, b"UNKNOWN_COMMAND\n") for line in lines)
    for piece in data.draw(cut(stream)):
        often.receive_data(piece)
        anew.receive_data(piece)
        assert events_of(anew) == events_of(often)
    assert anew.outstanding == often.outstanding


@given(
    lines=st.lists(st.sampled_from([b"PING", b"BURN 3", b"STREAM 5", b"?"]), max_size=9),
    data=st.data(),
)
def test_one_reply_at_a_time_is_what_all_are(lines: list[bytes], data: st.DataObject) -> None:
    """Whoever takes the short way where it is open is told what others are told."""
    short, long = ClientConnection(SERVICE), ClientConnection(SERVICE)
    replies = {b"PING": b"PONG\n", b"BURN 3": b"RESULT 6\n", b"STREAM 5": b"AAAAADONE\n"}
    wrong = {b"PING": b"PANG\n", b"?": b"PONG\n"}
    for line in lines:
        short.send(line)
        long.send(line)
        lies = data.draw(st.integers(0, 9)) == 0
        reply = (wrong if lies else replies).get(line, b"UNKNOWN_COMMAND\n")
        for piece in data.draw(cut(reply)) if data.draw(st.booleans()) else [reply]:
            event = short.receive_reply(piece)
            if event is None:
                short.receive_data(piece)
            long.receive_data(piece)
            assert events_of(long) == ([event] if event else []) + events_of(short)
    short.receive_eof()
    assert short.receive_reply(b"PONG\n") is None
    long.receive_eof()
    assert events_of(long) == events_of(short)


def outcomes(events: list[Event]) -> list[Outcome]:
    """How the replies came out."""
    return [event.outcome for event in events if isinstance(event, Reply)]


def test_a_request_is_one_line() -> None:
    """Its end is added; another in it would make it two."""
    client = ClientConnection(SERVICE)
    assert b"PING\n" == client.send(b"PING")
    with pytest.raises(ValueError, match="one line"):
        client.send(b"PING\nPING")
    assert 1 == client.outstanding


def test_a_reply_is_told_with_its_request() -> None:
    """As soon as it is complete, and once."""
    client = ClientConnection(SERVICE)
    client.send(b"PING")
    client.receive_data(b"PON")
    assert NEED_DATA is client.next_event()
    assert 1 == client.outstanding
    client.receive_data(b"G\n")
    assert Reply(b"PING", OK, b"PONG\n") == client.next_event()
    assert NEED_DATA is client.next_event()
    assert 0 == client.outstanding


ANSWERS = [
    (b"PING", b"PONG\n", b"PONG\n"),
    (b"PING x", b"INVALID_ARGUMENT\n", b"INVALID_ARGUMENT\n"),
    (b"WAIT 0.5", b"DONE\n", b"DONE\n"),
    (b"WAIT x", b"INVALID_ARGUMENT\n", b"INVALID_ARGUMENT\n"),
    (b"BURN 0", b"RESULT 0\n", b"RESULT 0\n"),
    (b"BURN 300", b"RESULT 45150\n", b"RESULT 45150\n"),
    (b"BURN", b"INVALID_ARGUMENT\n", b"INVALID_ARGUMENT\n"),
    (b"STREAM 0", b"DONE\n", b"DONE\n"),
    (b"STREAM 5", b"AAAAADONE\n", b"DONE\n"),
    (b"STREAM 17000", b"A" * 17_000 + b"DONE\n", b"DONE\n"),
    (b"STREAM -5", b"INVALID_ARGUMENT\n", b"INVALID_ARGUMENT\n"),
    (b"nonsense", b"UNKNOWN_COMMAND\n", b"UNKNOWN_COMMAND\n"),
    (b"", b"UNKNOWN_COMMAND\n", b"UNKNOWN_COMMAND\n"),
]


@pytest.mark.parametrize(("request_", "reply", "text"), ANSWERS)
def test_the_right_reply_is_ok(request_: bytes, reply: bytes, text: bytes) -> None:
    """An error that was to be expected included; filler is not kept."""
    assert [Reply(request_, OK, text), Closed(0)] == converse([request_], [reply])


@given(st.data())
def test_any_chunking_of_the_right_replies_is_ok(data: st.DataObject) -> None:
    """Pipelined, each in its turn."""
    asked = data.draw(st.lists(st.sampled_from(ANSWERS), max_size=8))
    replies = data.draw(cut(b"".join(reply for _, reply, _ in asked)))
    expected: list[Event] = [Reply(request, OK, text) for request, _, text in asked]
    assert [*expected, Closed(0)] == converse([request for request, _, _ in asked], replies)


@settings(max_examples=150)
@given(st.data())
def test_no_other_bytes_are_all_ok(data: st.DataObject) -> None:
    """One byte changed, lost or added, and the client notices, under every chunking."""
    asked = data.draw(st.lists(st.sampled_from(ANSWERS[:9]), min_size=1, max_size=5))
    right = b"".join(reply for _, reply, _ in asked)
    at = data.draw(st.integers(0, len(right)))
    start, rest = right[:at], right[at:]
    put = data.draw(st.sampled_from([b"", b"A", b"\n", b"0", b"D", b"\0"]))
    got = start + put + data.draw(st.sampled_from([rest, rest[1:]]))
    events = converse([request for request, _, _ in asked], data.draw(cut(got)))
    all_right = [OK] * len(asked) == outcomes(events) and Closed(0) == events[-1]
    assert (got == right) is all_right


@pytest.mark.parametrize("refusal", sorted(REFUSALS))
@pytest.mark.parametrize("request_", [b"PING", b"WAIT 1", b"BURN 7", b"STREAM 5", b"STREAM 99999"])
def test_a_refusal_is_told_apart(request_: bytes, refusal: bytes) -> None:
    """The protocol's own errors are no lies; after one that does not close it goes on."""
    for chunks in ([refusal], [refusal[:1], refusal[1:]], [bytes([byte]) for byte in refusal]):
        events = converse([request_, b"PING"], [*chunks, b"PONG\n"])
        assert [
            Reply(request_, REFUSED, refusal), Reply(b"PING", OK, b"PONG\n"), Closed(0),
        ] == events  # fmt: skip


LIES = [
    (b"PING", b"PUNG\n"),
    (b"PING", b"\n"),
    (b"PING", b"DONE\n"),
    (b"PING", b"PONG \n"),
    (b"PING", b" PONG\n"),
    (b"PING", b"PONG\r\n"),
    (b"PING", b"PONGUNKNOWN_COMMAND\n"),
    (b"PING", b"UNKNOWN_COMMAND\r\n"),
    (b"PING", b"x" * 100),
    (b"BURN 300", b"RESULT 45149\n"),
    (b"BURN 300", b"RESULT 045150\n"),
    (b"BURN 300", b"RESULT 44850\n"),
    (b"STREAM 5", b"AAAADONE\n"),
    (b"STREAM 5", b"AAAAAADONE\n"),
    (b"STREAM 5", b"AABAADONE\n"),
    (b"STREAM 5", b"AAAAA\nDONE\n"),
    (b"STREAM 5", b"DONE\n"),
    (b"STREAM 5", b"AAUNKNOWN_COMMAND\n"),
    (b"STREAM 5", b"AAAAAUNKNOWN_COMMAND\n"),
    (b"STREAM 0", b"ADONE\n"),
    (b"WAIT x", b"DONE\n"),
    (b"nonsense", b"PONG\n"),
]


@pytest.mark.parametrize(("request_", "lie"), LIES)
def test_a_lie_is_caught(request_: bytes, lie: bytes) -> None:
    """Whole and byte by byte; nothing after it can be trusted, so nothing is matched."""
    for chunks in ([lie + b"PONG\n"], [bytes([byte]) for byte in lie + b"PONG\n"]):
        events = converse([request_, b"PING"], chunks)
        assert [WRONG] == outcomes(events)
        assert isinstance(events[-1], Closed)
        assert 1 == events[-1].unanswered


def test_a_server_that_never_ends_its_line_is_caught() -> None:
    """And no more of it is kept than can matter."""
    client = ClientConnection(SERVICE)
    client.send(b"PING")
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(100):
            client.receive_data(b"P" * 10_000)
            events_of(client)
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 10_000 > kept


def test_a_long_reply_is_not_kept() -> None:
    """Its filler is counted as it comes; reads of any size cost what they are long."""
    client = ClientConnection(SERVICE)
    client.send(b"STREAM 10000000")
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(10_000):
            client.receive_data(b"A" * 1000)
            assert NEED_DATA is client.next_event()
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 10_000 > kept
    client.receive_data(b"DONE\n")
    assert Reply(b"STREAM 10000000", OK, b"DONE\n") == client.next_event()


def test_many_replies_in_one_read_cost_no_more_than_its_length() -> None:
    """The rest is not copied for each."""
    times = 50_000
    with cpu_time(limit=5.0):
        events = converse([b"PING"] * times, [b"PONG\n" * times])
    assert [OK] * times == outcomes(events)


@pytest.mark.parametrize("received", [b"", b"PO", b"PONG", b"SERVER_BUSY", b"A" * 10])
def test_requests_without_a_reply_are_counted_at_the_end(received: bytes) -> None:
    """Those with a part of one as well."""
    assert [Closed(2)] == converse([b"PING", b"PING"], [received] if received else [])


def test_the_end_is_told_for_good() -> None:
    """However often it is asked for; and then nothing more may come in."""
    client = ClientConnection(SERVICE)
    client.receive_eof()
    assert [Closed(0), Closed(0)] == [client.next_event(), client.next_event()]
    with pytest.raises(ProtocolError):
        client.receive_data(b"PONG\n")


def test_replies_before_the_end_are_told_before_it() -> None:
    """Even if all has come in at once."""
    client = ClientConnection(SERVICE)
    for _ in range(3):
        client.send(b"PING")
    client.receive_data(b"PONG\nPONG\nPO")
    client.receive_eof()
    assert [OK, OK] == outcomes(events := events_of(client))
    assert Closed(1) == events[-1]


def test_what_nobody_asked_for_is_shown_at_the_end() -> None:
    """A server that is full says so to a client that has said nothing."""
    assert [Closed(0, b"SERVER_BUSY\n")] == converse([], [b"SERVER_", b"BUSY\n"])
    events = converse([b"PING"], [b"PONG\nSERVER", b"_BUSY\n"])
    assert [Reply(b"PING", OK, b"PONG\n"), Closed(0, b"SERVER_BUSY\n")] == events


def test_little_is_kept_of_what_nobody_asked_for() -> None:
    """Enough to see what it was."""
    (closed,) = converse([], [b"x" * 1000] * 3)
    assert isinstance(closed, Closed)
    assert b"x" * len(closed.stray) == closed.stray
    assert 12 <= len(closed.stray) <= 100


def test_requests_may_be_sent_at_any_time() -> None:
    """Between two bytes of the reply to another one, too."""
    client = ClientConnection(SERVICE)
    client.send(b"PING")
    client.receive_data(b"PO")
    client.send(b"STREAM 3")
    client.receive_data(b"NG\nAA")
    assert [OK] == outcomes(events_of(client))
    client.send(b"PING")
    client.receive_data(b"ADONE\nPONG\n")
    assert [OK, OK] == outcomes(events_of(client))


def test_a_command_of_which_nothing_is_known_answers_any_line() -> None:
    """But a refusal is one all the same, and a line has an end somewhere."""
    service = Service()
    service.command("ECHO")(lambda _text: b"?\n")
    assert [OK] == outcomes(converse([b"ECHO x"], [b"anything\n"], service))
    assert [OK] == outcomes(converse([b"ECHO x"], [b"x" * 10_000 + b"\n"], service))
    assert [REFUSED] == outcomes(converse([b"ECHO x"], [b"INTERNAL_ERROR\n"], service))
    assert [WRONG] == outcomes(converse([b"ECHO x"], [b"x" * 100_000], service))


def test_other_fillers_can_be_expected() -> None:
    """Counted byte by byte, like the A of STREAM."""
    service = Service()
    service.command("ZEROES")(lambda: b"000\n")
    service.expected("ZEROES")(lambda: Expected(b"\n", filler=b"0", count=3))
    assert [OK] == outcomes(converse([b"ZEROES"], [b"0", b"0", b"0\n"], service))
    assert [WRONG] == outcomes(converse([b"ZEROES"], [b"00\n"], service))


@pytest.mark.parametrize("filler", [b"U", b"I", b"L", b"S", b"", b"AB", b"UNKNOWN_COMMAND\n"])
def test_a_filler_is_one_byte_that_no_refusal_begins_with(filler: bytes) -> None:
    """Or a refusal that comes in pieces could not be told from it."""
    with pytest.raises(ValueError, match="filler"):
        Expected(b"\n", filler=filler, count=5)
