"""cors.py: the CORS protocol of the Fetch standard, and what a shared cache makes of it (RFC 9110 12.5.5)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxpy.errors import ConfigError
from tuxpy.rules.cors import CorsRule, preflight, simple

ONE = b"https://app.example.org"
LISTED = CorsRule.parse(["https://app.example.org", "https://*.example.com", "null"], expose=["ETag"])
TRUSTED = CorsRule.parse(
    ["https://app.example.org"],
    methods=["GET", "HEAD", "PUT"],
    request_headers=["X-One", "authorization"],
    credentials=True,
    max_age_s=60,
)
EVERYBODY = CorsRule.parse(["*"], request_headers=["*"], expose=["*"])
RULES = st.sampled_from([LISTED, TRUSTED, EVERYBODY])
ORIGINS = st.one_of(
    st.none(),
    st.binary(max_size=30),
    st.sampled_from(
        [ONE, b"null", b"*", b"", b"https://a.example.com", b"https://example.com", b"https://app.example.org.evil.org"]
    ),
)
METHODS = st.one_of(st.none(), st.sampled_from([b"GET", b"PUT", b"patch", b"", b"G T", b"*"]))
HEADERS = st.one_of(
    st.none(), st.binary(max_size=20), st.sampled_from([b"x-one", b"X-One, authorization", b",", b"x-two"])
)


def fields_of(pairs: tuple[tuple[bytes, bytes], ...]) -> dict[bytes, bytes]:
    fields = dict(pairs)
    assert len(fields) == len(pairs), "a field is there twice"
    return fields


def granted(rule: CorsRule, origin: bytes | None) -> bytes | None:
    return fields_of(simple(rule, origin)).get(b"Access-Control-Allow-Origin")


# Origins (CORS check: compared byte by byte).


@pytest.mark.parametrize("origin", [ONE, b"https://a.example.com", b"https://a.b.example.com", b"null"])
def test_a_listed_origin_is_sent_back(origin: bytes) -> None:
    assert granted(LISTED, origin) == origin


@pytest.mark.parametrize(
    "origin",
    [
        None,
        b"",
        b"*",
        b"Null",
        b"http://app.example.org",
        b"https://APP.example.org",
        b"https://app.example.org:8443",
        b"https://app.example.org/",
        b"https://app.example.org, https://app.example.org",
        b"https://app.example.org.evil.org",
        b"https://example.com",
        b"https://.example.com",
        b"https://evilexample.com",
        b"https://evil.org/.example.com",
        b"https://evil.org:1.example.com",
        b"https://evil.org#.example.com",
        b"https://a@b.example.com",
        b"https://*.example.com",
        b"https://a..example.com",
        b"http://a.example.com",
        b"https://a.example.com:8443",
        b"https://a\n.example.com",
    ],
)
def test_no_other_origin_is(origin: bytes | None) -> None:
    assert simple(LISTED, origin) == ((b"Vary", b"Origin"),)


def test_everybody_gets_the_same_answer_whoever_asks() -> None:
    """Then it need not vary, and a shared cache keeps one answer for all."""
    answers = {simple(EVERYBODY, origin) for origin in (None, ONE, b"null", b"nonsense")}
    assert answers == {((b"Access-Control-Allow-Origin", b"*"), (b"Access-Control-Expose-Headers", b"*"))}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("HTTPS://Example.ORG", b"https://example.org"),
        ("https://example.org:443", b"https://example.org"),
        ("http://example.org:80", b"http://example.org"),
        ("http://example.org:443", b"http://example.org:443"),
        ("http://[0:0::1]:8000", b"http://[::1]:8000"),
        ("moz-extension://0123-4567", b"moz-extension://0123-4567"),
        ("https://*.Example.org:8443", b"https://x.example.org:8443"),
    ],
)
def test_origins_are_compared_as_browsers_write_them(given: str, sent: bytes) -> None:
    assert granted(CorsRule.parse([given]), sent) == sent


# Every answer.


@given(RULES, ORIGINS, METHODS, HEADERS)
def test_an_answer_varies_with_the_origin_exactly_when_it_could(
    rule: CorsRule, origin: bytes | None, method: bytes | None, headers: bytes | None
) -> None:
    """RFC 9110 12.5.5; without Vary a shared cache would send one origin's grant to another."""
    fields = fields_of(simple(rule, origin))
    assert (b"Vary" in fields) == (rule is not EVERYBODY)
    answer = preflight(rule, origin, method, headers)
    if answer is not None:
        assert b"Origin" in fields_of(answer.fields)[b"Vary"]


@given(RULES, ORIGINS, METHODS, HEADERS)
def test_what_is_granted_is_the_origin_that_asked_or_a_star_without_credentials(
    rule: CorsRule, origin: bytes | None, method: bytes | None, headers: bytes | None
) -> None:
    answer = preflight(rule, origin, method, headers)
    for pairs in (simple(rule, origin), answer.fields if answer else ()):
        fields = fields_of(pairs)
        grant = fields.get(b"Access-Control-Allow-Origin")
        assert grant in (None, origin, b"*")
        if grant is None:
            assert set(fields) <= {b"Vary"}
        assert (b"Access-Control-Allow-Credentials" in fields) == (rule is TRUSTED and grant is not None)
        if b"Access-Control-Allow-Credentials" in fields:
            assert fields[b"Access-Control-Allow-Credentials"] == b"true"  # by the byte; True would not do
            assert b"*" not in fields.values()
        for name, value in pairs:
            assert not set(name + value) & set(b"\r\n\0")


def test_expose_is_for_answers_and_not_for_preflights() -> None:
    assert fields_of(simple(LISTED, ONE))[b"Access-Control-Expose-Headers"] == b"etag"
    answer = preflight(LISTED, ONE, b"GET", None)
    assert answer
    assert b"Access-Control-Expose-Headers" not in fields_of(answer.fields)


# Preflights (HTTP requests; CORS-preflight fetch).


@pytest.mark.parametrize(
    ("origin", "method"), [(None, b"GET"), (ONE, None), (None, None), (ONE, b""), (ONE, b"G T"), (ONE, b"GET, PUT")]
)
def test_options_without_both_fields_is_no_preflight(origin: bytes | None, method: bytes | None) -> None:
    assert preflight(TRUSTED, origin, method, None) is None


def test_a_preflight_is_answered_with_all_lists() -> None:
    answer = preflight(TRUSTED, ONE, b"PUT", b"authorization,x-one")
    assert answer
    assert fields_of(answer.fields) == {
        b"Vary": b"Origin, Access-Control-Request-Method",
        b"Access-Control-Allow-Origin": ONE,
        b"Access-Control-Allow-Credentials": b"true",
        b"Access-Control-Allow-Methods": b"GET, HEAD, PUT",
        b"Access-Control-Allow-Headers": b"x-one, authorization",
        b"Access-Control-Max-Age": b"60",
    }
    assert "may do" in answer.why


def test_a_stranger_is_granted_nothing() -> None:
    answer = preflight(TRUSTED, b"https://evil.org", b"GET", None)
    assert answer
    assert answer.fields == ((b"Vary", b"Origin, Access-Control-Request-Method"),)
    assert "https://evil.org is not listed" in answer.why


@pytest.mark.parametrize(
    ("rule", "method", "headers", "why"),
    [
        (TRUSTED, b"PUT", b"x-one", None),
        (TRUSTED, b"POST", None, None),  # CORS-safelisted, needs no leave
        (TRUSTED, b"GET", b" X-ONE ,\tAuthorization", None),
        (TRUSTED, b"GET", b"", None),
        (TRUSTED, b"put", None, "method put"),  # methods differ by case
        (TRUSTED, b"DELETE", b"x-one", "method DELETE"),
        (TRUSTED, b"PUT", b"x-one,x-two", "header x-two"),
        (EVERYBODY, b"GET", b"x-anything", None),
        (EVERYBODY, b"GET", b"authorization", "header authorization"),  # CORS non-wildcard request-header name
        (EVERYBODY, b"PUT", None, "method PUT"),
        (CorsRule.parse(["*"], methods=["*"]), b"PATCH", None, None),
        (CorsRule.parse(["*"], request_headers=["*", "Authorization"]), b"GET", b"authorization,x", None),
    ],
)
def test_the_reason_says_what_the_browser_will_miss(
    rule: CorsRule, method: bytes, headers: bytes | None, why: str | None
) -> None:
    answer = preflight(rule, ONE, method, headers)
    assert answer
    if why is None:
        assert "may do" in answer.why
    else:
        assert f"{why} is not: the browser will not go on" in answer.why


@given(RULES, st.sampled_from([ONE, b"null", b"x"]), st.sampled_from([b"GET", b"PUT"]), HEADERS)
def test_the_bytes_of_a_preflight_depend_on_the_origin_alone(
    rule: CorsRule, origin: bytes, method: bytes, headers: bytes | None
) -> None:
    """So few answers have to be kept, by us and by browsers."""
    answer, plain = preflight(rule, origin, method, headers), preflight(rule, origin, b"GET", None)
    assert answer and plain
    assert answer.fields == plain.fields


# Configuration.


@pytest.mark.parametrize(
    ("origins", "more", "remedy"),
    [
        ([], {}, "give one"),
        (["*", "https://a.org"], {}, "leave out"),
        (["*"], {"credentials": True}, "exclude each other"),
        (["https://a.org"], {"credentials": True, "request_headers": ["*"]}, "exclude each other"),
        (["https://a.org"], {"credentials": True, "expose": ["*"]}, "exclude each other"),
        (["https://a.org"], {"credentials": True, "methods": ["*"]}, "exclude each other"),
        (["https://a.org", "null"], {"credentials": True}, "every sandboxed page"),
        (["a.org"], {}, "give a scheme, a host"),
        (["https://a.org/"], {}, "and perhaps a port"),
        (["https://*"], {}, "not an origin"),
        (["https://a.*.org"], {}, "not an origin"),
        (["https://*.*.org"], {}, "not an origin"),
        (["https://*.[::1]"], {}, "star in front of an address"),
        (["https://[::g]"], {}, "not an origin"),
        (["https://[1:2]"], {}, "not an IPv6 address"),
        (["https://a..org"], {}, "is not a name"),
        (["https://bücher.example"], {}, "xn--"),
        (["https://a.org"], {"methods": ["G T"]}, "not a method name"),
        (["https://a.org"], {"expose": ["a\r\nb"]}, "not a header name"),
        (["https://a.org"], {"request_headers": ["é"]}, "not a request header name"),
        (["https://a.org"], {"max_age_s": -1}, "give 0 to"),
        (["https://a.org"], {"max_age_s": 86401}, "give 0 to"),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(origins: list[str], more: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ConfigError, match=remedy):
        CorsRule.parse(origins, **more)
