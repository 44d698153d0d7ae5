"""Servers that nobody wants to have, each in a process of its own: ``servers.py KIND PORT``."""

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Final

KINDS: Final = (
    "broken", "busy", "crashing", "deaf", "hanging", "mute", "parent", "slow", "stubborn", "wrong",
)  # fmt: skip
#: Seconds in which one that is slow answers, each connection by itself.
SLOW: Final = 0.02
#: Connections after which one that crashes has crashed: the first is to see if it is ready.
_CRASHES_AFTER: Final = 3


def command(kind: str) -> str:
    """Return the command line that starts one."""
    return f"{sys.executable} {Path(__file__)} {kind} {{port}}"


def main(kind: str, port: int) -> None:
    """Be one."""
    if kind == "broken":
        sys.exit("no such thing as a server here")
    if kind == "deaf":  # it never listens
        time.sleep(60)
    with socket.create_server(("127.0.0.1", port), backlog=4096) as listener:
        if kind == "mute":  # it accepts nobody, and its kernel everybody
            time.sleep(60)
        if kind == "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if kind == "parent" and not os.fork():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(60)
        for number in range(1, 100_000):
            client, _ = listener.accept()
            if kind == "crashing" and number > _CRASHES_AFTER:
                os.kill(os.getpid(), signal.SIGSEGV)
            threading.Thread(target=serve, args=(kind, client, number), daemon=True).start()


def serve(kind: str, client: socket.socket, number: int) -> None:
    """Answer PING, in the way that its kind has."""
    with client:
        if kind == "busy":
            client.sendall(b"SERVER_BUSY\n")
            return
        while data := client.recv(65_536):
            if kind == "hanging" and number > 1:
                time.sleep(60)
            if kind == "slow":
                time.sleep(SLOW)
            client.sendall((b"PANG\n" if kind == "wrong" else b"PONG\n") * data.count(b"\n"))


if __name__ == "__main__":
    end = threading.Timer(60, os._exit, (1,))  # whatever becomes of whoever started it
    end.daemon = True
    end.start()
    main(sys.argv[1], int(sys.argv[2]))
