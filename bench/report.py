"""The figures as tables, each beside its target."""

import math
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from bench.bystander import ONSET_S, SCENARIOS, Scene
from bench.intake import CLIENTS
from bench.layout import Row, in_order, judged, short, table
from bench.machine import median
from bench.plan import Plan, Results
from bench.speed import SPEED_HEAD, SPEED_NOTE, speed, speed_rows
from bench.suite import IDLE_CONNECTIONS
from bench.targets import GENERATED, IDLE_BYTES, INTAKE_S, P99_MS, READY_S, SPEEDUP
from bench.workers import CONNECTIONS, CREWS, ITERATIONS, JUDGED, ONE, Turn

IDLE_HEAD = ("", "server", "bytes", "target", "")
INTAKE_HEAD = ("", "server", "s", "target", "", "best", "longest", "CPU µs each")
READY_HEAD = ("", "server", "s", "target", "", "longest")
BYSTANDER_HEAD = ("beside", "server", "p99", "target", "", "best", "p50", "max", "with onset",
                  "onset max", "late", "stolen", "others", "trouble made", "")  # fmt: skip
WORKERS_HEAD = ("", "epoll-workers", "ratio", "target", "", "lowest", "highest", "undisturbed",
                "per second", "CPU µs each", "CPUs busy", "of free", "client", "stolen",
                "others")  # fmt: skip

GENERATOR_HEAD = ("", "of", "median", "target", "", "worst", "")

NOTES = {
    "intake": "From the first connect until each client has had its PONG. The floor's row is what "
    "the clients and the kernel take.",
    "bystander": f"""\
p99 and p50 are medians of the rounds, best is the lowest p99 of a round, max the worst of all.
The first {ONSET_S} s of trouble are told apart: "with onset" is the p99 with them counted too,
"onset max" the worst of them; no other column, and no verdict, has them.
Noise of the machine: late is the longest the bystander overslept; of the server's CPU, stolen
went to other tenants of the host, and others to other programs. Where these are not near zero,
or "nothing else" is far above a millisecond, repeat the run.""",
    "workers": """\
The ratio is to the requests a second of the first row in the same round; undisturbed is what it
would be if stolen and others, see the bystander, had taken nothing of either row's CPUs, and of
free is the share of what they left that the row kept busy. CPUs busy: the CPU time of all its
processes, by the clock. The client's share is of the second CPU. A ratio over 2 is noise.""",
}


def tables(results: Results) -> str:
    """Lay out all that was measured; what was not has no table."""
    parts = [
        table("Speed, as a ratio to the floor in C", SPEED_HEAD, speed_rows(results.speed)),
        SPEED_NOTE if results.speed else "",
        table("Private memory of an idle connection", IDLE_HEAD, idle_rows(results)),
        table("A crowd that comes at once", INTAKE_HEAD, intake_rows(results)),
        NOTES["intake"] if results.intakes else "",
        table("From start to the first PONG", READY_HEAD, ready_rows(results)),
        table("A bystander's PING every 5 ms, in ms", BYSTANDER_HEAD, bystander_rows(results)),
        NOTES["bystander"] if results.scenes else "",
        table("Workers, under a closed loop of BURNs", WORKERS_HEAD, worker_rows(results)),
        NOTES["workers"] if any(results.turns) else "",
        table("The load generator, on one CPU", GENERATOR_HEAD, generator_rows(results)),
        "\n".join(f"NOT MEASURED: {failure}" for failure in results.failures),
    ]
    return "\n\n".join(part for part in parts if part)


def idle_rows(results: Results) -> Iterator[Row]:
    """Return a row for each server."""
    for name, measured in results.idle_bytes.items():
        target = IDLE_BYTES.get(name)
        yield (
            f"{IDLE_CONNECTIONS:,} held",
            name,
            f"{measured:,.0f}",
            f"≤ {target:,.0f}" if target else "",
            judged(measured, at_most=target),
        )


def intake_rows(results: Results) -> Iterator[Row]:
    """Return a row for each server, the floor among them."""
    for name, intakes in results.intakes.items():
        target, seconds = INTAKE_S.get(name), [one.seconds for one in intakes]
        yield (
            f"{CLIENTS:,} connections taken in",
            name,
            f"{median(seconds):.2f}",
            f"≤ {target:.2f}" if target else "",
            judged(median(seconds), at_most=target),
            f"{min(seconds):.2f}",
            f"{max(seconds):.2f}",
            f"{median([one.cpu_us for one in intakes]):.0f}",
        )


def ready_rows(results: Results) -> Iterator[Row]:
    """Return a row for each server, the floor among them."""
    for name, times in results.ready_s.items():
        target = READY_S.get(name)
        yield (
            f"{len(times)} starts",
            name,
            f"{median(times):.3f}",
            f"≤ {target}" if target else "",
            judged(median(times), at_most=target),
            f"{max(times):.3f}",
        )


def bystander_rows(results: Results) -> Iterator[Row]:
    """Return a row for each scenario and each server."""
    for scenario, servers in in_order(results.scenes, SCENARIOS):
        for name, scenes in servers.items():
            yield bystander_row(scenario, name, scenes)


def bystander_row(scenario: str, name: str, scenes: Sequence[Scene]) -> Row:
    """Sum up the rounds of a scenario: medians, but the worst of all maxima."""
    sums = latency(scenes)
    target = P99_MS.get(name)
    verdict = judged(sums["p99_ms"], at_most=target)
    if sums["unanswered"]:
        verdict = f"{sums['unanswered']} UNANSWERED"
    return (
        scenario,
        name,
        f"{sums['p99_ms']:.2f}",
        f"≤ {target:.0f}" if target else "",
        verdict,
        f"{sums['best_p99_ms']:.2f}",
        f"{sums['p50_ms']:.2f}",
        f"{sums['max_ms']:.1f}",
        f"{sums['with_onset_p99_ms']:.2f}",
        f"{sums['onset_ms']:.1f}",
        f"{sums['late_ms']:.1f}",
        f"{sums['stolen']:.0%}",
        f"{sums['others']:.0%}",
        short(sums["done"]) if sums["unit"] else "",
        sums["unit"],
    )


def latency(scenes: Sequence[Scene]) -> dict[str, Any]:
    """Sum up the rounds of a scenario."""
    watches = [scene.watch for scene in scenes]
    p99s_ms = [percentile(watch.latencies_s, 0.99) * 1e3 for watch in watches]
    return {
        "p50_ms": median([percentile(watch.latencies_s, 0.50) for watch in watches]) * 1e3,
        "p99_ms": median(p99s_ms),
        "best_p99_ms": min(p99s_ms),
        "max_ms": max(max(watch.latencies_s) for watch in watches) * 1e3,
        "with_onset_p99_ms": median([percentile(watch.whole_s, 0.99) for watch in watches]) * 1e3,
        "onset_ms": max(max(watch.onset_s) for watch in watches) * 1e3,
        "late_ms": max(watch.late_s for watch in watches) * 1e3,
        "unanswered": sum(watch.unanswered for watch in watches),
        "stolen": median([scene.stolen for scene in scenes]),
        "others": median([scene.others for scene in scenes]),
        "done": median([scene.done for scene in scenes]),
        "unit": scenes[0].unit,
    }


def worker_rows(results: Results) -> Iterator[Row]:
    """Return a row for each crew of workers."""
    for name, sums in crews(results).items():
        target = SPEEDUP if name == JUDGED else None
        ratios = sums["ratios"]
        yield (
            f"BURN {ITERATIONS}, {CONNECTIONS} connections",
            name,
            f"{sums['ratio']:.2f}" if ratios else "",
            f"≥ {target:.2f}" if target else "",
            judged(sums["ratio"], at_least=target) if ratios else "",
            f"{min(ratios):.2f}" if ratios else "",
            f"{max(ratios):.2f}" if ratios else "",
            f"{sums['undisturbed']:.2f}" if ratios else "",
            short(sums["per_s"]),
            f"{sums['cpu_us']:.0f}",
            f"{sums['cpus']:.2f}",
            *(f"{sums[share]:.0%}" for share in ("of_free", "client", "stolen", "others")),
        )


def generator_rows(results: Results) -> Iterator[Row]:
    """Return a row for each figure of the load generator."""
    done = results.generated
    if not done.closed:
        return
    ratios = [ours / in_c for in_c, ours in done.closed]
    rates = [ours for _, ours in done.closed]
    note = f"{short(median(rates))}requests/s, {median(done.cpu_us):.2f} CPU µs each"
    yield _generated("PING, 50 connections", "the load in C", ratios, "ratio", ".2f", note)
    yield _generated("10,000 connections made", "s", done.crowd_s, "crowd_s", ".2f")
    yield _generated("a connection of those", "bytes", done.crowd_bytes, "crowd_bytes", ",.0f")
    missed = [abs(1 - achieved) for achieved in done.achieved]
    yield _generated("20,000 requests/s for 10 s", "missed", missed, "missed", ".3%")
    yield _generated("their lag, p99", "ms", done.lag_ms, "lag_ms", ".2f")


def _generated(
    what: str, unit: str, values: Sequence[float], name: str, form: str, note: str = ""
) -> Row:
    target, least = GENERATED[name], name == "ratio"
    verdict = judged(median(values), **{"at_least" if least else "at_most": target})
    sign, worst = ("≥", min(values)) if least else ("≤", max(values))
    figures = f"{median(values):{form}}", f"{sign} {target:{form}}", verdict, f"{worst:{form}}"
    return what, unit, *figures, note


def crews(results: Results) -> dict[str, dict[str, Any]]:
    """Sum up the rounds of every crew: medians, and its speed beside one worker's."""
    sums: dict[str, dict[str, Any]] = {}
    for name in CREWS:
        rounds = [turns for turns in results.turns if name in turns]
        if rounds:
            pairs = [(turns[ONE], turns[name]) for turns in rounds if ONE in turns]
            figures = [asdict(turns[name]) for turns in rounds]
            medians = {key: median([one[key] for one in figures]) for key in figures[0]}
            sums[name] = {**medians, **speedup(pairs), "rounds": figures}
    return sums


def speedup(pairs: Sequence[tuple[Turn, Turn]]) -> dict[str, Any]:
    """Compare a crew with one worker, round by round; also as if both had had all their CPUs."""
    ratios = [crew.per_s / one.per_s for one, crew in pairs]
    undisturbed = [crew.undisturbed_per_s / one.undisturbed_per_s for one, crew in pairs]
    return {"ratio": median(ratios), "ratios": ratios, "undisturbed": median(undisturbed)}


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def as_json(plan: Plan, results: Results) -> dict[str, Any]:
    """Return all figures with their rounds, for programs to read."""
    return {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "commands": {name: list(command) for name, command in plan.commands.items()},
        "bare_commands": {name: list(command) for name, command in plan.bare.items()},
        "speed": {
            figure: {
                name: {**speed(rounds), "rounds": [asdict(one) for one in rounds]}
                for name, rounds in servers.items()
            }
            for figure, servers in results.speed.items()
        },
        "idle_bytes": results.idle_bytes,
        "intake": {
            name: [asdict(one) for one in intakes] for name, intakes in results.intakes.items()
        },
        "ready_s": results.ready_s,
        "bystander": {
            scenario: {
                name: {**latency(scenes), "rounds": [latency([scene]) for scene in scenes]}
                for name, scenes in servers.items()
            }
            for scenario, servers in results.scenes.items()
        },
        "workers": crews(results),
        "generator": asdict(results.generated),
        "failures": results.failures,
    }
