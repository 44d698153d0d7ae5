"""The connections of one loop: all of a loop but how it waits."""

import socket
from typing import Any

from .client import Client
from .host import Host
from .schedule import LagMeter, Schedule
from .state import Register


class Connections:
    """Takes clients in and has them watched, until they leave.

    :param host: whose clients they are.
    :param schedule: of the loop.
    :param register: called with each new event handler: acceptors to begin with, then clients.
    """

    def __init__(self, host: Host, schedule: Schedule[Any], register: Register) -> None:
        self._host = host
        self._schedule = schedule
        self._register = register
        self._context = host.context(schedule.deadlines)
        self._refused = host.context(schedule.deadlines, refused=True)

    def open(self) -> None:
        """Let clients in, and watch for what is not a client."""
        LagMeter(self._schedule, self._host.stats)
        acceptor = self._host.acceptor(self.admit, self.refuse)
        for handler in self._host.acceptors(acceptor, self._schedule):
            self._register(handler)

    def admit(self, sock: socket.socket) -> None:
        """Take in a new client."""
        client = Client(sock, self._context, self._schedule)
        self._host.serve(client.session)
        try:
            self._register(client)
        except BaseException:
            client.detach()
            raise
        self._host.stats.connections += 1

    def refuse(self, sock: socket.socket) -> None:
        """Take in one that has been told SERVER_BUSY."""
        client = Client(sock, self._refused, self._schedule)
        try:
            if self._host.reject(client.session):
                client.linger()
                self._register(client)
                return
        except BaseException:
            client.detach()  # but not of the socket: that is the acceptor's again
            raise
        client.close()
