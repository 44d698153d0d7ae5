"""One client: what is answered at once, what has to wait, and how it ends."""

import logging
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import pytest

from dumb_async import Service, Settings, dumb_service
from dumb_async.hosting import Deadlines, SessionContext, Stats, connect_to
from dumb_async.hosting.session import AT_ONCE, FLUSH, LINGER, LINGER_BRIEFLY, Session
from dumb_async.protocol import NEED_DATA, Action, Close, Compute, Core, Send, Sleep

from .memory import MemorySession, MemoryStream, hear
from .support import context_for, deadlines_of, stats_of


def new_session(service: Service | None = None, **stream: Any) -> MemorySession:
    """A session whose client is in memory."""
    return Session(MemoryStream(**stream), context_for(service or dumb_service()))


def test_a_request_is_answered_in_the_reading() -> None:
    """And counted; nothing has to wait."""
    session = new_session()
    assert NEED_DATA is session.receive(b"PING\nBURN 3\n")
    assert b"PONG\nRESULT 6\n" == session.stream.sent
    assert not session.busy
    stats = stats_of(session)
    assert (12, 14) == (stats.bytes_received, stats.bytes_sent)
    assert (1, 1) == (stats.requests["ping"], stats.requests["burn"])


@pytest.mark.parametrize(
    ("request_", "action"),
    [
        (b"WAIT 5\n", Sleep),
        (b"BURN 100000\n", Compute),
        (b"STREAM 100000\n", Send),
        (b"x" * 2000, Close),
    ],
)
def test_what_takes_time_is_left_to_others(request_: bytes, action: type) -> None:
    """After the replies to what was asked before it, and others have had their turn."""
    session = new_session()
    assert FLUSH is session.receive(b"PING\n" + request_)
    assert session.busy
    assert b"PONG\n" == session.stream.sent[:5]
    assert isinstance(session.next_action(), action)
    assert session.busy


def test_a_long_reply_is_left_to_others_whole() -> None:
    """It takes its turn with those of other clients."""
    session = new_session()
    action = session.receive(b"STREAM %d\n" % AT_ONCE * 2)
    assert isinstance(action, Send)
    assert AT_ONCE < len(action.data)
    assert b"" == session.stream.sent


def test_what_a_client_does_not_take_has_to_wait() -> None:
    """The stream has all of it, and nothing more is asked for before it has gone."""
    session = new_session(room=10)
    assert FLUSH is session.receive(b"STREAM 1000\nSTREAM 5\n")
    assert b"A" * 1000 + b"DONE\n" + b"A" * 5 + b"DONE\n" == session.stream.sent
    assert session.busy
    assert len(session.stream.sent) == stats_of(session).bytes_sent
    assert NEED_DATA is session.next_action()
    assert not session.busy


def test_a_turn_is_bounded() -> None:
    """The rest of what was asked is another action, that others come before."""
    session = Session(MemoryStream(), context_for(dumb_service(), limit_pipeline=3))
    assert FLUSH is session.receive(b"PING\n" * 5)
    assert b"PONG\n" * 3 == session.stream.sent
    assert Send(b"PONG\n" * 2) == session.next_action()
    assert NEED_DATA is session.next_action()


def test_one_is_listened_to_again_when_nothing_is_left_to_do() -> None:
    """Until then it is busy; nothing is written by asking."""
    session = new_session()
    session.receive(b"WAIT 5\nPING\n")
    for reply in (b"DONE\n", b"PONG\n"):
        assert session.busy
        assert Send(reply) == session.next_action()
    assert session.busy
    assert NEED_DATA is session.next_action()
    assert not session.busy
    assert b"" == session.stream.sent


def test_what_comes_after_a_wait_can_be_answered_at_once() -> None:
    """For drivers that would rather not be asked to send it."""
    session = new_session()
    session.receive(b"WAIT 5\nWAIT 7\n")
    assert FLUSH is session.answer()
    assert Sleep(7) == session.next_action()
    assert session.busy
    assert FLUSH is session.answer()
    assert NEED_DATA is session.next_action()
    assert not session.busy
    assert b"DONE\n" * 2 == session.stream.sent


def test_what_is_written_is_counted() -> None:
    """Also what the stream has not got rid of yet."""
    session = new_session(room=5)
    session.write(b"12345")
    assert not session.blocked
    session.write(memoryview(b"678"))
    assert session.blocked
    session.go_on()
    assert not session.blocked
    assert b"12345678" == session.stream.sent
    assert 8 == stats_of(session).bytes_sent


def test_the_end_of_input_is_the_end() -> None:
    """Once everything is answered; the line that has no end is not."""
    session = new_session()
    assert NEED_DATA is session.receive(b"PING\nPIN")
    assert not session.ended
    assert Close() == session.receive(b"")
    assert session.ended
    assert b"PONG\n" == session.stream.sent


def test_the_end_of_input_waits_for_what_was_asked() -> None:
    """However long that takes."""
    session = new_session()
    session.receive(b"WAIT 5\nPING\n")
    assert Send(b"DONE\n") == session.next_action()
    assert Send(b"PONG\n") == session.next_action()
    session.next_action()
    assert Close() == session.receive(b"")


def test_a_close_is_not_the_client_s_end() -> None:
    """What it still sends must be read away, or its last reply might be lost."""
    session = new_session()
    assert Close() == hear(session, b"x" * 2000)
    assert not session.ended


def test_a_lost_connection_is_an_error_of_the_write() -> None:
    """Which comes out of the reading, to whoever drives the session."""
    session = new_session()
    session.stream.lost = True
    with pytest.raises(ConnectionResetError):
        session.receive(b"PING\n")


@pytest.mark.parametrize(
    ("error", "resets", "rejected"),
    [
        (ConnectionResetError(), 1, {"busy": 0}),
        (MemoryError(), 0, {"busy": 0, "memory": 1}),
        (LookupError(), 0, {"busy": 0}),
    ],
    ids=repr,
)
def test_a_loss_is_counted_once(
    caplog: pytest.LogCaptureFixture, error: Exception, resets: int, rejected: dict[str, int]
) -> None:
    """However many notice; a bug is logged instead."""
    session = new_session()
    session.lost(error)
    session.lost(error)
    stats = stats_of(session)
    assert (resets, rejected) == (stats.resets, stats.rejected)
    bugs = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert isinstance(error, LookupError) == len(bugs)


def test_who_is_cancelled_is_not_lost() -> None:
    """That its connection then breaks is our doing."""
    session = new_session()
    session.cancel()
    session.lost(ConnectionResetError())
    assert ["cancel"] == session.stream.calls
    assert 0 == stats_of(session).resets


def test_a_closed_session_is_let_go_of() -> None:
    """Nothing that looks at it later holds it."""
    session = new_session()
    buckets = deadlines_of(session)._buckets
    assert [{session}] == list(buckets.values())
    session.close()
    assert [set()] == list(buckets.values())


def test_its_context_is_told_that_a_session_is_closed() -> None:
    """Once it is."""
    left: list[object] = []

    class Context(SessionContext):
        def left(self, session: object) -> None:
            left.append(session)

    service = dumb_service()
    settings, stats = Settings(), Stats(service.labels)
    session = Session(
        MemoryStream(), Context(connect_to(service, settings), settings, stats, Deadlines())
    )
    assert [] == left
    session.close()
    assert [session] == left


def holding(released: list[bool], error: Exception | None = None) -> Service:
    """A service with a command that holds something while it takes time."""
    service = Service()

    @service.command("HOLD")
    def hold() -> Iterator[Action]:
        try:
            yield Sleep(3600)
        finally:
            released.append(True)
            if error is not None:
                raise error

    return service


def test_a_running_command_ends_with_its_client() -> None:
    """Its ``finally`` is run when the session is closed, not when it is forgotten."""
    released: list[bool] = []
    session = new_session(holding(released))
    assert Sleep(3600) == session.receive(b"HOLD\n")
    assert [] == released
    session.close()
    assert [True] == released
    session.close()
    assert [True] == released


def test_a_command_that_fails_at_its_end_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The session is closed all the same."""
    session = new_session(holding([], LookupError("secret")))
    session.receive(b"HOLD\n")
    session.close()
    (record,) = caplog.records
    assert "a command failed as its client left" in record.getMessage()
    assert "secret" not in caplog.text


def test_a_core_is_told_what_wakes_its_client() -> None:
    """Its stream, when it has something to say unasked; and where its requests are counted."""
    context = context_for(Service())
    make_core, seen = context.connect, []

    def connect(counts: MutableMapping[str, int], wake: Callable[[], object]) -> Core:
        seen.append((counts, wake))
        return make_core(counts, wake)

    context.connect = connect
    session = Session(MemoryStream(), context)
    ((counts, wake),) = seen
    assert counts is context.stats.requests
    assert [] == session.stream.calls
    wake()
    assert ["wake"] == session.stream.calls


def test_requests_can_be_counted_apart() -> None:
    """As for the access log."""
    context = context_for(dumb_service())
    counts = dict.fromkeys(context.stats.requests, 0)
    Session(MemoryStream(), context, counts).receive(b"PING\n")
    assert (1, 0) == (counts["ping"], context.stats.requests["ping"])


def test_an_input_that_is_ended_ends_where_it_was() -> None:
    """What had arrived is answered; what comes later is not."""
    session = new_session()
    session.stream.arrived = 12
    session.end_input()
    assert [] == session.stream.calls  # it would overtake what has arrived
    assert NEED_DATA is session.receive(b"PING\n?")
    session.receive(b"\nPING\nPING\n")
    assert Close() == session.next_action()
    assert b"PONG\nUNKNOWN_COMMAND\nPONG\nPONG\n" == session.stream.sent  # it was one read
    assert not session.ended
    assert LINGER_BRIEFLY == session.linger_for


def test_an_input_that_is_ended_while_nothing_is_unread_ends_at_once() -> None:
    """By the stream, as if the client had ended it."""
    session = new_session()
    assert LINGER == session.linger_for
    session.end_input()
    assert ["feed_eof"] == session.stream.calls
    assert Close() == session.receive(b"")
