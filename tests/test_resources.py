"""Descriptors, memory, CPUs: what there is for a server, and whether one more client fits in."""

import os
import resource
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from dumb_async import Settings
from dumb_async.hosting import NoRoom
from dumb_async.hosting import resources as module
from dumb_async.hosting.resources import (
    HEADROOM,
    RESERVED_DESCRIPTORS,
    Capacity,
    connections_allowed,
    raise_descriptor_limit,
    warn_of_descriptors,
)

from .support import PATIENCE


class Limits:
    """The kernel's limits, without the kernel: of descriptors, and of memory where told."""

    def __init__(
        self, soft: int, hard: int, *, highest: int = 10**9, memory: int = resource.RLIM_INFINITY
    ) -> None:
        self.now = (soft, hard)
        self._highest = highest
        self._memory = memory

    def get(self, kind: int) -> tuple[int, int]:
        if kind == resource.RLIMIT_AS:
            return self._memory, resource.RLIM_INFINITY
        assert resource.RLIMIT_NOFILE == kind
        return self.now

    def set(self, kind: int, limits: tuple[int, int]) -> None:
        assert resource.RLIMIT_NOFILE == kind
        if not 0 <= limits[0] <= self._highest:
            raise ValueError("not allowed to raise maximum limit")
        self.now = limits


@pytest.fixture
def limit_to(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the process other limits than it has."""

    def give(*limits: int, **options: int) -> Limits:
        made = Limits(*limits, **options)
        monkeypatch.setattr(resource, "getrlimit", made.get)
        monkeypatch.setattr(resource, "setrlimit", made.set)
        return made

    return give


def test_the_soft_limit_is_raised_to_the_hard_one(limit_to: Any) -> None:
    """As far as a process may by itself."""
    limits = limit_to(1024, 20_000)
    assert 20_000 == raise_descriptor_limit()
    assert (20_000, 20_000) == limits.now


def test_a_limit_that_cannot_be_raised_stays(limit_to: Any) -> None:
    """Such as from many to "unlimited"."""
    limits = limit_to(1024, resource.RLIM_INFINITY)
    assert 1024 == raise_descriptor_limit()
    assert (1024, resource.RLIM_INFINITY) == limits.now


def test_as_many_clients_as_descriptors_allow(limit_to: Any) -> None:
    """Less a reserve, and never none."""
    limits = limit_to(20_000, 30_000)
    assert 20_000 - RESERVED_DESCRIPTORS == connections_allowed(Settings())
    assert (20_000, 30_000) == limits.now  # the process is somebody else's
    limit_to(50, 50)
    assert 1 == connections_allowed(Settings())


def test_a_limit_that_is_set_is_kept(limit_to: Any) -> None:
    """It is tried, whatever the descriptors allow."""
    limit_to(1024, 20_000)
    assert 5000 == connections_allowed(Settings(limit_connections=5000))


@pytest.mark.parametrize(
    ("descriptors", "wanted", "words"),
    [
        (2000, 5000, ("for 1900 clients at a time, not 5000:", "are 2000,")), (2000, 1900, None),
        (64, None, ("enough for 1 client at a time: there are 64,",)),
        (199, None, ("for 99 clients",)),
        (200, None, None), (64, 1, None), (64, 2, ("for 1 client at a time, not 2:",)),
    ],
)  # fmt: skip
def test_few_descriptors_are_warned_of(
    limit_to: Any,
    caplog: pytest.LogCaptureFixture,
    descriptors: int,
    wanted: int | None,
    words: tuple[str, ...] | None,
) -> None:
    """Where they allow fewer clients than are asked for, or, unasked, fewer than a hundred."""
    limit_to(descriptors, descriptors)
    warn_of_descriptors(Settings(limit_connections=wanted))
    messages = [record.getMessage() for record in caplog.records]
    assert (words is not None) == len(messages)
    assert [] == [word for word in words or () if word not in messages[0]]


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes that are still to be had, the only element, as far as anybody asks."""
    left = [HEADROOM]
    monkeypatch.setattr(module, "_can_have", lambda size: size <= left[0])
    return left


def why_not(capacity: Capacity, clients: int) -> str | None:
    """The reason for which one more client has no room; ``None``: it has."""
    try:
        capacity.check(clients)
    except NoRoom as reason:
        return str(reason)
    return None


def test_there_is_room_for_as_many_as_there_may_be(limit_to: Any) -> None:
    """And for nobody beside them."""
    limit_to(1024, 1024)
    for settings, most in ((Settings(limit_connections=3), 3), (Settings(), 924)):
        capacity = Capacity(settings)
        assert [None, None, "busy", "busy"] == [
            why_not(capacity, clients) for clients in (0, most - 1, most, most + 1)
        ]


def test_unlimited_memory_is_not_looked_at(limit_to: Any, memory: list[int]) -> None:
    """It would cost every client two system calls."""
    limit_to(1024, 1024)
    memory[0] = 0
    assert why_not(Capacity(Settings()), 0) is None


def test_limited_memory_must_be_left(limit_to: Any, memory: list[int]) -> None:
    """A reserve, so that those who are in can be served; being too many comes first."""
    limit_to(1024, 1024, memory=2**30)
    capacity = Capacity(Settings(limit_connections=3))
    assert why_not(capacity, 2) is None
    memory[0] = HEADROOM - 1
    assert ["memory", "busy"] == [why_not(capacity, clients) for clients in (2, 3)]
    memory[0] = HEADROOM
    assert why_not(capacity, 2) is None


def confined(code: str) -> list[str]:
    """What a program prints that may limit itself, as no test of this process may."""
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (0, "") == (ended.returncode, ended.stderr)
    return ended.stdout.splitlines()


def test_serving_leaves_the_process_as_it_is() -> None:
    """Its limit of descriptors, its signals and where it imports from are its program's."""
    assert ["True", "True"] == confined("""
        import asyncio, resource, signal, sys
        import dumb_async

        async def main():
            task = asyncio.create_task(dumb_async.serve(port=0, task_status=Status()))
            await started.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        class Status:
            def started(self, _):
                print(state() == before)
                started.set()

        def state():
            return (resource.getrlimit(resource.RLIMIT_NOFILE), list(sys.path),
                    signal.getsignal(signal.SIGTERM))

        resource.setrlimit(
            resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        )
        started = asyncio.Event()
        before = state()
        dumb_async.load_service("examples.greeter:service")
        asyncio.run(main())
        print(state() == before)
    """)


def test_a_memory_limit_is_kept_and_seen() -> None:
    """What is over it cannot be had; who would need it is refused, until it is given back."""
    assert ["None", "memory", "None", "out of memory"] == confined("""
        import mmap
        from dumb_async import Settings
        from dumb_async.hosting import Capacity, NoRoom
        from dumb_async.hosting.resources import HEADROOM, limit_memory

        def why_not():
            try:
                capacity.check(100)
            except NoRoom as reason:
                return reason

        size = int(open("/proc/self/statm").read().split()[0]) * mmap.PAGESIZE
        limit_memory(size + 4 * HEADROOM)
        capacity = Capacity(Settings())
        print(why_not())
        hog = mmap.mmap(-1, 3 * HEADROOM + HEADROOM // 2)
        print(why_not())
        hog.close()
        print(why_not())
        try:
            bytes(8 * HEADROOM)
        except MemoryError:
            print("out of memory")
    """)


@pytest.mark.parametrize("size", [0, 4096, 2**20])
def test_a_memory_limit_that_leaves_nothing_is_refused(size: int) -> None:
    """And not left in place: whoever asked for it can still say why."""
    assert [
        f"a memory limit of {size} bytes is less than the server itself needs",
        "True",
        "still here",
    ] == confined(f"""
        import resource
        from dumb_async.hosting.resources import HEADROOM, limit_memory

        before = resource.getrlimit(resource.RLIMIT_AS)
        try:
            limit_memory({size})
        except OSError as error:
            print(error)
        print(before == resource.getrlimit(resource.RLIMIT_AS))
        held = bytes(2 * HEADROOM)
        print("still here")
    """)  # fmt: skip


@pytest.mark.parametrize("size", ["2**40", "2**63", "2**70"])
def test_a_memory_limit_over_what_may_be_had_is_refused(size: str) -> None:
    """Even if no C library could write it; the limit there was stays."""
    assert [f"the memory limit cannot be raised to {eval(size)} bytes", "True"] == confined(f"""
        import resource
        from dumb_async.hosting.resources import limit_memory

        resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**36))
        try:
            limit_memory({size})
        except OSError as error:
            print(error)
        print((2**32, 2**36) == resource.getrlimit(resource.RLIMIT_AS))
    """)


def test_a_limit_that_is_too_small_leaves_the_one_before() -> None:
    """The soft one, too."""
    assert ["True"] == confined("""
        import contextlib, resource
        from dumb_async.hosting.resources import limit_memory

        resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**36))
        with contextlib.suppress(OSError):
            limit_memory(4096)
        print((2**32, 2**36) == resource.getrlimit(resource.RLIMIT_AS))
    """)


def test_pinning_keeps_every_thread_to_the_cpus() -> None:
    """The present one and those it starts; CPUs that are not there are passed over."""
    assert ["True", "True", "True"] == confined("""
        import os, threading
        from dumb_async.hosting.resources import pin

        first, *_ = there = sorted(os.sched_getaffinity(0))
        pin(there)
        print(set(there) == os.sched_getaffinity(0))
        pin([first, 1000])
        print({first} == os.sched_getaffinity(0))
        thread = threading.Thread(target=lambda: print({first} == os.sched_getaffinity(0)))
        thread.start()
        thread.join()
    """)


@pytest.mark.parametrize("cpus", [[1000], [1000, 1001], [9999], [2**40]])
def test_cpus_that_are_not_there_are_refused(cpus: list[int]) -> None:
    """With those that are; nothing has changed."""
    before = os.sched_getaffinity(0)
    with pytest.raises(OSError, match=f"CPU {','.join(map(str, cpus))}: there is 0"):
        module.pin(cpus)
    assert before == os.sched_getaffinity(0)
