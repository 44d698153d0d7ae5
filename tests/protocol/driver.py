"""A perfect driver: it follows the loop in `dumb_async.protocol.connection`, without a socket."""

from collections import Counter
from collections.abc import Iterable
from typing import Self

from dumb_async.protocol import (
    NEED_DATA,
    Action,
    Close,
    Compute,
    Config,
    Connection,
    Send,
    Service,
    Sleep,
)

#: What a driver was seen to do: bytes written in a row, a Sleep, the work of a Compute, Close.
Step = bytes | Sleep | Close | tuple[object, ...]


class Driver:
    """One connection, and all that it has asked for so far."""

    def __init__(self, config: Config) -> None:
        self.counts = Counter[str]()
        self.connection = Connection(config, self.counts)
        self.performed: list[Step] = []
        self.closed: Close | None = None

    @property
    def sends(self) -> list[bytes]:
        """What each Send wrote."""
        return [step for step in self.performed if isinstance(step, bytes)]

    @property
    def sent(self) -> bytes:
        """Every byte written."""
        return b"".join(self.sends)

    @property
    def steps(self) -> list[Step]:
        """What was done, Sends in a row taken as one."""
        steps: list[Step] = []
        sent: list[bytes] = []
        for step in (*self.performed, None):
            if isinstance(step, bytes):
                sent.append(step)
                continue
            steps += filter(None, [b"".join(sent), step])
            sent.clear()
        return steps

    def receive(self, data: bytes) -> Self:
        """Read ``data`` and do what there is to do, unless the connection is closed."""
        if self.closed is None:
            self.connection.receive_data(data)
            self.run()
        return self

    def end(self) -> Self:
        """Read the end of input and do what there is to do, unless the connection is closed."""
        if self.closed is None:
            self.connection.receive_eof()
            self.run()
        return self

    def run(self) -> None:
        """Perform actions until data is needed or the connection is closed."""
        while self.closed is None and self.step():
            pass

    def step(self) -> bool:
        """Perform one action; false if data is needed."""
        action = self.connection.next_action()
        if action is NEED_DATA:
            return False
        self._perform(action)
        if isinstance(action, Send) and self.connection.settled:
            # What a driver in a hurry relies on.
            assert NEED_DATA is self.connection.next_action()
        return True

    def _perform(self, action: Action) -> None:
        match action:
            case Send(data):
                self.performed.append(data)
            case Sleep():
                self.performed.append(action)
            case Compute():
                self.connection.compute(action)
                self.performed.append((action.function, *action.arguments))
            case Close():
                self.performed.append(action)
                self.closed = action


def converse(
    service: Service,
    *chunks: bytes,
    limit_line: int = 1024,
    limit_pipeline: int = 256,
) -> Driver:
    """Everything the core does for a client who sends ``chunks`` and the end of input."""
    config = Config(service, limit_line=limit_line, limit_pipeline=limit_pipeline)
    return drive(config, chunks)


def drive(config: Config, chunks: Iterable[bytes]) -> Driver:
    """As `converse`, with a configuration that is there already."""
    driver = Driver(config)
    for chunk in chunks:
        driver.receive(chunk)
    return driver.end()
