"""The protocol written down a second time, so plainly that it is obviously right.

It takes all the bytes at once, splits them, and looks each line up. No fast paths, no
state, no chunks.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

from .strategies import LIMIT_BURN, LIMIT_STREAM, LIMIT_WAIT


@dataclass
class Answer:
    """What a client gets for all it has sent."""

    sent: bytes = b""
    slept: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    hung_up: bool = False


def answer(data: bytes, limit_line: int) -> Answer:
    """Answer ``data`` as `strategies.small_service` must."""
    result = Answer()
    *lines, unfinished = data.split(b"\n")
    for line in map(_without_cr, lines):
        if _is_foreign(line, limit_line):
            return _turn_away(result)
        if len(line) > limit_line:
            break
        _answer_line(line, result)
    else:
        if unfinished[:2] == b"\x16\x03":
            return _turn_away(result)
        if len(_without_cr(unfinished)) <= limit_line:
            return result
    result.sent += b"LINE_TOO_LONG\n"
    result.counts["too_long"] += 1
    result.hung_up = True
    return result


def _is_foreign(line: bytes, limit_line: int) -> bool:
    words = line.split(b" ")
    return line[:2] == b"\x16\x03" or (
        len(line) <= limit_line
        and (
            line[:4] == b"SSH-"
            or words[0] in {b"GET", b"POST", b"PRI", b"Host:"}
            or (len(words) == 3 and words[1] != b"" and words[2] in {b"HTTP/1.0", b"HTTP/1.1"})
        )
    )


def _turn_away(result: Answer) -> Answer:
    result.sent += b"WRONG_PROTOCOL\n"
    result.counts["unknown"] += 1
    result.hung_up = True
    return result


def _without_cr(line: bytes) -> bytes:
    return line[:-1] if line[-1:] == b"\r" else line


def _answer_line(line: bytes, result: Answer) -> None:
    verb, *arguments = line.split(b" ")
    label, reply = "invalid", b"INVALID_ARGUMENT\n"
    if verb not in {b"PING", b"WAIT", b"BURN", b"STREAM"}:
        label, reply = "unknown", b"UNKNOWN_COMMAND\n"
    elif line == b"PING":
        label, reply = "ping", b"PONG\n"
    elif verb != b"PING" and len(arguments) == 1:
        number = arguments[0].decode("latin-1")
        whole = int(number) if re.fullmatch("[0-9]+", number) else None
        if verb == b"WAIT" and re.fullmatch(r"[0-9]+(\.[0-9]+)?", number):
            if float(number) <= LIMIT_WAIT:
                label, reply = "wait", b"DONE\n"
                result.slept.append(float(number))
        elif verb == b"BURN" and whole is not None and whole <= LIMIT_BURN:
            label, reply = "burn", b"RESULT %d\n" % (whole * (whole + 1) // 2)
        elif verb == b"STREAM" and whole is not None and whole <= LIMIT_STREAM:
            label, reply = "stream", b"A" * whole + b"DONE\n"
    result.counts[label] += 1
    result.sent += reply
