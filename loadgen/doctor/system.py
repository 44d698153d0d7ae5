"""What the kernel says of itself, read from files under a root that tests can make up."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: cgroup v1 says "no limit" with a number near 2^63.
UNLIMITED: Final = 1 << 60


@dataclass(frozen=True, slots=True)
class System:
    """Files of a machine.

    :param root: what ``/proc`` and ``/sys`` are in.
    """

    root: Path = Path("/")

    def text(self, path: str) -> str:
        """The text of a file, stripped; empty if it can not be read."""
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""

    def numbers(self, path: str) -> list[int]:
        """The numbers in a file, separated by white space; those that are none are left out."""
        return [int(word) for word in self.text(path).split() if word.isdecimal()]

    def sysctl(self, name: str) -> list[int]:
        """The numbers of a setting of the kernel, such as ``net.core.somaxconn``."""
        return self.numbers(f"proc/sys/{name.replace('.', '/')}")

    def field(self, path: str, name: str) -> str:
        """What stands behind ``name:`` in a file of such lines; empty if there is none."""
        for line in self.text(path).splitlines():
            key, _, value = line.partition(":")
            if key.strip() == name:
                return value.strip()
        return ""

    def descriptors(self) -> tuple[int, int] | None:
        """The soft and the hard limit of descriptors; ``None`` if unknown."""
        for line in self.text("proc/self/limits").splitlines():
            if line.startswith("Max open files"):
                soft, hard = line.removeprefix("Max open files").split()[:2]
                return _limit(soft), _limit(hard)
        return None

    def cpus(self) -> int:
        """How many CPUs this process may run on; 0 if unknown."""
        total = 0
        for part in self.field("proc/self/status", "Cpus_allowed_list").split(","):
            first, _, last = part.partition("-")
            if first.isdecimal() and (last or first).isdecimal():
                total += int(last or first) - int(first) + 1
        return total

    def available(self) -> int:
        """Bytes of memory that can be had; 0 if unknown."""
        words = self.field("proc/meminfo", "MemAvailable").split()
        return int(words[0]) * 1024 if words and words[0].isdecimal() else 0

    def cgroup(self, controller: str, name: str, old_name: str = "") -> Iterator[tuple[str, str]]:
        """Yield the file and the text of a setting, in our control group and those above it.

        :param name: of the file in version 2 of control groups; ``old_name`` in version 1.
        """
        for line in self.text("proc/self/cgroup").splitlines():
            _, controllers, path = [*line.split(":", 2), "", ""][:3]
            if controllers == "":
                base, file = "sys/fs/cgroup", name
            elif old_name and controller in controllers.split(","):
                base, file = f"sys/fs/cgroup/{controller}", old_name
            else:
                continue
            parts = [part for part in path.split("/") if part not in {"", ".."}]
            for depth in range(len(parts), -1, -1):
                where = "/".join([base, *parts[:depth], file])
                if text := self.text(where):
                    yield where, text


def _limit(text: str) -> int:
    return int(text) if text.isdecimal() else UNLIMITED


def limited(text: str) -> int | None:
    """A limit of a control group; ``None``: there is none."""
    return int(text) if text.isdecimal() and int(text) < UNLIMITED else None
