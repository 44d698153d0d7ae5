"""Runs a command from which the kernel keeps some system calls, as containers do.

    python -m tests.denying ipv6,sched_setscheduler python -m variants threads

The filter is a real one, of seccomp(2), and is inherited.
"""

import ctypes
import errno
import functools
import os
import platform
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, FILTER = 22, 38, 2
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
NUMBER, ARGUMENT = 0, 16  # where they stand in struct seccomp_data

#: Numbers of system calls, by machine.
CALLS: Final = {
    "x86_64": {"socket": 41, "sched_setscheduler": 144},
    "aarch64": {"socket": 198, "sched_setscheduler": 119},
}
#: What can be kept from a command: call, first argument (``None``: any), and what it is told.
DENIALS: Final = {
    "ipv6": ("socket", int(socket.AF_INET6), errno.EAFNOSUPPORT),
    "sched_setscheduler": ("sched_setscheduler", None, errno.EPERM),
}


def program(names: list[str]) -> Iterator[bytes]:
    """The instructions of a filter."""
    for name in names:
        call, argument, error = DENIALS[name]
        number = CALLS[platform.machine()][call]
        tests = [(NUMBER, number), *([] if argument is None else [(ARGUMENT, argument)])]
        for left, (where, value) in zip(range(len(tests), 0, -1), tests, strict=True):
            yield struct.pack("HBBI", LOAD, 0, 0, where)
            yield struct.pack("HBBI", JUMP_IF_EQUAL, 0, 2 * left - 1, value)
        yield struct.pack("HBBI", RETURN, 0, 0, ERRNO | error)
    yield struct.pack("HBBI", RETURN, 0, 0, ALLOW)


def deny(names: list[str]) -> bool:
    """Keep these from us and our children; false if the kernel knows no such filter."""
    if platform.machine() not in CALLS:
        return False
    code = b"".join(program(names))
    held = ctypes.create_string_buffer(code, len(code))
    what = ctypes.create_string_buffer(
        struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(held)), 16
    )
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return not (
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        or prctl(PR_SET_SECCOMP, FILTER, ctypes.c_void_p(ctypes.addressof(what)), 0, 0)
    )


@functools.cache
def can_deny() -> bool:
    """Whether it can be done here."""
    command = [sys.executable, "-m", "tests.denying", ",".join(DENIALS), "true"]
    return not subprocess.run(command, capture_output=True, check=False).returncode


if __name__ == "__main__":
    if not deny(sys.argv[1].split(",")):
        sys.exit("the kernel takes no filter")
    os.execvp(sys.argv[2], sys.argv[2:])
