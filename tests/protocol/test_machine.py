"""The core as a state machine, beside a model without any state."""

import hypothesis
import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dumb_async.protocol import Config

from .driver import Driver
from .model import answer
from .strategies import limits, lines, small_service, streams

SERVICE = small_service()


class ConnectionMachine(RuleBasedStateMachine):
    """Bytes, ends of input and single actions in any order that a driver may choose."""

    @initialize(limit=limits)
    def open(self, limit: tuple[int, int]) -> None:
        self.limit_line = limit[0]
        self.driver = Driver(Config(SERVICE, limit_line=limit[0], limit_pipeline=limit[1]))
        self.received = b""
        self.ended = False

    @precondition(lambda self: not self.ended)
    @rule(data=streams)
    def receive(self, data: bytes) -> None:
        self.received += data
        self.driver.connection.receive_data(data)

    @precondition(lambda self: not self.ended)
    @rule(line=lines)
    def receive_line_alone(self, line: bytes) -> None:
        self.receive(line + b"\n")

    @precondition(lambda self: not self.ended)
    @rule()
    def end(self) -> None:
        self.ended = True
        self.driver.connection.receive_eof()

    @rule(times=st.integers(1, 5))
    def perform(self, times: int) -> None:
        for _ in range(times):
            if not self.driver.step():
                self.check_nothing_is_left()
                return

    @rule()
    def perform_all(self) -> None:
        self.driver.run()
        self.check_nothing_is_left()

    @invariant()
    def nothing_but_the_answer_is_sent(self) -> None:
        expected = answer(self.received, self.limit_line)
        assert expected.sent.startswith(self.driver.sent)

    def check_nothing_is_left(self) -> None:
        """All is answered; the connection is closed if, and only if, it has to be."""
        expected = answer(self.received, self.limit_line)
        assert expected.sent == self.driver.sent
        assert expected.counts == self.driver.counts
        over = self.ended or expected.hung_up
        assert over is (self.driver.closed is not None)
        begun = not over and not self.received.endswith(b"\n") and self.received != b""
        assert begun is self.driver.connection.unfinished


TestConnectionMachine = ConnectionMachine.TestCase
TestConnectionMachine.settings = hypothesis.settings(max_examples=60, stateful_step_count=30)
