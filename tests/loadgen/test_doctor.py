"""``doctor``: judged on made-up machines, and asked on this one."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loadgen.doctor import Finding, Level, Noise, System, examine, listen_to, noise
from loadgen.doctor.noise import stolen_between

from .test_search_commands import loadgen

WANTED = 10_000
CLOCKS = "sys/devices/system/clocksource/clocksource0"

#: A machine on which all is well.
GOOD = {
    "proc/self/limits": "Limit  Soft Limit  Hard Limit  Units\n"
    "Max processes             1  1  processes\n"
    "Max open files            1024                 20000                files\n",
    "proc/self/status": "Name:\tpython\nCpus_allowed:\tff\nCpus_allowed_list:\t0-2,8\n",
    "proc/self/cgroup": "0::/app/job\n",
    "proc/meminfo": "MemTotal: 9000000 kB\nMemAvailable:    4194304 kB\n",
    "proc/sys/fs/file-nr": "2000\t0\t1000000\n",
    "proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
    "proc/sys/net/ipv4/tcp_tw_reuse": "2\n",
    "proc/sys/net/ipv4/tcp_max_syn_backlog": "2048\n",
    "proc/sys/net/core/somaxconn": "4096\n",
    f"{CLOCKS}/current_clocksource": "tsc\n",
    f"{CLOCKS}/available_clocksource": "tsc hpet acpi_pm\n",
    "sys/fs/cgroup/app/memory.max": "max\n",
    "sys/fs/cgroup/app/pids.max": "500\n",
    "sys/fs/cgroup/app/pids.current": "10\n",
    "sys/fs/cgroup/app/job/cpu.max": "max 100000\n",
}
QUIET = Noise(late_p99=0.0001, late_max=0.001, stolen=0.0)


def machine(root: Path, **files: str) -> System:
    """A good machine, but for these files; those that are empty are not there."""
    for name, text in {**GOOD, **files}.items():
        if text:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return System(root)


def found(system: System, name: str, wanted: int = WANTED, noise: Noise = QUIET) -> Finding:
    """The one finding of this name."""
    (finding,) = (one for one in examine(system, wanted, noise) if one.name == name)
    return finding


def test_a_good_machine_needs_nothing(tmp_path: Path) -> None:
    """All is well, nothing is to be changed, and the least that holds is the descriptors'."""
    findings = examine(machine(tmp_path), WANTED, QUIET)
    assert {Level.OK} == {finding.level for finding in findings}
    assert {""} == {finding.change for finding in findings}
    assert 20_000 - 32 == min(finding.holds for finding in findings)
    assert [
        "descriptors", "files", "ephemeral ports", "tcp_tw_reuse", "somaxconn",
        "tcp_max_syn_backlog", "memory", "CPUs", "processes", "clock source", "wake-ups", "steal",
    ] == [finding.name for finding in findings]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "text", "name", "holds", "change"),
    [
        ("proc/self/limits", "Max open files 512 4096 files\n", "descriptors", 4064,
         "ulimit -Hn 10032"),
        ("proc/sys/fs/file-nr", "2000 0 9000\n", "files", 7000, "sysctl -w fs.file-max=42000"),
        ("proc/sys/net/ipv4/ip_local_port_range", "40000 40999\n", "ephemeral ports", 1000,
         'sysctl -w net.ipv4.ip_local_port_range="1024 65535"'),
        ("proc/sys/net/netfilter/nf_conntrack_max", "8192\n", "conntrack", 8192,
         "sysctl -w net.netfilter.nf_conntrack_max=20000"),
        ("proc/meminfo", "MemAvailable: 204800 kB\n", "memory", (100 << 20) // (24 << 10),
         "334 MiB"),
        ("sys/fs/cgroup/app/memory.max", f"{100 << 20}\n", "memory", 0,
         "/sys/fs/cgroup/app/memory.max"),
        ("sys/fs/cgroup/app/pids.max", "12\n", "processes", 0,
         "echo 28 > /sys/fs/cgroup/app/pids.max"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isalpha() else "",
)  # fmt: skip
def test_too_few(tmp_path: Path, path: str, text: str, name: str, holds: int, change: str) -> None:
    """What does not suffice is said, with how many it is enough for and the command for more."""
    finding = found(machine(tmp_path, **{path: text}), name)
    assert (Level.TOO_FEW, holds) == (finding.level, finding.holds)
    assert change in finding.change


@pytest.mark.parametrize(
    ("path", "text", "name", "change"),
    [
        ("proc/sys/net/ipv4/tcp_tw_reuse", "0\n", "tcp_tw_reuse",
         "sysctl -w net.ipv4.tcp_tw_reuse=1"),
        ("proc/sys/net/core/somaxconn", "128\n", "somaxconn",
         "sysctl -w net.core.somaxconn=4096"),
        ("proc/sys/net/ipv4/tcp_max_syn_backlog", "128\n", "tcp_max_syn_backlog",
         "sysctl -w net.ipv4.tcp_max_syn_backlog=4096"),
        ("proc/self/status", "Cpus_allowed_list:\t3\n", "CPUs", "taskset"),
        ("sys/fs/cgroup/app/cpu.max", "50000 100000\n", "CPU quota",
         "echo max > /sys/fs/cgroup/app/cpu.max"),
        (f"{CLOCKS}/current_clocksource", "hpet\n", "clock source", "echo tsc > /sys/devices"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isalpha() else "",
)  # fmt: skip
def test_warnings(tmp_path: Path, path: str, text: str, name: str, change: str) -> None:
    """What makes for worse figures holds as many as are wanted, and can be changed."""
    finding = found(machine(tmp_path, **{path: text}), name)
    assert Level.WARNING is finding.level
    assert finding.change.startswith(change)


def test_few_connections_need_no_long_queues(tmp_path: Path) -> None:
    """A backlog is long enough for all that there are."""
    system = machine(tmp_path, **{"proc/sys/net/core/somaxconn": "128\n"})
    assert Level.OK is found(system, "somaxconn", wanted=100).level


def test_more_than_all_ports_need_addresses(tmp_path: Path) -> None:
    """The widest range is not enough for them."""
    finding = found(machine(tmp_path), "ephemeral ports", wanted=100_000)
    assert Level.TOO_FEW is finding.level
    assert "2 addresses with --source-ip" in finding.change


def test_old_control_groups(tmp_path: Path) -> None:
    """Version 1 has a hierarchy for each controller, and other names for limits."""
    group = "9:pids:/a\n4:cpu,cpuacct:/b\n3:memory:/c\n"
    system = machine(
        tmp_path,
        **{
            "proc/self/cgroup": group,
            "sys/fs/cgroup/pids/a/pids.max": "20\n",
            "sys/fs/cgroup/pids/a/pids.current": "3\n",
            "sys/fs/cgroup/cpu/b/cpu.cfs_quota_us": "150000\n",
            "sys/fs/cgroup/memory/c/memory.limit_in_bytes": f"{300 << 20}\n",
            "sys/fs/cgroup/memory/c/memory.usage_in_bytes": f"{100 << 20}\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    assert "1.5 CPUs" in found(system, "CPU quota").value
    assert Level.OK is found(system, "processes").level
    assert (100 << 20) // (24 << 10) == found(system, "memory").holds


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    """A machine that says nothing is not complained about."""
    assert [] == examine(System(tmp_path), WANTED)
    garbage = dict.fromkeys([*GOOD, "proc/stat"], "?:\n Max open files x y\n-\n")
    for finding in examine(machine(tmp_path, **garbage), WANTED):
        assert finding.name in {"descriptors", "clock source"}, finding


def test_noise_is_warned_of(tmp_path: Path) -> None:
    """Late wake-ups and stolen time, each by itself."""
    system = machine(tmp_path)
    late = found(system, "wake-ups", noise=Noise(0.02, 0.05, 0.0))
    assert (Level.WARNING, "late by 20.0 ms (p99), 50.0 ms (max)") == (late.level, late.value)
    assert Level.WARNING is found(system, "steal", noise=Noise(0.0, 0.0, 0.2)).level


def test_noise_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How late naps end; what is stolen comes from the machine's counts."""
    now, late = [100.0], iter([0.0002] * 98 + [0.003, 0.02])

    def sleep(seconds: float) -> None:
        now[0] += seconds + next(late)

    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=sleep)
    monkeypatch.setattr(noise, "time", clock)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_text("cpu  10 0 10 80 0 0 0 5 0 0\ncpu0 1 1\n")
    heard = listen_to(System(tmp_path), 0.13)
    assert None is next(late, None)
    assert pytest.approx([0.02, 0.02]) == [heard.late_p99, heard.late_max]
    assert 0.0 == heard.stolen

    late = iter([0.0002] * 150 + [0.003, 0.02])
    heard = listen_to(System(tmp_path / "none"), 0.2)
    assert pytest.approx([0.003, 0.02]) == [heard.late_p99, heard.late_max]
    assert None is heard.stolen


def test_time_is_stolen_between_two_looks() -> None:
    """The share of all that there was; of none there is no telling."""
    assert 0.25 == stolen_between([0] * 8, [10, 0, 10, 50, 0, 5, 0, 25])
    assert 0.0 == stolen_between([1] * 8, [1] * 8)
    assert None is stolen_between([], [1] * 8)


def test_the_command_on_this_machine() -> None:
    """A connection will hold, a thousand millions will not; what is said is the same as JSON."""
    ended = loadgen("doctor", "-c", "1")
    assert (0, "") == (ended.returncode, ended.stderr)
    assert "1 connections will hold" in ended.stdout
    ended = loadgen("doctor", "-c", "1000M", "-o", "json")
    answer: Any = json.loads(ended.stdout)
    assert 1 == ended.returncode
    assert ("dumb_async.loadgen.doctor/1", False) == (answer["schema"], answer["holds"])
    assert 0 < answer["most"] < 10**9
    worst = min(one["holds"] for one in answer["findings"] if one["holds"] is not None)
    assert worst == answer["most"]
    assert {"name", "level", "value", "allows", "change", "holds"} == set(answer["findings"][0])
