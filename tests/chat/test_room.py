"""The room: who hears what, in what order, and what becomes of those who do not listen."""

import tracemalloc
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from dumb_async.hosting import Settings
from dumb_async.protocol import LINE_TOO_LONG, NEED_DATA, Close, Compute, Send
from variants.chat import Room, room

from .driver import Driver

Counts = Counter[str]

#: As much as a driver reads at once.
PASTE = (b"x" * 1023 + b"\n") * 16

WELCOME = b"Welcome chat user no. %d!\n"


@pytest.fixture
def chat() -> Room:
    """A room with nobody in it."""
    return Room()


def crowd(chat: Room, count: int, *, limit_line: int = 1024) -> list[Driver]:
    """So many who have come in and have been welcomed, and have forgotten it."""
    drivers = [Driver(chat, limit_line=limit_line).run() for _ in range(count)]
    for driver in drivers:
        driver.sends.clear()
    return drivers


@contextmanager
def measured() -> Iterator[Callable[[], int]]:
    """Give what tells how many bytes are held that were not before the block."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield lambda: tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def test_each_is_welcomed_with_a_number_of_its_own(chat: Room) -> None:
    """From 1 on, to the byte; those who are in hear nothing of it."""
    drivers = [Driver(chat).run() for _ in range(3)]
    assert [WELCOME % 1, WELCOME % 2, WELCOME % 3] == [driver.sent for driver in drivers]
    assert b"Welcome chat user no. 1!\n" == drivers[0].sent
    assert [1, 2, 3] == [driver.member.number for driver in drivers]


def test_a_newcomer_is_prodded_to_be_welcomed(chat: Room) -> None:
    """Its client has asked nothing, so its driver would not know."""
    assert 1 == Driver(chat).prods


def test_numbers_are_never_used_again(chat: Room) -> None:
    """Whoever leaves, and however."""
    first, second, third = crowd(chat, 3)
    first.member.abandon()
    second.end().run()
    third.receive(b"x" * 2000).run()
    assert {} == chat.members
    assert 4 == Driver(chat).member.number


def test_a_message_goes_to_all_others(chat: Room) -> None:
    """Not to who has said it, and with its number in front."""
    one, two, three = crowd(chat, 3)
    two.receive(b"hello\n").run()
    assert [b"[User 2]: hello\n", b"", b"[User 2]: hello\n"] == [
        driver.run().sent for driver in (one, two, three)
    ]
    assert 1 == two.counts["message"]


def test_what_was_said_before_one_came_is_not_heard(chat: Room) -> None:
    """There is no history."""
    (one,) = crowd(chat, 1)
    one.receive(b"too early\n").run()
    (two,) = crowd(chat, 1)
    one.receive(b"in time\n").run()
    assert b"[User 1]: in time\n" == two.run().sent


def test_alone_in_the_room(chat: Room) -> None:
    """What is said to nobody is counted, and gone."""
    (one,) = crowd(chat, 1)
    one.receive(b"is anybody here?\n").run()
    assert b"" == one.sent
    assert 1 == one.counts["message"]


def test_all_bytes_but_the_line_feed_are_a_message(chat: Room) -> None:
    """Nothing is decoded; an empty line is a message too."""
    one, two = crowd(chat, 2)
    text = bytes(byte for byte in range(256) if byte != ord("\n"))
    one.receive(text + b"\n\n%d %s\n").run()
    assert b"[User 1]: " + text + b"\n[User 1]: \n[User 1]: %d %s\n" == two.run().sent


@example(b"a\r\r\n\r\n\rb\n\r")
@given(data=st.lists(st.sampled_from([b"a", b"bc", b"\r", b"\n", b"\r\n"])).map(b"".join))
def test_how_it_arrives_changes_nothing(data: bytes) -> None:
    """Byte by byte or at once: lines are the same, and lose one carriage return before the end."""
    *lines, tail = data.split(b"\n")
    expected = b"".join(b"[User 2]: %s\n" % line.removesuffix(b"\r") for line in lines)
    for pieces in ([data], [bytes([byte]) for byte in data], [data[:3], data[3:]]):
        chat = Room()
        hearer, speaker = crowd(chat, 2)
        for piece in filter(None, pieces):
            speaker.receive(piece).run()
        assert expected == hearer.run().sent
        assert bool(tail) is speaker.member.unfinished


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (b"1234567890\n", b"1234567890"),
        (b"1234567890\r\n", b"1234567890"),
        (b"123456789\r\r\n", b"123456789\r"),
        (b"12345678901\n", None),
        (b"12345678901\r\n", None),
        (b"1234567890\r\r\n", None),
        (b"1234567890\rx\n", None),
    ],
)
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "byte by byte"])
def test_the_limit_is_exact(chat: Room, said: bytes, heard: bytes | None, at_once: bool) -> None:
    """The one carriage return before the line feed does not count."""
    hearer, speaker = crowd(chat, 2, limit_line=10)
    for piece in [said] if at_once else [bytes([byte]) for byte in said]:
        if not speaker.closed:
            speaker.receive(piece).run()
    if heard is None:
        assert (b"", LINE_TOO_LONG, True) == (hearer.run().sent, speaker.sent, speaker.closed)
        assert Counts(too_long=1) == speaker.counts
    else:
        assert b"[User 2]: %s\n" % heard == hearer.run().sent
        assert (b"", False) == (speaker.sent, speaker.closed)


@pytest.mark.parametrize(
    ("said", "over"),
    [(b"1234567890", False), (b"1234567890\r", False), (b"12345678901", True),
     (b"1234567890\r\r", True), (b"1234567890\rx", True)],
)  # fmt: skip
def test_an_unfinished_line_is_too_long_as_soon_as_it_is(
    chat: Room, said: bytes, over: bool
) -> None:
    """Without a wait for its end, and not before it is known."""
    (speaker,) = crowd(chat, 1, limit_line=10)
    speaker.receive(said).run()
    assert (LINE_TOO_LONG if over else b"") == speaker.sent
    assert over is speaker.closed
    assert over is not speaker.member.unfinished


@pytest.mark.parametrize("end", [b"\nlater\n", b""], ids=["finished", "unfinished"])
def test_a_line_too_long_is_the_last_of_its_speaker(chat: Room, end: bytes) -> None:
    """What was said before it is passed on; it is not, nor is anything after it."""
    hearer, speaker = crowd(chat, 2, limit_line=10)
    speaker.receive(b"before\n" + b"x" * 11 + end)
    speaker.member.receive_data(b"and more\n")
    speaker.run()
    assert b"[User 2]: before\n" == hearer.run().sent
    assert (LINE_TOO_LONG, True) == (speaker.sent, speaker.closed)
    assert Counts(message=1, too_long=1) == speaker.counts
    assert [1] == list(chat.members)


def test_the_answer_to_a_line_too_long_comes_after_what_was_posted(chat: Room) -> None:
    """Nothing that others have said is lost."""
    one, two = crowd(chat, 2, limit_line=10)
    one.receive(b"hello\n").run()
    two.receive(b"x" * 11).run()
    assert b"[User 1]: hello\n" + LINE_TOO_LONG == two.sent


@pytest.mark.parametrize(
    ("said", "why"),
    [(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nhi\n", "http"), (b"SSH-2.0-x\r\nhi\n", "ssh"),
     (b"\x16\x03\x01\x02\x00", "tls"), (b"\x16\x03" + b"x" * 99 + b"\nhi\n", "tls")],
)  # fmt: skip
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "byte by byte"])
def test_another_protocol_is_turned_away(chat: Room, said: bytes, why: str, at_once: bool) -> None:
    """And nobody hears of it: a web page may POST to any port of the loopback."""
    hearer, speaker = crowd(chat, 2, limit_line=40)
    for piece in [said] if at_once else [bytes([byte]) for byte in said]:
        if not speaker.closed:
            speaker.receive(piece).run()
    assert (b"", b"WRONG_PROTOCOL\n", True) == (hearer.run().sent, speaker.sent, speaker.closed)
    assert Close(reason=why) == speaker.member.next_action()
    assert [1] == list(chat.members)


def test_one_may_talk_about_other_protocols(chat: Room) -> None:
    """Whoever has said something else before, and whoever just begins like one of them."""
    hearer, speaker = crowd(chat, 2)
    speaker.receive(b"GET well soon\nGET / HTTP/1.1\nSSH-2.0\n").run()
    assert 3 == hearer.run().sent.count(b"[User 2]: ")
    assert not speaker.closed


@given(st.binary(max_size=6), st.integers(1, 30), st.integers(0, 30))
@example(b"", 14, 14)
@example(b"\r", 14, 15)
@example(b"x", 13, 14)
def test_what_is_turned_away_does_not_hang_on_the_chunks(more: bytes, limit: int, at: int) -> None:
    """Also where the first line is as long as a line may be."""
    said = b"GET / HTTP/1.1" + more + b"\n"
    sent = []
    for pieces in ([said], [said[:at], said[at:]], [bytes([byte]) for byte in said]):
        (speaker,) = crowd(Room(), 1, limit_line=limit)
        for piece in pieces:
            if not speaker.closed:
                speaker.receive(piece).run()
        sent.append((speaker.sent, speaker.closed))
    assert [sent[0]] * 3 == sent


def test_who_has_ended_its_side_still_gets_what_was_posted(chat: Room) -> None:
    """And what it had said is passed on, but a line without an end; then it is closed."""
    one, two = crowd(chat, 2)
    one.receive(b"to you\n").run()
    two.receive(b"last words\nunfini").end().run()
    assert (b"[User 1]: to you\n", True) == (two.sent, two.closed)
    assert b"[User 2]: last words\n" == one.run().sent
    assert not two.member.unfinished
    assert [1] == list(chat.members)


def test_who_has_left_hears_no_more(chat: Room) -> None:
    """Neither does the room remember it."""
    one, two = crowd(chat, 2)
    two.end()
    one.receive(b"anybody?\n").run()
    assert (b"", True) == (two.run().sent, two.closed)
    assert 0 == two.prods


def test_an_end_of_input_at_once(chat: Room) -> None:
    """Who just looks in is welcomed all the same."""
    driver = Driver(chat).end().run()
    assert (WELCOME % 1, True) == (driver.sent, driver.closed)


def test_a_second_end_changes_nothing(chat: Room) -> None:
    """Nor does what comes after the first."""
    one, two = crowd(chat, 2)
    two.receive(b"hi\n").end()
    two.receive(b"ho\n").end().run()
    assert b"[User 2]: hi\n" == one.run().sent


def test_the_lost_are_forgotten_at_once(chat: Room) -> None:
    """With all that waits for them, and what they had still to say."""
    one, two = crowd(chat, 2)
    one.receive(b"to you\n").run()
    two.receive(b"never heard\n")
    two.member.abandon()
    two.member.abandon()
    two.prods = 0
    one.receive(b"anybody?\n").run()
    assert (b"", b"") == (one.sent, two.sent)
    assert 0 == two.prods
    assert Close() == two.member.next_action()


def test_a_backlog_may_be_as_long_as_the_limit_and_no_longer() -> None:
    """Its messages whole, with number and end."""
    message = b"[User 1]: 1234567890\n"
    for longest in (3 * len(message), 3 * len(message) - 1):
        one, two = crowd(Room(longest_backlog=longest + len(WELCOME)), 2)
        one.receive(b"1234567890\n" * 3 + b"x" * (len(WELCOME) - 11) + b"\n").run()
        two.run()
        fits = longest == 3 * len(message)
        assert (fits, 0 if fits else 1) == (not two.closed, two.counts["dropped"])
        assert (message * 3 in two.sent) is fits


def test_who_does_not_read_is_dropped_and_nobody_else() -> None:
    """It gets no more of its backlog, is counted once, and is told to its driver."""
    chat = Room(longest_backlog=1000)
    speaker, reader, sleeper = crowd(chat, 3)
    for _ in range(100):
        speaker.receive(b"x" * 89 + b"\n").run()
        reader.run()
    assert b"[User 1]: %s\n" % (b"x" * 89) * 100 == reader.sent
    assert Counts(dropped=1) == sleeper.counts
    assert Counts(message=100) == speaker.counts
    assert [1, 2] == list(chat.members)
    assert sleeper.prods
    assert (b"", True) == (sleeper.run().sent, sleeper.closed)


def test_the_dropped_are_not_heard_any_more() -> None:
    """Neither what they say now, nor what they had said and was not passed on yet."""
    chat = Room(longest_backlog=100)
    one, two = crowd(chat, 2)
    two.receive(b"before\n")
    one.receive(b"x" * 200 + b"\n").run()
    two.receive(b"after\n").run()
    assert (b"", b"", True) == (one.run().sent, two.sent, two.closed)


def test_one_that_has_drawn_its_last_slice_may_be_dropped_before_it() -> None:
    """Its driver has been given the Compute, and somebody else's turn came first."""
    chat = Room(longest_backlog=100)
    one, two = crowd(chat, 2)
    action = two.receive(b"before\n").member.next_action()
    assert isinstance(action, Compute)
    one.receive(b"x" * 200 + b"\n").run()
    two.member.compute(action)
    assert (b"", True) == (one.run().sent, two.run().closed)


def test_a_message_longer_than_the_backlog_drops_whoever_should_hear_it() -> None:
    """A limit is a limit; the speaker stays."""
    chat = Room(longest_backlog=100)
    one, two = crowd(chat, 2)
    one.receive(b"x" * 100 + b"\n").run()
    assert (1, True, False) == (two.counts["dropped"], two.run().closed, one.closed)


def test_who_reads_may_hear_any_amount() -> None:
    """What was sent is not in the backlog any more, also if it was a part of it."""
    chat = Room(longest_backlog=room.SEND_SIZE * 2)
    speaker, reader = crowd(chat, 2)
    for _ in range(1000):
        speaker.receive(b"x" * 989 + b"\n").run()
        if len(reader.member._outbox) > 100:
            assert isinstance(reader.step(), Send)
    reader.run()
    assert (1_000_000, 0) == (len(reader.sent), reader.counts["dropped"])
    assert len(reader.sends) > 10


def test_a_write_is_of_many_messages_but_not_of_any_length(chat: Room) -> None:
    """Some of them joined; others come to write meanwhile."""
    speaker, reader = crowd(chat, 2)
    for _ in range(200):
        speaker.receive(b"x" * 989 + b"\n").run()
    reader.run()
    assert 200_000 == len(reader.sent)
    assert len(reader.sends) <= 4
    assert max(map(len, reader.sends)) <= room.SEND_SIZE + 1000


def test_the_memory_of_the_dropped_is_freed() -> None:
    """At once, not when its connection is closed."""
    chat = Room(longest_backlog=500_000)
    speaker, _sleeper = crowd(chat, 2, limit_line=200_000)
    with measured() as kept:
        for _ in range(2):
            speaker.receive(b"x" * 200_000 + b"\n").run()
        assert 400_000 < kept()
        speaker.receive(b"x" * 200_000 + b"\n").run()
        assert kept() < 50_000


def test_a_message_exists_once_however_many_get_it(chat: Room) -> None:
    """It waits as a reference."""
    drivers = crowd(chat, 100, limit_line=100_000)
    with measured() as kept:
        drivers[0].receive(b"x" * 100_000 + b"\n").run()
        assert 100_000 < kept() < 300_000


def test_a_flood_is_passed_on_in_slices(chat: Room) -> None:
    """Each of so many deliveries at the most; meanwhile the speaker is not settled."""
    speaker, *hearers = crowd(chat, 50)
    count = 16_384
    speaker.receive(b"\n" * count)
    before = 0
    while isinstance(speaker.step(), Compute):
        passed_on = speaker.counts["message"] - before
        assert 0 < passed_on * 49 <= room.SLICE
        before = speaker.counts["message"]
        assert (before == count) is speaker.member.settled
        hearers[0].run()
    assert count == before
    assert b"[User 1]: \n" * count == hearers[0].sent


def test_a_slice_is_never_of_nothing(chat: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even in a room with more members than a slice has deliveries."""
    monkeypatch.setattr(room, "SLICE", 3)
    speaker, hearer, *_ = crowd(chat, 10)
    speaker.receive(b"1\n2\n").run()
    assert b"[User 1]: 1\n[User 1]: 2\n" == hearer.run().sent
    assert 2 == speaker.computed


def test_a_flood_is_broken_off_with_its_connection(chat: Room) -> None:
    """What was not passed on is not."""
    speaker, hearer = crowd(chat, 2)
    speaker.receive(b"x\n" * 5000).step()
    speaker.member.abandon()
    assert speaker.counts["message"] < 5000
    assert speaker.counts["message"] == hearer.run().sent.count(b"\n")
    assert Close() == speaker.member.next_action()


def test_two_that_flood_are_heard_by_all_in_the_same_order(chat: Room) -> None:
    """Slice by slice, and each of them completely."""
    one, two, *hearers = crowd(chat, 4)
    one.receive(b"1\n" * 2000)
    two.receive(b"2\n" * 2000)
    while not (one.member.settled and two.member.settled):
        one.step()
        two.step()
    assert hearers[0].run().sent == hearers[1].run().sent
    heard = hearers[0].sent.splitlines()
    assert (2000, 2000) == (heard.count(b"[User 1]: 1"), heard.count(b"[User 2]: 2"))


def test_who_hears_without_pause_gets_a_word_in(chat: Room) -> None:
    """Though there is something for it to read whenever it has its turn."""
    flooder, one = crowd(chat, 2)
    one.receive(b"hello\n")
    for _ in range(10):
        flooder.receive(b"\n").run()
        one.step()
    flooder.run()
    assert b"[User 2]: hello\n" == flooder.sent


@pytest.mark.parametrize("members", [2, 10, 30, 60])
def test_who_only_waits_for_a_turn_is_not_dropped(chat: Room, members: int) -> None:
    """All have much to say at once and all would read: they queue, as in every driver."""
    drivers = crowd(chat, members)
    queue = deque((driver, driver.receive(PASTE).draw()) for driver in drivers)
    while queue:
        driver, action = queue.popleft()
        driver.perform(action)
        if not driver.closed and not driver.listening:
            queue.append((driver, driver.draw()))
    for driver in drivers:
        driver.run()
    assert 0 == sum(driver.counts["dropped"] for driver in drivers)
    assert {16 * (members - 1)} == {driver.sent.count(b"\n") for driver in drivers}


def test_one_prod_for_any_number_of_messages(chat: Room) -> None:
    """Its driver has been told, and asks until there is nothing left."""
    one, two = crowd(chat, 2)
    for _ in range(3):
        one.receive(b"a\nb\nc\n" * 20).run()
        one.receive(b"d\n").run()
        assert 1 == two.prods
        assert NEED_DATA is two.run().step()


def test_the_room_takes_its_limit_of_lines_from_the_settings(chat: Room) -> None:
    """As the cores of a service do."""
    counts = Counts()
    connect = chat.connector(Settings(limit_line=5))
    member = connect(counts, lambda: None)
    member.receive_data(b"12345\n123456")
    actions = [member.next_action() for _ in range(2)]
    assert isinstance(actions[1], Compute)
    member.compute(actions[1])
    assert [Send(WELCOME % 1), Send(LINE_TOO_LONG)] == [actions[0], member.next_action()]
    assert Close() == member.next_action()
    assert set(counts) <= set(chat.labels)


@pytest.mark.parametrize("longest", [0, -1])
def test_a_backlog_of_nothing_is_refused(longest: int) -> None:
    """Nobody could even be welcomed."""
    with pytest.raises(ValueError, match="1 byte"):
        Room(longest_backlog=longest)


def test_who_cannot_even_be_welcomed_is_dropped() -> None:
    """With a backlog shorter than that: closed, and not in the room."""
    chat = Room(longest_backlog=10)
    driver = Driver(chat)
    assert 1 == driver.prods
    assert (b"", True) == (driver.run().sent, driver.closed)
    assert {} == chat.members
