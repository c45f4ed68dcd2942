"""While a password is checked: nobody else waits, nothing is checked twice, too much is refused (RFC 9110 15.6.4)."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.access import SlowCheck, basic, write_users
from support.client import Client, get
from support.fixtures import Connect, Serve
from support.poll import DEADLINE_S, until
from support.running import Running

from tuxpy.config.settings import Backend
from tuxpy.rules.gates import Gate, Login
from tuxpy.rules.policy import Policy
from tuxpy.serving import service as service_module
from tuxpy.site import errands

DOCS, DEEP = "/docs/", "/docs/deep/a.css"
ANN, WRONG = basic("ann", "right"), basic("ann", "wrong")
WORKERS = service_module._ERRAND_THREADS


@pytest.fixture
def policy(check: SlowCheck, tmp_path: Path) -> Policy:
    users = write_users(tmp_path / "users", ann="right", bob="right")
    return Policy(gates=(Gate.parse("/docs/*", login=Login(users)),))


@contextmanager
def let_go_at_the_end(check: SlowCheck) -> Iterator[None]:
    """So that a test that fails does not wait for the deadline of its checks."""
    try:
        yield
    finally:
        check.let_go()


@pytest.fixture
def gated(serve: Serve, policy: Policy, check: SlowCheck) -> Iterator[Running]:
    running = serve(policy=policy)
    with let_go_at_the_end(check):
        yield running


def silent(client: Client) -> bool:
    """Whether nothing has come."""
    return not select.select([client.socket], [], [], 0)[0]


def test_others_are_answered_meanwhile(gated: Running, connect: Connect, check: SlowCheck) -> None:
    """Also what was never seen before, and as many as like while every worker is busy."""
    waiting = [connect(gated) for _ in range(WORKERS + 2)]
    for number, client in enumerate(waiting):
        client.send(get(DEEP, basic("ann", f"guess {number}")))
    assert until(lambda: len(check.begun) == WORKERS)
    other = connect(gated)
    for number in range(20):
        assert other.ask(get(f"/notes.txt?{number}")).status == 200
        assert other.ask(get(f"{DOCS}?{number}")).status == 401
    assert all(map(silent, waiting))
    check.let_go()
    assert [client.read().status for client in waiting] == [401] * len(waiting)


def test_the_same_credentials_are_checked_once(gated: Running, connect: Connect, check: SlowCheck) -> None:
    """Many clients, several paths, one verification; then none."""
    clients = [connect(gated) for _ in range(8)]
    for number, client in enumerate(clients):
        client.send(get((DOCS, DEEP)[number % 2], ANN, method=("GET", "HEAD")[number // 2 % 2]))
    assert until(lambda: check.begun)
    assert all(map(silent, clients))
    check.let_go()
    for number, client in enumerate(clients):
        assert client.read(head_only=number // 2 % 2 == 1).status == 200
        assert client.ask(get(f"/docs/nothing?{number}", ANN)).status == 404
    assert check.begun == [b"right"]


def test_a_wrong_guess_is_checked_once_too(gated: Running, connect: Connect, check: SlowCheck) -> None:
    """It is judged each time and hashed once."""
    check.let_go()
    client, before = connect(gated), gated.metrics()
    for number in range(6):
        assert client.ask(get((DOCS, DEEP)[number % 2], WRONG)).status == 401
    assert check.begun == [b"wrong"]
    assert gated.metric("judged") - before["judged"] == 6


def test_an_unknown_user_costs_as_much(gated: Running, connect: Connect, check: SlowCheck) -> None:
    """RFC 7617 4: the time that an answer takes tells no names."""
    check.let_go()
    assert connect(gated).ask(get(DEEP, basic("nobody", "right"))).status == 401
    assert check.begun == [b"right"]


def test_9112_9_3_pipelined_answers_come_in_order(gated: Running, connect: Connect, check: SlowCheck) -> None:
    """Whoever waits for a check is not overtaken by itself."""
    client = connect(gated)
    asked = (("/notes.txt",), (DEEP, ANN), ("/style.css",), (DEEP,), (DEEP, WRONG), ("/docs", ANN))
    client.send(b"".join(get(*one) for one in asked))
    assert client.read().body == b"notes\n"
    assert until(lambda: check.begun)
    assert silent(client)
    check.let_go()
    assert [client.read().status for _ in range(5)] == [200, 200, 401, 401, 301]


def test_two_gates_are_checked_one_after_the_other(
    serve: Serve, connect: Connect, check: SlowCheck, tmp_path: Path
) -> None:
    users = [write_users(tmp_path / name, ann="right") for name in ("outer", "inner")]
    running = serve(policy=Policy(gates=tuple(Gate.parse("/docs/*", login=Login(path)) for path in users)))
    clients = [connect(running) for _ in range(3)]
    with let_go_at_the_end(check):
        for client in clients:
            client.send(get(DEEP, ANN))
        assert until(lambda: check.begun)
        check.let_go()
        assert [client.read().status for client in clients] == [200] * 3
    assert check.begun == [b"right"] * 2


def test_9110_15_6_4_a_flood_of_guesses_is_503(
    serve: Serve, policy: Policy, connect: Connect, check: SlowCheck
) -> None:
    """RFC 9110 10.2.3: with the time after which to come back. Nothing of it is kept, and whoever waits is answered."""
    running = serve(policy=policy, max_connections=1024)
    most, more = errands.QUEUE_MAX + WORKERS, 40
    with let_go_at_the_end(check):
        flood = [connect(running) for _ in range(most)]
        for number, client in enumerate(flood):
            client.send(get(DEEP, basic("ann", f"guess {number}")))
        assert until(lambda: running.server._errands.pending == most)
        for number in range(more):
            late = connect(running)
            answer = late.ask(get(DEEP, basic("bob", f"guess {number}"), method=("GET", "HEAD")[number % 2]))
            assert (answer.status, answer[b"retry-after"], answer.closes) == (503, b"1", True)
            assert late.rest() == b""
        assert connect(running).ask(get("/notes.txt?unseen")).status == 200
        assert connect(running).ask(get(f"{DEEP}?unseen")).status == 401
        same = connect(running)  # to wait for what others wait for takes no room
        same.send(get(DEEP, basic("ann", "guess 7")))
        assert all(map(silent, flood))
        check.let_go()
        assert [client.read().status for client in (*flood, same)] == [401] * (most + 1)
    assert len(check.begun) == most
    assert connect(running).ask(get(DEEP, basic("bob", "guess 0"))).status == 401
    assert connect(running).ask(get(DEEP, basic("bob", "right"))).status == 200


def test_9110_15_6_4_who_is_known_passes_in_a_flood(
    serve: Serve, policy: Policy, connect: Connect, check: SlowCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was checked before needs no work, so nobody who is at work is locked out."""
    monkeypatch.setattr(errands, "QUEUE_MAX", 4)
    running = serve(policy=policy)
    known = connect(running)
    with let_go_at_the_end(check):
        known.send(get(DEEP, ANN))
        assert until(lambda: check.begun)
        check.let_go()
        assert known.read().status == 200
        check.hold()
        flood = [connect(running) for _ in range(4 + WORKERS)]
        for number, client in enumerate(flood):
            client.send(get(DEEP, basic("ann", f"guess {number}")))
        assert until(lambda: running.server._errands.pending == 4 + WORKERS)
        assert connect(running).ask(get(DEEP, basic("bob", "right"))).status == 503
        assert known.ask(get(f"{DOCS}?unseen", ANN)).status == 200
        check.let_go()
        assert [client.read().status for client in flood] == [401] * (4 + WORKERS)


@pytest.mark.parametrize("leave", [Client.close, Client.reset, Client.finish])
def test_a_client_may_go_away_meanwhile(
    gated: Running, connect: Connect, check: SlowCheck, leave: Callable[[Client], None]
) -> None:
    """Its check is finished, its connection is given back, and what was found is good for the next."""
    gone = [connect(gated) for _ in range(3)]
    for client in gone:
        client.send(get(DEEP, ANN))
    assert until(lambda: check.begun)
    for client in gone:
        leave(client)
    stays = connect(gated)
    stays.send(get(DEEP, ANN))
    check.let_go()
    assert stays.read().status == 200
    for client in gone:
        client.close()
    assert check.begun == [b"right"]


def test_9110_15_6_1_a_check_that_fails_is_no_wrong_password(
    gated: Running, connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """500 for whoever waits for it; it is not remembered, so the next try may succeed."""
    assert gated.server._sites is not None
    (site,) = gated.server._sites._opened
    users = next(iter(site.rules.passwords.values())).current  # type: ignore[union-attr]
    good = users._verify

    def fails(*_: str) -> bool:
        raise RuntimeError("broken")

    monkeypatch.setattr(users, "_verify", fails)
    client = connect(gated)
    answer = client.ask(get(DEEP, ANN))
    assert (answer.status, answer.closes) == (500, True)
    assert until(lambda: "broken" in caplog.text)
    caplog.clear()
    monkeypatch.setattr(users, "_verify", lambda user, password: (user, password) == ("ann", "right") and bool(good))
    assert connect(gated).ask(get(DEEP, ANN)).status == 200


# The end.


def test_a_drain_waits_for_the_answer(gated: Running, connect: Connect, check: SlowCheck) -> None:
    """RFC 9112 9.6: what was asked before the end is answered, and the connection closes then."""
    client = connect(gated)
    client.send(get(DEEP, ANN))
    assert until(lambda: check.begun)
    gated.ask_to_stop()
    assert until(lambda: gated.server._drain_until is not None)
    check.let_go()
    assert client.read().status == 200
    assert client.rest() == b""


@pytest.mark.parametrize("twice", [False, True])
def test_closing_drops_what_is_not_begun(
    backend: Backend, root: Path, policy: Policy, check: SlowCheck, twice: bool
) -> None:
    """What is being done is waited for, the rest is dropped; no thread, connection or descriptor is left."""
    running = Running(root, backend, policy=policy, drain_timeout_s=0.05)
    clients = [Client(running.address) for _ in range(WORKERS + 4)]
    try:
        for number, client in enumerate(clients):
            client.send(get(DEEP, basic("ann", f"guess {number}")))
        assert until(lambda: len(check.begun) == WORKERS)
        assert until(lambda: running.server._errands.pending == len(clients))
        for _ in range(1 + twice):
            running.server.stop()
        running._thread.join(DEADLINE_S)
        assert not running._thread.is_alive(), "the loop waits for a check"
        closing = threading.Thread(target=running.server.close)
        closing.start()
        errands_ = running.server._errands
        assert until(lambda: not any(map(len, errands_._queues.values()))), "nothing is dropped"
        check.let_go()
        closing.join(DEADLINE_S)
        assert not closing.is_alive(), "closing does not end"
        assert [client.rest_or_reset() for client in clients] == [b""] * len(clients)
    finally:
        check.let_go()
        for client in clients:
            client.close()
        running.close()
    assert len(check.begun) == WORKERS
