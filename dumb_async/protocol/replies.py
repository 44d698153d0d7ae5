"""The replies that belong to the protocol itself, whatever the service."""

from typing import Final

#: The verb is not one of the service's.
UNKNOWN_COMMAND: Final = b"UNKNOWN_COMMAND\n"
#: The verb is known; its argument is missing, extra, malformed or over a limit.
INVALID_ARGUMENT: Final = b"INVALID_ARGUMENT\n"
#: The line was over the limit; the server closes after it.
LINE_TOO_LONG: Final = b"LINE_TOO_LONG\n"
#: The server is full; it closes after it.
SERVER_BUSY: Final = b"SERVER_BUSY\n"
#: A command of the service failed; the server closes after it.
INTERNAL_ERROR: Final = b"INTERNAL_ERROR\n"

#: It is HTTP, TLS or SSH that is spoken; the server closes after it.
WRONG_PROTOCOL: Final = b"WRONG_PROTOCOL\n"

#: Every reply that says no.
REFUSALS: Final = frozenset({
    UNKNOWN_COMMAND, INVALID_ARGUMENT, LINE_TOO_LONG, SERVER_BUSY, INTERNAL_ERROR, WRONG_PROTOCOL,
})  # fmt: skip
