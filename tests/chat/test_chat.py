"""Chat over real sockets, on each of the servers: who hears what, whoever else is in."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

import pytest

from variants.chat.room import LONGEST_BACKLOG

from ..conformance.client import eventually
from ..conformance.process import Server, Start
from .chatter import Chatter, chatting, hear, listen

BUSY = b"SERVER_BUSY\n"
TOO_LONG = b"LINE_TOO_LONG\n"

#: Seconds within which a server has ended that has nothing to wait for.
AT_ONCE = 5.0


def count(server: Server, kind: str) -> int:
    """How much of this kind it has counted."""
    return int(server.samples()[f'server_requests_total{{request_type="{kind}"}}'])


def memory(server: Server) -> int:
    """Bytes of it that are in memory."""
    return int(Path(f"/proc/{server.pid}/statm").read_text().split()[1]) * 4096


def is_empty(server: Server) -> bool:
    """Whether everybody has left, as far as the server knows."""
    return server.samples()["server_active_connections"] == 0


@pytest.fixture
def server(server: Server) -> Server:
    """The shared one, with nobody in it."""
    assert eventually(lambda: is_empty(server))
    return server


@contextmanager
def counting(server: Server, **expected: int) -> Iterator[None]:
    """See to it that exactly so much of each kind is counted in the block."""
    before = {kind: count(server, kind) for kind in expected}
    yield
    assert expected == {kind: count(server, kind) - before[kind] for kind in expected}


def test_fifty_who_all_talk_hear_everybody_else(start: Start) -> None:
    """Completely, each speaker in its order, nobody itself; welcomed from 1 to 50."""
    server = start()
    with chatting(server, 50) as chatters:
        assert [*range(1, 51)] == [chatter.number for chatter in chatters]
        texts = [b"message %d " % n + b"x" * 10 * n for n in range(10)]
        for chatter in chatters:
            chatter.send(b"".join(text + b"\n" for text in texts))
        said = {one: [one.says(text) for text in texts] for one in chatters}
        total = sum(len(line) for lines in said.values() for line in lines)
        # Not as much as may wait for one of them: whatever the machine, none is dropped.
        assert total < LONGEST_BACKLOG
        mine = {one: sum(map(len, lines)) for one, lines in said.items()}
        assert listen(chatters, lambda: all(total - mine[c] <= c.size for c in chatters))
        for chatter in chatters:
            heard = chatter.heard.splitlines(keepends=True)
            assert 49 * 10 == len(heard)
            for other in chatters:
                prefix = b"[User %d]:" % other.number
                lines = [line for line in heard if line.startswith(prefix)]
                assert ([] if other is chatter else said[other]) == lines
        assert 500 == count(server, "message")
        assert 0 == count(server, "dropped")


def test_nobody_who_reads_is_dropped_though_all_say_much_at_once(start: Start) -> None:
    """To wait for a turn is not to read slowly."""
    server = start()
    with chatting(server, 50) as chatters:
        for chatter in chatters:
            chatter.send((b"x" * 990 + b"\n") * 20)
        size = sum(20 * len(chatter.says(b"x" * 990)) for chatter in chatters)
        mine = {chatter: 20 * len(chatter.says(b"x" * 990)) for chatter in chatters}
        assert listen(
            chatters,
            lambda: (
                all(size <= one.size + mine[one] for one in chatters)
                or any(one.ended for one in chatters)
            ),
        )
        assert [] == [chatter.number for chatter in chatters if chatter.ended]
        assert (1000, 0) == (count(server, "message"), count(server, "dropped"))


def test_all_hear_all_in_the_same_order(server: Server) -> None:
    """Those who only listen hear the very same."""
    with chatting(server, 12) as chatters:
        talkers, listeners = chatters[:6], chatters[6:]
        for turn in range(20):
            for talker in talkers:
                talker.say(b"%d" % turn)
        size = sum(len(talker.says(b"%d" % turn)) for talker in talkers for turn in range(20))
        assert listen(chatters, lambda: all(size <= one.size for one in listeners))
        assert 1 == len({one.heard for one in listeners})


def test_numbers_go_on_and_are_not_used_again(start: Start) -> None:
    """The welcome is exact; whoever has left meanwhile, in whatever way."""
    server = start()
    client = server.connect()
    assert b"Welcome chat user no. 1!\n" == client.read_line()
    client.reset()
    with server.connect() as client:
        assert b"Welcome chat user no. 2!\n" == client.read_line()
        client.shutdown_write()
        assert b"" == client.read_all()
    with server.connect() as client:
        assert b"Welcome chat user no. 3!\n" == client.read_line()


def test_lines_that_arrive_in_pieces(server: Server) -> None:
    """Several at once, a byte at a time, ended as Windows does."""
    with chatting(server, 2) as (one, two):
        one.send_in_pieces([b"o", b"ne\r", b"\ntwo\nth", b"ree", b"\n\n"])
        expected = b"".join(map(one.says, [b"one", b"two", b"three", b""]))
        assert hear([two], one.says(b""))
        assert expected == two.heard
        assert hear([one], two.say(b"got it"))
        assert two.says(b"got it") == one.heard


def test_a_listener_who_says_nothing_hears_at_once(server: Server) -> None:
    """Nothing comes from its own client that would wake its driver."""
    with chatting(server, 2) as (one, two):
        for turn in range(50):
            assert hear([two], one.say(b"%d" % turn))


def test_who_does_not_read_is_dropped_and_hurts_nobody(start: Start) -> None:
    """Others exchange megabytes at once meanwhile, and the server does not keep them."""
    server = start()
    with (
        chatting(server, 2) as (one, two),
        Chatter(server, receive_buffer=4096) as sleeper,
    ):
        text = b"x" * 990
        batch = 200
        assert batch * len(one.says(text)) < LONGEST_BACKLOG  # so neither of the two is dropped
        before = memory(server)
        rounds, dropped = 0, False
        while rounds < 100 and not (dropped and rounds >= 10):
            speaker, reader = (one, two) if rounds % 2 else (two, one)
            speaker.send((text + b"\n") * batch)
            size = batch * len(speaker.says(text))
            assert listen([one, two], lambda: reader.size >= size), (rounds, reader.size)  # noqa: B023
            reader.forget()
            rounds += 1
            dropped = dropped or (rounds % 10 == 0 and count(server, "dropped") == 1)
            assert memory(server) - before < 8_000_000
        assert dropped
        assert rounds * batch == count(server, "message")
        # It finds what the kernel had taken for it, whole messages up to the cut.
        received = sleeper.read_until_cut()
        assert received.startswith((one.says(text), two.says(text)))
        assert len(received) < rounds * size
        assert eventually(lambda: server.samples()["server_active_connections"] == 2)
        assert 1 == count(server, "dropped")
        assert hear([two], one.say(b"still here"))


def test_resets_in_the_middle_are_noticed_by_nobody(server: Server) -> None:
    """Of those who talk, those who have said half a line or all, and those who just listen."""
    with chatting(server, 2) as (one, two), counting(server, dropped=0):
        for turn in range(10):
            with chatting(server, 5) as doomed:
                doomed[0].send(b"half a li")
                doomed[1].send(b"x\n" * 500)
                doomed[2].shutdown_write()
                said = one.say(b"%d" % turn)
                assert listen([two], lambda: said in two.heard)  # noqa: B023
        prefix = one.says(b"").rstrip()
        own = [line for line in two.heard.splitlines(keepends=True) if line.startswith(prefix)]
        assert [one.says(b"%d" % turn) for turn in range(10)] == own
        assert b"half" not in two.heard
        assert eventually(lambda: server.samples()["server_active_connections"] == 2)


@pytest.mark.skipif(which("nc") is None, reason="there is no netcat")
def test_netcat_is_heard_though_it_has_ended_its_side(server: Server) -> None:
    """It is welcomed all the same, and ends by itself."""
    host, port = server.address
    with chatting(server, 1) as (one,):
        netcat = subprocess.run(
            ["nc", "-N", host, str(port)],
            input=b"hi\n",
            capture_output=True,
            check=True,
            timeout=AT_ONCE,
        )
        assert b"Welcome chat user no. %d!\n" % (one.number + 1) == netcat.stdout
        assert hear([one], b"[User %d]: hi\n" % (one.number + 1))


def test_who_has_ended_its_side_gets_what_was_posted(server: Server) -> None:
    """Though it reads only then, and much more than its socket takes."""
    with chatting(server, 1) as (one,), Chatter(server, receive_buffer=4096) as two:
        before = count(server, "message")
        said = b"".join(one.say(b"x" * 990) for _ in range(200))
        assert len(said) < LONGEST_BACKLOG
        assert eventually(lambda: count(server, "message") == before + 200)
        two.send(b"bye\n")
        two.shutdown_write()
        assert (said == two.read_all()) is True
        assert hear([one], two.says(b"bye"))


def test_a_line_too_long_is_answered_and_passed_on_to_nobody(start: Start) -> None:
    """The limit is exact, the reply is never lost to a reset, others notice nothing."""
    server = start("--limit-line", "10")
    with chatting(server, 2) as (one, two):
        assert hear([two], one.say(b"1234567890\r").replace(b"\r", b""))
        one.send(b"before\n" + b"x" * 11 + b"\nafter\n" * 10_000)
        assert TOO_LONG == one.read_all()
        assert hear([two], one.says(b"before"))
        assert one.says(b"1234567890") + one.says(b"before") == two.heard
        with Chatter(server) as three:
            assert hear([two], three.say(b"and you?"))
        assert (3, 1) == (count(server, "message"), count(server, "too_long"))


def test_who_is_refused_is_not_in_the_room(start: Start) -> None:
    """It reads SERVER_BUSY and nothing else, and takes no number."""
    server = start("--limit-connections", "2")
    with chatting(server, 2) as (one, two):
        for _ in range(10):
            with server.connect() as refused:
                assert BUSY == refused.read_all()
                refused.close()
        with server.connect() as refused:
            assert BUSY == refused.read_line()
            assert hear([two], one.say(b"is anybody else here?"))
            assert hear([one], two.say(b"no"))
            assert b"" == refused.read_all()
            refused.close()
        assert 0 == server.samples()["server_connection_resets_total"]
        one.close()
        assert eventually(lambda: server.samples()["server_active_connections"] == 1)
        with Chatter(server) as three:
            assert 3 == three.number


def test_the_refusal_reaches_a_client_that_has_much_to_say(start: Start) -> None:
    """What it has sent meanwhile does not turn it into a reset, and is not passed on."""
    server = start("--limit-connections", "2")
    with chatting(server, 2) as (one, two):
        for _ in range(5):
            with server.connect() as refused:
                refused.send(b"let me in\n" * 20_000)
                assert BUSY == refused.read_all()
        assert hear([two], one.say(b"still here"))
        assert one.says(b"still here") == two.heard


def test_the_idle_are_let_go_without_a_word(start: Start) -> None:
    """Who hears something is not idle, and who is let go is in the room no more."""
    server = start("--timeout-idle", "1")
    began = time.monotonic()
    with chatting(server, 1) as (idle,):
        assert b"" == idle.read_all()
        assert time.monotonic() - began > 0.9
        assert eventually(lambda: is_empty(server))
        assert 1 == server.samples()['server_timeouts_total{kind="idle"}']


def test_who_only_listens_is_not_idle(start: Start) -> None:
    """As long as there is something to hear."""
    server = start("--timeout-idle", "1")
    with chatting(server, 2) as (talker, listener):
        came = time.monotonic()
        while time.monotonic() - came < 1.3:
            assert hear([listener], talker.say(b"still there?"))
            assert not listen([listener], lambda: listener.ended, within=0.2)


def test_what_was_said_is_delivered_before_a_stop(start: Start) -> None:
    """Also to those who had not read any of it yet; then they get the end of input."""
    server = start("--timeout-graceful", "60")
    with (
        chatting(server, 10) as (speaker, *others),
        Chatter(server, receive_buffer=4096) as slow,
    ):
        for turn in range(200):
            speaker.say(b"%d" % turn + b"x" * 990)
        said = b"".join(speaker.says(b"%d" % turn + b"x" * 990) for turn in range(200))
        assert len(said) < LONGEST_BACKLOG
        assert eventually(lambda: count(server, "message") == 200)
        server.signal()
        for chatter in (*others, slow):
            assert (said == chatter.read_all()) is True, chatter.number
        assert b"" == speaker.read_all()
        assert 0 == server.exit_status(within=AT_ONCE)


def test_a_stop_ends_in_time_whoever_does_not_read(start: Start) -> None:
    """With status 0: those who talk without pause, and those who take nothing."""
    server = start("--timeout-graceful", "0.3")
    with (
        chatting(server, 10) as (speaker, *others),
        Chatter(server, receive_buffer=4096),
    ):
        size = 0
        while size < 4_000_000:
            speaker.send(b"x" * 990 + b"\n")
            size += 1000
            if size % 200_000 == 0:
                assert listen(others, lambda: all(one.size >= size for one in others))  # noqa: B023
        speaker.send(b"half a li")
        server.signal()
        assert 0 == server.exit_status(within=AT_ONCE)


def test_messages_are_counted(server: Server) -> None:
    """Each once, however many hear it, on the page; and the bytes to each of them."""
    with chatting(server, 5) as (one, *others), counting(server, message=30, too_long=0, dropped=0):
        before = server.samples()
        said = b"".join(one.say(b"hello") for _ in range(30))
        assert hear(others, said)
        after = server.samples()
        name = "server_bytes_%s_total"
        assert 30 * 6 == after[name % "received"] - before[name % "received"]
        assert 4 * len(said) == after[name % "sent"] - before[name % "sent"]
        assert 5 == after["server_active_connections"]


def test_a_flood_keeps_nobody_from_chatting(server: Server) -> None:
    """As much of it waits all the time as nobody is dropped for."""
    with chatting(server, 22) as (flooder, one, two, *others), counting(server, dropped=0):
        line = len(flooder.says(b""))
        window = LONGEST_BACKLOG * 3 // 4
        readers = [one, two, *others]
        flooded, turns = 0, 0
        question, asked = one.say(b"0"), two.size
        while turns < 20:
            heard = min(reader.size for reader in readers)
            more = (window - (flooded - heard)) // line
            if more > 0:
                flooder.send(b"\n" * more)
                flooded += more * line
            assert listen([flooder, *readers], lambda: min(r.size for r in readers) > heard)  # noqa: B023
            if question in two.heard[asked:]:
                turns += 1
                question, asked = one.say(b"%d" % turns), two.size
            # Behind what waited before it and a few reads more, not behind all there is to come.
            assert two.size - asked < 8 * window, turns


def test_everybody_hears_the_last_words_of_all_before_a_stop(start: Start) -> None:
    """Who has nothing left to say stays until the others have said what was on its way."""
    server = start("--timeout-graceful", "60")
    with chatting(server, 21) as (*speakers, listener):
        texts = [b"%d" % turn + b"x" * 90 for turn in range(50)]
        for speaker in speakers:
            speaker.send(b"".join(text + b"\n" for text in texts))
        server.signal()
        said = {one.number: b"".join(map(one.says, texts)) for one in speakers}
        assert sum(map(len, said.values())) < LONGEST_BACKLOG
        for chatter in (*speakers, listener):
            heard = chatter.read_all().splitlines(keepends=True)
            assert len(heard) == 50 * (20 - (chatter is not listener)), chatter.number
        assert 0 == server.exit_status(within=AT_ONCE)
