"""target.py: RFC 9112 section 3.2, RFC 3986, and what an attacker writes instead."""

from __future__ import annotations

import re
from urllib.parse import quote_from_bytes, urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tuxpy.http.target import Target, location_of, read_target, valid_authority
from tuxpy.model import Refuse


def read(raw: bytes) -> Target:
    target = read_target(raw)
    assert isinstance(target, Target), target
    return target


def refused(raw: bytes) -> bool:
    decision = read_target(raw)
    return isinstance(decision, Refuse) and decision.status == 400


# What targets are made of, good and bad, in all orders.
PIECES = st.lists(
    st.sampled_from(
        [b"/", b"//", b"..", b".", b"...", b"%2e", b"%2E%2e", b"%2f", b"%5c", b"%00", b"%25", b"%252e", b"%c0%af",
        b"a", b"b.txt", b".git", b".well-known", b"?", b"?q=/../", b"\\", b"#", b"%", b"%zz", b"~", b";", b"@", b":",
        b"http://a", b"HTTPS://b:1", b"//evil", b"%0d%0a", b"+", b"|", b'"']
    ),
    max_size=12,
).map(b"".join)
TARGETS = st.one_of(
    PIECES, PIECES.map(lambda pieces: b"/" + pieces), st.binary(max_size=30).map(lambda raw: b"/" + raw)
)
PATHS = st.lists(
    st.binary(min_size=1, max_size=12).filter(lambda name: not set(name) & {0, 0x2F} and name not in (b".", b"..")),
    max_size=5,
)


@given(TARGETS)
@example(b"/%2e%2e/%2E./..%2f")
@example(b"/\0")
@example(b"http://a/../b")
def test_rfc_3986_5_2_4_no_path_leaves_the_root(raw: bytes) -> None:
    target = read_target(raw)
    if isinstance(target, Refuse):
        assert target.status == 400
        return
    for segment in target.segments:
        assert segment not in (b"", b".", b"..")
        assert b"\0" not in segment
        assert b"/" not in segment
    assert target.path == b"/".join(target.segments)
    assert target.directory or target.segments  # the root itself is a directory


@given(PATHS, st.booleans())
def test_rfc_3986_2_1_every_name_of_a_file_can_be_asked_for(names: list[bytes], slash: bool) -> None:
    escaped = "/".join(quote_from_bytes(name, safe="") for name in names)
    target = read(b"/" + escaped.encode() + (b"/" if slash and names else b""))
    assert target.segments == tuple(names)
    assert target.directory == (slash or not names)


@given(TARGETS)
@example(b"//evil.example")
@example(b"/%2fevil.example")
@example(b"/.//evil.example")
@example(b"/a/..//evil.example")
@example(b"/%5cevil.example")
@example(b"/docs?\\evil")
@example(b"http://a//evil.example")
@example(b"/a?b%zz|\"<>^`{}\\")
def test_10_2_2_a_redirect_is_a_sound_reference_and_stays_on_this_host(raw: bytes) -> None:
    """RFC 9110 10.2.2: Location is a URI-reference; RFC 3986 4.2: two slashes in front would name another host."""
    target = read_target(raw)
    if isinstance(target, Refuse) or not target.segments:
        return
    location = location_of(target.as_directory()).decode("ascii")
    pchar = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
    assert re.fullmatch(rf"(?:/{pchar}+)+/(?:\?(?:{pchar}|[/?])*)?", location)
    assert urlsplit(urljoin("http://here.example/x/y", location)).netloc == "here.example"
    again = read(location.encode())
    assert (again.segments, again.directory) == (target.segments, True)


@pytest.mark.parametrize("query", [b"", b"a=1&b=2", b"//evil", b"/../", b"%2e%2e", b"a?b", b"%41", b"a+b", b"x=%ff"])
def test_the_query_is_kept_as_it_came_and_never_decoded(query: bytes) -> None:
    """RFC 3986 3.4; also an empty one, since "?" alone is another URI (RFC 3986 6.2.3)."""
    target = read(b"/docs?" + query)
    assert target.query == query
    assert target.segments == (b"docs",)
    assert location_of(target.as_directory()) == b"/docs/?" + query


@pytest.mark.parametrize(
    ("raw", "kept"), [(b"a|b", b"a%7Cb"), (b"\\evil", b"%5Cevil"), (b"100%", b"100%25"), (b'<"', b"%3C%22"), (b"%4",
    b"%254")]
)
def test_rfc_3986_3_4_what_no_query_may_hold_is_escaped_in_a_redirect(raw: bytes, kept: bytes) -> None:
    """RFC 9110 2.2: a sender must not generate what does not match the grammar."""
    assert location_of(read(b"/docs?" + raw).as_directory()) == b"/docs/?" + kept


def test_no_query_is_not_an_empty_query() -> None:
    assert read(b"/docs").query is None
    assert location_of(read(b"/docs").as_directory()) == b"/docs/"


@pytest.mark.parametrize(
    "raw",
    [b"/..", b"/../", b"/../etc/passwd", b"/a/../../b", b"/%2e%2e/x", b"/%2E./x", b"/a/%2e%2e/%2e%2e/x", b"/..%2fx",
        b"/./../x", b"//../x", b"http://a/../x"],
)
def test_above_the_root_is_no_address(raw: bytes) -> None:
    """RFC 9110 17.3 (attacks based on file and path names): special path segments are refused, not repaired."""
    assert refused(raw)


@pytest.mark.parametrize("raw", [b"/a%00", b"/%00", b"/a%00/../b", b"/index.html%00.png"])
def test_an_encoded_nul_is_refused(raw: bytes) -> None:
    assert refused(raw)


@pytest.mark.parametrize("raw", [b"/%", b"/%4", b"/%zz", b"/%%41", b"/100%.txt", b"/%u0041", b"/%-1", b"/% 1", b"/%+1"])
def test_rfc_3986_2_1_an_escape_has_two_hex_digits(raw: bytes) -> None:
    assert refused(raw)


@pytest.mark.parametrize(
    ("raw", "segments"),
    [
        (b"/%2541", (b"%41",)),  # decoded once
        (b"/%252e%252e/x", (b"%2e%2e", b"x")),
        (b"/a%2Fb", (b"a", b"b")),
        (b"/a%5Cb", (b"a\\b",)),
        (b"/%C0%AF", (b"\xc0\xaf",)),  # overlong slash: two bytes of a name
        (b"/%c0%ae%c0%ae/x", (b"\xc0\xae\xc0\xae", b"x")),
        (b"/a+b", (b"a+b",)),  # a plus is a plus: this is no form
        (b"/%7Euser", (b"~user",)),  # RFC 3986 2.3: unreserved or escaped is the same
        (b"/a;v=1", (b"a;v=1",)),
        (b"/%0d%0aSet-Cookie:%20x", (b"\r\nSet-Cookie: x",)),
        (b"/%3fx%23y", (b"?x#y",)),
        (b"/a//b", (b"a", b"b")),
        (b"/./a/./b", (b"a", b"b")),
        (b"/x/../a", (b"a",)),
        (b"/...", (b"...",)),
    ],
)
def test_rfc_3986_2_4_decoded_exactly_once_then_dots_removed(raw: bytes, segments: tuple[bytes, ...]) -> None:
    assert read(raw).segments == segments


@pytest.mark.parametrize(
    ("raw", "directory"),
    [(b"/", True), (b"/a", False), (b"/a/", True), (b"/a/.", True), (b"/a/b/..", True), (b"/a/..", True), (b"/a%2F",
     True),
        (b"/a/...", False), (b"/a.", False), (b"/a?b/", False), (b"/a/?b", True)],
)
def test_rfc_3986_5_2_4_dot_segments_at_the_end_mean_a_directory(raw: bytes, directory: bool) -> None:
    assert read(raw).directory is directory


@pytest.mark.parametrize(
    ("raw", "authority", "path"),
    [
        (b"http://example.org/a/b?c", b"example.org", b"a/b"),
        (b"HTTP://EXAMPLE.org/a", b"EXAMPLE.org", b"a"),  # RFC 3986 3.1: schemes without case
        (b"https://example.org:8443/a", b"example.org:8443", b"a"),
        (b"http://example.org", b"example.org", b""),
        (b"http://example.org?q", b"example.org", b""),
        (b"http://[::1]:80/", b"[::1]:80", b""),
    ],
)
def test_3_2_2_absolute_form_must_be_accepted(raw: bytes, authority: bytes, path: bytes) -> None:
    """RFC 9112 3.2.2: "a server MUST accept the absolute-form in requests"."""
    target = read(raw)
    assert (target.authority, target.path) == (authority, path)


@pytest.mark.parametrize(
    "raw",
    [b"*", b"", b"a", b"index.html", b"example.org:80", b"ftp://a/b", b"file:///etc/passwd", b"http:/a", b"http:a",
        b"http://", b"http:///a", b"http://:80/", b"http://user@a/", b"http://user:pw@a/", b"http://a b/",
        b"http://a\\b/",
        b"http://a#b", b"http://[::1/", b"http://a:b/", b"javascript:alert(1)", b"?a", b"#", b"\\a"],
)
def test_3_2_anything_else_is_no_target_of_a_get(raw: bytes) -> None:
    """RFC 9112 3.2: 400 for an invalid request-line; RFC 9110 4.2.1 and 4.2.4: no empty host, no userinfo."""
    assert refused(raw)


@pytest.mark.parametrize("raw", [b"/a#b", b"/#", b"/a?b#c", b"/a\\b", b"/\\evil.example", b"/\\\\a"])
def test_3_2_1_a_fragment_or_a_raw_backslash_is_no_part_of_a_path(raw: bytes) -> None:
    assert refused(raw)


@pytest.mark.parametrize(
    "value",
    [b"example.org", b"example.org:80", b"EXAMPLE", b"127.0.0.1:8080", b"[::1]", b"[fe80::1]:443", b"a_b", b"xn--a",
     b"a:",
        b"", b"a%20b", b"[v1.x:y]"],
)
def test_7_2_a_host_is_a_name_or_an_address_and_perhaps_a_port(value: bytes) -> None:
    """RFC 9110 7.2: Host = uri-host [ ":" port ], RFC 3986 3.2.2 and 3.2.3; it may be empty."""
    assert valid_authority(value)


@pytest.mark.parametrize(
    "value",
    [b"a b", b"a/b", b"a@b", b"a?b", b"a#b", b"a\\b", b"a:80:80", b"a:x", b"a:-1", b"[::1", b"::1", b"a%2", b"a\n",
        b"a\xff", b"[::1]x", b"<a>", b"a\0", b"http://a"],
)
def test_7_2_anything_else_in_host_is_invalid(value: bytes) -> None:
    assert not valid_authority(value)
