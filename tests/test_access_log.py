"""The access log: who asked which commands and how long it took, and never what was sent."""

import logging
import re
from typing import Any

import pytest

from dumb_async import Server, dumb_service
from dumb_async.hosting.access_log import AccessLog, LoggedSession
from dumb_async.runtimes import Runtime

from .memory import MemoryStream
from .support import connect, context_for, converse, reset, tcp_pair, with_server

LINE = re.compile(r"127\.0\.0\.1:\d+ (?P<what>[\w= ]+) in (?P<seconds>\d+\.\d{6}) s")


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """From ``info`` up, as by default."""
    caplog.set_level(logging.INFO)


def what(records: list[logging.LogRecord]) -> list[str]:
    """Which commands, line by line."""
    matches = [LINE.fullmatch(record.getMessage()) for record in records]
    return [match["what"] for match in matches if match]


def test_an_exchange_is_a_line(runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    """From a read to the last reply to it, however long that takes."""
    server = Server(port=0, access_log=True)

    async def body(address: Any) -> None:
        await converse(runtime, address, b"PING\nPING\nBURN 1\n")
        await converse(runtime, address, b"WAIT 0.02\nSTREAM 70000\n")
        await converse(runtime, address, b"secret\nBURN secret\n")
        await converse(runtime, address, b"x" * 2000)
        await converse(runtime, address, b"")

    with_server(runtime, server, body)
    assert [
        {"ping=2", "burn=1"}, {"wait=1", "stream=1"}, {"invalid=1", "unknown=1"}, {"too_long=1"},
    ] == [set(line.split()) for line in what(caplog.records)]  # fmt: skip
    assert "secret" not in "".join(record.getMessage() for record in caplog.records)
    seconds: list[float] = [record.fields["seconds"] for record in caplog.records]  # type: ignore[attr-defined]
    assert 0.02 <= seconds[1] < 5
    assert 0 <= seconds[0] < 5


def test_the_totals_are_the_same_with_and_without(runtime: Runtime) -> None:
    """Every request is counted once."""
    counts = []
    for access_log in (False, True):
        server = Server(port=0, access_log=access_log)

        async def body(address: Any) -> None:
            for requests in (b"PING\n" * 5, b"WAIT 0.001\nBURN 5000\nPING\n?\n", b"PIN"):
                await converse(runtime, address, requests)

        with_server(runtime, server, body)
        counts.append(server.stats.requests)
    assert counts[0] == counts[1]
    assert 6 == counts[0]["ping"]


def test_a_client_that_leaves_early_is_logged_too(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    """With what it had asked."""
    server = Server(port=0, access_log=True)

    async def body(address: Any) -> None:
        client = connect(address)
        client.send(b"WAIT 60\n")
        while not server.stats.connections:
            await runtime.checkpoint()
        await runtime.sleep(0.002)
        reset(client)
        while server.stats.active:
            await runtime.checkpoint()

    with_server(runtime, server, body)
    assert ["wait=1"] == what(caplog.records)
    assert 1 == server.stats.requests["wait"]


def test_fields_are_there_for_json(runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    """As values, not as text."""

    async def body(address: Any) -> None:
        await converse(runtime, address, b"PING\nPING\n")

    with_server(runtime, Server(port=0, access_log=True), body)
    (record,) = caplog.records
    fields: dict[str, Any] = record.fields  # type: ignore[attr-defined]
    assert {"peer", "requests", "seconds"} == set(fields)
    assert {"ping": 2} == fields["requests"]
    assert fields["peer"].startswith("127.0.0.1:")


def test_without_it_there_is_no_line(runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    """That is the default."""

    async def body(address: Any) -> None:
        await converse(runtime, address, b"PING\n")

    with_server(runtime, Server(port=0), body)
    assert [] == caplog.records


def test_a_client_that_is_gone_already_has_no_address(caplog: pytest.LogCaptureFixture) -> None:
    """It can be taken in all the same."""
    with tcp_pair() as (_, server):
        server.close()
        LoggedSession(MemoryStream(), context_for(dumb_service()), server).close()
        log = AccessLog(server, {"ping": 0})
        log.counts["ping"] = 1
        log.end()
    (record,) = caplog.records
    assert record.getMessage().startswith("? ping=1 in ")
