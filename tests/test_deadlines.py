"""Deadlines are never early and late by a tick at the most, with the time passed in."""

import itertools
import math
from dataclasses import dataclass

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from dumb_async.hosting.deadlines import BATCH, TICK, Deadlines
from dumb_async.hosting.stats import Stats
from dumb_async.runtimes import load
from dumb_async.timeouts import INTERVAL, keep_time

from .conftest import RunInNoTime

#: What adding up floats may make of a tick.
EPSILON = 1e-6


@dataclass(eq=False)
class Watched:
    """Something with a deadline that may be moved."""

    deadline: float | None
    tick: int | None = None
    looks: int = 0
    expired: int = 0

    def due(self, now: float) -> float | None:
        """See `Timed`."""
        self.looks += 1
        assert self.looks < 1000, f"looked at again and again at {now}"
        return self.deadline

    def expire(self) -> None:
        """See `Timed`."""
        self.expired += 1


def watch(deadlines: Deadlines, due: float) -> Watched:
    """Watch something new."""
    watched = Watched(due)
    deadlines.watch(watched, due)
    return watched


def test_nobody_is_waited_for_at_first() -> None:
    """There is no next instant, and looking does nothing."""
    deadlines = Deadlines()
    assert deadlines.next is None
    deadlines.run_due(1e9)


def test_a_deadline_is_never_early_and_hardly_late() -> None:
    """It expires once, at the end of the tick that it falls in."""
    deadlines = Deadlines()
    watched = watch(deadlines, 10.01)
    assert deadlines.next is not None
    assert 10.01 <= deadlines.next <= 10.01 + TICK
    for now in (0.0, 10.0, 10.009):
        deadlines.run_due(now)
        assert watched.expired == 0
    deadlines.run_due(deadlines.next)
    assert watched.expired == 1
    assert deadlines.next is None
    deadlines.run_due(1e9)
    assert watched.expired == 1


def test_a_deadline_in_the_past_expires_at_the_next_look() -> None:
    """It was too late already."""
    deadlines = Deadlines()
    watched = watch(deadlines, 5.0)
    deadlines.run_due(100.0)
    assert watched.expired == 1


def test_a_deadline_that_was_moved_costs_one_look_at_its_old_place() -> None:
    """However often it was moved before, and nobody was told."""
    deadlines = Deadlines()
    watched = watch(deadlines, 10.0)
    for moved in range(11, 100):
        watched.deadline = float(moved)
    deadlines.run_due(50.0)
    assert (watched.looks, watched.expired) == (1, 0)
    deadlines.run_due(98.9)
    assert (watched.looks, watched.expired) == (1, 0)
    deadlines.run_due(99.0 + TICK)
    assert (watched.looks, watched.expired) == (2, 1)


def test_a_later_deadline_does_not_replace_an_earlier_one() -> None:
    """Who is looked at before is looked at in time."""
    deadlines = Deadlines()
    watched = watch(deadlines, 10.0)
    deadlines.watch(watched, 20.0)
    deadlines.run_due(10.0 + TICK)
    assert watched.expired == 1


def test_an_earlier_deadline_leaves_a_stale_entry_that_does_nothing() -> None:
    """Even though it comes up later."""
    deadlines = Deadlines()
    watched = watch(deadlines, 20.0)
    watched.deadline = 10.0
    deadlines.watch(watched, 10.0)
    deadlines.run_due(10.0 + TICK)
    assert (watched.looks, watched.expired) == (1, 1)
    deadlines.run_due(20.0 + TICK)
    assert (watched.looks, watched.expired) == (1, 1)
    assert deadlines.next is None


def test_a_stale_entry_does_not_hide_a_new_one() -> None:
    """Moved to an earlier instant, and then back to where it was."""
    deadlines = Deadlines()
    watched = watch(deadlines, 20.0)
    deadlines.watch(watched, 10.0)
    deadlines.run_due(10.0 + TICK)  # it is due at 20 really
    assert (watched.looks, watched.expired) == (1, 0)
    deadlines.run_due(20.0 + TICK)
    assert watched.expired == 1


def test_who_is_never_due_again_is_forgotten() -> None:
    """And may come back."""
    deadlines = Deadlines()
    watched = watch(deadlines, 10.0)
    watched.deadline = None
    deadlines.run_due(11.0)
    assert (watched.looks, watched.expired) == (1, 0)
    assert deadlines.next is None
    watched.deadline = 12.0
    deadlines.watch(watched, 12.0)
    deadlines.run_due(13.0)
    assert watched.expired == 1


def test_who_expires_may_be_watched_again() -> None:
    """Even by its own end."""
    deadlines = Deadlines()

    class Again(Watched):
        def expire(self) -> None:
            super().expire()
            self.deadline = 10.0 * (self.expired + 1)
            deadlines.watch(self, self.deadline)

    again = Again(10.0)
    deadlines.watch(again, 10.0)
    deadlines.run_due(11.0)
    assert again.expired == 1
    deadlines.run_due(21.0)
    assert again.expired == 2


def test_many_deadlines_in_one_tick_are_one_entry() -> None:
    """A thousand clients that came at once are a list, not a thousand timers."""
    deadlines = Deadlines()
    watched = [watch(deadlines, 10.0 + number / 1e6) for number in range(1, 1000)]
    assert len(deadlines._ticks) == 1
    while deadlines.run_due(10.0 + TICK):
        pass
    assert [one.expired for one in watched] == [1] * 999


milliseconds = st.integers(0, 3000)
operations = st.one_of(
    st.tuples(st.just("watch"), st.integers(0, 4), milliseconds),
    st.tuples(st.just("move later"), st.integers(0, 4), milliseconds),
    st.tuples(st.just("forget"), st.integers(0, 4), milliseconds),
    st.tuples(st.just("pass"), st.just(0), milliseconds),
)


class Simulation:
    """Five clients, and a clock that stops whenever `Deadlines` wants to look."""

    def __init__(self, start: int) -> None:
        self.milliseconds = start
        self.deadlines = Deadlines()
        self.clients = [Watched(None) for _ in range(5)]
        self.since = [0.0] * 5  # when their deadline was last set

    @property
    def now(self) -> float:
        return self.milliseconds / 1000

    def watch(self, which: int, after: int) -> None:
        client, due = self.clients[which], (self.milliseconds + after) / 1000
        client.deadline, self.since[which] = due, self.now
        self.deadlines.watch(client, due)

    def move_later(self, which: int, after: int) -> None:
        client = self.clients[which]
        if client.deadline is not None:
            client.deadline += after / 1000

    def let_pass(self, span: int) -> None:
        end = (self.milliseconds + span) / 1000
        while self.deadlines.next is not None and self.deadlines.next <= end:
            self.look(max(self.deadlines.next, self.now))
        self.milliseconds += span

    def look(self, now: float) -> None:
        before = [client.expired for client in self.clients]
        self.deadlines.run_due(now)
        for client, count, since in zip(self.clients, before, self.since, strict=True):
            if client.expired > count:
                assert client.deadline is not None
                assert count + 1 == client.expired
                assert client.deadline <= now, "early"
                assert now <= max(client.deadline, since) + TICK + EPSILON, "late"
                client.deadline = None


@settings(max_examples=150)
@given(start=st.integers(0, 10**7), steps=st.lists(operations, max_size=30))
def test_never_early_and_late_by_a_tick_at_the_most(
    start: int, steps: list[tuple[str, int, int]]
) -> None:
    """Whatever is watched, moved and forgotten meanwhile; and in the end nobody is left."""
    simulation = Simulation(start)
    for kind, which, span in steps:
        match kind:
            case "watch":
                simulation.watch(which, span)
            case "move later":
                simulation.move_later(which, span)
            case "forget":
                simulation.clients[which].deadline = None
            case _:
                simulation.let_pass(span)
    simulation.let_pass(10**6)
    assert [client.deadline for client in simulation.clients] == [None] * 5
    assert simulation.deadlines.next is None


def test_a_deadline_just_behind_a_tick_is_put_into_the_next() -> None:
    """Even if it is so little that a division does not show it."""
    for tick in range(1, 2000):
        deadlines = Deadlines()
        watched = watch(deadlines, math.nextafter(tick * TICK, math.inf))
        deadlines.run_due(tick * TICK)
        deadlines.run_due((tick + 1) * TICK)
        assert watched.expired == 1


def test_keeping_time_looks_often_enough(run_in_no_time: RunInNoTime) -> None:
    """Not before, not much later, and an earlier deadline is not slept through."""
    seen: dict[str, float] = {}

    @dataclass(eq=False)
    class Client(Watched):
        name: str = ""

        def expire(self) -> None:
            seen[self.name] = trio.current_time()

    async def main() -> None:
        start = trio.current_time()
        seen[""] = start
        deadlines = Deadlines()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_time, load("trio"), deadlines, Stats([]))
            await trio.sleep(1)
            for name, due in (("late", 300.0), ("early", 5.0), ("later", 400.0)):
                client = Client(start + due, name=name)
                deadlines.watch(client, start + due)
                await trio.sleep(1)
            client.deadline = start + 600.0
            await trio.sleep(700)
            nursery.cancel_scope.cancel()

    run_in_no_time(main)
    assert list(seen) == ["", "early", "late", "later"]
    for name, due in (("early", 5.0), ("late", 300.0), ("later", 600.0)):
        assert -EPSILON <= seen[name] - seen[""] - due <= TICK + INTERVAL + EPSILON


def test_who_is_discarded_is_not_looked_at() -> None:
    """Nor held on to; discarding twice does nothing."""
    deadlines = Deadlines()
    one, two = watch(deadlines, 10.0), watch(deadlines, 10.0)
    deadlines.discard(one)
    deadlines.discard(one)
    assert one.tick is None
    deadlines.run_due(11.0)
    assert (0, 0, 1) == (one.looks, one.expired, two.expired)
    deadlines.watch(one, 12.0)
    deadlines.run_due(13.0)
    assert 1 == one.expired


def test_many_are_looked_at_in_batches() -> None:
    """So that others have their turn in between; whether there are more is told."""
    deadlines = Deadlines()
    watched = [watch(deadlines, 10.0) for _ in range(2 * BATCH + 1)]
    looks = []
    while deadlines.run_due(11.0):
        looks.append(sum(one.expired for one in watched))
    assert [BATCH, 2 * BATCH] == looks
    assert [1] * (2 * BATCH + 1) == [one.expired for one in watched]


def test_many_that_expire_together_leave_turns_to_others(run_in_no_time: RunInNoTime) -> None:
    """One between two batches."""
    counts: list[int] = []

    async def main() -> None:
        deadlines = Deadlines()
        crowd = [watch(deadlines, trio.current_time()) for _ in range(5 * BATCH)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_time, load("trio"), deadlines, Stats([]))
            await trio.sleep(INTERVAL)
            while sum(one.expired for one in crowd) < len(crowd):
                await trio.lowlevel.checkpoint()
                counts.append(sum(one.expired for one in crowd))
            nursery.cancel_scope.cancel()

    run_in_no_time(main)
    assert 2 * BATCH >= max(after - before for before, after in itertools.pairwise([0, *counts]))
