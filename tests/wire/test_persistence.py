"""RFC 9112 section 9: when a connection stays, when it closes, and pipelining."""

from __future__ import annotations

import random
import threading

import pytest
from support.client import Client, Response, get
from support.fixtures import Ask, Connect
from support.running import Running
from support.webroot import CONTENT, PAGE

STAYS = {
    "1.1": ("1.1", ()),
    "1.1-keep-alive": ("1.1", ("Connection: keep-alive",)),
    "1.1-other-option": ("1.1", ("Connection: x-close, closed",)),
    "1.1-options-are-no-upgrade": ("1.1", ("Connection: upgrade", "Upgrade: h2c")),
    "1.1-empty": ("1.1", ("Connection:",)),
    "1.0-keep-alive": ("1.0", ("Connection: keep-alive",)),
    "1.0-any-case": ("1.0", ("CONNECTION: Keep-ALIVE",)),
    "1.0-in-a-list": ("1.0", ("Connection: foo , keep-alive",)),
    "1.0-in-a-second-line": ("1.0", ("Connection: foo", "Connection: keep-alive")),
}
CLOSES = {
    "1.1-close": ("1.1", ("Connection: close",)),
    "1.1-any-case": ("1.1", ("connection: CLOSE",)),
    "1.1-in-a-list": ("1.1", ("Connection: foo,close ,bar",)),
    "1.1-in-a-second-line": ("1.1", ("Connection: foo", "Connection: close")),
    "1.1-close-beats-keep-alive": ("1.1", ("Connection: keep-alive, close",)),
    "1.1-empty-members": ("1.1", ("Connection: , ,close,",)),
    "1.0": ("1.0", ()),
    "1.0-other-option": ("1.0", ("Connection: foo",)),
    "1.0-close-beats-keep-alive": ("1.0", ("Connection: keep-alive", "Connection: close")),
}


@pytest.mark.parametrize(("version", "fields"), STAYS.values(), ids=STAYS.keys())
def test_9112_9_3_the_connection_persists(ask: Ask, version: str, fields: tuple[str, ...]) -> None:
    answer = ask(get("/notes.txt", *fields, version=version))
    assert answer.status == 200
    assert not answer.closes
    if version == "1.0":  # RFC 9112 C.2.2: an HTTP/1.0 client must be told
        assert answer[b"connection"].lower() == b"keep-alive"


@pytest.mark.parametrize(("version", "fields"), CLOSES.values(), ids=CLOSES.keys())
def test_9112_9_3_the_connection_closes(ask: Ask, version: str, fields: tuple[str, ...]) -> None:
    """RFC 9112 9.6: and the answer says so."""
    answer = ask(get("/notes.txt", *fields, version=version))
    assert answer.status == 200
    assert answer.closes


@pytest.mark.parametrize("target", ["/from-file.bin", "/nothing", "/docs", "/empty.txt"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_9112_9_3_whatever_is_answered(ask: Ask, method: str, target: str) -> None:
    assert not ask(get(target, method=method)).closes
    assert ask(get(target, "Connection: close", method=method)).closes
    assert ask(get(target, method=method, version="1.0", host="")).closes


def test_9112_2_3_a_higher_minor_version_is_served_as_ours(ask: Ask) -> None:
    """RFC 9110 2.5: as if it were the highest minor version that the server knows; the answer is of HTTP/1.1."""
    answer = ask(get("/notes.txt", version="1.2"), kept=False)
    assert answer.status == 200
    assert not answer.closes


def test_9112_9_6_nothing_is_answered_after_close(server: Running, connect: Connect) -> None:
    """RFC 9112 9.6: a server that has read close MUST NOT process any further requests."""
    client = connect(server)
    client.send(get("/notes.txt", "Connection: close") + get("/style.css"))
    assert client.read().closes
    assert client.rest() == b""


@pytest.mark.parametrize("behind", [1, 60_000])
def test_9112_9_6_input_behind_close_does_not_cost_the_answer(server: Running, connect: Connect, behind: int) -> None:
    """RFC 9112 9.6: a server closes in stages, so that its reset cannot destroy what the client has yet to read."""
    client = connect(server, receive_buffer=4096)
    client.send(get("/large.bin", "Connection: close") + b"x" * (behind // 2))
    server.wait_for("requests")
    client.send(b"x" * (behind - behind // 2))
    assert client.read().body == CONTENT["large.bin"]
    assert client.rest() == b""


def _questions(count: int, seed: int) -> list[tuple[bytes, int, bytes]]:
    """(request, status, content): files in memory, files that are sent from disk, refusals, with GET and HEAD."""
    chance = random.Random(seed)
    names = ["notes.txt", "style.css", "empty.txt", "in-memory.bin", "from-file.bin", "docs/deep/a.css"]
    questions: list[tuple[bytes, int, bytes]] = []
    for number in range(count):
        name = chance.choice(names)
        kind = chance.randrange(6)
        if kind == 0:
            questions.append((get(f"/nothing/{number}"), 404, b""))
        elif kind == 1:
            questions.append((get("/" + name, method="HEAD"), 200, b""))
        elif kind == 2:
            questions.append((get("/" + name, "If-None-Match: *"), 304, b""))
        else:
            target = f"/{name}?{number}" if kind == 3 else f"/{name}"
            questions.append((get(target, f"User-Agent: {chance.random()}"), 200, CONTENT[name]))
    return questions


@pytest.mark.slow
@pytest.mark.parametrize("bytewise", [False, True], ids=["in-one-write", "in-small-pieces"])
def test_9112_9_3_2_pipelined_requests_are_answered_in_order(server: Running, connect: Connect, bytewise: bool) -> None:
    questions = _questions(400, seed=9112)
    client = connect(server)
    wire = b"".join(request for request, _, _ in questions)
    _feed(client, wire, 7 if bytewise else len(wire), questions)
    m = server.metrics()
    assert m["judged"] > 50, "there were misses"
    assert m["hits"] > 50, "and hits"


def _feed(client: Client, wire: bytes, piece: int, questions: list[tuple[bytes, int, bytes]]) -> None:
    """Send while reading, since neither side has room for everything."""

    def send() -> None:
        for at in range(0, len(wire), piece):
            client.send(wire[at : at + piece])

    sender = threading.Thread(target=send)
    sender.start()
    answers = client.read_all([request for request, _, _ in questions])
    sender.join()
    for number, (answer, (request, status, content)) in enumerate(zip(answers, questions, strict=True)):
        assert answer.status == status, f"answer {number} to {request!r}"
        assert _content(answer) == content, f"answer {number} to {request!r}"


def _content(answer: Response) -> bytes:
    return answer.body if answer.status == 200 else b""


def test_9112_9_3_2_a_large_file_between_others(server: Running, connect: Connect) -> None:
    client = connect(server)
    requests = [get("/notes.txt"), get("/large.bin"), get("/large.bin", method="HEAD"), get("/large.bin"), get("/")]
    client.send(b"".join(requests))
    answers = client.read_all(requests)
    assert [len(answer.body) for answer in answers] == [6, 6 << 20, 0, 6 << 20, len(PAGE)]
    assert answers[1].body == answers[3].body == CONTENT["large.bin"]


def test_9112_9_3_2_pipelining_ends_where_an_answer_closes(server: Running, connect: Connect) -> None:
    client = connect(server)
    requests = [get("/notes.txt"), get("/from-file.bin"), get("/style.css", version="1.0")]
    client.send(b"".join(requests) + get("/empty.txt") * 50)
    answers = client.read_all(requests)
    assert [answer.closes for answer in answers] == [False, False, True]
    assert client.rest() == b""


def test_9112_9_3_a_thousand_requests_on_one_connection(server: Running, connect: Connect) -> None:
    client = connect(server)
    bodies = {client.ask(get("/notes.txt")).body for _ in range(1000)}
    assert bodies == {CONTENT["notes.txt"]}
    assert server.metric("accepted") == 1
