"""Other protocols on the service's port: what a browser, a TLS client or an SSH client says."""

import pytest

from .client import eventually
from .process import Server
from .servers import Need

WRONG = b"WRONG_PROTOCOL\n"
#: Any web page can have it sent to a port of the loopback.
POST = (
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1:8090\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 8\r\n\r\n\nBURN 5\n"
)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (POST, "http"),
        (b"GET /metrics HTTP/1.1\r\n\r\n", "http"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "ssh"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01", "tls", marks=pytest.mark.needs(Need.OVERSIZE)),
    ],
    ids=["POST", "GET", "SSH", "TLS"],
)
def test_another_protocol_is_turned_away(server: Server, said: bytes, why: str) -> None:
    """At once, with one line; it is counted by its name, and nothing of it is run."""
    name = f'server_rejected_connections_total{{reason="{why}"}}'
    burns = 'server_requests_total{request_type="burn"}'
    before = server.samples() if server.target.ours else {}
    with server.connect() as client:
        client.send(said)
        assert WRONG == client.read_line()
        client.shutdown_write()
        assert b"" == client.read_all()
    if server.target.ours:
        assert eventually(lambda: before[name] + 1 == server.samples()[name])
        assert before[burns] == server.samples()[burns]
