"""The server's side of one connection: bytes in, actions out.

Theory of operation. A driver, in whatever concurrency model, follows one loop:

    action = connection.next_action()
    Send     write the bytes, all of them
    Sleep    let the seconds pass
    Compute  connection.compute(action)
    NEED_DATA  read; connection.receive_data(data), or receive_eof() at the end of input
    Close    close the connection and stop

and asks again. A driver that reads only when it was told NEED_DATA needs no other
back-pressure: the core then holds at the most one read, one unfinished line and one
running command, and nobody asks for the next part of a long reply before the last one
has gone.

Rules of the core:

* No socket, clock, thread or ``await`` in here: what comes out is a pure function of
  the bytes that came in, the same under every chunking.
* Linear: a byte is looked at a constant number of times. An unfinished line is only
  ever appended to; new bytes alone are searched for its end.
* Bounded: an unfinished line over the limit is dropped, and nothing after it is read.
* One turn answers a bounded number of requests in a bounded time (see `Config`), joined into
  one Send, so that a driver that gives others their turn between two actions is fair. How
  replies are joined is all that time decides.
"""

import contextlib
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any, Final

from .actions import NEED_DATA, Action, Close, Compute, NeedData, Send
from .arguments import InvalidArgument
from .config import Config
from .foreign import answer_unknown
from .replies import INTERNAL_ERROR, INVALID_ARGUMENT, LINE_TOO_LONG
from .running import ProtocolError, Running
from .service import INVALID, TOO_LONG, UNKNOWN, BadCommand

#: Immediate replies are joined until they are this long, in bytes: what one write to a
#: socket usually takes.
SEND_SIZE: Final = 65536


class Connection:
    """One client's requests, in order, and what is to be done for them.

    :param config: shared by all connections of a server.
    :param counts: where requests are counted; it has every label of the service
        (`Service.labels`) and may be shared as well.
    """

    __slots__ = (
        "_at",
        "_config",
        "_counts",
        "_deaf",
        "_end",
        "_lines",
        "_ready",
        "_run",
        "_running",
        "_tail",
        "settled",
        "unfinished",
    )

    def __init__(self, config: Config, counts: MutableMapping[str, int]) -> None:
        self._config = config
        self._counts = counts
        self._tail: bytes | bytearray = b""  # an unfinished line
        self._lines: Sequence[bytes] = ()  # finished lines, of which _at are answered
        self._at = 0
        self._run = 0  # how often the first of them is repeated, if it has a constant reply
        self._ready: Send | None = None  # the next action, if it is known already
        self._running: Running | None = None  # the command that takes time
        self._end: Close | None = None  # what comes once every line is answered
        self._deaf = False  # nothing more is read from this client
        #: Whether a line has begun and its end is still to come.
        self.unfinished = False
        #: Whether `next_action` is known to say NEED_DATA: cheaper to look at than to ask.
        self.settled = True

    def receive_data(self, data: bytes) -> None:
        """Take in what was read; any chunking gives the same actions.

        :raises ProtocolError: after `receive_eof`.
        """
        if self.settled and self._ready is None and not self._tail:
            known = self._config.reads.get(data)
            if known is not None:  # requests with a constant reply, and nothing before them
                label, times, self._ready = known
                self._counts[label] += times
                return
        if self._end is _EOF:
            raise ProtocolError("data after the end of input")
        if not self._deaf:
            self.settled = False
            self._split(data)

    def receive_eof(self) -> None:
        """Take in the end of input: what was asked is answered, then comes Close.

        An unfinished line gets no reply.
        """
        self._tail, self.unfinished = b"", False
        self._deaf = True
        self.settled = False
        if self._end is None:
            self._end = _EOF

    def next_action(self) -> Action | NeedData:
        """What the driver is to do now; ask again when it is done.

        After Close, every further answer is Close.

        :raises ProtocolError: while the result of a Compute is due.
        """
        while True:
            if self._ready is not None:
                action, self._ready = self._ready, None
                return action
            if self._running is not None:
                step = self._advance(self._running)
                if step is not None:
                    return step
            elif self._lines:
                self._answer()
            elif self._end is None:
                self.settled = True
                return NEED_DATA
            else:
                return self._end

    def compute(self, action: Compute) -> None:
        """Do the work of ``action`` here and now, and take its result in, or its failure."""
        try:
            result = action.run()
        except BaseException as error:  # also sys.exit() is the command's fault, and no one else's
            self.receive_failure(error)
        else:
            self.receive_result(result)

    def receive_result(self, result: Any) -> None:
        """Take in the result of the last Compute.

        :raises ProtocolError: if none is due.
        """
        self._take_in(result, None)

    def receive_failure(self, error: BaseException) -> None:
        """Take in that the last Compute failed: it is raised in the command, where it yielded.

        :raises ProtocolError: if no result is due.
        """
        self._take_in(None, error)

    def _take_in(self, result: Any, failure: BaseException | None) -> None:
        if self._running is None:
            raise ProtocolError("no result is due")
        self._running.receive(result, failure)

    def abandon(self) -> None:
        """Let go of everything: the connection is lost, and Close is all that follows.

        A running command is closed where it stands, so that its ``finally`` is run now.
        """
        running = self._running
        self._ready = None
        self._hang_up(Close())
        if running is not None:
            running.close()

    def _split(self, data: bytes) -> None:
        """Part what came in into finished lines and the unfinished one after them."""
        if b"\n" in data:
            if self._tail:
                data = bytes(self._tail) + data
            if not self._lines:
                data = self._cut_run(data)
            *lines, last = data.split(b"\n")
            if lines:
                self._lines = [*self._lines[self._at :], *lines]
                self._at = 0
            self._tail = bytearray(last) if last else b""
        else:
            self._tail = self._tail or bytearray()
            self._tail += data
        if self._tail and self._config.is_certain(self._tail):
            # Answered in its turn, like any other line; nothing after it is kept.
            self._lines = [*self._lines, bytes(self._tail)]
            self._tail = b""
            self._deaf = True
        self.unfinished = bool(self._tail)

    def _cut_run(self, data: bytes) -> bytes:
        """Take a line with a constant reply that is repeated off the front; return the rest.

        Who pipelines deeply mostly repeats one request, and comparing is many times as
        fast as splitting.
        """
        first = data[: data.index(b"\n") + 1]
        times = len(data) // len(first)
        if times > 1 and first in self._config.reads and data.startswith(first * times):
            self._run = times
            self._lines = [first[:-1]]
            if len(data) == len(first) * times:
                self._config.remember_run(data, first, times)
            return data[len(first) * times :]
        return data

    def _answer(self) -> None:
        """Answer lines until a turn is over, a command takes time or the lines end."""
        reply = self._answer_run() if self._run else self._answer_lines()
        if self._at >= len(self._lines):
            self._lines, self._at = (), 0
            self.settled = self._running is None and self._end is None
        if reply:
            self._ready = Send(reply)

    def _answer_run(self) -> bytes:
        """Answer the first line as often as it is repeated."""
        line = self._lines[self._at]
        times = min(self._run, self._config.limit_pipeline)
        self._run -= times
        if not self._run:
            self._at += 1
        self._counts[self._config.labels[line]] += times
        return self._config.constants[line] * times

    def _answer_lines(self) -> bytes:
        """Answer lines one by one and join the replies."""
        constants, labels, counts = self._config.constants, self._config.labels, self._counts
        replies: list[bytes] = []
        room = SEND_SIZE
        clock = self._config.clock
        over = clock() + self._config.limit_turn
        for line in self._lines[self._at : self._at + self._config.limit_pipeline]:
            self._at += 1
            reply = constants.get(line)
            if reply is None:
                reply = self._execute(line)
                if clock() >= over:
                    room = 0
            else:
                counts[labels[line]] += 1
            replies.append(reply)
            room -= len(reply)
            if room <= 0 or self._running is not None or not self._lines:
                break
        return b"".join(replies)

    def _execute(self, line: bytes) -> bytes:
        """Begin one request; return its reply, or what there is to say at once."""
        if self._config.is_too_long(line):
            self._counts[TOO_LONG] += 1
            self._hang_up(Close())
            return LINE_TOO_LONG
        verb, space, argument = line.removesuffix(b"\r").partition(b" ")
        command = self._config.commands.get(verb)
        if command is None:
            self._counts[UNKNOWN] += 1
            reply, end = answer_unknown(line)
            if end is not None:
                self._hang_up(end)
            return reply
        try:
            reply = self._begin(command.verb, command(argument if space else None))
        except InvalidArgument:
            self._counts[INVALID] += 1
            return INVALID_ARGUMENT
        except BaseException as error:
            self._hang_up(Close(error))
            reply = INTERNAL_ERROR
        self._counts[command.label] += 1
        return reply

    def _begin(self, verb: str, reply: Any) -> bytes:
        """Take what a command returned: its whole reply, or a generator, up to its first action."""
        if isinstance(reply, bytes):
            return reply
        if not isinstance(reply, Iterator):
            raise BadCommand(f"{verb} returned {type(reply).__name__}, not bytes or a generator")
        with contextlib.suppress(StopIteration):
            self._running = Running(verb, reply)
        return b""

    def _advance(self, running: Running) -> Action | None:
        """The next action of the running command, ``None`` when it is through."""
        if running.computing:
            raise ProtocolError("the result of the last Compute is due")
        try:
            action = running.next_action()
        except StopIteration:
            self._running = None
        except InvalidArgument:
            self._running = None
            self._ready = Send(INVALID_ARGUMENT)
        except BaseException as error:
            self._hang_up(Close(error))
            self._ready = Send(INTERNAL_ERROR)
        else:
            if not isinstance(action, Close):
                return action
            self._hang_up(action)
        return None

    def _hang_up(self, close: Close) -> None:
        """Drop whatever else was asked: only ``close`` comes after what is being said."""
        self._running = None
        self._lines, self._at, self._run = (), 0, 0
        self._tail, self.unfinished = b"", False
        self._deaf = True
        self._end = close


#: The Close that follows an end of input.
_EOF: Final = Close()
