"""``python -m loadgen run`` as a whole: exit statuses, what it prints and writes, its metrics.

What its figures come to on results that are given, see `test_verdicts`.
"""

import csv
import json
import re
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from loadgen.commands import status
from loadgen.results import Result, Threshold, doubts

from ..conformance.client import eventually
from . import faulty
from .conftest import Finished, Running
from .faulty import Faulty, Recorder

Run = Callable[..., Finished]
Start = Callable[..., Running]


def test_all_is_well(run: Run, tmp_path: Path) -> None:
    """The result is on standard output alone, and in the files that were asked for."""
    out, hdr = tmp_path / "result.json", tmp_path / "result.hlog"
    words = ("-n", "4", "-c", "4", "-R", "20", "-o", "json", "--threshold", "errors<1")
    recorder = Recorder(delay=0.1)
    with Faulty(recorder) as server:
        finished = run(server.target, *words, "--out", str(out), "--hdr", str(hdr))

    assert {b"PING": 4} == recorder.asked
    result = finished.json
    assert "dumb_async.loadgen.result/1" == result["schema"]
    assert (4, 4, 4) == (result["requests"], result["sent"], result["planned"])
    assert 4 == result["response_s"]["count"] == result["service_s"]["count"]
    assert 4 == result["lag_s"]["count"]
    assert result["service_s"]["min"] >= 0.099  # 3 digits are kept
    assert {"total": 0, "ratio": 0.0, "kinds": []} == result["errors"]
    assert {"clients": 4, "made": 4, "never_served": 0} == result["connections"]
    assert result == json.loads(out.read_text())
    assert "Interval_Compressed_Histogram" in hdr.read_text()


def test_csv(run: Run) -> None:
    """A line for each request of the mix and one for all, which add up."""
    with Faulty(Recorder()) as server:
        words = ("-n", "40", "-c", "2", "--mix", "PING=3,BURN 3", "-o", "csv", "--quiet")
        finished = run(server.target, *words)

    rows = list(csv.DictReader(finished.stdout.splitlines()))
    assert ["PING", "BURN 3", "(all)"] == [row["command"] for row in rows]
    sent = [int(row["sent"]) for row in rows]
    assert sent[0] + sent[1] == sent[2] == 40
    assert "0" == rows[2]["errors"]


@pytest.mark.parametrize("threshold", ["p50<1us", "requests>=4"])
def test_a_run_ends_as_its_result_says(run: Run, threshold: str) -> None:
    """Whether it can be believed, and whether it met what was asked: of what it printed."""
    with Faulty(Recorder()) as server:
        words = ("-n", "4", "-c", "4", "-q", "-o", "json", "--threshold", threshold)
        finished = run(server.target, *words)

    result, asked = Result.from_json(finished.stdout), Threshold.parse(threshold)
    assert doubts(result) == result.doubts
    assert status.of(result, (asked,)) == finished.status
    assert [f"loadgen: {line}" for line in (asked.show(result), *result.doubts)] == (
        finished.stderr.splitlines()
    )


def test_nobody_listens(run: Run) -> None:
    """Status 1, and one line that says what and what to do, in place of a result."""
    with Faulty(faulty.lavish) as gone:
        pass
    finished = run(gone.target, "-q")

    assert 1 == finished.status
    assert "" == finished.stdout
    assert finished.stderr == (
        f"loadgen: no connection to {gone.target}: refused; nothing listens there: is the server"
        " up, and is it that port?\n"
    )


def test_no_such_host(run: Run) -> None:
    """Status 1, and one line: .invalid is nobody's (RFC 2606)."""
    finished = run("nobody.invalid:80")

    assert 1 == finished.status
    assert "there is no host 'nobody.invalid'" in finished.stderr.splitlines()[-1]


def test_usage(run: Run) -> None:
    """Status 2, and a line on what is wrong."""
    finished = run("127.0.0.1:80", "--think", "1s", "--rate", "5")

    assert 2 == finished.status
    assert "no time to think" in finished.stderr.splitlines()[-1]


def test_a_wrong_reply_fails_a_run(run: Run) -> None:
    """Status 1, and what was asked and what came is shown."""
    with Faulty(faulty.saying(b"PANG\n")) as server:
        finished = run(server.target, "-n", "2", "-c", "1", "-q")

    assert 1 == finished.status
    assert re.search(r"wrong reply: asked 'PING', came 'PANG\\n'", finished.stdout)
    assert "read: wrong reply" in finished.stdout


def test_metrics(start: Start) -> None:
    """The page has the metrics with the names that were agreed, each with an instance_id."""
    with Faulty(faulty.mute) as mute:
        words = ("-R", "20", "-d", "60s", "--timeout", "100ms", "-c", "1", "-q", "--idle", "3")
        running = start(mute.target, *words, "--metrics-port", "0", "--mix", "PING,BURN 3")
        url = running.await_line(r"metrics on (http://\S+)")[1]

        def scrape() -> str:
            with urllib.request.urlopen(url, timeout=10) as page:
                return str(page.read().decode())

        wanted = re.compile(r'requests_sent_total\{command="BURN",.*\} [1-9]')
        assert eventually(lambda: bool(wanted.search(scrape())))
        page = scrape()
        running.interrupt()
        running.finish()

    samples = [line for line in page.splitlines() if line.startswith("python_client")]
    assert 1 == len({re.findall(r'instance_id="(\w+)"', line)[0] for line in samples})
    assert {
        "python_clients_connected",
        "python_client_requests_sent_total",
        "python_client_request_errors_total",
        "python_client_connection_errors_total",
        "python_client_request_latency_seconds_bucket",
        "python_client_request_latency_seconds_count",
        "python_client_request_latency_seconds_sum",
    } == {re.split(r"[{ ]", line)[0] for line in samples}
    assert re.search(r'errors_total\{instance_id="\w+",type="read_timeout"\} [1-9]', page)


def test_the_port_of_the_metrics_is_taken(run: Run) -> None:
    """Status 1, and one line."""
    with Faulty(Recorder()) as server, socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        finished = run(server.target, "-n", "1", "-q", "--metrics-port", port)

    assert 1 == finished.status
    assert 1 == len(finished.stderr.splitlines())
    assert "in use" in finished.stderr


def test_another_service_over_ipv6(run: Run) -> None:
    """Any service that describes its replies is spoken, and IPv6 is as good as IPv4."""
    try:
        server = Faulty(faulty.saying(b"PONG\n"), "::1")
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with server:
        words = ("--service", "examples.greeter:service", "-n", "4", "-c", "2", "-q", "-o", "json")
        finished = run(server.target, *words, "--mix", "PING,ECHO hello")

    # PONG is as good a line as any for a command that does not say more of its replies.
    assert 4 == finished.json["requests"], finished.stderr
    assert server.target == finished.json["arguments"]["target"]


def test_a_file_that_can_not_be_written(run: Run, tmp_path: Path) -> None:
    """Without its directory it is an error of usage, found before a request is sent."""
    recorder = Recorder()
    with Faulty(recorder) as server:
        finished = run(server.target, "-n", "1", "--out", str(tmp_path / "no" / "such"))

    assert 2 == finished.status
    assert "there is no directory" in finished.stderr.splitlines()[-1]
    assert not recorder.asked


def test_a_full_disk(run: Run) -> None:
    """Status 1, and a line; the result has been printed by then."""
    with Faulty(Recorder()) as server:
        words = ("-n", "1", "-c", "1", "-q", "-o", "json", "--out", "/dev/full")
        finished = run(server.target, *words)

    assert 1 == finished.status
    assert 1 == finished.json["requests"]
    assert "the result could not be written" in finished.stderr.splitlines()[-1]
