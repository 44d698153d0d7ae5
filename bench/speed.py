"""The table of speed: a server beside the floor, and beside the bare protocol of its runtime."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.layout import Row, in_order, judged, short
from bench.machine import median
from bench.plan import WORKS, Round
from bench.ratio import ratios, summary
from bench.targets import OF_BARE, RATIOS

TITLES = {
    "ping50": "PING, 50 connections",
    "ping1000": "PING, 1000 connections",
    "pipeline64": "PING, 64 deep",
    "stream": "STREAM of 2 GB",
}
SPEED_HEAD = ("", "server", "ratio", "target", "", "of bare", "target", "", "lowest", "highest",
              "by CPU", "per second", "CPU µs each", "bare's", "floor's", "p99 ms")  # fmt: skip
SPEED_NOTE = """\
of bare: the share of what the runtime's bare protocol (bench/bare.py) did in the same round;
lowest, highest and by CPU are of the ratio to the floor. by CPU: the ratio of CPU time spent per
request (per MB of a STREAM), which a busy machine disturbs less."""


def speed_rows(measured: Mapping[str, Mapping[str, Sequence[Round]]]) -> Iterator[Row]:
    """Return a row for each figure that is a ratio, and each server."""
    for figure, servers in in_order(measured, WORKS):
        for name, rounds in servers.items():
            yield speed_row(figure, name, rounds)


def speed_row(figure: str, name: str, rounds: Sequence[Round]) -> Row:
    """Sum up one server's rounds of one figure."""
    sums = speed(rounds)
    return (
        TITLES[figure],
        name,
        *beside_target(sums, RATIOS[figure].get(name)),
        *beside_target(sums["of_bare"], OF_BARE.get(figure, {}).get(name)),
        f"{min(sums['ratios']):.2f}",
        f"{max(sums['ratios']):.2f}",
        f"{sums['floor_cpu_us'] / max(sums['server_cpu_us'], 1e-9):.2f}",
        short(sums["server_per_s"]) + ("B" if figure == "stream" else ""),
        f"{sums['server_cpu_us']:.2f}",
        f"{sums['of_bare']['cpu_us']:.2f}" if sums["of_bare"] else "",
        f"{sums['floor_cpu_us']:.2f}",
        f"{sums['p99_us'] / 1000:.2f}" if sums["p99_us"] else "",
    )


def beside_target(sums: Mapping[str, Any] | None, target: float | None) -> Row:
    """Return a ratio, what it is to be at least, and the verdict; a spoilt one meets no target."""
    wanted = f"≥ {target:.2f}" if target else ""
    if not sums:
        return "", wanted, ""
    spoilt = [f"{sums[what]} {what.upper()}" for what in ("errors", "unanswered") if sums[what]]
    verdict = spoilt[0] if spoilt else judged(sums["ratio"], at_least=target)
    return f"{sums['ratio']:.2f}", wanted, verdict


def speed(rounds: Sequence[Round]) -> dict[str, Any]:
    """Sum up the rounds of a server beside those of the floor, and of its bare protocol."""
    floor, server = [one.floor for one in rounds], [one.server for one in rounds]
    return {**summary(floor, server), "of_bare": of_bare(rounds)}


def of_bare(rounds: Sequence[Round]) -> dict[str, Any] | None:
    """Sum up the rounds that have a bare protocol; None where none has.

    Errors and what was unanswered are of both, since either spoils the ratio.
    """
    pairs = [(one.bare, one.server) for one in rounds if one.bare]
    if not pairs:
        return None
    bare, server = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    each = ratios(bare, server)
    return {
        "ratio": round(median(each), 3),
        "ratios": [round(ratio, 3) for ratio in each],
        "per_s": round(median([sample.per_s for sample in bare])),
        "cpu_us": round(median([sample.cpu_us for sample in bare]), 3),
        "errors": sum(sample.errors for sample in (*bare, *server)),
        "unanswered": sum(sample.unanswered for sample in (*bare, *server)),
    }
