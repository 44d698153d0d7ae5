"""Listening sockets: every address of a name, one port, and errors that say where."""

import errno
import socket
from typing import Any

import pytest

from dumb_async.hosting import listening
from dumb_async.hosting.addresses import connect, connecting_addresses, reachable_address
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


def resolve_to(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
    """Have every name stand for these IPv4 addresses."""
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda _, port, **__: [(socket.AF_INET, 1, 6, "", (host, port)) for host in hosts],
    )


@pytest.mark.parametrize("hosts", [("127.0.0.1", "192.0.2.1"), ("192.0.2.1", "127.0.0.1")])
def test_an_address_that_there_is_not_is_left_out(
    hosts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And said: many a hosts file names one of an IPv6 that is off."""
    resolve_to(monkeypatch, *hosts)
    listeners = open_listeners("two", 0, 10)
    close(listeners)
    assert 1 == len(listeners)
    (record,) = caplog.records
    assert record.getMessage().startswith("not listening on 192.0.2.1:")
    assert record.getMessage().endswith(": Cannot assign requested address")


def test_where_there_is_none_it_fails(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In one error, by the name that was given."""
    resolve_to(monkeypatch, "192.0.2.1", "198.51.100.1")
    with pytest.raises(OSError, match="cannot listen on two:8090: Cannot assign requested"):
        open_listeners("two", 8090, 10)
    assert [] == caplog.records


def test_an_address_may_be_in_brackets() -> None:
    """As we write it ourselves; and `::` is IPv6 alone, whatever the system's default."""
    listeners = open_listeners("[::]", 0, 10)
    assert ["::"] == [one.getsockname()[0] for one in listeners]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", listeners[0].getsockname()[1]))
    close(listeners)


@pytest.mark.parametrize(
    ("host", "hosts"),
    [
        ("", {"127.0.0.1", "::1"}), ("*", {"127.0.0.1", "::1"}),
        ("0.0.0.0", {"127.0.0.1"}), ("0", {"127.0.0.1"}),
        ("::", {"::1"}), ("[::]", {"::1"}), ("::1", {"::1"}), ("127.0.0.2", {"127.0.0.2"}),
    ],
)  # fmt: skip
def test_who_listens_everywhere_is_asked_on_the_loopback(host: str, hosts: set[str]) -> None:
    """Under every spelling of it."""
    assert hosts == {address[0] for _, address in connecting_addresses(host, 80)}


def test_the_first_that_answers_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may stand for an address on which nobody listens; where none is, the last."""
    with socket.create_server(("127.0.0.3", 0)) as listener:
        port = listener.getsockname()[1]
        resolve_to(monkeypatch, "127.0.0.2", "127.0.0.3", "127.0.0.4")
        assert ("127.0.0.3", port) == reachable_address("three", port, 1)[1]
    assert ("127.0.0.4", port) == reachable_address("three", port, 1)[1]
    # What is said of it is then that nobody listens there, not that it is no address of ours.
    listed = [
        (socket.AF_INET, 1, 6, "", ("127.0.0.2", port)),
        (socket.AF_APPLETALK, 1, 6, "", ("::1", port)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: listed)
    assert ("127.0.0.2", port) == reachable_address("two", port, 1)[1]
    with pytest.raises(ConnectionRefusedError):
        connect("two", port, 1)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_an_address_that_is_not_ours_is_named(host: str) -> None:
    """Whether it is unknown or somebody else's."""
    with pytest.raises(OSError, match=f"cannot listen on {host}:8090: .+"):
        open_listeners(host, 8090, 10)


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "..", "a..b", "[]", "[", "\udcff"])
def test_a_name_that_cannot_be_one_is_named(host: str) -> None:
    """It is an address like any other that cannot be listened on."""
    with pytest.raises(OSError, match="cannot listen on"):
        open_listeners(host, 8090, 10)
