"""Other protocols on our port, told from their first line, so that nothing in them is run.

Any web page can have a browser POST to a port of the loopback, and the lines of what it posts
would be requests. So whoever speaks HTTP, TLS or SSH is told so in one line and closed.
"""

import re
from typing import Final

from .actions import Close
from .replies import UNKNOWN_COMMAND, WRONG_PROTOCOL

#: Why a connection is closed: what is spoken on it.
HTTP, TLS, SSH = PROTOCOLS = ("http", "tls", "ssh")

#: What a TLS connection begins with: a record of type handshake, version 3.x (RFC 8446, 5.1).
#: A line has no end there, so nobody waits for it.
TLS_RECORD: Final = b"\x16\x03"
#: What an SSH connection begins with (RFC 4253, 4.2).
_SSH_BANNER: Final = b"SSH-"
#: Methods of HTTP (RFC 9110, RFC 5789), the first word of its version 2 (RFC 9113), and that
#: of a header that every request has: a service may know a verb GET.
_HTTP_WORDS: Final = frozenset(
    b"GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH PRI Host: host:".split()
)
_HTTP_REQUEST: Final = re.compile(rb"\S+ \S+ HTTP/[0-9](\.[0-9])?\r?")


def protocol_of(line: bytes) -> str | None:
    """Which other protocol a whole first line belongs to for certain, one of `PROTOCOLS`."""
    if line.startswith(TLS_RECORD):
        return TLS
    if line.startswith(_SSH_BANNER):
        return SSH
    return HTTP if _HTTP_REQUEST.fullmatch(line) else None


def answer_unknown(line: bytes) -> tuple[bytes, Close | None]:
    """What to say to a line whose verb the service does not have, and whether that is all."""
    protocol = protocol_of(line)
    if protocol is None and line.removesuffix(b"\r").partition(b" ")[0] in _HTTP_WORDS:
        protocol = HTTP
    if protocol is None:
        return UNKNOWN_COMMAND, None
    return WRONG_PROTOCOL, Close(reason=protocol)
