"""RFC 9112 sections 2 to 6: the form of a head. What has not the form is refused and the connection closes, since
nobody can say where the next request begins."""

from __future__ import annotations

import pytest
from support.client import Client, get
from support.fixtures import Ask, Connect
from support.running import Running
from support.webroot import CONTENT

LINE = b"GET /notes.txt HTTP/1.1\r\n"
HOST = b"Host: a\r\n"

# name: (clause, head). Everything here is 400.
MALFORMED: dict[str, bytes] = {
    # RFC 9112 2.2: lines end in CRLF; a recipient of a bare CR must consider that element invalid.
    "2.2-bare-lf-everywhere": b"GET /notes.txt HTTP/1.1\nHost: a\n\n",
    "2.2-bare-lf-behind-the-request-line": b"GET /notes.txt HTTP/1.1\nHost: a\r\n\r\n",
    "2.2-bare-lf-behind-a-field": LINE + b"Host: a\nAccept: b\r\n\r\n",
    "2.2-bare-lf-at-the-end": LINE + b"Host: a\r\n\n",
    "2.2-bare-cr-in-a-value": LINE + b"Host: a\r\nX: a\rb\r\n\r\n",
    "2.2-bare-cr-in-the-target": b"GET /notes\r.txt HTTP/1.1\r\nHost: a\r\n\r\n",
    "2.2-bare-cr-between-fields": LINE + b"Host: a\rX: b\r\n\r\n",
    "2.2-bare-cr-before-the-line": b"\rGET /notes.txt HTTP/1.1\r\nHost: a\r\n\r\n",
    "2.2-two-crs": LINE + b"Host: a\r\r\n\r\n",
    "2.2-whitespace-before-the-first-field": LINE + b" Host: a\r\n\r\n",
    "2.2-whitespace-line-before-the-first-field": LINE + b" \r\nHost: a\r\n\r\n",
    # RFC 9112 3: method SP request-target SP HTTP-version.
    "3-no-version": b"GET /notes.txt\r\nHost: a\r\n\r\n",
    "3-no-target": b"GET HTTP/1.1\r\nHost: a\r\n\r\n",
    "3-empty-target": b"GET  HTTP/1.1\r\nHost: a\r\n\r\n",
    "3-no-method": b" /notes.txt HTTP/1.1\r\nHost: a\r\n\r\n",
    "3-space-before-the-method": b" GET /notes.txt HTTP/1.1\r\nHost: a\r\n\r\n",
    "3-space-in-the-target": b"GET /notes .txt HTTP/1.1\r\nHost: a\r\n\r\n",
    "3-space-behind-the-version": b"GET /notes.txt HTTP/1.1 \r\nHost: a\r\n\r\n",
    "3-tab-for-space": b"GET\t/notes.txt\tHTTP/1.1\r\nHost: a\r\n\r\n",
    "3-method-is-no-token": b"G(T /notes.txt HTTP/1.1\r\nHost: a\r\n\r\n",
    "3-control-byte-in-the-target": b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
    "3-delete-in-the-target": b"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n",
    "3-nul-in-the-target": b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
    # RFC 9112 2.3: HTTP-name is case-sensitive, "/" DIGIT "." DIGIT.
    "2.3-name-in-lower-case": b"GET /notes.txt http/1.1\r\nHost: a\r\n\r\n",
    "2.3-other-name": b"GET /notes.txt HTTQ/1.1\r\nHost: a\r\n\r\n",
    "2.3-no-minor": b"GET /notes.txt HTTP/1\r\nHost: a\r\n\r\n",
    "2.3-two-digits": b"GET /notes.txt HTTP/1.10\r\nHost: a\r\n\r\n",
    "2.3-comma": b"GET /notes.txt HTTP/1,1\r\nHost: a\r\n\r\n",
    # RFC 9112 5: field-name ":" OWS field-value OWS.
    "5-no-colon": LINE + HOST + b"nonsense\r\n\r\n",
    "5-no-name": LINE + HOST + b": value\r\n\r\n",
    "5-name-is-no-token": LINE + HOST + b"X(Y): value\r\n\r\n",
    "5-name-with-a-byte-above-ascii": LINE + HOST + b"X\xe9: value\r\n\r\n",
    "5-nul-in-a-value": LINE + HOST + b"X: a\0b\r\n\r\n",
    "5-nul-in-a-name": LINE + HOST + b"X\0: a\r\n\r\n",
    "5.1-space-before-the-colon": LINE + HOST + b"X : value\r\n\r\n",
    "5.1-tab-before-the-colon": LINE + HOST + b"X\t: value\r\n\r\n",
    "5.1-space-before-the-colon-of-host": LINE + b"Host : a\r\n\r\n",
    "5.2-obs-fold": LINE + HOST + b"X: a\r\n b\r\n\r\n",
    "5.2-obs-fold-by-tab": LINE + HOST + b"X: a\r\n\tb\r\n\r\n",
    "5.2-obs-fold-of-host": LINE + b"Host: a\r\n b\r\n\r\n",
    # RFC 9112 3.2: exactly one sound Host in HTTP/1.1.
    "3.2-no-host": LINE + b"\r\n",
    "3.2-two-hosts": LINE + HOST + b"Host: b\r\n\r\n",
    "3.2-two-equal-hosts": LINE + HOST + HOST + b"\r\n",
    "3.2-host-with-a-path": LINE + b"Host: a/b\r\n\r\n",
    "3.2-host-with-userinfo": LINE + b"Host: u@a\r\n\r\n",
    "3.2-host-with-a-space": LINE + b"Host: a b\r\n\r\n",
    "3.2-host-as-a-list": LINE + b'Host: a, "b"\r\n\r\n',
    "3.2-host-with-a-wrong-port": LINE + b"Host: a:http\r\n\r\n",
    "3.2-two-hosts-in-1.0": b"GET /notes.txt HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    "3.2-no-host-in-1.2": b"GET /notes.txt HTTP/1.2\r\n\r\n",
    # RFC 9112 6.1, 6.3: framing that contradicts itself is an attempt at smuggling.
    "6.1-transfer-encoding-in-1.0": b"GET / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    "6.3-length-and-coding": LINE + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "6.3-coding-and-length": LINE + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "6.3-two-lengths": LINE + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "6.3-two-lengths-in-a-list": LINE + HOST + b"Content-Length: 5, 6\r\n\r\n",
    # RFC 9110 8.6: Content-Length = 1*DIGIT
    "6.2-length-with-a-sign": LINE + HOST + b"Content-Length: +5\r\n\r\n",
    "6.2-negative-length": LINE + HOST + b"Content-Length: -5\r\n\r\n",
    "6.2-hexadecimal-length": LINE + HOST + b"Content-Length: 0x5\r\n\r\n",
    "6.2-length-with-an-underscore": LINE + HOST + b"Content-Length: 1_0\r\n\r\n",
    "6.2-length-with-a-space": LINE + HOST + b"Content-Length: 1 0\r\n\r\n",
    "6.2-empty-length": LINE + HOST + b"Content-Length:\r\n\r\n",
    "6.2-length-beyond-all-counting": LINE + HOST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n",
    "6.2-length-in-other-digits": LINE + HOST + b"Content-Length: \xd9\xa3\r\n\r\n",
}


@pytest.mark.parametrize("head", MALFORMED.values(), ids=MALFORMED.keys())
def test_9112_a_malformed_head_is_refused(ask: Ask, head: bytes) -> None:
    answer = ask(head, kept=False)
    assert answer.status == 400
    assert answer.closes


@pytest.mark.parametrize("head", MALFORMED.values(), ids=MALFORMED.keys())
def test_9112_9_3_2_what_follows_a_malformed_head_is_no_request(server: Running, connect: Connect, head: bytes) -> None:
    """The answers before it are given; nothing behind it is, however sound it looks."""
    client = connect(server)
    client.send(get("/style.css") + head + get("/notes.txt") * 3)
    assert client.read().body == CONTENT["style.css"]
    assert client.read().status == 400
    assert client.rest() == b""


# Everything here is 200 or what the status says, and in order.


@pytest.mark.parametrize("lines", [b"\r\n", b"\r\n\r\n", b"\r\n" * 5, b"\n"], ids=["one", "two", "five", "lf"])
def test_9112_2_2_empty_lines_before_a_request_are_ignored(ask: Ask, lines: bytes) -> None:
    """RFC 9112 2.2: a server SHOULD ignore at least one empty line (CRLF) received prior to the request-line."""
    answer = ask(lines + get("/notes.txt"))
    assert answer.status == 200
    assert not answer.closes


def test_9112_2_2_empty_lines_between_pipelined_requests(server: Running, connect: Connect) -> None:
    client = connect(server)
    client.send((get("/notes.txt") + b"\r\n") * 5)
    assert [client.read().status for _ in range(5)] == [200] * 5


SOUND: dict[str, bytes] = {
    "5-no-space-behind-the-colon": LINE + b"Host:a\r\n\r\n",
    "5-much-space-around-the-value": LINE + b"Host: \t a \t \r\n\r\n",
    "5-empty-value": LINE + HOST + b"X:\r\nY: \r\n\r\n",
    "5-obs-text-in-a-value": LINE + HOST + b"User-Agent: caf\xe9\r\n\r\n",
    "5-tab-in-a-value": LINE + HOST + b"User-Agent: a\tb\r\n\r\n",
    "5.1-any-case-of-the-name": LINE + b"hOsT: a\r\n\r\n",
    "5-every-token-byte-in-a-name": LINE + HOST + b"!#$%&'*+-.^_`|~09azAZ: x\r\n\r\n",
    "3.2-empty-host": LINE + b"Host:\r\n\r\n",
    "3.2-host-with-a-port": LINE + b"Host: a.example:8080\r\n\r\n",
    "3.2-host-is-an-ipv6-address": LINE + b"Host: [::1]:80\r\n\r\n",
    "3.2-no-host-in-1.0": b"GET /notes.txt HTTP/1.0\r\n\r\n",
    "9110-6.6.2-fields-nobody-knows": LINE + HOST + b"X-Y: z\r\n" * 20 + b"\r\n",
    "9110-7.8-an-upgrade-may-be-ignored": LINE + HOST + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "9110-14.2-a-range-may-be-ignored": LINE + HOST + b"Range: lines=1-2\r\n\r\n",
}


@pytest.mark.parametrize("head", SOUND.values(), ids=SOUND.keys())
def test_9112_a_sound_head_is_understood(ask: Ask, head: bytes) -> None:
    answer = ask(head)
    assert (answer.status, answer.body) == (200, CONTENT["notes.txt"])


@pytest.mark.parametrize("version", ["0.9", "2.0", "3.0", "9.9"])
def test_9110_15_6_6_another_major_version_is_505(ask: Ask, version: str) -> None:
    answer = ask(get("/notes.txt", version=version), kept=False)
    assert answer.status == 505
    assert answer.closes


def test_9113_3_4_the_preface_of_http_2_is_refused(ask: Ask) -> None:
    """RFC 9113 3.4: it was chosen so that servers of HTTP/1.1 do not go on with the connection."""
    answer = ask(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", kept=False)
    assert answer.status in (400, 505)
    assert answer.closes


@pytest.mark.parametrize("codings", ["gzip, chunked", "chunked, gzip", "identity", "xchunked", "gzip"])
def test_9112_6_1_an_unknown_transfer_coding_is_501(ask: Ask, codings: str) -> None:
    """RFC 9112 6.1: SHOULD respond with 501 to a coding that it does not understand; and the connection ends."""
    answer = ask(get("/notes.txt", f"Transfer-Encoding: {codings}"), kept=False)
    assert answer.status in (400, 501)
    assert answer.closes


@pytest.mark.slow
def test_9112_3_a_target_of_8000_octets_is_read(ask: Ask) -> None:
    """RFC 9112 3: all senders and recipients SHOULD support request lines of 8000 octets."""
    assert ask(get("/notes.txt?" + "q" * (8000 - len("GET /notes.txt? HTTP/1.1"))), kept=True).status == 200


@pytest.mark.parametrize("length", [8193, 16_000, 20_000, 70_000])
def test_9110_15_5_15_a_longer_target_is_414(server: Running, connect: Connect, length: int) -> None:
    _refused(connect(server), get("/" + "t" * (length - 1)), 414)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("fields", [["X: " + "x" * 20_000], ["X: " + "x" * 100] * 200, ["X: " + "x" * 300_000]])
def test_6585_5_a_head_that_is_too_long_is_431(
    server: Running, connect: Connect, fields: list[str], method: str
) -> None:
    _refused(connect(server), get("/notes.txt", *fields, method=method), 431)


def _refused(client: Client, request: bytes, status: int) -> None:
    """Answered, though the server reads no further than it must; then closed, in stages."""
    client.send_until_refused(request)
    answer = client.read(head_only=request.startswith(b"HEAD"))
    assert answer.status == status
    assert answer.closes
    assert client.rest_or_reset() == b""


@pytest.mark.slow
def test_9112_2_2_a_head_of_the_limit_is_read(server: Running, ask: Ask) -> None:
    """Up to the last byte that is allowed, and one more."""
    most = 16384
    spare = most - len(get("/notes.txt", "X: "))
    assert ask(get("/notes.txt", "X: " + "x" * spare)).status == 200
    assert ask(get("/notes.txt", "X: " + "x" * (spare + 1)), kept=False).status == 431
