"""Seats at the metrics page: who gets one, who waits, and who is cut off for it."""

import socket
import threading
from collections.abc import Iterator

import pytest

from dumb_async.hosting import scrapers as module
from dumb_async.hosting.scrapers import GRACE, SCRAPERS, Scrapers

from .support import PATIENCE


class Clock:
    """What time it is, as far as the scrapers know."""

    def __init__(self) -> None:
        self.now = 100.0

    def read(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands still."""
    made = Clock()
    monkeypatch.setattr(module, "monotonic", made.read)
    return made


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    """Connections: ours, and the scraper's."""
    made = [socket.socketpair() for _ in range(SCRAPERS + 1)]
    yield made
    for pair in made:
        for sock in pair:
            sock.close()


class Newcomer(threading.Thread):
    """One more, who may have to wait."""

    def __init__(self, scrapers: Scrapers, sock: socket.socket) -> None:
        super().__init__(daemon=True)
        self._scrapers, self._sock = scrapers, sock
        self.seated: bool | None = None
        self.start()

    def run(self) -> None:
        self.seated = self._scrapers.enter(self._sock)


def test_the_slowest_is_cut_off_for_a_newcomer(
    clock: Clock, pairs: list[tuple[socket.socket, socket.socket]]
) -> None:
    """Of those that have kept us waiting for longer than they may; one is enough."""
    scrapers = Scrapers()
    for ours, _ in pairs[:-1]:
        assert scrapers.enter(ours)
        clock.now += GRACE / 100
    scrapers.serve(pairs[0][0])  # it waits for us
    clock.now += GRACE
    newcomer = Newcomer(scrapers, pairs[-1][0])
    assert b"" == pairs[1][1].recv(1)
    newcomer.join(0.0)
    assert newcomer.is_alive()  # until the other's thread has gone
    scrapers.leave(pairs[1][0])
    newcomer.join(PATIENCE)
    assert newcomer.seated
    for _, scraper in (pairs[0], *pairs[2:]):
        scraper.setblocking(False)
        with pytest.raises(BlockingIOError):
            scraper.recv(1)


def test_nobody_is_cut_off_who_waits_for_us(
    clock: Clock, pairs: list[tuple[socket.socket, socket.socket]]
) -> None:
    """However long the page takes; whoever then does not take it is."""
    scrapers = Scrapers()
    for ours, _ in pairs[:-1]:
        assert scrapers.enter(ours)
        scrapers.serve(ours)
    clock.now += 100 * GRACE
    newcomer = Newcomer(scrapers, pairs[-1][0])
    pairs[3][1].setblocking(False)
    with pytest.raises(BlockingIOError):
        pairs[3][1].recv(1)
    pairs[3][1].setblocking(True)
    scrapers.await_reader(pairs[3][0])
    clock.now += GRACE
    scrapers.await_reader(pairs[4][0])  # it has only begun; and the newcomer looks again
    assert b"" == pairs[3][1].recv(1)
    scrapers.leave(pairs[3][0])
    newcomer.join(PATIENCE)
    assert newcomer.seated


def test_nobody_waits_for_what_is_closed(
    pairs: list[tuple[socket.socket, socket.socket]],
) -> None:
    """It has no seats any more."""
    scrapers = Scrapers()
    for ours, _ in pairs[:-1]:
        scrapers.enter(ours)
        scrapers.serve(ours)
    newcomer = Newcomer(scrapers, pairs[-1][0])
    scrapers.close()
    newcomer.join(PATIENCE)
    assert newcomer.seated is False
