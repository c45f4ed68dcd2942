"""The PROXY protocol, versions 1 and 2 (HAProxy's doc/proxy-protocol.txt), and what trusted proxies say in a field.

What a header says holds for access by address, for limits and for the access log. Whoever may not say it, or says it
wrongly, is closed in silence. What was decided for one client never reaches another: decisions are kept by class.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from support.access import ClientFrom
from support.both_ways import ask_both_ways
from support.client import Client, get
from support.fixtures import Connect, Serve
from support.poll import until
from support.running import Running
from support.webroot import CONTENT

from tuxpy.config.bounds import ClientLimits, ForwardedField, Proxies
from tuxpy.config.settings import Address, LogConfig
from tuxpy.rules.gates import Gate
from tuxpy.rules.policy import Policy
from tuxpy.serving.refusal_log import Refusals

V2: Final = b"\r\n\r\n\0\r\nQUIT\n"
GOOD, BAD = "192.0.2.7", "198.51.100.7"
ONLY_GOOD: Final = Policy(gates=(Gate.parse("/docs/*", allow=[GOOD, "2001:db8::/32"]),))
PROXIED: Final = (Address("127.0.0.1", 0, True, proxy=True),)
TARGET: Final = "/docs/deep/a.css"
PAGE = get(TARGET)


@pytest.fixture(autouse=True)
def _quiet(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is not what these tests are about, but for one."""
    if not request.node.name.startswith("test_the_log"):
        monkeypatch.setattr(Refusals, "look", lambda *_: None)


def v1(source: str, port: int = 4321) -> bytes:
    six = ":" in source
    return f"PROXY TCP{'6' if six else '4'} {source} {'::1' if six else '127.0.0.1'} {port} 80\r\n".encode()


def v2(source: str, port: int = 4321, more: bytes = b"", command: int = 0x21) -> bytes:
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    address = socket.inet_pton(family, source)
    addresses = address + bytes(len(address)) + struct.pack("!HH", port, 80) + more
    kind = 0x21 if family == socket.AF_INET6 else 0x11
    return V2 + bytes((command, kind)) + struct.pack("!H", len(addresses)) + addresses


Header = Callable[[str], bytes]
HEADERS: Final[list[Header]] = [v1, v2, lambda source: v2(source, more=b"\x04" + b"\0\x03abc" + bytes(300))]


def proxied(serve: Serve, **options: Any) -> Running:
    return serve(**{"binds": PROXIED, "proxies": Proxies(("127.0.0.1",)), "policy": ONLY_GOOD, **options})


def after(connect: Connect, header: bytes) -> Connect:
    """Opens connections that begin with this header."""

    def connect_(running: Running) -> Client:
        client: Client = connect(running)
        client.send(header)
        return client

    return connect_


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize(("source", "status"), [(GOOD, 200), (BAD, 403), ("2001:db8::1", 200), ("2001:db9::1", 403)])
def test_the_address_of_the_header_is_the_clients(
    serve: Serve, connect: Connect, header: Header, source: str, status: int
) -> None:
    """Judged and kept, whole and byte by byte."""
    server = proxied(serve)
    answer = ask_both_ways(server, after(connect, header(source)), PAGE, kept=True)
    assert answer.status == status


@pytest.mark.parametrize("header", HEADERS)
def test_what_one_may_see_another_does_not_get(serve: Serve, connect: Connect, header: Header) -> None:
    server = proxied(serve)
    for source, status in [(GOOD, 200), (BAD, 403)] * 3:
        assert after(connect, header(source))(server).ask(PAGE).status == status
    assert server.metric("judged") == 2, "one for each class of address"


@pytest.mark.parametrize("header", HEADERS)
def test_header_and_requests_in_one_segment(serve: Serve, connect: Connect, header: Header) -> None:
    server = proxied(serve)
    client = connect(server)
    client.send(header(GOOD) + PAGE * 3)
    assert [answer.body for answer in client.read_all([PAGE] * 3)] == [CONTENT[TARGET[1:]]] * 3


@pytest.mark.parametrize("header", HEADERS[:2])
def test_byte_by_byte(serve: Serve, connect: Connect, header: Header) -> None:
    server = proxied(serve)
    client = connect(server)
    client.send_bytewise(header(GOOD) + PAGE, lambda: server.wait_until_read(client))
    assert client.read().status == 200


@pytest.mark.parametrize(
    "header",
    [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN whatever this says\r\n", v2(BAD, command=0x20), V2 + b"\x21\0\0\0"],
    ids=["unknown", "unknown-and-more", "local", "unspec"],
)
@pytest.mark.parametrize(("allowed", "status"), [("127.0.0.1", 200), (BAD, 403)])
def test_who_does_not_say_keeps_the_address_of_the_connection(
    serve: Serve, connect: Connect, header: bytes, allowed: str, status: int
) -> None:
    """Section 2: health checks of the proxy itself, and what is no TCP."""
    server = proxied(serve, policy=Policy(gates=(Gate.parse("/*", allow=[allowed]),)))
    assert after(connect, header)(server).ask(PAGE).status == status


@pytest.mark.parametrize(
    "header",
    [
        b"", b"PROXY TCP4 192.0.2.7 127.0.0.1 1\r\n", b"PROXY TCP4 192.0.2.7 127.0.0.1 1 99999\r\n",
        b"PROXY TCP6 192.0.2.7 127.0.0.1 1 1\r\n", b"PROXY " + b"x" * 120, b"\r\n", V2[:-1] + b"X",
        V2 + b"\x31\x11\0\x0c" + bytes(12), V2 + b"\x21\x11\0\x0b" + bytes(11), V2 + b"\x21\x12\0\x0c" + bytes(12),
    ],
)  # fmt: skip
def test_a_missing_or_wrong_header_closes_in_silence(serve: Serve, connect: Connect, header: bytes) -> None:
    server = proxied(serve)
    client = connect(server)
    client.send_until_refused(header + PAGE)
    assert client.rest_or_reset() == b""
    assert (server.metric("proxy_faults"), server.metric("requests")) == (1, 0)


def test_a_header_that_ends_early(serve: Serve, connect: Connect) -> None:
    server = proxied(serve)
    for part in (b"PROXY TCP4 192", V2 + b"\x21"):
        client = connect(server)
        client.send(part)
        client.finish()
        assert client.rest_or_reset() == b""
    assert server.metric("proxy_faults") == 2


def test_a_connection_without_a_byte_is_no_fault(serve: Serve, connect: Connect) -> None:
    """So load balancers look whether somebody is there."""
    server = proxied(serve)
    for number in range(4):
        client = connect(server)
        client.reset() if number % 2 else client.close()
    assert after(connect, v1(GOOD))(server).ask(PAGE).status == 200
    assert server.metric("proxy_faults") == 0


def test_only_trusted_networks_may_say_it(serve: Serve) -> None:
    """Whoever else comes is closed before a byte of it is looked at."""
    server = proxied(serve, proxies=Proxies(("127.0.0.2", "127.3.0.0/16")))
    for source, trusted in (("127.0.0.1", False), ("127.0.0.2", True), ("127.3.9.9", True), ("127.4.0.1", False)):
        with ClientFrom(server.address, source) as client:
            client.send_until_refused(v1(GOOD) + PAGE)
            if trusted:
                assert client.read().status == 200
            else:
                assert client.rest_or_reset() == b""
    assert server.metric("proxy_faults") == 2


def test_the_log_tells_of_faults(serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    server = proxied(serve)
    client = connect(server)
    client.send(PAGE)
    assert client.rest_or_reset() == b""
    assert until(lambda: "1 connections were closed without a PROXY header that can be trusted" in caplog.text)
    caplog.clear()


def test_at_a_unix_socket_nobody_need_be_named(serve: Serve, tmp_path: Path) -> None:
    """Who may connect there is said by its mode."""
    path = tmp_path / "s"
    local = Address("", 0, True, unix=str(path), proxy=True)
    server = serve(binds=(Address("127.0.0.1", 0, True), local), policy=ONLY_GOOD)
    for source, status in ((GOOD, b"200"), (BAD, b"403")):
        with socket.socket(socket.AF_UNIX) as one:
            one.settimeout(10)
            one.connect(str(path))
            one.sendall(v2(source) + PAGE)
            assert one.recv(4096)[9:12] == status
    with Client(server.address) as plain:
        assert plain.ask(PAGE).status == 403


def test_limits_count_by_the_address_of_the_header(serve: Serve, connect: Connect) -> None:
    """The proxy itself is trusted, so it is not counted."""
    server = proxied(serve, limits=ClientLimits(interval_s=3600, burst=2, connections_per_address=3))
    for source in (GOOD, "2001:db8::1"):
        client = after(connect, v1(source))(server)
        assert [client.ask(PAGE).status for _ in range(3)] == [200, 200, 429]
    clients = [after(connect, v1(GOOD))(server) for _ in range(3)]
    answers = [client.ask(PAGE) for client in clients]
    assert [answer.closes for answer in answers] == [False, False, True]
    assert server.metric("limited_1") == 1


def test_the_access_log_has_address_and_port_of_the_header(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = LogConfig(str(path), '{client} {peer} {port} {status}')
    server = proxied(serve, access_log=log)
    for source in (GOOD, BAD, "2001:db8::1"):
        after(connect, v2(source, 777))(server).ask(PAGE)
    assert until(lambda: path.read_text().count("\n") == 3)
    lines = [f"{GOOD} {GOOD} 777 200", f"{BAD} {BAD} 777 403", "2001:db8::1 2001:db8::1 777 200"]
    assert path.read_text().splitlines() == lines


@pytest.mark.slow
def test_9112_9_6_draining_does_not_wait_for_a_header(serve: Serve, connect: Connect) -> None:
    server = proxied(serve)
    client = connect(server)
    assert after(connect, v1(GOOD))(server).ask(PAGE).status == 200
    server.wait_for("accepted", 2)  # whoever says nothing is accepted a second later
    server.ask_to_stop()
    assert client.rest_or_reset() == b""


@pytest.mark.slow
@pytest.mark.parametrize("part", [b"", b"PROXY TCP4 "])
def test_a_header_has_the_time_of_a_head(serve: Serve, connect: Connect, part: bytes) -> None:
    server = proxied(serve, head_timeout_s=0.3)
    client = connect(server)
    client.send(part)
    assert client.rest_or_reset() == b""
    assert server.metric("proxy_faults") == 1


# X-Forwarded-For, Forwarded.


def forwarding(serve: Serve, field: ForwardedField = "x-forwarded-for", *trusted: str) -> Running:
    return serve(policy=ONLY_GOOD, proxies=Proxies(trusted or ("127.0.0.0/8", "10.0.0.0/8"), field))


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([f"X-Forwarded-For: {GOOD}"], 200),
        ([f"X-Forwarded-For: {BAD}"], 403),
        ([f"x-forwarded-for: {BAD}, {GOOD}"], 200),  # what stands in front the client has written
        ([f"X-Forwarded-For: {GOOD}, {BAD}"], 403),
        ([f"X-Forwarded-For: {GOOD}, 10.0.0.1, 127.0.0.9"], 200),  # hops that are trusted
        ([f"X-Forwarded-For: {GOOD}", f"X-Forwarded-For: {BAD}"], 403),
        ([f"X-Forwarded-For: {GOOD}", "X-Forwarded-For: 10.0.0.1"], 200),
        (["X-Forwarded-For: 2001:db8::1"], 200),
        (["X-Forwarded-For: [2001:db8::1]:555"], 200),
        ([f"X-Forwarded-For: {GOOD}:555"], 200),
        (["X-Forwarded-For: unknown"], 403),  # nobody
        ([f"X-Forwarded-For: {GOOD}, unknown"], 403),
        (["X-Forwarded-For: 10.0.0.1"], 403),
        ([f"Forwarded: for={GOOD}"], 403),  # of another field nobody knows who wrote it
        ([f"Forwarded: for={GOOD}", f"X-Forwarded-For: {BAD}"], 403),
        ([], 403),
    ],
)
def test_a_trusted_proxy_says_who_asks(serve: Serve, connect: Connect, fields: list[str], status: int) -> None:
    server = forwarding(serve)
    answer = ask_both_ways(server, connect, get(TARGET, *fields), kept=True)
    assert answer.status == status


def test_7239_4_forwarded_where_that_is_the_field(serve: Serve, connect: Connect) -> None:
    server = forwarding(serve, "forwarded")
    for fields, status in (
        ([f'Forwarded: for={BAD};proto=http, For="{GOOD}:80"'], 200),
        (['Forwarded: for="[2001:db8::1]"'], 200),
        ([f"Forwarded: for={GOOD}, for=_hidden"], 403),
        ([f"X-Forwarded-For: {GOOD}"], 403),
    ):
        assert connect(server).ask(get(TARGET, *fields)).status == status


def test_from_anybody_else_it_means_nothing(serve: Serve) -> None:
    server = forwarding(serve, "x-forwarded-for", "127.0.0.2")
    for source, status in (("127.0.0.1", 403), ("127.0.0.2", 200)):
        with ClientFrom(server.address, source) as client:
            assert client.ask(get(TARGET, f"X-Forwarded-For: {GOOD}")).status == status


def test_off_it_means_nothing(serve: Serve, connect: Connect) -> None:
    server = forwarding(serve, "off")
    assert connect(server).ask(get(TARGET, f"X-Forwarded-For: {GOOD}")).status == 403


def test_clients_that_share_a_connection_of_the_proxy_are_told_apart(serve: Serve, connect: Connect) -> None:
    """One after another and in a pipeline, from the cache by then; the judge sees each class once."""
    server = forwarding(serve)
    client = connect(server)
    asked = [get(TARGET, f"X-Forwarded-For: {source}", f"X-Number: {n}") for n, source in
             enumerate([GOOD, BAD, BAD, GOOD, GOOD, BAD] * 5)]
    wanted = [200, 403, 403, 200, 200, 403] * 5
    assert [client.ask(request).status for request in asked] == wanted
    client.send(b"".join(asked))
    assert [answer.status for answer in client.read_all(asked)] == wanted
    assert server.metric("judged") == 2


def test_a_reload_changes_whom_we_believe_on_open_connections_too(serve: Serve, connect: Connect) -> None:
    server = forwarding(serve)
    client = connect(server)
    request = get(TARGET, f"X-Forwarded-For: {GOOD}")
    for trusted, status in ((("127.0.0.1",), 200), ((), 403), (("127.0.0.1",), 200)):
        reload(server, proxies=Proxies(trusted))
        assert client.ask(request).status == status


def reload(running: Running, **changed: object) -> None:
    """Another configuration, in force when this returns."""
    server, done = running.server, threading.Event()
    config = replace(server.config, **changed)  # type: ignore[arg-type]
    server._reloads.load = lambda: config
    server.reloaded = lambda _: done.set()
    server.ask(signal.SIGHUP)
    assert done.wait(10)


# Limits change while connections are open.


def test_a_reload_changes_limits_on_open_connections_too(serve: Serve, connect: Connect) -> None:
    server = serve()
    client, other = connect(server), connect(server)
    assert client.ask(PAGE).status == other.ask(PAGE).status == 200
    reload(server, limits=ClientLimits(interval_s=3600, burst=2, connections_per_address=2))
    assert [client.ask(PAGE).status for _ in range(3)] == [200, 200, 429], "who is here stays, and is counted"
    assert connect(server).ask(PAGE).closes
    reload(server, limits=ClientLimits(interval_s=1.5, burst=1, requests_per_connection=8))
    while not (answer := client.ask(PAGE)).closes:
        assert answer.status in (200, 429)
    assert until(lambda: server.metric("used_up") >= 1)
    reload(server, limits=ClientLimits())
    assert [other.ask(PAGE).status for _ in range(20)] == [200] * 20


def test_the_json_log_tells_answers_of_limits_from_others(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    path = tmp_path / "log"
    server = serve(access_log=LogConfig(str(path), "json"), limits=ClientLimits(interval_s=3600, burst=1))
    client = connect(server)
    for _ in range(2):
        client.ask(PAGE)
    assert until(lambda: path.read_text().count("\n") == 2)
    assert [(one["status"], one["source"]) for one in map(json.loads, path.read_text().splitlines())] == [
        (200, "judged"), (429, "limit"),
    ]  # fmt: skip
    assert os.path.getsize(path) > 0  # noqa: PTH202
