"""The server's side: turns, commands that take time, commands that fail, and its rules."""

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from dumb_async.protocol import (
    NEED_DATA,
    Action,
    Close,
    Compute,
    Config,
    Connection,
    InvalidArgument,
    ProtocolError,
    Send,
    Service,
    Sleep,
)

from .driver import Driver, converse

Command = Callable[..., Any]


def service_of(**commands: Command) -> Service:
    """PING and these commands."""
    service = Service()
    service.constant("PING", b"PONG\n")
    for verb, function in commands.items():
        service.command(verb)(function)
    return service


def connect(**commands: Command) -> Connection:
    """A connection to a service of these commands."""
    return Connection(Config(service_of(**commands)), Counter())


def slowly(*actions: Any) -> Command:
    """A command that yields ``actions``."""

    def command() -> Iterator[Any]:
        yield from actions

    return command


def failing(error: Exception, *actions: Any) -> Command:
    """A command that yields ``actions`` and then fails."""

    def command() -> Iterator[Any]:
        yield from actions
        raise error

    return command


def summing() -> Generator[Action, int, None]:
    """Adds up in slices, as BURN does."""
    total = 0
    for number in (1, 2, 3):
        total += yield Compute(int, number)
    yield Send(b"%d\n" % total)


def test_nothing_comes_before_data() -> None:
    """And asking changes nothing."""
    connection = connect()
    assert NEED_DATA is connection.next_action()
    assert NEED_DATA is connection.next_action()
    assert "NEED_DATA" == repr(NEED_DATA)


def test_a_request_is_answered_and_then_more_is_needed() -> None:
    """One Send, not one for each part of the line."""
    connection = connect()
    connection.receive_data(b"PING\n")
    assert Send(b"PONG\n") == connection.next_action()
    assert NEED_DATA is connection.next_action()


def test_replies_to_one_read_are_joined() -> None:
    """Whatever their commands are, as long as they are immediate."""
    driver = converse(service_of(ECHO=lambda text: text), b"PING\nECHO x\n?\nPING\r\nECHO\n")
    assert [b"PONG\nxUNKNOWN_COMMAND\nPONG\nINVALID_ARGUMENT\n"] == driver.sends


def test_a_command_that_takes_time_keeps_its_place() -> None:
    """What came before is sent before it, what came after waits."""
    driver = converse(service_of(NAP=slowly(Sleep(2), Send(b"up\n"))), b"PING\nNAP\nPING\nNAP\n")
    assert [
        b"PONG\n", Sleep(2), b"up\nPONG\n", Sleep(2), b"up\n", Close(),
    ] == driver.steps  # fmt: skip


def test_the_result_of_a_compute_goes_back_in() -> None:
    """Each to the ``yield`` that asked for it."""
    assert b"6\nPONG\n" == converse(service_of(SUM=summing), b"SUM\nPING\n").sent


@pytest.mark.parametrize("result", [None, 0, False, "", 7])
def test_any_result_can_go_back_in(result: object) -> None:
    """Also one that is false."""

    def command() -> Generator[Action, object, None]:
        got = yield Compute(lambda: result)
        yield Send(repr(got).encode())

    assert repr(result).encode() == converse(service_of(GET=command), b"GET\n").sent


def test_a_result_is_seen_once() -> None:
    """The ``yield`` of another action has none."""

    def command() -> Generator[Action, object, None]:
        yield Compute(lambda: 7)
        got = yield Send(b"")
        yield Send(repr(got).encode())

    assert b"None" == converse(service_of(GET=command), b"GET\n").sent


def test_a_result_can_come_from_elsewhere() -> None:
    """From a thread or a process: the driver hands it in."""
    connection = connect(SUM=summing)
    connection.receive_data(b"SUM\n")
    for result in (10, 20, 30):
        action = connection.next_action()
        assert isinstance(action, Compute)
        connection.receive_result(result)
    assert Send(b"60\n") == connection.next_action()


def test_a_command_may_end_without_a_word() -> None:
    """Then nothing is sent, and the next request is answered."""
    service = service_of(HUSH=slowly(), QUIET=lambda: b"", NAP=slowly(Sleep(1)))
    driver = converse(service, b"HUSH\nQUIET\nNAP\nPING\n")
    assert [Sleep(1), b"PONG\n", Close()] == driver.steps
    assert {"hush": 1, "quiet": 1, "nap": 1, "ping": 1} == driver.counts


def test_an_iterator_that_is_no_generator_will_do() -> None:
    """As long as it needs no results."""
    service = service_of(NAP=lambda: iter([Sleep(1), Send(b"up\n")]))
    assert [Sleep(1), b"up\n", Close()] == converse(service, b"NAP\n").steps


def test_a_command_may_close() -> None:
    """Nothing that was asked after it is answered, and the client is read no more."""
    driver = Driver(Config(service_of(BYE=slowly(Send(b"bye\n"), Close(), Send(b"no\n")))))
    driver.connection.receive_data(b"PING\nBYE\nPING\n")
    driver.run()
    assert [b"PONG\nbye\n", Close()] == driver.steps
    driver.connection.receive_data(b"PING\n")
    assert Close() == driver.connection.next_action()


def recursing() -> bytes:
    """Has no end."""
    return recursing()


FAILURES: dict[str, Command] = {
    "raises at once": lambda: 1 // 0,
    "raises before its first action": failing(ValueError("no")),
    "raises later": failing(ValueError("no"), Sleep(0)),
    "returns text": lambda: "text",
    "returns nothing": lambda: None,
    "returns a list": lambda: [Send(b"x")],
    "yields text first": slowly("text"),
    "yields bytes later": slowly(Sleep(0), b"x"),
    "yields nothing first": slowly(None, Send(b"x")),
    "yields nothing later": slowly(Sleep(0), None, Send(b"x")),
    "yields a class": slowly(Sleep),
    "sleeps for NaN": lambda: (yield Sleep(float("nan"))),
    "sleeps for ever": lambda: (yield Sleep(float("inf"))),
    "sleeps backwards": lambda: (yield Sleep(-1)),
    "sends text": lambda: (yield Send("text")),  # type: ignore[arg-type]
    "sends a bytearray": lambda: (yield Send(bytearray(b"x"))),  # type: ignore[arg-type]
    "computes what fails": lambda: (yield Compute(lambda: 1 // 0)),
    "asks for a result that it cannot take": lambda: iter([Compute(lambda: 1)]),
    "computes what fails, and cannot take that": lambda: iter([Compute(lambda: 1 // 0)]),
    "is called wrongly": lambda: int(b"x"),
    "runs out": lambda: next(iter(())),
    "recurses": recursing,
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_failure_is_told_and_closes(kind: str) -> None:
    """The client learns nothing about it; the driver learns all, once, to log it."""
    driver = converse(service_of(BOOM=FAILURES[kind]), b"PING\nBOOM\nPING\n")
    assert b"PONG\nINTERNAL_ERROR\n" == driver.sent
    assert driver.closed is not None
    assert isinstance(driver.closed.error, Exception)
    assert {"ping": 1, "boom": 1} == driver.counts


def test_a_failure_is_told_after_what_was_said_already() -> None:
    """What has been sent cannot be taken back."""
    error = ValueError("no")
    service = service_of(BOOM=failing(error, Send(b"half "), Sleep(1)))
    driver = converse(service, b"BOOM\nPING\n")
    assert [b"half ", Sleep(1), b"INTERNAL_ERROR\n", Close(error)] == driver.steps


def test_a_command_can_catch_the_failure_of_its_compute() -> None:
    """It is raised where the command yielded, and what the command does then is done."""

    def command() -> Iterator[Action]:
        try:
            yield Compute(lambda: 1 // 0)
        except ZeroDivisionError:
            yield Sleep(1)
        yield Send(b"still here\n")

    driver = converse(service_of(TRY=command), b"TRY\nPING\n")
    assert Sleep(1) in driver.steps
    assert b"still here\nPONG\n" == driver.sent
    assert Close() == driver.closed


def test_an_argument_may_be_found_invalid_at_any_time() -> None:
    """Before the first action it counts as invalid, later as the command it had become."""

    def refuse() -> bytes:
        raise InvalidArgument

    service = service_of(
        NOW=refuse,
        FIRST=failing(InvalidArgument()),
        LATER=failing(InvalidArgument(), Sleep(1)),
        COMPUTED=slowly(Compute(refuse)),
    )
    driver = converse(service, b"NOW\nFIRST\nLATER\nCOMPUTED\nPING\n")
    assert b"INVALID_ARGUMENT\n" * 4 + b"PONG\n" == driver.sent
    assert {"invalid": 2, "later": 1, "computed": 1, "ping": 1} == driver.counts
    assert Close() == driver.closed


def test_nothing_is_asked_for_while_a_result_is_due() -> None:
    """It is the driver's fault, not the client's."""
    connection = connect(SUM=summing)
    connection.receive_data(b"SUM\n")
    assert isinstance(connection.next_action(), Compute)
    with pytest.raises(ProtocolError):
        connection.next_action()
    connection.receive_result(1)
    assert isinstance(connection.next_action(), Compute)


def test_no_result_is_taken_when_none_is_due() -> None:
    """Neither a result nor a failure, neither before nor after the one that was."""
    connection = connect(SUM=summing, NAP=slowly(Sleep(1)))

    def check() -> None:
        with pytest.raises(ProtocolError):
            connection.receive_result(1)
        with pytest.raises(ProtocolError):
            connection.receive_failure(ValueError())

    check()
    connection.receive_data(b"NAP\nSUM\n")
    assert Sleep(1) == connection.next_action()
    check()
    action = connection.next_action()
    assert isinstance(action, Compute)
    connection.compute(action)
    check()


def test_no_data_comes_after_the_end_of_input() -> None:
    """A driver that says so has lost its way."""
    connection = connect()
    connection.receive_eof()
    for data in (b"PING\n", b""):
        with pytest.raises(ProtocolError):
            connection.receive_data(data)
    assert Close() == connection.next_action()


def test_the_end_of_input_may_be_told_twice() -> None:
    """And Close is the answer for good."""
    connection = connect()
    connection.receive_data(b"PING\nPI")
    connection.receive_eof()
    connection.receive_eof()
    assert [Send(b"PONG\n"), Close(), Close()] == [connection.next_action() for _ in range(3)]


def test_everything_asked_before_the_end_is_answered() -> None:
    """Also what takes time; a line without its end is not answered."""
    connection = connect(SUM=summing)
    connection.receive_data(b"SUM\nSUM\nPIN")
    driver = Driver(Config(service_of()))
    driver.connection = connection
    driver.end()
    assert b"6\n6\n" == driver.sent
    assert Close() == driver.closed


def test_unfinished_tells_whether_a_line_has_begun() -> None:
    """As a driver that gives a line its time has to know."""
    connection = connect()
    seen = []
    for data in (b"", b"P", b"ING", b"\n", b"PING\nP", b"ING\n", b"\r"):
        connection.receive_data(data)
        seen.append(connection.unfinished)
    assert [False, True, True, False, True, False, True] == seen
    connection.receive_eof()
    assert not connection.unfinished


@pytest.mark.parametrize("before", [b"x", b"P", b"\r", b"NAP\n", b"NAP\nx"])
def test_the_fast_path_is_for_those_who_asked_nothing_before(before: bytes) -> None:
    """Neither a part of a line nor a command that is still running."""
    service = service_of(NAP=slowly(Sleep(1), Send(b"up\n")))
    whole = converse(service, before + b"PING\n")
    ahead = Driver(Config(service))
    ahead.connection.receive_data(before)
    ahead.step()
    ahead.connection.receive_data(b"PING\n")
    assert whole.steps == ahead.end().steps
    assert whole.counts == ahead.counts


def test_settled_spares_a_question() -> None:
    """After the reply to a single request, which is the most frequent case of all."""
    connection = connect()
    for data in (b"PING\n", b"PING\r\n", b"PING\n"):
        connection.receive_data(data)
        assert Send(b"PONG\n") == connection.next_action()
        assert connection.settled
    connection.receive_data(b"PING\n")
    connection.receive_data(b"PING\n")
    assert Send(b"PONG\n") == connection.next_action()
    assert not connection.settled
    assert Send(b"PONG\n") == connection.next_action()
    assert NEED_DATA is connection.next_action()
    assert connection.settled
    connection.receive_data(b"PING\n")
    connection.receive_eof()
    assert Send(b"PONG\n") == connection.next_action()
    assert not connection.settled


def test_a_connection_that_hangs_up_waits_for_no_line() -> None:
    """What came after the command that failed was never begun."""
    connection = connect(BOOM=failing(ValueError()))
    connection.receive_data(b"BOOM\nPIN")
    connection.next_action()
    assert not connection.unfinished


def test_the_fast_path_keeps_the_order() -> None:
    """A whole read of one constant request, while another is still to be answered."""
    connection = connect(NAP=slowly(Sleep(1), Send(b"up\n")))
    for data in (b"PING\n", b"PING\n", b"NAP\n", b"PING\n"):
        connection.receive_data(data)
    assert Send(b"PONG\n") == connection.next_action()
    assert Send(b"PONG\n") == connection.next_action()
    assert Sleep(1) == connection.next_action()
    connection.receive_data(b"PING\n")
    driver = Driver(Config(service_of()))
    driver.connection = connection
    assert b"up\nPONG\nPONG\n" == driver.end().sent


@pytest.mark.parametrize("size", [1, 255, 256, 257, 5000])
def test_a_constant_reply_may_have_any_length(size: int) -> None:
    """Short ones have a fast path, long ones must not be multiplied by it."""
    service = Service()
    service.constant("TEXT", b"x" * size)
    driver = converse(service, b"TEXT\n", b"TEXT\n" * 40, b"TEXT\nTEXT\r\n?\nTEXT 1\n")
    assert b"x" * size * 43 + b"UNKNOWN_COMMAND\nINVALID_ARGUMENT\n" == driver.sent
    assert {"text": 43, "unknown": 1, "invalid": 1} == driver.counts
    assert max(map(len, driver.sends)) < 65_536 + 5000


def test_a_service_may_change_after_its_connections_were_configured() -> None:
    """They keep the table that they were made with."""
    service = service_of()
    config = Config(service)
    service.command("LATE")(lambda: b"late\n")
    driver = Driver(config).receive(b"LATE\n")
    assert b"UNKNOWN_COMMAND\n" == driver.sent


@pytest.mark.parametrize(
    "limits",
    [{"limit_line": 0}, {"limit_pipeline": 0}, {"limit_turn": 0}, {"limit_turn": float("nan")}],
)
def test_limits_are_positive(limits: dict[str, Any]) -> None:
    """With less, nothing could ever be answered."""
    with pytest.raises(ValueError, match="1 or more"):
        Config(service_of(), **limits)


def test_a_turn_begins_nothing_after_its_time() -> None:
    """Whatever is begun is finished, and replies of one turn are one Send."""
    now = [0.0]

    def slow() -> bytes:
        now[0] += 0.1
        return b"slow\n"

    config = Config(service_of(SLOW=slow), limit_turn=0.25, clock=lambda: now[0])
    connection = Connection(config, Counter())
    connection.receive_data(b"SLOW\n" * 7)
    assert [Send(b"slow\n" * 3), Send(b"slow\n" * 3), Send(b"slow\n"), NEED_DATA] == [
        connection.next_action() for _ in range(4)
    ]


def test_a_command_may_break_the_rules_of_another_core() -> None:
    """One that is a client of another server has a `ClientConnection`: that is its failure."""
    service = service_of(RELAY=failing(ProtocolError("data after the end of input"), Sleep(1)))
    assert b"INTERNAL_ERROR\n" == converse(service, b"RELAY\n").sent


def holding(released: list[str]) -> Command:
    """A command that holds something until it is through."""

    def command() -> Iterator[Action]:
        try:
            yield Sleep(1)
            yield Compute(lambda: 1)
            yield Send(b"x")
        finally:
            released.append("released")

    return command


@pytest.mark.parametrize("actions", [1, 2, 3])
def test_a_connection_that_is_abandoned_lets_go(actions: int) -> None:
    """Of the command that runs, wherever it is, and of all that was asked after it."""
    released: list[str] = []
    connection = connect(HOLD=holding(released))
    connection.receive_data(b"HOLD\nPING\nPIN")
    for _ in range(actions):
        action = connection.next_action()
        if isinstance(action, Compute):
            connection.compute(action)
    connection.abandon()
    assert ["released"] == released
    assert not connection.unfinished
    connection.receive_data(b"PING\n")
    assert [Close(), Close()] == [connection.next_action(), connection.next_action()]
    connection.abandon()


def test_what_an_abandoned_connection_lets_go_of_is_closed_at_once() -> None:
    """Even if somebody else still holds it, or the interpreter collects later."""
    released: list[str] = []
    generators = []

    def command() -> Iterator[Action]:
        generators.append(holding(released)())
        return generators[-1]  # type: ignore[no-any-return]

    connection = connect(HOLD=command)
    connection.receive_data(b"HOLD\n")
    connection.next_action()
    connection.abandon()
    assert ["released"] == released


def test_a_connection_can_be_abandoned_at_any_time() -> None:
    """New, with replies to send, at its end, and with a command that cannot be closed."""
    connections = [connect(NAP=lambda: iter([Sleep(1)])) for _ in range(5)]
    connections[1].receive_data(b"PING\nPING\n")
    connections[4].receive_data(b"PING\n")
    connections[2].receive_eof()
    connections[3].receive_data(b"NAP\n")
    assert Sleep(1) == connections[3].next_action()
    for connection in connections:
        connection.abandon()
        assert Close() == connection.next_action()
