"""Checks of what the machine has for us: memory, CPUs, a clock, and some quiet."""

import math
from collections.abc import Iterator
from typing import Final

from ..plan.units import show_duration
from .finding import Finding, count
from .noise import Noise
from .system import System, limited

#: Bytes a connection takes in our process: what `selftest` shows, rounded up.
OURS: Final = 8 << 10
#: Bytes that the two ends of an idle connection take in the kernel.
KERNELS: Final = 16 << 10
#: Bytes of an agent that has no connection yet, and of the command beside it.
BASE: Final = 100 << 20
#: Clocks that are read without a system call.
FAST_CLOCKS: Final = (
    "tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter", "timebase", "tod",
)  # fmt: skip
#: Processes and threads of a run with a worker, a metrics page and a live view.
TASKS: Final = 16
#: Seconds by which one nap in a hundred may be late, and the share that may be stolen.
LATE: Final = 0.002
STOLEN: Final = 0.01

_CLOCKS: Final = "sys/devices/system/clocksource/clocksource0"


def memory(system: System, wanted: int) -> Iterator[Finding]:
    """What is available to us: of the machine, and of our control groups."""
    rooms = [("the machine", room)] if (room := system.available()) else []
    for path, text in system.cgroup("memory", "memory.max", "memory.limit_in_bytes"):
        if (most := limited(text)) is not None:
            place, _, name = path.rpartition("/")
            current = "memory.current" if name == "memory.max" else "memory.usage_in_bytes"
            used = (system.numbers(f"{place}/{current}") or [0])[0]
            rooms.append((f"/{path}", max(most - used, 0)))
    if not rooms:
        return
    where, room = min(rooms, key=lambda one: one[1])
    holds = max(room - BASE, 0) // (OURS + KERNELS)
    needed = (BASE + wanted * (OURS + KERNELS)) >> 20
    change = f"free some, until there are {needed:,} MiB; or use fewer connections"
    if where.startswith("/"):
        change = f"give the control group {needed:,} MiB more: {where}"
    yield Finding.of(
        "memory",
        f"{room >> 20:,} MiB available of {where}",
        f"{count(holds)} connections, at {OURS >> 10} KiB for us and {KERNELS >> 10} KiB"
        " in the kernel",
        change,
        holds=holds,
        wanted=wanted,
    )


def cpus(system: System, _wanted: int) -> Iterator[Finding]:
    """A server on this machine needs one for itself."""
    if not (cpus := system.cpus()):
        return
    yield Finding.of(
        "CPUs",
        str(cpus),
        f"--workers {cpus - 1} beside a server on this machine"
        if cpus > 1
        else "a server on this machine would share it with the generator",
        "taskset -pc 0-$(($(nproc --all)-1)) $$   (or load from another machine)",
        fine=cpus > 1,
    )


def quota(system: System, _wanted: int) -> Iterator[Finding]:
    """CPU time a control group is given: who has used it up stands still for a while."""
    shares = []
    for path, text in system.cgroup("cpu", "cpu.max", "cpu.cfs_quota_us"):
        words = text.split()
        period = [*words, "100000"][1] if path.endswith("cpu.max") else "100000"
        if words[0].isdecimal() and period.isdecimal():
            shares.append((int(words[0]) / int(period), path))
    for share, path in sorted(shares)[:1]:
        yield Finding.of(
            "CPU quota",
            f"{share:g} CPUs (/{path})",
            "who has used it up stands still until the next period: latencies show that",
            f"echo max > /{path}" if path.endswith("cpu.max") else f"echo -1 > /{path}",
            fine=False,
        )


def tasks(system: System, wanted: int) -> Iterator[Finding]:
    """Processes and threads a control group may have."""
    rooms = []
    for path, text in system.cgroup("pids", "pids.max", "pids.max"):
        if (most := limited(text)) is not None:
            used = (system.numbers(f"{path.rpartition('/')[0]}/pids.current") or [0])[0]
            rooms.append((max(most - used, 0), most, path))
    for room, most, path in sorted(rooms)[:1]:
        yield Finding.of(
            "processes",
            f"{count(most - room)} of {count(most)} in use (/{path})",
            f"{count(room)} more processes and threads",
            f"echo {most + TASKS} > /{path}",
            holds=math.inf if room >= TASKS else 0,
            wanted=wanted,
        )


def clock(system: System, _wanted: int) -> Iterator[Finding]:
    """What the time is read from, at every request."""
    if not (name := system.text(f"{_CLOCKS}/current_clocksource")):
        return
    there = system.text(f"{_CLOCKS}/available_clocksource").split()
    better = next((clock for clock in FAST_CLOCKS if clock in there), "")
    yield Finding.of(
        "clock source",
        name,
        "read without a system call"
        if name in FAST_CLOCKS
        else "each look at the time is a system call",
        f"echo {better} > /{_CLOCKS}/current_clocksource" if better else "there is no other",
        fine=name in FAST_CLOCKS,
    )


def naps(noise: Noise) -> Iterator[Finding]:
    """How late the machine wakes who sleeps, and whether it is shared."""
    yield Finding.of(
        "wake-ups",
        f"late by {show_duration(noise.late_p99)} (p99), {show_duration(noise.late_max)} (max)",
        "latencies are exact to about that",
        "stop what else runs here; see `top`",
        fine=noise.late_p99 <= LATE,
    )
    if noise.stolen is not None:
        yield Finding.of(
            "steal",
            f"{noise.stolen:.1%}",
            "CPU time that other tenants of the host had",
            "measure on a machine of your own, or several times",
            fine=noise.stolen <= STOLEN,
        )
