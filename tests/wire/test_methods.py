"""RFC 9110 section 9: GET, HEAD, and what is said to all others."""

from __future__ import annotations

import os
from urllib.parse import quote

import pytest
from support.client import Client, get
from support.fixtures import Ask, Connect
from support.running import Running
from support.webroot import CONTENT, PAGE

TARGETS = sorted("/" + quote(os.fsencode(name)) for name in CONTENT)


@pytest.mark.parametrize("name", sorted(CONTENT), ids=ascii)
def test_9110_9_3_1_get_transfers_a_current_representation(server: Running, connect: Connect, name: str) -> None:
    client = connect(server)
    request = get("/" + quote(os.fsencode(name)))
    for _ in range(2):
        answer = client.ask(request)
        assert (answer.status, answer.reason) == (200, b"OK")
        assert answer.body == CONTENT[name]


def test_9110_9_3_1_get_both_ways(ask: Ask) -> None:
    assert ask(get("/")).body == PAGE


@pytest.mark.parametrize(
    "target", ["/", "/notes.txt", "/empty.txt", "/from-file.bin", "/large.bin", "/docs", "/nothing", "/.env", "/%zz"]
)
def test_9110_9_3_2_head_has_the_fields_of_get_and_no_content(server: Running, ask: Ask, target: str) -> None:
    """RFC 9110 9.3.2: the server SHOULD send the same header fields in response to a HEAD as for GET."""
    with Client(server.address) as client:
        whole = client.ask(get(target))
    silent = ask(get(target, method="HEAD"), kept=target != "/%zz")
    assert (silent.status, silent.reason) == (whole.status, whole.reason)
    assert silent.undated.fields == whole.undated.fields
    assert int(silent[b"content-length"]) == len(whole.body), "RFC 9110 8.6: as if it had been a GET"


def test_9110_9_3_2_nothing_follows_the_head(server: Running, connect: Connect) -> None:
    """Not even the empty content of a refusal: the connection ends right behind the head."""
    client = connect(server)
    client.send(get("/nothing", "Connection: close", method="HEAD"))
    assert client.rest().endswith(b"\r\n\r\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE", "PATCH"])
def test_9110_15_5_6_a_method_that_files_have_not_is_405_with_allow(ask: Ask, method: str) -> None:
    answer = ask(get("/notes.txt", method=method))
    assert answer.status == 405
    assert {word.strip() for word in answer[b"allow"].split(b",")} == {b"GET", b"HEAD", b"OPTIONS"}


def test_9110_9_3_8_trace_reflects_nothing(ask: Ask) -> None:
    """A server that does not implement TRACE must not tell what it was sent."""
    answer = ask(get("/", "Cookie: session=1234", method="TRACE"))
    assert b"1234" not in answer.body


@pytest.mark.parametrize("target", ["*", "/notes.txt", "/nothing"])
def test_9110_9_3_7_options_says_what_can_be_done(ask: Ask, target: str) -> None:
    """RFC 9112 3.2.4: the asterisk-form is for OPTIONS of the server as a whole."""
    answer = ask(get(target, method="OPTIONS"))
    assert answer.status == 204
    assert answer.body == b""
    assert answer[b"allow"] == b"GET, HEAD, OPTIONS"


def test_9110_9_3_6_after_connect_nothing_is_a_request(server: Running, ask: Ask) -> None:
    """RFC 9110 9.3.6: what follows a CONNECT may be another protocol, so the connection cannot go on."""
    answer = ask(get("a:443", method="CONNECT"), kept=False)
    assert answer.status == 405
    assert answer.closes


@pytest.mark.parametrize("method", ["BREW", "get", "Get", "M-SEARCH", "PROPFIND", "X" * 100])
def test_9110_9_1_an_unknown_method_is_501(ask: Ask, method: str) -> None:
    """RFC 9110 9.1: SHOULD respond with 501 to a method that is unrecognized; methods are case-sensitive."""
    assert ask(get("/notes.txt", method=method)).status == 501
