"""A crowded listener makes room (RFC 9112 9.5: a server may close a connection that idles; 9.6: in an orderly way).

Who goes: the longest idle connection, then the oldest unfinished head; those of an address that holds most of them
before all others; never one that is being answered.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.access import ClientFrom
from support.client import Client, get
from support.fixtures import Connect, Serve
from support.poll import DEADLINE_S, until
from support.running import Running
from support.watched import Watched
from support.webroot import CONTENT

from tuxpy.config.settings import Backend
from tuxpy.serving.refusal_log import Refusals

NOTES = get("/notes.txt")
SLOTS = 32
SPARE = 2  # a sixteenth
CROWD = 120
ELSEWHERE = "127.0.0.2"  # a good client's address


@pytest.fixture(autouse=True)
def _quiet(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the log is not what a test is about, nothing is told."""
    if "told" not in request.node.name:
        monkeypatch.setattr(Refusals, "look", lambda *_: None)


def idle(client: Client, _: Running) -> None:
    assert client.ask(NOTES).status == 200


def idle_since_another_millisecond(client: Client, running: Running) -> None:
    idle(client, running)
    until(lambda: False, within_s=0.003)


def half_open(client: Client, running: Running) -> None:
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
    running.wait_until_read(client, DEADLINE_S)
    until(lambda: False, within_s=0.003)


def blank(client: Client, running: Running) -> None:
    client.send(b"\r\n")
    running.wait_until_read(client, DEADLINE_S)


@pytest.fixture
def crowd() -> Iterator[Callable[..., list[Client]]]:
    opened: list[Client] = []

    def crowd_(running: Running, count: int, does: Callable[[Client, Running], None]) -> list[Client]:
        before = len(opened)
        for _ in range(count):
            opened.append(Client(running.address))
            does(opened[-1], running)
        return opened[before:]

    yield crowd_
    for client in opened:
        client.close()


def is_over(client: Client) -> bool:
    client.socket.setblocking(False)
    try:
        return client.socket.recv(1) == b""
    except BlockingIOError:
        return False
    finally:
        client.socket.settimeout(10)


@pytest.mark.parametrize("does", [idle, half_open, blank])
def test_9112_9_5_a_crowd_of_one_address_costs_others_nothing(
    serve: Serve, crowd: Callable[..., list[Client]], does: Callable[[Client, Running], None]
) -> None:
    """Not even the connection that a good client has kept, though it is the longest idle one by far."""
    server = serve(max_connections=SLOTS)
    with ClientFrom(server.address, ELSEWHERE) as kept:
        assert kept.ask(NOTES).status == 200
        held = crowd(server, CROWD, does)
        assert kept.ask(NOTES).status == 200
        for _ in range(5):
            with ClientFrom(server.address, ELSEWHERE) as fresh:
                assert fresh.ask(NOTES).status == 200
    assert server.metric("limited_0") == 0
    assert server.metric("made_room") >= CROWD - SLOTS
    assert all(is_over(client) for client in held[: CROWD // 2]), "in order, without a reset"


def test_9112_9_5_the_longest_idle_one_goes_first(serve: Serve, crowd: Callable[..., list[Client]]) -> None:
    server = serve(max_connections=SLOTS)
    held = crowd(server, SLOTS - SPARE, idle_since_another_millisecond)
    assert until(lambda: server.metric("parked_2") == SLOTS - SPARE)
    assert server.metric("made_room") == 0
    idle_since_another_millisecond(held[0], server)
    crowd(server, 3, idle_since_another_millisecond)
    assert until(lambda: server.metric("made_room") == 3)
    assert [held.index(client) for client in held if is_over(client)] == [1, 2, 3]


def test_9112_9_5_idle_ones_go_before_unfinished_heads(serve: Serve, crowd: Callable[..., list[Client]]) -> None:
    server = serve(max_connections=SLOTS)
    heads = crowd(server, 10, half_open)
    others = crowd(server, SLOTS - SPARE - 10, idle)
    crowd(server, len(others) + 2, half_open)
    assert until(lambda: all(is_over(client) for client in others))
    assert until(lambda: server.metric("made_room") == len(others) + 2)
    assert [heads.index(client) for client in heads if is_over(client)] == [0, 1]


def test_9110_15_6_4_who_is_being_answered_never_goes(
    serve: Serve, connect: Connect, crowd: Callable[..., list[Client]]
) -> None:
    server = serve(max_connections=SLOTS)
    busy = [connect(server, receive_buffer=4096) for _ in range(8)]
    for client in busy:
        client.send(get("/large.bin"))
    server.wait_for("requests", 8)
    crowd(server, CROWD, idle)
    for client in busy:
        assert client.read().body == CONTENT["large.bin"]
    assert server.metric("limited_0") == 0


def test_a_request_that_comes_at_the_last_moment_is_answered(serve: Serve, connect: Connect) -> None:
    """Clients of a full server ask and ask again: each connection that ends does so between two answers."""
    server = serve(max_connections=8)
    answered = ended = 0
    clients = [connect(server) for _ in range(7)]
    for number in range(400):
        client = clients[number % len(clients)]
        client.send_until_refused(NOTES)
        if number % 3 == 0:
            with Client(server.address) as other:
                assert other.ask(NOTES).status == 200
        got = client.rest_or_reset() if is_over_soon(client) else client.read().body
        if got == CONTENT["notes.txt"]:
            answered += 1
        else:
            ended += 1
            client.close()
            clients[number % len(clients)] = connect(server)
    assert answered > 100


def is_over_soon(client: Client) -> bool:
    return client.socket.recv(1, socket.MSG_PEEK) == b""


def test_it_is_told_now_and_then(
    serve: Serve, crowd: Callable[..., list[Client]], caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(max_connections=SLOTS)
    crowd(server, CROWD, idle)
    words = "idle or unfinished connections were closed to make room: raise server.max_connections"
    assert until(lambda: words in caplog.text)
    assert caplog.text.count(words) == 1
    caplog.clear()


def test_the_admin_listener_is_answered_beside_a_crowd(tmp_path: Path, backend: Backend) -> None:
    with Watched(tmp_path, backend) as watched:
        held = []
        for _ in range(300):
            held.append(Client(watched.admin_address))
            held[-1].send(b"GET / HTTP/1.1\r\n")
        with Client(watched.admin_address) as client:
            assert client.ask(get("/ready")).status == 200
        for one in held:
            one.close()
