"""The way up to the judge and down again: who waits for it, who leaves meanwhile, and what if it fails. RFC 9110 7.4
and 15.6.1, RFC 9112 9.3.2."""

from __future__ import annotations

import threading
from urllib.parse import quote

import pytest
from support.client import Client, get
from support.fixtures import Connect, Serve
from support.poll import DEADLINE_S
from support.running import Running
from support.webroot import CONTENT

from tuxpy.serving import answering as answering_module
from tuxpy.site import judge as judge_module


def test_9110_15_6_1_a_failure_of_the_judge_is_500_and_not_kept(
    server: Running, connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(server)
    with monkeypatch.context() as patch:
        patch.setattr(judge_module, "resolve", lambda *_: 1 / 0)
        answer = client.ask(get("/notes.txt"))
        assert answer.status == 500
        assert answer.closes
        assert client.rest() == b""
    assert [record.exc_info is not None for record in caplog.records] == [True], "the log has the traceback"
    caplog.clear()
    assert connect(server).ask(get("/notes.txt")).status == 200


class _Slow:
    """A judge that waits for leave."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.leave = threading.Event()
        self.count = 0
        really = answering_module.judge_miss

        def wait_and_judge(*args: object) -> object:
            self.count += 1
            self.leave.wait(DEADLINE_S)
            return really(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(answering_module, "judge_miss", wait_and_judge)


@pytest.mark.parametrize(("target", "status", "judged"), [("/", 200, 1), ("/link-out", 404, 100)])
def test_9110_7_4_many_who_ask_the_same_wait_for_one_judgement(
    server: Running, connect: Connect, monkeypatch: pytest.MonkeyPatch, target: str, status: int, judged: int
) -> None:
    """If the answer may not be kept, each is judged for itself after all."""
    slow = _Slow(monkeypatch)
    clients = [connect(server) for _ in range(100)]
    for number, client in enumerate(clients):
        client.send(get(target, f"User-Agent: {number}"))
    server.wait_for("joined", 99)
    slow.leave.set()
    assert {client.read().status for client in clients} == {status}
    assert slow.count == judged


def test_9110_7_4_many_who_ask_different_things_get_each_their_own(
    server: Running, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = _Slow(monkeypatch)
    clients = [connect(server) for _ in range(200)]
    names = [name for name in CONTENT if name.isascii() and name.isprintable() and len(CONTENT[name]) < 1 << 20]
    wanted = [names[number % len(names)] for number in range(200)]
    for number, (client, name) in enumerate(zip(clients, wanted, strict=True)):
        client.send(get(f"/{quote(name)}?{number}"))
    server.wait_for("judged", 200)
    slow.leave.set()
    assert [client.read().body == CONTENT[name] for client, name in zip(clients, wanted, strict=True)] == [True] * 200


@pytest.mark.parametrize("vanish", [Client.reset, Client.close], ids=["reset", "end"])
@pytest.mark.parametrize("target", ["/notes.txt", "/from-file.bin", "/fifo?"])
def test_9110_7_4_those_who_leave_while_they_are_judged(
    server: Running, connect: Connect, monkeypatch: pytest.MonkeyPatch, vanish: object, target: str
) -> None:
    """The one whose question it was, some of those who joined, all the same: the others are answered."""
    assert callable(vanish)
    slow = _Slow(monkeypatch)
    clients = [connect(server) for _ in range(10)]
    for number, client in enumerate(clients):
        client.send(get(target))
        server.wait_for("joined", number) if number else server.wait_for("judged")
    for client in clients[:5]:
        vanish(client)
    late = connect(server)
    late.send(get("/style.css"))
    slow.leave.set()
    assert {client.read().status for client in clients[5:]} == {404 if "fifo" in target else 200}
    assert late.read().status == 200


def test_9110_7_4_hits_do_not_wait_for_the_judge(
    server: Running, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, unknown = connect(server), connect(server)
    for _ in range(2):
        known.ask(get("/notes.txt"))
    slow = _Slow(monkeypatch)
    unknown.send(get("/style.css"))
    server.wait_for("judged", 2)
    for _ in range(100):
        assert known.ask(get("/notes.txt")).status == 200
    slow.leave.set()
    assert unknown.read().status == 200


def test_9112_9_3_2_pipelined_behind_a_question_that_is_judged(
    server: Running, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known waits behind what is not, on the same connection."""
    client = connect(server)
    for _ in range(2):
        client.ask(get("/notes.txt"))
    slow = _Slow(monkeypatch)
    client.send(get("/nothing") + get("/notes.txt") * 200 + get("/style.css"))
    server.wait_for("judged", 2)
    slow.leave.set()
    answers = [client.read() for _ in range(202)]
    assert [answer.status for answer in answers] == [404, *[200] * 201]
    assert answers[-1].body == CONTENT["style.css"]


def test_9112_9_6_draining_while_the_judge_thinks(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    slow = _Slow(monkeypatch)
    client = connect(server)
    client.send(get("/notes.txt"))
    server.wait_for("judged")
    server.ask_to_stop()
    slow.leave.set()
    assert client.read().body == CONTENT["notes.txt"]
    assert client.rest() == b""
