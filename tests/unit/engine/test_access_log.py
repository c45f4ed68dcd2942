"""Lines of the access log: every format, and nothing of a request that could break out of its line."""

from __future__ import annotations

import json
import re
from ipaddress import IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxpy.config.log_format import FORMATS, compiled
from tuxpy.engine.limits import intervals_of
from tuxpy.engine.native import ffi, lib
from tuxpy.errors import ConfigError
from tuxpy.rules.networks import networks

HEAD = (
    b"GET /a%20b?c=d HTTP/1.1\r\nHost: example.org\r\nReferer: https://example.org/\r\n"
    b"User-Agent: Mozilla/5.0 \"x\" \\ \xc3\xa9\r\nAuthorization: Basic YWxpY2U6c2VjcmV0\r\n\r\n"
)


XFF, RFC7239 = 1, 2  # csrc/api.h: enum tux_forwarded
MOST, SHORT = 4096, 1024  # csrc/base/limits.h: TUX_LOG_VALUE_BYTES, TUX_LOG_SHORT_BYTES


def packed(address: str) -> bytes:
    found = ip_address(address)
    return (found if isinstance(found, IPv6Address) else IPv6Address(f"::ffff:{found}")).packed


def line(
    template: str, head: bytes = HEAD, *, address: str = "192.0.2.7", status: int = 200, body: int = 1234,
    source: int = 0, most: int = MOST, color: bool = True,
) -> bytes:
    program = compiled(FORMATS.get(template, template), color)
    facts = ffi.new("struct tux_log_facts *")
    facts.wall_ms, facts.body_bytes, facts.duration_ms = 1_700_000_000_123, body, 7
    facts.status, facts.port, facts.source = status, 40000, source
    facts.peer = facts.client = list(packed(address))
    out = ffi.new("uint8_t[]", 1 << 19)
    count = lib.tux_test_log_line(
        ffi.from_buffer("uint8_t[]", program), len(program), ffi.from_buffer("uint8_t[]", head), len(head), facts, most,
        out, len(out),
    )  # fmt: skip
    assert count > 0
    return bytes(ffi.buffer(out, count))


def client(head: bytes, address: str, trusted: tuple[str, ...], field: int) -> str:
    """Who asked, by what proxies say."""
    place = ffi.new("uint8_t[16]", packed(address))
    intervals = intervals_of(networks(trusted, ()))
    lib.tux_test_forwarded(ffi.from_buffer("uint8_t[]", head), len(head), field, *intervals, place)
    found = IPv6Address(bytes(ffi.buffer(place)))
    return str(found.ipv4_mapped or found)


def test_common_and_combined() -> None:
    common = line("common")
    assert re.fullmatch(
        rb'192\.0\.2\.7 - alice \[1[45]/Nov/2023:\d\d:\d\d:20 [+-]\d{4}\] '
        rb'"GET /a%20b\?c=d HTTP/1\.1" 200 1234\n', common
    )
    combined = line("combined")
    assert combined.startswith(common[:-1] + b' "https://example.org/" "Mozilla/5.0 ')
    assert combined.endswith(b'\\"x\\" \\\\ \\xc3\\xa9"\n')


def test_what_is_not_there_is_a_dash() -> None:
    said = line("combined", b"GET / HTTP/1.0\r\n\r\n", body=0)
    assert said.endswith(b'"GET / HTTP/1.0" 200 - "-" "-"\n')
    assert b" - - [" in said


def test_json() -> None:
    told = json.loads(line("json", source=2))
    assert told == {
        "time": "2023-11-14T22:13:20.123Z", "client": "192.0.2.7", "user": "alice", "host": "example.org",
        "method": "GET", "target": "/a%20b?c=d", "version": "HTTP/1.1", "status": 200, "bytes": 1234, "ms": 7,
        "source": "judged", "referer": "https://example.org/", "user_agent": 'Mozilla/5.0 "x" \\ é',
    }  # fmt: skip
    assert json.loads(line("json", b"GET / HTTP/1.1\r\n\r\n"))["user_agent"] is None


def test_a_template_of_ones_own() -> None:
    assert line("{peer}:{port} {{{status}}} {unix_time}") == b"192.0.2.7:40000 {200} 1700000000.123\n"
    assert line("{field:HOST}|{field:none}") == b"example.org|-\n"


@pytest.mark.parametrize("template", ["{nothing}", "{field}", "{status:03}", "{status!r}", "{", "{0}"])
def test_a_template_that_means_nothing(template: str) -> None:
    with pytest.raises(ConfigError):
        compiled(template)


@pytest.mark.parametrize(
    ("fields", "address", "told"),
    [
        (b"X-Forwarded-For: 198.51.100.1", "192.0.2.7", "198.51.100.1"),
        (b"X-Forwarded-For: 198.51.100.1", "203.0.113.1", "203.0.113.1"),  # nobody we trust says so
        (b"X-Forwarded-For: 1.1.1.1, 198.51.100.1, 192.0.2.9", "192.0.2.7", "198.51.100.1"),
        (b"X-Forwarded-For: 192.0.2.9, 192.0.2.8", "192.0.2.7", "192.0.2.9"),  # all of them are trusted: the first
        (b"X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 198.51.100.2", "192.0.2.7", "198.51.100.2"),
        (b"X-Forwarded-For: junk, 192.0.2.9", "192.0.2.7", "192.0.2.9"),
        (b"X-Forwarded-For: [2001:db8::1]:443", "192.0.2.7", "2001:db8::1"),
        (b"X-Forwarded-For: 198.51.100.1:5000", "192.0.2.7", "198.51.100.1"),
        (b'Forwarded: for=1.1.1.1, For="[2001:db8::2]:80";proto=https', "192.0.2.7", "2001:db8::2"),
        (b"Forwarded: proto=http;for=198.51.100.3", "192.0.2.7", "198.51.100.3"),
        (b"Forwarded: for=_hidden", "192.0.2.7", "192.0.2.7"),
        (b"X-Forwarded-For:", "192.0.2.7", "192.0.2.7"),
        (b"X-Forwarded-For: 198.51.100.1\r\nA: b\r\nx-forwarded-for: 192.0.2.9", "192.0.2.7", "198.51.100.1"),
        (b"X-Forwarded-For: 198.51.100.1,, 192.0.2.9 ,", "192.0.2.7", "198.51.100.1"),
        (b"X-Forwarded-For: 198.51.100.1\0", "192.0.2.7", "192.0.2.7"),
        (b"X-Forwarded-For: 198.51.100.1\r\nForwarded: for=198.51.100.9", "192.0.2.7", "198.51.100.1"),
    ],
)
def test_7239_the_client_behind_proxies_that_are_trusted(fields: bytes, address: str, told: str) -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n\r\n"
    field = RFC7239 if fields.startswith(b"Forwarded") else XFF
    assert client(head, address, ("192.0.2.0/24",), field) == told


def test_only_the_field_that_proxies_are_said_to_write_counts() -> None:
    """The other one passes through them as the client wrote it."""
    head = b"GET / HTTP/1.1\r\nForwarded: for=198.51.100.9\r\n\r\n"
    said = {field: client(head, "192.0.2.7", ("192.0.2.0/24",), field) for field in (0, XFF, RFC7239)}
    assert said == {0: "192.0.2.7", XFF: "192.0.2.7", RFC7239: "198.51.100.9"}


HEADS = st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([b"\r\n", b": ", b" ", b"\x1b[31m", b'"', b"\\"])))


@given(HEADS, st.sampled_from(sorted(FORMATS)))
def test_no_request_breaks_out_of_its_line(pieces: list[bytes], template: str) -> None:
    said = line(template, b"".join(pieces))
    assert said.count(b"\n") == 1
    body = said[:-1].replace(b"\x1b[32m", b"").replace(b"\x1b[0m", b"") if template == "terminal" else said[:-1]
    assert not re.search(rb"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]", body)
    if template == "json":
        json.loads(said)
    else:
        assert said.isascii()
