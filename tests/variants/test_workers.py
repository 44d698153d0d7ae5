"""The channel between an acceptor and its workers, at both of its ends."""

import functools
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from variants.common import workers
from variants.common.host import Host
from variants.common.model import Runnable
from variants.common.reports import pack
from variants.common.state import EventHandler
from variants.common.worker import work
from variants.common.workers import CONNECTION, CUT, REPORT, STOP, Thread, Worker
from variants.epoll import Epoll

from ..conformance.launching import ROOT
from ..support import PATIENCE, tcp_pair
from .conftest import MakeHost

#: Seconds that a call may take which waits for nobody.
BRIEFLY = 2.0

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def worker() -> Iterator[Worker]:
    """The parent's end of a channel; the other one is read by whoever tests it."""
    worker = Worker(room=1000)
    worker.other_end.settimeout(PATIENCE)
    with worker.channel, worker.other_end:
        yield worker


@contextmanager
def answering(worker: Worker, answer: Callable[[bytes], list[bytes]]) -> Iterator[None]:
    """Answer one word at the other end of the channel."""

    def run() -> None:
        for reply in answer(worker.other_end.recv(64)):
            worker.other_end.send(reply)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join(PATIENCE)


def fill(worker: Worker, sock: socket.socket) -> None:
    """Hand a connection over until the channel takes no more, which must not be waited for."""

    def hand_over() -> None:
        while worker.take(sock):
            pass

    thread = threading.Thread(target=hand_over, daemon=True)
    thread.start()
    thread.join(BRIEFLY)
    if thread.is_alive():
        worker.other_end.close()
        thread.join(PATIENCE)
        raise AssertionError("it waits for a channel that is full")


def test_a_connection_goes_over_the_channel(worker: Worker, pair: Pair) -> None:
    """It is the same, whoever holds the descriptor."""
    client, server = pair
    assert worker.take(server)
    server.close()
    word, descriptors, _, _ = socket.recv_fds(worker.other_end, 64, 1)
    assert CONNECTION == word
    with socket.socket(fileno=descriptors[0]) as taken:
        taken.send(b"hello")
        client.settimeout(PATIENCE)
        assert b"hello" == client.recv(10)


def test_clients_are_those_handed_over_and_not_gone(pair: Pair) -> None:
    """There is room until there are as many as it can have."""
    worker = Worker(room=2)
    with worker.channel, worker.other_end:
        assert [True, True, False] == [worker.take(pair[1]) for _ in range(3)]
        assert (2, False) == (worker.clients, worker.has_room)
        worker.gone[0] += 1
        assert (1, True) == (worker.clients, worker.has_room)
        assert worker.take(pair[1])


def test_who_is_dead_has_no_clients_and_takes_none(worker: Worker, pair: Pair) -> None:
    """Nor is anything said to it."""
    assert worker.take(pair[1])
    worker.alive = False
    assert (0, False) == (worker.clients, worker.has_room)
    assert not worker.take(pair[1])
    worker.tell(STOP)
    assert [] == worker.report()
    assert CONNECTION == worker.other_end.recv(64)
    worker.other_end.setblocking(False)
    with pytest.raises(BlockingIOError):
        worker.other_end.recv(64)


def test_a_death_that_nobody_has_noticed_hurts_nobody(worker: Worker, pair: Pair) -> None:
    """The channel has ended; nothing is counted as handed over."""
    worker.other_end.close()
    assert not worker.take(pair[1])
    worker.tell(CUT)
    assert [] == worker.report()
    assert 0 == worker.clients


@pytest.mark.parametrize("scraped", [False, True])
def test_a_full_channel_is_not_waited_for(
    worker: Worker, pair: Pair, monkeypatch: pytest.MonkeyPatch, scraped: bool
) -> None:
    """The connection is somebody else's, and is not counted here; a report changes nothing."""
    if scraped:
        monkeypatch.setattr(workers, "PATIENCE", PATIENCE)
        with answering(worker, lambda _: [pack(1, ["report"])]):
            assert ["report"] == worker.report()
    fill(worker, pair[1])
    count = worker.clients
    assert count > 0
    assert not worker.take(pair[1])
    assert count == worker.clients
    worker.tell(STOP)  # there is no room for words either
    assert CONNECTION == worker.other_end.recv(64)
    assert worker.take(pair[1])


def test_words_go_over_the_channel_one_by_one(worker: Worker) -> None:
    """However fast they come."""
    for word in (STOP, CUT):
        worker.tell(word)
    assert [STOP, CUT] == [worker.other_end.recv(64) for _ in range(2)]


def test_a_report_is_asked_for_by_number(worker: Worker) -> None:
    """And comes back with it."""
    for number in (1, 2):
        with answering(worker, lambda word: [pack(int(word[1:]), [word.decode()])]):
            assert [(REPORT + b"%d" % number).decode()] == worker.report()


def test_who_does_not_report_in_time_reports_nothing(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says later is not taken for the answer to the next question."""
    monkeypatch.setattr(workers, "PATIENCE", 0.01)
    assert [] == worker.report()
    monkeypatch.setattr(workers, "PATIENCE", PATIENCE)
    assert REPORT + b"1" == worker.other_end.recv(64)
    with answering(worker, lambda _: [pack(1, ["late"]), pack(2, ["in time"])]):
        assert ["in time"] == worker.report()


def test_who_dies_while_it_is_asked_reports_nothing(worker: Worker) -> None:
    """And is not waited for."""

    def die(_: bytes) -> list[bytes]:
        worker.other_end.close()
        return []

    with answering(worker, die):
        assert [] == worker.report()


def test_several_may_ask_for_reports_at_once(worker: Worker) -> None:
    """Each gets an answer to its own question."""
    reports: list[Any] = []

    def answer() -> None:
        while word := worker.other_end.recv(64):
            worker.other_end.send(pack(int(word[1:]), [word.decode()]))

    def ask() -> None:
        reports.extend(worker.report() for _ in range(20))

    answerer = threading.Thread(target=answer)
    answerer.start()
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    worker.channel.shutdown(socket.SHUT_RDWR)
    answerer.join(PATIENCE)
    assert {f"r{number}" for number in range(1, 81)} == {report[0] for report in reports}
    assert 80 == len(reports)


class Loops:
    """Workers in threads, each with the loop of `epoll`."""

    def __init__(self, parent: Host, make_loop: Callable[[Host], Runnable] = Epoll) -> None:
        self.worker = Worker(room=1000)
        task = functools.partial(work, parent, self.worker, make_loop, alone=False)
        self.thread = threading.Thread(target=task, daemon=True)
        self.thread.start()
        self._ours: list[socket.socket] = []

    def hand_over(self, pair: Pair) -> socket.socket:
        """Hand over the server's end of a connection: the client's."""
        assert self.worker.take(pair[1])
        pair[1].close()
        pair[0].settimeout(PATIENCE)
        return pair[0]

    def has_ended(self) -> bool:
        """Whether it ends in time. Nothing can be said to it any more."""
        self.thread.join(PATIENCE)
        self.worker.channel.close()
        return not self.thread.is_alive()

    def sample(self, name: str, **labels: str) -> float:
        """What it reports under this name."""
        for _, _, _, samples in self.worker.report():
            for sample, its_labels, value in samples:
                if (name, labels) == (sample, its_labels):
                    return float(value)
        raise AssertionError(f"no {name} is reported")


@pytest.fixture
def loops(make_host: MakeHost) -> Iterator[Loops]:
    """A worker of a host with room for one client."""
    loops = Loops(make_host(limit_connections=1, timeout_graceful=0.1))
    yield loops
    loops.worker.tell(CUT)
    loops.worker.channel.close()
    assert loops.has_ended()


def wait_until_gone(worker: Worker, count: int) -> None:
    """Wait until so many of its clients are gone: each report is one more turn of its loop."""
    for _ in range(10_000):
        if worker.gone[0] == count:
            return
        worker.report()
    raise AssertionError(f"{worker.gone[0]} are gone, not {count}")


def test_who_is_handed_over_is_served(loops: Loops, pair: Pair) -> None:
    """Counted by the worker, and by its parent until it is gone."""
    client = loops.hand_over(pair)
    client.send(b"PING\n")
    assert b"PONG\n" == client.recv(100)
    assert 1 == loops.worker.clients
    assert 1.0 == loops.sample("server_active_connections")
    assert 1.0 == loops.sample("server_requests_total", request_type="ping")
    client.close()
    wait_until_gone(loops.worker, 1)
    assert 0 == loops.worker.clients


def test_who_is_refused_by_a_worker_is_gone(loops: Loops, pair: Pair) -> None:
    """It is told so, and takes nobody's place."""
    client = loops.hand_over(pair)
    with tcp_pair() as another:
        refused = loops.hand_over(another)
        assert b"SERVER_BUSY\n" == refused.makefile("rb").read()
        wait_until_gone(loops.worker, 1)
        assert 1 == loops.worker.clients
    assert 1.0 == loops.sample("server_rejected_connections_total", reason="busy")
    client.send(b"PING\n")
    assert b"PONG\n" == client.recv(100)
    assert 1 == loops.worker.clients


def test_a_connection_that_is_lost_on_its_way_is_counted(loops: Loops) -> None:
    """The kernel drops a descriptor for which there is no room."""
    loops.worker._handed += 1
    loops.worker.tell(CONNECTION)
    wait_until_gone(loops.worker, 1)
    assert 1.0 == loops.sample("server_rejected_connections_total", reason="emfile")


def test_who_cannot_be_watched_is_gone_once(make_host: MakeHost, pair: Pair) -> None:
    """However it goes."""

    class Blind(Epoll):
        def register(self, handler: EventHandler) -> None:
            """Fail for clients, as epoll_ctl(2) does when there are too many watches."""
            if self.handlers:
                raise OSError(28, "No space left on device")
            super().register(handler)

    loops = Loops(make_host(), Blind)
    client = loops.hand_over(pair)
    assert b"" == client.recv(100)
    assert 1.0 == loops.sample("server_rejected_connections_total", reason="enospc")
    loops.worker.tell(CUT)
    loops.worker.channel.close()
    assert loops.has_ended()
    assert 1 == loops.worker.gone[0]


@pytest.mark.parametrize("how", [STOP, b""], ids=["word", "end"])
def test_a_stop_lets_idle_clients_go(loops: Loops, pair: Pair, how: bytes) -> None:
    """Told by its parent, or because there is no parent any more."""
    client = loops.hand_over(pair)
    client.send(b"PING\n")
    assert b"PONG\n" == client.recv(100)
    if how:
        loops.worker.tell(how)
    else:
        loops.worker.channel.close()
    assert b"" == client.recv(100)
    assert loops.has_ended()
    assert -1 == loops.worker.other_end.fileno()


@pytest.mark.parametrize("how", [STOP, b""], ids=["word", "end"])
def test_a_stop_has_its_grace(loops: Loops, pair: Pair, how: bytes) -> None:
    """After that everybody is cut off, also when nobody is left to say so."""
    client = loops.hand_over(pair)
    client.send(b"PING\nWAIT 3600\n")
    assert b"PONG\n" == client.recv(100)
    if how:
        loops.worker.tell(how)
    else:
        loops.worker.channel.close()
    assert loops.has_ended()
    assert b"" == client.recv(100)


def test_a_cut_during_a_stop_is_the_end(make_host: MakeHost, pair: Pair) -> None:
    """Whatever grace is left."""
    loops = Loops(make_host(timeout_graceful=3600.0))
    client = loops.hand_over(pair)
    client.send(b"PING\nWAIT 3600\n")
    assert b"PONG\n" == client.recv(100)
    loops.worker.tell(STOP)
    loops.worker.tell(CUT)
    assert loops.has_ended()
    assert b"" == client.recv(100)


def test_a_thread_is_joined_or_left_behind() -> None:
    """It ends with the process at the latest."""
    over, ran = threading.Event(), []
    thread = Thread(lambda: ran.append(over.wait(PATIENCE)))
    thread.join(0.001)
    assert [] == ran
    over.set()
    thread.join(PATIENCE)
    assert [True] == ran


def run_alone(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script by itself: to fork a process that has threads, as ours, is unsafe."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize(
    ("task", "status", "said"),
    [
        ("None", 0, ""),
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("sys.exit(3)", 1, "SystemExit: 3"),
    ],
)
def test_a_process_ends_with_its_work(task: str, status: int, said: str) -> None:
    """It never goes on where its parent does; a failure is shown, and seen in its status."""
    ended = run_alone(f"""
        import os, select, sys
        from variants.common.workers import Process
        process = Process(lambda: {task})
        select.select([process.ended], [], [])
        result = os.waitid(os.P_PIDFD, process.ended, os.WEXITED | os.WNOWAIT)
        process.join(0)
        print(result.si_status)
        """)
    assert (0, f"{status}\n") == (ended.returncode, ended.stdout), ended.stderr
    assert said in ended.stderr
    assert bool(said) is bool(ended.stderr)


def test_a_process_that_does_not_end_is_made_to() -> None:
    """None is left behind, not even as a zombie."""
    ended = run_alone("""
        import os, signal
        from variants.common.workers import Process
        process = Process(signal.pause)
        process.join(0)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            print("nobody")
        """)
    assert (0, "nobody\n", "") == (ended.returncode, ended.stdout, ended.stderr)
