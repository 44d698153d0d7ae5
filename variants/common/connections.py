"""Where the clients of one loop are: all of a loop but how it waits."""

import socket
from typing import Any

from .agenda import Agenda, LagMeter
from .host import Host
from .waiting import Watch


class Floor:
    """Those who come in are watched, until they leave.

    :param host: whose clients they are.
    :param agenda: of the loop.
    :param watch: called with each new waiter: entrances to begin with, then clients.
    """

    def __init__(self, host: Host, agenda: Agenda[Any], watch: Watch) -> None:
        self._host = host
        self._agenda = agenda
        self._watch = watch
        self._shared = host.surroundings(agenda, agenda.deadlines, host.stats, agenda.prod)

    def open(self) -> None:
        """Let clients in, and watch for what is not a client."""
        LagMeter(self._agenda, self._host.stats)
        acceptor = self._host.acceptor(self.admit, self.refuse)
        for entrance in self._host.entrances(acceptor, self._agenda):
            self._watch(entrance)

    def admit(self, sock: socket.socket) -> None:
        """Take in a new client."""
        client = self._host.welcome(sock, self._shared)
        try:
            self._watch(client)
        except BaseException:
            client.let_go()  # but not of the socket: it is to be told why
            raise
        self._host.stats.connections += 1

    def refuse(self, sock: socket.socket) -> None:
        """Take in one that has been told SERVER_BUSY."""
        client = self._host.turn_away(sock, self._shared)
        if client is not None:
            try:
                self._watch(client)
            except BaseException:
                client.let_go()
                raise
