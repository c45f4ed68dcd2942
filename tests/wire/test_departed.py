"""Those who wait for slow work: a crowd delays nobody else, and work that nobody waits for is not done.

A client that closes sends a FIN, and so does one that only ends its own side and reads on: both are tried.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.access import ClientFrom, SlowCheck, basic, write_users
from support.client import Client, get
from support.fixtures import Connect, Serve
from support.poll import until
from support.running import Running

from tuxpy.config.settings import Address
from tuxpy.engine.http_engine import Miss
from tuxpy.rules.gates import Gate, Login
from tuxpy.rules.policy import Policy
from tuxpy.serving import service as service_module
from tuxpy.serving.presence import Asker, Presence, gone
from tuxpy.site import listed
from tuxpy.site.errands import QUEUE_MAX

WORKERS = service_module._ERRAND_THREADS
CROWD = WORKERS + 40
RIGHT = basic("ann", "right")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def guess(number: int, version: str = "1.1") -> bytes:
    return get("/docs/", basic("ann", f"guess {number}"), version=version)


def final(client: Client) -> int:
    """The status of the next final answer (RFC 9110 15.2: a client reads over any number of interim ones)."""
    while len(client._kept) < len(CONTINUE) and CONTINUE.startswith(client._kept):
        part = client.socket.recv(1 << 16)
        assert part, "the connection ended without an answer"
        client._kept += part
    while client._kept.startswith(CONTINUE):
        client._kept = client._kept.removeprefix(CONTINUE)
    return client.read().status


@pytest.fixture
def gated(serve: Serve, check: SlowCheck, tmp_path: Path) -> Iterator[Running]:
    users = write_users(tmp_path / "users", ann="right")
    running = serve(policy=Policy(gates=(Gate.parse("/docs/*", login=Login(users)),)), max_connections=1024)
    yield running
    check.let_go()


def waits(running: Running, count: int) -> bool:
    return until(lambda: running.server._errands.pending == count)


@pytest.mark.parametrize("leave", [Client.close, Client.reset], ids=["closed", "reset"])
def test_work_for_those_who_have_left_is_not_done(
    gated: Running, connect: Connect, check: SlowCheck, leave: Callable[[Client], None]
) -> None:
    """What had begun is finished and remembered; all connections are given back meanwhile, and the drain is short."""
    crowd = [connect(gated) for _ in range(CROWD)]
    for number, client in enumerate(crowd):
        client.send(guess(number))
    assert waits(gated, CROWD)
    for client in crowd:
        leave(client)
    assert waits(gated, WORKERS), "the queue still holds what nobody waits for"
    assert until(lambda: gated.metric("connections") == 0)
    check.let_go()
    assert waits(gated, 0)
    assert len(check.begun) == WORKERS
    first = int(check.begun[0].split()[1])
    assert connect(gated).ask(guess(first)).status == 401
    assert len(check.begun) == WORKERS, "what was worked out was not remembered"


def test_those_who_have_left_hold_up_no_drain(gated: Running, connect: Connect, check: SlowCheck) -> None:
    crowd = [connect(gated) for _ in range(CROWD)]
    for number, client in enumerate(crowd):
        client.send(guess(number))
    assert waits(gated, CROWD)
    for client in crowd:
        client.close()
    gated.ask_to_stop()
    assert until(lambda: gated.metric("connections") == 0)
    assert len(check.begun) == WORKERS


def test_9110_15_2_1_a_client_that_has_ended_its_side_gets_its_answer(
    gated: Running, connect: Connect, check: SlowCheck
) -> None:
    """Also one that has pipelined: nothing of what it sent is lost (RFC 9112 9.3.2)."""
    crowd = [connect(gated) for _ in range(WORKERS)]
    for number, client in enumerate(crowd):
        client.send(guess(number))
    assert waits(gated, WORKERS)
    client = connect(gated)
    client.send(guess(100) + get("/notes.txt") + guess(101) + get("/nothing"))
    client.finish()
    until(lambda: client.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) if _readable(client) else b"")
    check.let_go()
    assert [final(client) for _ in range(4)] == [401, 200, 401, 404]
    assert client.rest() == b""


def _readable(client: Client) -> bool:
    return bool(select.select([client.socket], [], [], 0)[0])


def test_9110_15_6_4_an_http_1_0_client_that_has_ended_its_side_is_told_to_come_back(
    gated: Running, connect: Connect, check: SlowCheck
) -> None:
    """Nothing tells whether it has closed, and nothing may be sent to it before the answer (RFC 9110 15.2). Work that
    has begun is not given up."""
    crowd = [connect(gated) for _ in range(WORKERS)]
    for number, client in enumerate(crowd):
        client.send(guess(number, "1.0"))
        client.finish()
    assert until(lambda: len(check.begun) == WORKERS)
    late = connect(gated)
    late.send(guess(100, "1.0"))
    late.finish()
    answer = late.read()
    assert (answer.status, answer[b"retry-after"]) == (503, b"1")
    check.let_go()
    assert [client.read().status for client in crowd] == [401] * WORKERS


def test_a_crowd_of_one_address_delays_another_by_what_has_begun(
    gated: Running, connect: Connect, check: SlowCheck
) -> None:
    """300 wrong passwords from one address; a first login from another."""
    crowd = [connect(gated) for _ in range(QUEUE_MAX + WORKERS)]
    for number, client in enumerate(crowd):
        client.send(guess(number))
    assert waits(gated, len(crowd))
    with ClientFrom(gated.address, "127.0.0.2") as other:
        other.send(get("/docs/", RIGHT))
        assert crowd[-1].read().status == 503, "the newest of the crowd makes room"
        assert len(check.begun) == WORKERS
        check.let_some_go(WORKERS + 1)
        assert until(lambda: b"right" in check.begun), "it comes behind more than had begun before it"
        check.let_go()
        assert other.read().status == 200
    assert [client.read().status for client in crowd[:-1]] == [401] * (len(crowd) - 1)


def test_a_unix_client_that_closes_is_gone(serve: Serve, check: SlowCheck, tmp_path: Path) -> None:
    users, path = write_users(tmp_path / "users", ann="right"), str(tmp_path / "s")
    binds = (Address("127.0.0.1", 0, True), Address("", 0, True, unix=path))
    running = serve(policy=Policy(gates=(Gate.parse("/docs/*", login=Login(users)),)), binds=binds)
    crowd = []
    for number in range(CROWD):
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
        client.sendall(guess(number))
        crowd.append(client)
    assert waits(running, CROWD)
    for client in crowd:
        client.close()
    assert waits(running, WORKERS)
    check.let_go()
    assert waits(running, 0)
    assert len(check.begun) == WORKERS


# Listings.


def test_a_query_that_means_nothing_makes_no_listing_anew(
    serve: Serve, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many ask for one listing at a time, each with a query of its own: it is read once."""
    root = tmp_path / "root"
    (root / "many").mkdir(parents=True)
    (root / "many" / "a.txt").write_text("a")
    hold, read = SlowCheck(), listed.listing.read

    def slowly(*words: object) -> object:
        hold("", b"right")
        return read(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(listed.listing, "read", slowly)
    running = serve(root=root, policy=Policy(listing=True))
    crowd = [connect(running) for _ in range(60)]
    try:
        for number, client in enumerate(crowd):
            client.send(get(f"/many/?{'format=json&' * (number % 2)}{number}&sort=nothing"))
        assert until(lambda: _askers(running) == len(crowd))
        assert waits(running, 2), "a page, and JSON"
    finally:
        hold.let_go()
    assert {client.read().status for client in crowd} == {200}
    assert len(hold.begun) == 2


def _askers(running: Running) -> int:
    errands = running.server._errands
    waiting = [errand for queue in errands._queues.values() for errand in queue]
    return sum(len(errand.askers) for errand in (*waiting, *errands._running.values()))


# What the kernel says.


def test_presence_of_a_connection() -> None:
    """RFC 9110 15.2.1: an end of what it sends is asked after once, by an interim answer."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        asker = Asker(None, Miss(0, 0, 0, 0, 0, guess(1), fd=ours.fileno()))  # type: ignore[arg-type]
        old = Asker(None, Miss(0, 0, 0, 0, 0, guess(1, "1.0"), fd=ours.fileno()))  # type: ignore[arg-type]
        assert (gone([asker], begun=False), gone([old], begun=False)) == ([False], [False])
        theirs.shutdown(socket.SHUT_WR)
        for _ in range(3):
            assert gone([asker], begun=False) == [False]
        assert theirs.recv(1000) == CONTINUE
        assert (gone([old], begun=False), gone([old], begun=True)) == ([True], [False])
        assert old.presence is Presence.HURRIED
        theirs.close()
        assert (gone([asker], begun=True), gone([old], begun=True)) == ([True], [True])
        assert asker.presence is Presence.GONE


def test_presence_is_not_known_without_a_descriptor() -> None:
    read, write = os.pipe()
    os.close(write)
    asker = Asker(None, Miss(0, 0, 0, 0, 0, guess(1)))  # type: ignore[arg-type]
    assert gone([asker], begun=False) == [False]
    os.close(read)
