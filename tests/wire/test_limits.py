"""Limits of time and number: RFC 9110 15.5.9, RFC 9112 9.5, and what a server owes to those who behave."""

from __future__ import annotations

import time

import pytest
from support.client import Client, get
from support.fixtures import Connect, Serve
from support.poll import until
from support.webroot import CONTENT, LARGE_BYTES

SHORT_S = 0.3
LIVELY_S = 1.0  # within which we ask again, even where much else runs
LONG_S = 30.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "head_only"),
    [
        (b"G", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", False),
        (b"HEAD / HTTP/1.1\r\nHost: a\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r", False),
        (b"\r\n\r\nGET /", False),
    ],
)
def test_9110_15_5_9_half_a_head_is_408(serve: Serve, connect: Connect, part: bytes, head_only: bool) -> None:
    server = serve(head_timeout_s=SHORT_S, idle_timeout_s=LONG_S)
    client = connect(server)
    client.send(part)
    answer = client.read(head_only)
    assert answer.status == 408
    assert answer.closes
    assert client.rest() == b""
    assert server.metric("head_timeouts") == 1


@pytest.mark.slow
def test_9110_15_5_9_a_trickle_does_not_prolong_it(serve: Serve, connect: Connect) -> None:
    """The limit is that of the whole head, not of the next byte."""
    server = serve(head_timeout_s=SHORT_S, idle_timeout_s=LONG_S)
    client, began = connect(server), time.monotonic()
    head = get("/", "X: " + "x" * 1000)

    def trickle() -> bool:
        client.send_until_refused(head[:1])
        return server.metric("head_timeouts") == 1

    client.send(head[:20])
    head = b"x"
    assert until(trickle, within_s=3)
    assert SHORT_S * 0.9 <= time.monotonic() - began < LONG_S / 2
    assert client.read().status == 408


@pytest.mark.slow
def test_9110_15_5_9_the_second_head_has_the_same_limit(serve: Serve, connect: Connect) -> None:
    """Also when its beginning came together with the first, and the first took long to be answered."""
    server = serve(head_timeout_s=SHORT_S, idle_timeout_s=LONG_S)
    client = connect(server)
    client.send(get("/notes.txt") + b"GET /")
    assert client.read().status == 200
    assert client.read().status == 408
    assert client.rest() == b""


@pytest.mark.slow
def test_9112_9_5_whoever_says_nothing_is_closed_without_a_word(serve: Serve, connect: Connect) -> None:
    server = serve(head_timeout_s=SHORT_S, idle_timeout_s=SHORT_S)
    assert connect(server).rest() == b""
    assert server.metric("idle_timeouts") == 1


@pytest.mark.slow
@pytest.mark.parametrize("target", ["/notes.txt", "/from-file.bin"])
def test_9112_9_5_an_idle_connection_is_closed_without_a_word(serve: Serve, connect: Connect, target: str) -> None:
    server = serve(head_timeout_s=LONG_S, idle_timeout_s=LIVELY_S)
    client = connect(server)
    for _ in range(3):
        began = time.monotonic()
        assert client.ask(get(target)).status == 200
    assert client.rest() == b""
    assert LIVELY_S * 0.9 <= time.monotonic() - began < LONG_S / 2
    assert server.metric("idle_timeouts") == 1
    assert server.metric("head_timeouts") == 0


@pytest.mark.slow
def test_9112_9_5_whoever_keeps_asking_is_not_idle(serve: Serve, connect: Connect) -> None:
    server = serve(head_timeout_s=LIVELY_S, idle_timeout_s=LIVELY_S)
    client, end = connect(server), time.monotonic() + 3 * LIVELY_S
    while time.monotonic() < end:
        assert client.ask(get("/notes.txt")).status == 200
        until(lambda: False, within_s=LIVELY_S / 6)


@pytest.mark.slow
@pytest.mark.parametrize("line", [b"\r\n", b"\n", b"\r"], ids=["crlf", "lf", "cr"])
@pytest.mark.parametrize("asked", [False, True], ids=["new", "kept"])
def test_9112_2_2_empty_lines_renew_no_limit(serve: Serve, connect: Connect, line: bytes, asked: bool) -> None:
    """They are skipped before a request line, and say no more than silence does."""
    server = serve(head_timeout_s=SHORT_S, idle_timeout_s=SHORT_S)
    client = connect(server)
    if asked:
        assert client.ask(get("/notes.txt")).status == 200

    def is_over() -> bool:
        client.send_until_refused(line)
        return server.metric("idle_timeouts") + server.metric("head_timeouts") == 1

    assert until(is_over, within_s=LONG_S / 2)
    assert until(lambda: server.metric("connections") == 0)


def test_9112_2_2_empty_lines_without_end_end_the_connection(serve: Serve, connect: Connect) -> None:
    server = serve(idle_timeout_s=LONG_S)
    client, other = connect(server), connect(server)
    client.send(b"\r\n" * 2000 + get("/notes.txt"))
    assert client.read().status == 200
    for _ in range(5):
        client.send_until_refused(b"\r\n" * 1000)
    assert client.rest_or_reset() == b""
    assert other.ask(get("/notes.txt")).status == 200
    assert server.metric("idle_timeouts") == 0


def _stall(client: Client, target: str, count: int) -> None:
    """Ask for much and take nothing."""
    client.send(get(target) * count)


@pytest.mark.slow
@pytest.mark.parametrize(("target", "count"), [("/large.bin", 4), ("/from-file.bin", 200), ("/in-memory.bin", 200)])
def test_9112_9_5_a_reader_that_stalls_is_cut_off(serve: Serve, connect: Connect, target: str, count: int) -> None:
    """And while it stalls all others are served."""
    server = serve(send_timeout_s=SHORT_S)
    stalled, other = connect(server, receive_buffer=4096), connect(server)
    _stall(stalled, target, count)
    began = time.monotonic()

    def is_cut_off() -> bool:
        assert other.ask(get("/notes.txt")).body == CONTENT["notes.txt"]
        return server.metric("send_timeouts") == 1

    assert until(is_cut_off)
    assert time.monotonic() - began < LONG_S / 2
    other.close()
    assert until(lambda: server.metric("connections") == 0)
    assert len(stalled.rest_or_reset()) < count * len(CONTENT[target[1:]]), "what is missing is seen to be missing"
    assert server.metric("failed_responses") == 1


@pytest.mark.slow
@pytest.mark.parametrize(("target", "count"), [("/large.bin", 1), ("/in-memory.bin", 60), ("/from-file.bin", 60)])
def test_9112_9_5_a_slow_reader_is_not_a_stalled_one(serve: Serve, connect: Connect, target: str, count: int) -> None:
    """The limit is that of no byte taken at all: whoever takes some now and then gets everything."""
    server = serve(send_timeout_s=LIVELY_S)
    client, wanted = connect(server, receive_buffer=4096), CONTENT[target[1:]]
    client.send(get(target) * count)
    end = time.monotonic() + 3
    for _ in range(count):
        answer = client.read_slowly(65536 if time.monotonic() < end else 1 << 20, pause_s=LIVELY_S / 20)
        assert answer.body == wanted
    assert server.metric("send_timeouts") == 0


def test_9112_9_4_connections_beyond_the_limit_wait_their_turn(serve: Serve, connect: Connect) -> None:
    """Nobody is turned away: the kernel's backlog holds whoever comes too early."""
    server = serve(max_connections=2)
    first, second = connect(server), connect(server)
    assert [client.ask(get("/notes.txt")).status for client in (first, second)] == [200, 200]
    waiting = [connect(server) for _ in range(20)]
    for client in waiting:
        client.send(get("/notes.txt", "Connection: close"))
    assert first.ask(get("/style.css")).status == 200, "those who are in go on"
    assert server.metric("accepted") == 2
    first.close()
    for client in waiting:
        assert client.read().body == CONTENT["notes.txt"]
        assert client.rest() == b""
    assert second.ask(get("/style.css")).status == 200


def test_9112_9_4_one_connection_at_a_time(serve: Serve, connect: Connect) -> None:
    server = serve(max_connections=1)
    for _ in range(50):
        with Client(server.address) as client:
            assert client.ask(get("/notes.txt")).status == 200
    assert server.metric("accepted") == 50


def test_9112_9_6_draining_lets_answers_end(serve: Serve, connect: Connect) -> None:
    """What has been asked is answered; idle connections are closed, no further ones are accepted."""
    server = serve()
    idle, busy, late = connect(server), connect(server, receive_buffer=4096), connect(server)
    assert idle.ask(get("/notes.txt")).status == 200
    assert late.ask(get("/notes.txt")).status == 200
    busy.send(get("/large.bin"))
    server.wait_for("requests", 3)
    server.ask_to_stop()
    assert idle.rest() == b""
    assert late.rest() == b""
    assert len(busy.read().body) == LARGE_BYTES
    assert busy.rest() == b""


@pytest.mark.slow
@pytest.mark.parametrize("given", [b"GET / HTTP/1.1\r\n", get("/large.bin")], ids=["half-a-head", "download"])
def test_9112_9_6_draining_waits_without_work(serve: Serve, connect: Connect, given: bytes) -> None:
    """While the last client takes its time the engine sleeps."""
    server = serve()
    client = connect(server, receive_buffer=4096)
    client.send(given)
    server.wait_for("accepted")
    server.ask_to_stop()
    server.wait_for("completions", 255)
    until(lambda: False, within_s=0.1)
    before = server.metric("turns")
    until(lambda: False, within_s=0.3)
    assert server.metric("turns") - before < 100
