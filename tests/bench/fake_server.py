"""A server in a thread of its own that answers BURNs, and lies when it is told to."""

import selectors
import socket
import threading
from types import TracebackType
from typing import Self


class FakeServer:
    """Answers every BURN it reads; a request comes in one piece, as the clients send it.

    :param lie_at: which reply, counted from 1 over all connections, is wrong; 0: none.
    """

    def __init__(self, lie_at: int = 0) -> None:
        self.lie_at = lie_at
        self.answered = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.stop_here, self.stop_there = socket.socketpair()
        self.selector = selectors.DefaultSelector()
        for sock in (self.listener, self.stop_there):
            self.selector.register(sock, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self.run)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop_here.close()
        self.thread.join()

    def run(self) -> None:
        """Serve until told to stop."""
        while True:
            for key, _ in self.selector.select():
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                if sock is self.stop_there:
                    self.close()
                    return
                if sock is self.listener:
                    self.selector.register(sock.accept()[0], selectors.EVENT_READ)
                else:
                    self.answer(sock)

    def answer(self, client: socket.socket) -> None:
        """Answer one request; forget a client that has gone."""
        try:
            request = client.recv(100)
        except ConnectionError:
            request = b""
        if not request:
            self.selector.unregister(client)
            client.close()
            return
        self.answered += 1
        truth = sum(range(int(request.removeprefix(b"BURN ")) + 1))
        client.sendall(b"RESULT %d\n" % (truth + (self.answered == self.lie_at)))

    def close(self) -> None:
        """Close whatever is open."""
        for key in list(self.selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self.selector.close()
