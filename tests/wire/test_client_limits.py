"""What clients may take: RFC 6585 section 4 (429), RFC 9110 15.6.4 (503) and 10.2.3 (Retry-After), RFC 9112 9.6.

Every limit is met by what is judged and by what is kept, on both back-ends. What limits refuse is told in the log; each
test either waits for that line and takes it out, or does without.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from support.access import ClientFrom
from support.client import Client, Response, get
from support.fixtures import Connect, Serve
from support.poll import until
from support.running import Running, _connection_from
from support.webroot import CONTENT

from tuxpy.config.bounds import ClientLimits, Proxies, WhenFull
from tuxpy.serving.refusal_log import Refusals

HOUR_S = 3600.0  # a token comes so late that none does while a test runs
NOTES = get("/notes.txt")
Told = Callable[[str], None]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[Told]:
    """Wait for the line that tells of a limit; it is then no alarm."""

    def told_(words: str) -> None:
        assert until(lambda: words in caplog.text), f"{words!r} is not in the log: {caplog.text}"
        caplog.clear()

    yield told_


@pytest.fixture(autouse=True)
def _quiet(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the log is not what a test is about, nothing is told."""
    if "told" not in request.fixturenames:
        monkeypatch.setattr(Refusals, "look", lambda *_: None)


def rate(burst: int, **more: object) -> ClientLimits:
    return replace(ClientLimits(interval_s=HOUR_S, burst=burst), **more)  # type: ignore[arg-type]


def check_429(answer: Response, after: bytes = b"3600") -> None:
    assert (answer.status, answer.reason) == (429, b"Too Many Requests")
    assert answer[b"retry-after"] == after, "RFC 9110 10.2.3"
    assert answer[b"content-type"] == b"text/html; charset=utf-8"


def judged(running: Running, before: int = 0) -> int:
    return running.metric("judged") - before


# Requests of an address.


@pytest.mark.parametrize("request_", [NOTES, get("/", "If-None-Match: *"), get("/none"), get("/large.bin")])
def test_6585_4_more_requests_than_the_bucket_has_tokens(
    serve: Serve, connect: Connect, told: Told, request_: bytes
) -> None:
    """The first is judged, the others are kept; the engine refuses all further ones without asking anybody."""
    server = serve(limits=rate(3))
    client = connect(server)
    first = client.ask(request_)
    assert [client.ask(request_).undated for _ in range(2)] == [first.undated] * 2
    asked, hits = judged(server), server.metric("hits")
    for _ in range(3):
        check_429(client.ask(request_))
    assert (judged(server, asked), server.metric("hits") - hits) == (0, 0)
    check_429(connect(server).ask(request_))
    assert server.metric("limited_2") == 4
    told("requests were refused (429) by limits.requests_per_address, the last one of 127.0.0.1")


def test_6585_4_what_was_never_seen_is_refused_before_it_is_judged(
    serve: Serve, connect: Connect
) -> None:
    server = serve(limits=rate(1))
    assert connect(server).ask(NOTES).status == 200
    asked = judged(server)
    for target in ("/a", "/b", "/c"):
        check_429(connect(server).ask(get(target)))
    assert judged(server, asked) == 0


def test_6585_4_in_a_pipeline(serve: Serve, connect: Connect) -> None:
    """Each request gets its answer, in order, and the connection stays open (RFC 9112 9.3.2)."""
    server = serve(limits=rate(3))
    client = connect(server)
    client.send(NOTES * 8)
    answers = client.read_all([NOTES] * 8)
    assert [answer.status for answer in answers] == [200] * 3 + [429] * 5
    assert not any(answer.closes for answer in answers)


def test_6585_4_byte_by_byte(serve: Serve, connect: Connect) -> None:
    server = serve(limits=rate(1))
    client = connect(server)
    assert client.ask(NOTES).status == 200
    whole = client.ask(NOTES)
    client.send_bytewise(NOTES, lambda: server.wait_until_read(client))
    assert client.read().undated == whole.undated


@pytest.mark.parametrize(
    ("request_", "stays"),
    [
        (NOTES, True),
        (get("/notes.txt", "Connection: Keep-Alive"), True),
        (get("/notes.txt", method="HEAD"), True),
        (get("/notes.txt", "Connection: close"), False),
        (get("/notes.txt", version="1.0"), False),
        (get("/notes.txt", "Content-Length: 5") + b"GET /\n", False),
        (get("/notes.txt", "Transfer-Encoding: chunked", method="POST") + b"0\r\n\r\n", False),
        (get("/notes.txt", "Expect: 100-continue"), False),
        (get("/notes.txt", method="DELETE"), False),
        (b"GET /notes.txt HTTP/1.1\nHost: a\n\n", False),
        (b"nonsense\r\n\r\n", False),
    ],
)
def test_9112_9_3_the_connection_stays_where_nothing_but_a_request_can_follow(
    serve: Serve, connect: Connect, request_: bytes, stays: bool
) -> None:
    server = serve(limits=rate(1))
    client = connect(server)
    assert client.ask(NOTES).status == 200
    answer = client.ask(request_)
    check_429(answer)
    assert answer.closes is not stays
    assert (answer.body == b"") == request_.startswith(b"HEAD"), "RFC 9110 9.3.2"
    if stays:
        check_429(client.ask(NOTES))
    else:
        assert client.rest() == b""


def test_6585_4_a_head_that_is_too_long_costs_a_token_too(serve: Serve, connect: Connect) -> None:
    server = serve(limits=rate(1))
    assert connect(server).ask(NOTES).status == 200
    asked = judged(server)
    check_429(connect(server).ask(get("/", "X: " + "x" * 20_000)))
    assert judged(server, asked) == 0


def test_6585_4_each_address_has_a_bucket_of_its_own(serve: Serve) -> None:
    server = serve(limits=rate(2))
    for source in ("127.0.0.1", "127.0.0.2", "127.1.2.3"):
        with ClientFrom(server.address, source) as client:
            assert [client.ask(NOTES).status for _ in range(3)] == [200, 200, 429]


def test_6585_4_tokens_come_back(serve: Serve, connect: Connect) -> None:
    """With a thousand a second one is there as soon as one looks."""
    server = serve(limits=ClientLimits(interval_s=0.001, burst=1))
    client = connect(server)

    def refused_once() -> bool:
        client.send(NOTES * 20)
        return 429 in [answer.status for answer in client.read_all([NOTES] * 20)]

    assert until(refused_once)
    assert until(lambda: client.ask(NOTES).status == 200)
    answer = connect(server).ask(NOTES)
    assert answer.status == 200 or answer[b"retry-after"] == b"1"


def test_6585_4_a_bucket_is_the_same_for_all_engines(serve: Serve) -> None:
    """Whichever engine a connection comes to: exactly so many are answered."""
    server = serve(limits=rate(40), workers=2)
    statuses = []
    for _ in range(60):
        with Client(server.address) as client:
            statuses.append(client.ask(NOTES).status)
    assert statuses == [200] * 40 + [429] * 20
    assert all(engine.metrics()["accepted"] > 0 for engine in server.server._engines)


@pytest.mark.parametrize(
    "options",
    [
        {"limits": rate(1, exempt=("127.0.0.0/8",))},
        {"limits": rate(1), "proxies": Proxies(("127.0.0.1",))},
        {"limits": rate(1, connections_per_address=1, exempt=("127.0.0.1", "all"))},
    ],
)
def test_who_is_exempt_or_a_trusted_proxy_is_not_counted(
    serve: Serve, connect: Connect, options: dict[str, object]
) -> None:
    server = serve(**options)
    clients = [connect(server) for _ in range(8)]
    assert [client.ask(NOTES).status for client in clients * 3] == [200] * 24
    assert [server.metric(f"limited_{number}") for number in range(3)] == [0, 0, 0]


# Connections of an address.


def open_until_answered(server: Running, source: str = "127.0.0.1") -> tuple[ClientFrom, Response]:
    client = ClientFrom(server.address, source)
    return client, client.ask(NOTES)


def test_6585_4_more_connections_than_an_address_may_have(serve: Serve, told: Told) -> None:
    server = serve(limits=ClientLimits(connections_per_address=2))
    with contextlib.ExitStack() as stack:
        mine = [stack.enter_context(ClientFrom(server.address, "127.0.0.1")) for _ in range(2)]
        assert [client.ask(NOTES).status for client in mine] == [200, 200]
        asked = judged(server)
        third = stack.enter_context(ClientFrom(server.address, "127.0.0.1"))
        answer = third.ask(NOTES)
        check_429(answer, b"1")
        assert answer.closes and third.rest() == b""
        other = stack.enter_context(ClientFrom(server.address, "127.0.0.2"))
        assert other.ask(NOTES).status == 200
        assert [client.ask(NOTES).status for client in mine] == [200, 200], "those who are in go on"
        assert judged(server, asked) == 0
        mine[0].close()
        assert until(lambda: server.metric("connections") == 2)
        assert stack.enter_context(ClientFrom(server.address, "127.0.0.1")).ask(NOTES).status == 200
    assert server.metric("limited_1") == 1
    told("connections were refused (429) by limits.connections_per_address, the last one of 127.0.0.1")


@pytest.mark.parametrize("request_", [NOTES, get("/notes.txt", method="HEAD"), b"\r\n\r\n" + NOTES, NOTES * 50])
def test_9110_9_3_2_a_refused_connection_is_answered_by_its_first_bytes(
    serve: Serve, connect: Connect, request_: bytes
) -> None:
    """However they arrive. Nothing behind them is read; the end comes in order (RFC 9112 9.6)."""
    server = serve(limits=ClientLimits(connections_per_address=1))
    assert connect(server).ask(NOTES).status == 200
    whole, slow = connect(server), connect(server)
    head_only = request_.startswith(b"HEAD")
    whole.send(request_)
    answer = whole.read(head_only)
    check_429(answer, b"1")
    assert whole.rest() == b""
    slow.send_bytewise(request_[:40], lambda: server.wait_until_read(slow))
    assert slow.read(head_only).undated == answer.undated
    assert slow.rest() == b""


def test_a_crowd_of_connections_is_closed_in_silence(serve: Serve, connect: Connect, told: Told) -> None:
    """Telling everybody would take as many runs as serving them: beyond a few nobody is told."""
    server = serve(limits=ClientLimits(connections_per_address=4))
    clients = [connect(server) for _ in range(40)]
    for client in clients[:4]:
        assert client.ask(NOTES).status == 200
    answers = []
    for client in clients[4:]:
        client.send_until_refused(NOTES)
        answers.append(client.rest_or_reset()[:12])
    assert set(answers) <= {b"", b"HTTP/1.1 429"} and b"" in answers
    assert server.metric("dropped") == answers.count(b"")
    assert all(client.ask(NOTES).status == 200 for client in clients[:4])
    told("closed in silence, far beyond limits.connections_per_address")


def test_connections_are_counted_over_all_engines(serve: Serve, connect: Connect) -> None:
    server = serve(limits=ClientLimits(connections_per_address=10), workers=2)
    clients = [connect(server) for _ in range(14)]
    statuses = [client.ask(NOTES).status for client in clients]
    assert sorted(statuses) == [200] * 10 + [429] * 4


# Requests of a connection.


@pytest.mark.parametrize("pipelined", [False, True])
def test_9112_9_6_the_last_request_of_a_connection_is_told(serve: Serve, connect: Connect, pipelined: bool) -> None:
    """Judged or kept, it says Connection: close, and nothing behind it is answered."""
    server = serve(limits=ClientLimits(requests_per_connection=3))
    for _ in range(2):
        client = connect(server)
        if pipelined:
            client.send(NOTES * 5)
        answers = [client.read() if pipelined else client.ask(NOTES) for _ in range(3)]
        assert [answer.body for answer in answers] == [CONTENT["notes.txt"]] * 3
        assert [answer.closes for answer in answers] == [False, False, True]
        assert client.rest() == b""
    assert judged(server) == 2, "one that stays open, one that is the last"
    assert server.metric("used_up") == 2


def test_9112_9_6_one_request_a_connection(serve: Serve, connect: Connect) -> None:
    server = serve(limits=ClientLimits(requests_per_connection=1))
    for _ in range(3):
        client = connect(server)
        assert client.ask(get("/large.bin", "Range: bytes=0-9")).closes
        assert client.rest() == b""


# A busy server.


def busy(connect: Connect, server: Running, count: int) -> list[Client]:
    """Connections that are being sent to: no room can be made by ending them."""
    clients = [connect(server, receive_buffer=4096) for _ in range(count)]
    for client in clients:
        client.send(get("/large.bin"))
    server.wait_for("requests", count)
    return clients


def test_9110_15_6_4_newcomers_are_told_when_hardly_a_connection_is_left(
    serve: Serve, connect: Connect, told: Told
) -> None:
    server = serve(max_connections=32)  # two of them are for telling
    clients = busy(connect, server, 30)
    asked = judged(server)
    for request_ in (NOTES, get("/notes.txt", method="HEAD"), get("/unseen")):
        with Client(server.address) as late:
            answer = late.ask(request_)
            assert (answer.status, answer[b"retry-after"]) == (503, b"1")
            assert answer.closes and late.rest() == b""
        assert (answer.body == b"") == request_.startswith(b"HEAD")
        assert until(lambda: server.metric("connections") == 30)
    assert judged(server, asked) == 0
    assert clients[1].read().body == CONTENT["large.bin"], "those who are in go on"
    clients[0].reset()
    assert until(lambda: server.metric("connections") == 29)
    assert connect(server).ask(NOTES).status == 200
    assert server.metric("limited_0") == 3
    told("connections were told that the server is busy (503): raise server.max_connections")


@pytest.mark.parametrize(("most", "when_full"), [(32, "wait"), (15, "refuse")])
def test_they_wait_where_they_are_to_or_where_nothing_can_be_spared(
    serve: Serve, connect: Connect, most: int, when_full: WhenFull
) -> None:
    server = serve(max_connections=most, limits=ClientLimits(when_full=when_full))
    clients = busy(connect, server, most)
    waiting = connect(server)
    waiting.send(NOTES)
    clients[0].reset()
    assert waiting.read().status == 200


def test_9112_9_6_draining_serves_what_the_backlog_holds_and_refuses_nobody(serve: Serve, connect: Connect) -> None:
    server = serve(max_connections=32)
    clients = [connect(server) for _ in range(30)]
    assert [client.ask(NOTES).status for client in clients] == [200] * 30
    server.ask_to_stop()
    for client in clients:
        assert client.rest() == b""
    assert server.metric("limited_0") == 0


# The pace of a connection.


def test_the_kernel_paces_what_a_connection_is_sent(serve: Serve, connect: Connect) -> None:
    """SO_MAX_PACING_RATE, inherited from the listener: no call and no timer of ours."""
    server = serve(limits=ClientLimits(bandwidth=3 << 20))
    client = connect(server)
    assert client.ask(NOTES).status == 200
    found = _connection_from(client.socket.getsockname())
    assert found is not None
    here = socket.socket(fileno=found)
    try:
        assert here.getsockopt(socket.SOL_SOCKET, 47) == 3 << 20
    finally:
        here.detach()
    assert client.ask(get("/in-memory.bin")).body == CONTENT["in-memory.bin"]
