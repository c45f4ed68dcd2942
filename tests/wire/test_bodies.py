"""Requests that announce a body: RFC 9110 sections 9.3.1 and 10.1.1, RFC 9112 sections 6, 9.6 and 11.2.

Nobody here reads a body. So the answer is given at once, the connection closes behind it, and not a byte of what was
announced is ever taken for a request.
"""

from __future__ import annotations

import pytest
from support.client import get
from support.fixtures import Ask, Connect
from support.poll import until
from support.running import Running
from support.webroot import CONTENT

SMUGGLED = get("/style.css")
ANNOUNCED = {
    "length": (f"Content-Length: {len(SMUGGLED)}",),
    "longer": ("Content-Length: 1000000",),
    "chunked": ("Transfer-Encoding: chunked",),
    "chunked-any-case": ("transfer-encoding: Chunked",),
    "expected": ("Expect: 100-continue",),
    "expected-length": (f"Content-Length: {len(SMUGGLED)}", "Expect: 100-continue"),
    "length-with-zeros": (f"Content-Length: 000{len(SMUGGLED)}",),
}


@pytest.mark.parametrize("fields", ANNOUNCED.values(), ids=ANNOUNCED.keys())
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_9112_11_2_no_body_becomes_a_request(
    server: Running, connect: Connect, method: str, fields: tuple[str, ...]
) -> None:
    """RFC 9110 9.3.1: content in a GET has no meaning; some close the connection because of smuggling, as we do."""
    for _ in range(2):
        client = connect(server)
        client.send(get("/notes.txt", *fields, method=method) + SMUGGLED)
        answer = client.read(head_only=method == "HEAD")
        assert answer.status == 200
        assert answer.closes
        assert answer.body == (CONTENT["notes.txt"] if method == "GET" else b"")
        assert client.rest() == b""
    assert server.metric("requests") == 2


@pytest.mark.parametrize("fields", ANNOUNCED.values(), ids=ANNOUNCED.keys())
def test_9112_9_6_the_answer_does_not_wait_for_the_body(ask: Ask, fields: tuple[str, ...]) -> None:
    """Nor is it kept: what was announced concerns this connection alone."""
    answer = ask(get("/notes.txt", *fields), kept=False)
    assert answer.status == 200
    assert answer.closes


@pytest.mark.parametrize("zero", ["Content-Length: 0", "Content-Length: 000"])
def test_9112_6_3_a_body_of_no_bytes_is_none(ask: Ask, zero: str) -> None:
    answer = ask(get("/notes.txt", zero))
    assert answer.status == 200
    assert not answer.closes


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_9110_15_5_6_a_body_sent_to_a_method_that_is_refused(server: Running, connect: Connect, method: str) -> None:
    client = connect(server)
    client.send(get("/notes.txt", f"Content-Length: {len(SMUGGLED)}", method=method) + SMUGGLED)
    answer = client.read()
    assert answer.status == 405
    assert answer.closes
    assert client.rest() == b""


@pytest.mark.parametrize("target", ["/large.bin", "/from-file.bin", "/nothing", "/docs"])
def test_9112_9_6_a_large_body_does_not_cost_the_answer(server: Running, connect: Connect, target: str) -> None:
    """RFC 9112 9.6: what is on its way when the server closes must not destroy the answer by a reset."""
    client = connect(server)
    client.send(get(target, "Content-Length: 60000", method="GET") + b"x" * 60_000)
    answer = client.read()
    assert answer.closes
    assert len(answer.body) == int(answer[b"content-length"])
    assert client.rest() == b""


def test_9112_9_6_a_body_without_end_is_not_read_for_ever(server: Running, connect: Connect) -> None:
    """The answer arrives, then the connection is closed though the client goes on."""
    client = connect(server)
    client.send(get("/notes.txt", "Transfer-Encoding: chunked"))
    assert client.read().closes
    chunk = b"400\r\n" + b"x" * 0x400 + b"\r\n"

    def is_cut_off() -> bool:
        client.send_until_refused(chunk)
        return server.metric("connections") == 0

    assert until(is_cut_off)


@pytest.mark.slow
@pytest.mark.parametrize("field", ["Content-Length: 10", "Connection: close"])
def test_9112_9_6_a_client_that_does_not_close_is_closed(server: Running, connect: Connect, field: str) -> None:
    """A lingering close lasts a bounded time."""
    client = connect(server)
    client.send(get("/notes.txt", field) + get("/notes.txt"))
    assert client.read().closes
    assert client.rest() == b"", "the server's own end comes at once"
    client.send_until_refused(b"x")
    assert until(lambda: server.metric("connections") == 0, within_s=5)


# Expect (RFC 9110 10.1.1).


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
def test_9110_10_1_1_a_final_status_instead_of_100(server: Running, connect: Connect, method: str) -> None:
    """RFC 9110 10.1.1: a server that answers with a final status in place of reading the content closes, so that the
    client, who may or may not send it, is not misunderstood."""
    client = connect(server)
    client.send(get("/notes.txt", "Content-Length: 5", "Expect: 100-continue", method=method))
    answer = client.read(head_only=method == "HEAD")
    assert answer.status == (200 if method in ("GET", "HEAD") else 405)
    assert answer.closes
    assert client.rest() == b""


@pytest.mark.parametrize("expectation", ["x", "100-continue, x", "200-ok", "100-continue=1"])
def test_9110_10_1_1_another_expectation_is_417(ask: Ask, expectation: str) -> None:
    assert ask(get("/notes.txt", f"Expect: {expectation}"), kept=False).status == 417


def test_9110_10_1_1_the_expectation_has_any_case(ask: Ask) -> None:
    assert ask(get("/notes.txt", "Expect: 100-Continue"), kept=False).status == 200


def test_9110_10_1_1_in_http_1_0_it_is_ignored(ask: Ask) -> None:
    """RFC 9110 10.1.1: a server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore it."""
    answer = ask(get("/notes.txt", "Expect: 100-continue", "Connection: keep-alive", version="1.0"))
    assert answer.status == 200
    assert not answer.closes
