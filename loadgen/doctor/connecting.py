"""Checks of what the kernel counts connections with: descriptors, ports and queues."""

import math
from collections.abc import Iterator
from typing import Final

from .finding import Finding, count
from .system import System

#: Descriptors that are no connections, as `commands.load` reserves them.
RESERVED: Final = 32
#: Connections being made at a time, many times over: no queue of the kernel need be longer.
QUEUE: Final = 1024


def descriptors(system: System, wanted: int) -> Iterator[Finding]:
    """The hard limit counts: the soft one is raised to it before a run."""
    found = system.descriptors()
    if found is None:
        return
    soft, hard = found
    holds = max(hard - RESERVED, 0)
    yield Finding.of(
        "descriptors",
        f"soft {count(soft)}, hard {count(hard)}",
        f"{count(holds)} connections a process; the soft limit is raised to the hard one",
        f"ulimit -Hn {wanted + RESERVED}   (as root, in the shell that starts it;"
        f" or --workers {math.ceil(wanted / max(holds, 1))})",
        holds=holds,
        wanted=wanted,
    )


def files(system: System, wanted: int) -> Iterator[Finding]:
    """Descriptors of the whole machine."""
    found = system.sysctl("fs.file-nr")
    if len(found) < 3:
        return
    used, most = found[0], found[2]
    yield Finding.of(
        "files",
        f"{count(used)} of {count(most)} in use on the machine",
        f"{count(most - used)} connections",
        f"sysctl -w fs.file-max={used + 4 * wanted}",
        holds=most - used,
        wanted=wanted,
    )


def ports(system: System, wanted: int) -> Iterator[Finding]:
    """Each connection to one server from one address has a port of its own."""
    found = system.sysctl("net.ipv4.ip_local_port_range")
    if len(found) != 2:
        return
    low, high = found
    ports = high - low + 1
    change = 'sysctl -w net.ipv4.ip_local_port_range="1024 65535"'
    widest = 65535 - 1024 + 1
    if wanted > widest:
        change += f"   and {math.ceil(wanted / widest)} addresses with --source-ip"
    yield Finding.of(
        "ephemeral ports",
        f"{low} to {high}",
        f"{count(ports)} connections to one server from each address",
        change,
        holds=ports,
        wanted=wanted,
    )


def port_reuse(system: System, _wanted: int) -> Iterator[Finding]:
    """A port of a closed connection waits for a minute, unless it may be used again."""
    found = system.sysctl("net.ipv4.tcp_tw_reuse")
    if not found:
        return
    meaning = {0: "off: a closed connection keeps its port for a minute",
               1: "on", 2: "on, for loopback alone"}  # fmt: skip
    yield Finding.of(
        "tcp_tw_reuse",
        str(found[0]),
        meaning.get(found[0], "unknown"),
        "sysctl -w net.ipv4.tcp_tw_reuse=1   (if clients reconnect)",
        fine=found[0] > 0,
    )


def queues(system: System, wanted: int) -> Iterator[Finding]:
    """Where connections wait for a server on this machine."""
    kinds = {
        "net.core.somaxconn": "wait for a server here to accept them",
        "net.ipv4.tcp_max_syn_backlog": "be made with a server here",
    }
    for name, meaning in kinds.items():
        for value in system.sysctl(name)[:1]:
            yield Finding.of(
                name.rpartition(".")[2],
                count(value),
                f"so many connections at a time may {meaning}",
                f"sysctl -w {name}=4096",
                fine=value >= min(wanted, QUEUE),
            )


def conntrack(system: System, wanted: int) -> Iterator[Finding]:
    """Where a firewall tracks connections, it does so up to a number."""
    most = system.sysctl("net.netfilter.nf_conntrack_max")
    if not most:
        return
    used = (system.sysctl("net.netfilter.nf_conntrack_count") or [0])[0]
    yield Finding.of(
        "conntrack",
        f"{count(used)} of {count(most[0])} in use",
        f"{count(most[0] - used)} connections",
        f"sysctl -w net.netfilter.nf_conntrack_max={used + 2 * wanted}",
        holds=most[0] - used,
        wanted=wanted,
    )
