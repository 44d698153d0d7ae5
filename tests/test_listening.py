"""Listening sockets: every address of a name, one port, and errors that say where."""

import errno
import socket
from typing import Any

import pytest

from dumb_async.hosting import listening
from dumb_async.hosting.listening import open_listeners, show_address


def close(listeners: list[socket.socket]) -> None:
    """Close them all."""
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (("127.0.0.1", 8090), "127.0.0.1:8090"),
        (("::1", 8090), "[::1]:8090"),
        (("localhost", 0), "localhost:0"),
    ],
)
def test_addresses_are_written_as_people_do(address: tuple[str, int], text: str) -> None:
    """So that they can be pasted."""
    assert text == show_address(address)


def test_a_listener_can_be_connected_to() -> None:
    """At the address that it has; it does not block, and replies are not delayed."""
    (listener,) = open_listeners("127.0.0.1", 0, 10)
    assert 0.0 == listener.gettimeout()
    with socket.create_connection(listener.getsockname()):
        accepted = listener.accept()[0]
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        accepted.close()
    close([listener])


def test_a_port_can_be_had_again_at_once() -> None:
    """Connections that its last owner has closed do not keep it."""
    (listener,) = open_listeners("127.0.0.1", 0, 10)
    address = listener.getsockname()
    with socket.create_connection(address):
        listener.accept()[0].close()
    close([listener])
    close(open_listeners(address[0], address[1], 10))


def test_every_address_of_a_name_shares_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that the kernel chose for the first; an address given twice counts once."""

    def resolve(host: str | None, port: int, **_: Any) -> list[Any]:
        assert ("two", 0) == (host, port)
        found = [(socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET, ("127.0.0.2", 0))]
        return [(family, 1, 6, "", address) for family, address in (*found, *found)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    listeners = open_listeners("two", 0, 10)
    names = [listener.getsockname() for listener in listeners]
    assert ["127.0.0.1", "127.0.0.2"] == [host for host, _ in names]
    assert 1 == len({port for _, port in names})
    close(listeners)


def test_localhost_is_every_loopback_address() -> None:
    """Of those that this machine gives to the name."""
    listeners = open_listeners("localhost", 0, 10)
    known = socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)
    assert {entry[4][0] for entry in known} == {one.getsockname()[0] for one in listeners}
    assert 1 == len({one.getsockname()[1] for one in listeners})
    close(listeners)


def test_no_host_is_every_address() -> None:
    """IPv6 beside IPv4, not instead of it."""
    listeners = open_listeners("", 0, 10)
    assert "0.0.0.0" in {one.getsockname()[0] for one in listeners}
    close(listeners)


def test_a_taken_port_is_named() -> None:
    """In a plain OSError, with the number of the error."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}: ") as caught:
            open_listeners("127.0.0.1", port, 10)
    assert errno.EADDRINUSE == caught.value.errno


def test_no_listener_is_left_if_one_of_them_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first address may be free and the second not."""
    opened: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        addresses = [
            (socket.AF_INET, 1, 6, "", (host, port)) for host in ("127.0.0.2", "127.0.0.1")
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
        monkeypatch.setattr(listening, "_prepare", opened.append)
        with pytest.raises(OSError, match="cannot listen"):
            open_listeners("two", port, 10)
    assert [-1, -1] == [sock.fileno() for sock in opened]


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_an_address_that_is_not_ours_is_named(host: str) -> None:
    """Whether it is unknown or somebody else's."""
    with pytest.raises(OSError, match=f"cannot listen on {host}:8090: .+"):
        open_listeners(host, 8090, 10)


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "..", "a..b"])
def test_a_name_that_cannot_be_one_is_named(host: str) -> None:
    """It is an address like any other that cannot be listened on."""
    with pytest.raises(OSError, match="cannot listen on"):
        open_listeners(host, 8090, 10)
