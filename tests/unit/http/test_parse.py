"""parse.py: RFC 9112 sections 2 to 6. What could mean two things to two readers is refused and ends the connection."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tuxpy.http.parse import TARGET_BYTES_MAX, parse, refuse_long_head, refuse_slow_head
from tuxpy.model import SIGNIFICANT, Refuse, Request

GET = b"GET / HTTP/1.1"
HOST = b"Host: a"


def head(*lines: bytes) -> bytes:
    return b"".join(line + b"\r\n" for line in (*lines, b""))


def accepted(raw: bytes) -> Request:
    request = parse(raw)
    assert isinstance(request, Request), request
    return request


def refused(raw: bytes) -> int:
    """The status; every refusal of a head closes, in stages, and is never kept (RFC 9112 9.6)."""
    decision = parse(raw)
    assert isinstance(decision, Refuse), decision
    assert (decision.keep, decision.linger, decision.cacheable) == (False, True, False)
    assert decision.why[0]
    return decision.status


# The request line (RFC 9112 3).


def test_3_a_request_line_has_three_parts() -> None:
    request = accepted(head(b"GET /a?b HTTP/1.1", HOST))
    assert request == Request(b"GET", b"/a?b", b"1.1", ((b"host", b"a"),))


@pytest.mark.parametrize(
    "line",
    [b"", b"GET", b"GET /", b"GET / HTTP/1.1 ", b" GET / HTTP/1.1", b"GET  / HTTP/1.1", b"GET /  HTTP/1.1",
     b"GET\t/\tHTTP/1.1",
        b"GET /a b HTTP/1.1", b"GET / http/1.1", b"GET / HTTP/1", b"GET / HTTP/11.1", b"GET / HTTP/1.10",
        b"GET / HTTP/1.x",
        b"G(T / HTTP/1.1", b"GET /\x7f HTTP/1.1", b"GET /\xc3\xa9 HTTP/1.1", b"GET /\0 HTTP/1.1",
        b"GET / HTTP/1.1\r", b"/ GET HTTP/1.1",
        b"GET / FTP/1.1", b"GET / HTTP/-1.1", b"GET /\x0bHTTP/1.1", b"GET / HTTP/1.1 HTTP/1.1", b"\x16\x03\x01\x02"],
)
def test_3_anything_else_is_400(line: bytes) -> None:
    assert refused(head(line, HOST)) == 400


@pytest.mark.parametrize("version", [b"0.9", b"2.0", b"3.0", b"9.9", b"0.0"])
def test_2_5_a_major_version_we_do_not_speak_is_505(version: bytes) -> None:
    """RFC 9110 2.5 and 15.6.6."""
    assert refused(head(b"GET / HTTP/" + version, HOST)) == 505


@pytest.mark.parametrize("version", [b"1.0", b"1.1", b"1.2", b"1.9"])
def test_2_5_a_higher_minor_version_is_spoken_as_far_as_we_can(version: bytes) -> None:
    assert accepted(head(b"GET / HTTP/" + version, HOST)).version == version


def test_the_preface_of_http_2_is_505() -> None:
    """RFC 9113 3.4: its preface is made so that a server of HTTP/1.1 refuses it."""
    assert refused(b"PRI * HTTP/2.0\r\n\r\n") == 505


def test_9_1_methods_are_case_sensitive_tokens_and_stay_as_they_are() -> None:
    for method in (b"GET", b"get", b"HEAD", b"BREW", b"M-SEARCH", b"!#$%&'*+-.^_`|~09"):
        assert accepted(head(method + b" / HTTP/1.1", HOST)).method == method


@pytest.mark.parametrize("target", [b"/", b"*", b"http://a/b", b"a:443", b"/%zz", b"/<\"{}|\\^`>"])
def test_3_2_the_target_is_any_visible_ascii_here(target: bytes) -> None:
    assert accepted(head(b"GET " + target + b" HTTP/1.1", HOST)).target == target


def test_15_5_15_a_target_may_have_8000_octets_and_too_long_is_414() -> None:
    """RFC 9112 3: request lines of at least 8000 octets are recommended."""
    long = b"/" * TARGET_BYTES_MAX
    assert TARGET_BYTES_MAX >= 8000
    assert accepted(head(b"GET " + long + b" HTTP/1.1", HOST)).target == long
    assert refused(head(b"GET " + long + b"/ HTTP/1.1", HOST)) == 414


# Lines (RFC 9112 2.2, 5).


@pytest.mark.parametrize("empty_lines", [b"\r\n", b"\r\n\r\n", b"\r\n" * 9])
def test_2_2_empty_lines_before_the_request_line_are_forgiven(empty_lines: bytes) -> None:
    assert parse(empty_lines + head(GET, HOST)) == accepted(head(GET, HOST))


@pytest.mark.parametrize(
    "before",
    [
        b"\r", b"\n", b"\r\r\n", b"\n\r", b" ", b" \r\n", b"\t\r\n", b"\0", b"\r\n\r", b"\r\n ",
    ],
)
def test_2_2_anything_else_before_it_is_400(before: bytes) -> None:
    assert refused(before + head(GET, HOST)) == 400


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost: a\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\n",
        b"GET / HTTP/1.1\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: y\n\nContent-Length: 5\r\n\r\n",
    ],
)
def test_2_2_a_bare_lf_is_no_end_of_a_line_here(raw: bytes) -> None:
    """Recipients MAY accept it; where two readers may differ, requests are smuggled (RFC 9112 11.2)."""
    assert refused(raw) == 400


@pytest.mark.parametrize("line", [b"X: a\rb", b"X: a\r", b"X\r: a", b"\rX: a", b"X: \ra", b"Host: a\rb"])
def test_2_2_a_bare_cr_is_invalid(line: bytes) -> None:
    assert refused(head(GET, b"Host: a", line)) == 400


@pytest.mark.parametrize("folded", [b" b", b"\tb", b" ", b" X: y", b"\t"])
def test_5_2_a_folded_line_is_400(folded: bytes) -> None:
    assert refused(head(GET, HOST, b"X: a", folded)) == 400


@pytest.mark.parametrize("first", [b" X: y", b"\tHost: b", b" "])
def test_2_2_white_space_between_request_line_and_fields_is_400(first: bytes) -> None:
    assert refused(head(GET, first, HOST)) == 400


@pytest.mark.parametrize(
    "line",
    [b"X : y", b"X\t: y", b"Host : a", b": y", b"X", b"X y", b"X(: y", b"X\xff: y", b"X\0: y", b"X: \0", b"X: a\0b",
     b"X: a\x0bb",
        b"Content-Length : 5", b"Transfer-Encoding : chunked", b"\xefHost: a"],
)
def test_5_1_a_name_is_a_token_with_the_colon_at_once_and_a_value_has_no_nul(line: bytes) -> None:
    """RFC 9112 5.1: "No whitespace is allowed between the field name and colon"; RFC 9110 5.5."""
    assert refused(head(GET, HOST, line)) == 400


def test_5_1_white_space_around_a_value_is_no_part_of_it() -> None:
    request = accepted(head(GET, b"hOsT:\t a:80 \t", b"RANGE:bytes=0-1", b"If-None-Match:"))
    assert request.fields == ((b"host", b"a:80"), (b"range", b"bytes=0-1"), (b"if-none-match", b""))


def test_5_5_bytes_that_are_no_ascii_may_stand_in_a_value() -> None:
    assert accepted(head(GET, HOST, b'If-Match: "\xc3\xbc"')).get(b"if-match") == b'"\xc3\xbc"'


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\r\n", b"\r\n\r\n", b"GET", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n",
    ],
)
def test_a_head_without_its_end_is_400(raw: bytes) -> None:
    assert refused(raw) == 400


def test_a_reason_is_short_however_long_the_line_was() -> None:
    decision = parse(head(GET, HOST, b"X" * 60_000))
    assert isinstance(decision, Refuse)
    assert len(decision.why[0]) <= 200


# Host (RFC 9112 3.2).


def test_3_2_host_is_needed_in_http_1_1_and_not_in_1_0() -> None:
    assert refused(head(GET)) == 400
    assert refused(head(b"GET / HTTP/1.2")) == 400
    assert refused(head(b"GET http://a/ HTTP/1.1")) == 400
    assert accepted(head(b"GET / HTTP/1.0")).fields == ()


@pytest.mark.parametrize("version", [b"1.0", b"1.1", b"1.2"])
@pytest.mark.parametrize("second", [b"Host: a", b"Host: b", b"HOST:"])
def test_3_2_host_twice_is_400(version: bytes, second: bytes) -> None:
    assert refused(head(b"GET / HTTP/" + version, HOST, second)) == 400


@pytest.mark.parametrize(
    "value",
    [
        b"a b", b"a, b", b"a/b", b"user@a", b"a:b", b"a\xff", b"http://a", b"a:1:2", b"[::1",
    ],
)
def test_3_2_an_invalid_host_is_400_also_in_1_0_and_beside_a_full_url(value: bytes) -> None:
    for line in (GET, b"GET / HTTP/1.0", b"GET http://b/ HTTP/1.1"):
        assert refused(head(line, b"Host: " + value)) == 400


@pytest.mark.parametrize("value", [b"", b"a", b"a:80", b"[::1]:80", b"127.0.0.1"])
def test_3_2_sound_hosts(value: bytes) -> None:
    assert accepted(head(GET, b"Host: " + value)).get(b"host") == value


# Framing (RFC 9112 6).


@pytest.mark.parametrize(
    "value",
    [b"", b"-1", b"+1", b"1.0", b"0x10", b"1_0", b"1 1", b"1,1", b"1, 2", b",1", b"a", b"1;", b"9" * 21,
     "\u0661".encode()],
)
def test_6_3_a_content_length_is_digits_and_nothing_else(value: bytes) -> None:
    assert refused(head(GET, HOST, b"Content-Length: " + value)) == 400


@pytest.mark.parametrize("second", [b"Content-Length: 5", b"content-length: 6", b"CONTENT-LENGTH:5"])
def test_6_3_content_length_twice_is_400_even_when_both_agree(second: bytes) -> None:
    """RFC 9110 8.6: equal ones MAY be taken as one, or refused; we refuse."""
    assert refused(head(GET, HOST, b"Content-Length: 5", b"X: y", second)) == 400


@pytest.mark.parametrize("value", [b"0", b"5", b"00005", b"9" * 20])
def test_6_2_a_sound_content_length(value: bytes) -> None:
    assert (
        accepted(head(GET, HOST, b"X-Content-Length: 1", b"Content-Length: " + value)).get(b"content-length") == value
    )


@pytest.mark.parametrize(
    "lines",
    [
        (b"Content-Length: 5", b"Transfer-Encoding: chunked"), (b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    ],
)
def test_6_1_transfer_encoding_beside_content_length_is_400(lines: tuple[bytes, ...]) -> None:
    assert refused(head(GET, HOST, *lines)) == 400


def test_6_1_transfer_encoding_in_http_1_0_is_faulty_framing() -> None:
    assert refused(head(b"GET / HTTP/1.0", b"Transfer-Encoding: chunked")) == 400


@pytest.mark.parametrize(
    "value",
    [
        b"gzip", b"gzip, chunked", b"chunked, gzip", b"identity", b"xchunked", b"chunked;a=b", b'"chunked"',
    ],
)
def test_6_1_a_transfer_coding_that_is_not_understood_is_501(value: bytes) -> None:
    assert refused(head(GET, HOST, b"Transfer-Encoding: " + value)) == 501


def test_6_1_transfer_encoding_twice_is_refused() -> None:
    assert refused(head(GET, HOST, b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked")) in (400, 501)


@pytest.mark.parametrize("value", [b"chunked", b"CHUNKED", b" Chunked\t"])
def test_7_chunked_is_known_in_any_case(value: bytes) -> None:
    assert accepted(head(GET, HOST, b"Transfer-Encoding:" + value)).get(b"transfer-encoding") == b"chunked"


# Refusals without a whole head.


def test_15_5_15_a_first_line_without_end_is_414_and_later_it_is_431() -> None:
    """RFC 9110 15.5.15 and RFC 6585 5."""
    assert refuse_long_head(b"GET /" + b"a" * 9000).status == 414
    assert refuse_long_head(b"\r\nGET /" + b"a" * 9000).status == 414
    assert refuse_long_head(GET + b"\r\nX: " + b"a" * 9000).status == 431


def test_15_5_9_a_head_that_was_not_finished_in_time_is_408_and_closes() -> None:
    decision = refuse_slow_head(b"GET / HT")
    assert (decision.status, decision.keep) == (408, False)


@pytest.mark.parametrize("before", [b"", b"\r\n"])
@pytest.mark.parametrize(("method", "silent"), [(b"HEAD", True), (b"GET", False), (b"HEADS", False)])
def test_9_3_2_a_refused_head_request_gets_no_content(before: bytes, method: bytes, silent: bool) -> None:
    start = before + method + b" / HTTP/1.1\r\n"
    for decision in (
        parse(start + b"\r\n"),
        refuse_long_head(start),
        refuse_slow_head(start),
        parse(start + b"a\nb\r\n\r\n"),
    ):
        assert isinstance(decision, Refuse)
        assert decision.silent is silent


# Nothing but the key matters (DESIGN: purity by construction).

TOKENS = st.sampled_from([
    b"close", b"keep-alive", b"chunked", b"gzip", b"100-continue", b"0", b"5", b"5,5", b"a", b"a b", b'"x"', b"",
])
SPACE = st.sampled_from([b"", b" ", b"\t", b"  \t"])
FIELD = st.builds(
    lambda name, before, value, after: name + b":" + before + value + after,
    st.sampled_from([name.title() for name in SIGNIFICANT] + list(SIGNIFICANT)),
    SPACE,
    TOKENS,
    SPACE,
)
INERT = st.builds(
    lambda name, value: name + b": " + value,
    st.sampled_from(
        [b"User-Agent", b"Accept", b"Cookie", b"X-Host", b"Hosts", b"X-Content-Length", b"Trailer", b"TE", b"Via"]
    ),
    st.sampled_from([b"", b"Host: b", b"chunked", b"5", b"a, b;q=0.5", b"\xff\xfe", b'"\\"', b"GET / HTTP/1.0"]),
)
LINES = st.builds(
    lambda method, target, version: method + b" " + target + b" HTTP/" + version,
    st.sampled_from([b"GET", b"HEAD", b"POST", b"get"]),
    st.sampled_from([b"/", b"/a?b", b"http://h/x", b"*", b"/../x", b"/" * 9000]),
    st.sampled_from([b"1.0", b"1.1", b"1.2", b"2.0"]),
)


@given(LINES, st.lists(st.one_of(FIELD, INERT, st.just(HOST)), max_size=7))
@example(GET, [HOST, b"Cookie: a"])
def test_the_head_without_its_inert_fields_means_the_same(line: bytes, fields: list[bytes]) -> None:
    significant = [field for field in fields if field.partition(b":")[0].lower() in SIGNIFICANT]
    assert parse(head(line, *fields)) == parse(head(line, *significant))


@given(LINES, st.lists(st.one_of(FIELD, INERT), max_size=5))
def test_a_request_written_as_its_key_and_parsed_again_is_the_same(line: bytes, fields: list[bytes]) -> None:
    request = parse(head(line, HOST, *fields))
    if isinstance(request, Request):
        line = b"%s %s HTTP/%s" % (request.method, request.target, request.version)
        assert parse(head(line, *(b"%s: %s" % field for field in request.fields))) == request


@given(st.binary(max_size=200))
def test_no_bytes_raise(raw: bytes) -> None:
    assert isinstance(parse(raw), Request | Refuse)
    refuse_long_head(raw)
    refuse_slow_head(raw)


@given(st.integers(0, 70), st.integers(0, 255), st.booleans())
def test_11_2_a_mangled_head_is_refused_or_frames_no_body_that_was_not_there(at: int, byte: int, insert: bool) -> None:
    """One byte changed or put in: never does a field appear that the head did not have."""
    raw = bytearray(head(GET, b"Host: a.example", b"Connection: close", b"X-Content-Length: 5", b"A: b"))
    raw[at : at if insert else at + 1] = bytes([byte])
    request = parse(bytes(raw))
    if isinstance(request, Request):
        names = [name for name, _ in request.fields]
        assert set(names) <= {b"host", b"connection"}
        assert names.count(b"host") == 1
