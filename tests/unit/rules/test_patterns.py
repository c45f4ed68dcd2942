"""patterns.py: which paths a pattern is for, and that no path takes long."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tuxpy.errors import ConfigError
from tuxpy.rules.patterns import ALTERNATIVES_MAX, NOTHING, PATTERN_BYTES_MAX, Pattern, fill, literal


def match(pattern: str, path: str, *, splat: bool = False, either_slash: bool = False) -> dict[str, str] | None:
    found = Pattern.parse(pattern, splat=splat, either_slash=either_slash).match(path.encode())
    return None if found is None else {name: value.decode() for name, value in found.items()}


@pytest.mark.parametrize(
    ("pattern", "path", "captured"),
    [
        ("/a.html", "/a.html", {}),
        ("/", "/", {}),
        ("/docs/", "/docs/", {}),
        ("/a b", "/a b", {}),
        ("/caf%C3%A9", "/café", {}),
        ("/café", "/café", {}),
        ("/%2A", "/*", {}),
        ("/100%25", "/100%", {}),
        ("/a.b", "/a.b", {}),
        ("/img/*.png", "/img/a.png", {}),
        ("/img/*.png", "/img/.png", {}),
        ("/img/a*b*c", "/img/abbcbc", {}),
        ("/a/*/c", "/a/b/c", {}),
        ("/*", "/", {"splat": ""}),
        ("/*", "/a/b/", {"splat": "a/b/"}),
        ("/docs/*", "/docs/", {"splat": ""}),
        ("/docs/*", "/docs/a/b.html", {"splat": "a/b.html"}),
        ("/docs/**", "/docs/a/b.html", {"splat": "a/b.html"}),
        ("/**/draft/*.html", "/draft/a.html", {}),
        ("/**/draft/*.html", "/x/y/draft/a.html", {}),
        ("/a/**/b/**/c", "/a/b/c", {}),
        ("/a/**/b/**/c", "/a/b/x/b/y/z/c", {}),
        ("/**/:name/c", "/a/b/c", {"name": "b"}),
        ("/**/api/:version/*", "/x/api/v1/api/v2/y", {"version": "v1", "splat": "api/v2/y"}),
        ("/blog/:year/:slug", "/blog/2024/a.html", {"year": "2024", "slug": "a.html"}),
        ("/app.{js,css}", "/app.css", {}),
        ("/app{,.min}.js", "/app.js", {}),
        ("/{a,b}/:x/*", "/b/1/2/3", {"x": "1", "splat": "2/3"}),
        ("/{a*c,a}b", "/aXcb", {}),
        ("/*{a,ab}*c", "/xabc", {}),
        ("*.css", "/a/b.css", {}),
        ("*.css", "/b.css", {}),
        ("*.{js,css}", "/x.y.js", {}),
        ("index.html", "/a/index.html", {}),
        ("*", "/a/", {}),
    ],
)
def test_a_pattern_is_for(pattern: str, path: str, captured: Mapping[str, str]) -> None:
    assert match(pattern, path) == captured


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/a.html", "/a.html/"),
        ("/a.html", "/A.html"),
        ("/a.html", "/a.html\n"),
        ("/a.html", "/x/a.html"),
        ("/a.b", "/axb"),
        ("/docs/", "/docs"),
        ("/docs/*", "/docs"),
        ("/docs/*", "/docsx"),
        ("/img/*.png", "/img/a/b.png"),
        ("/a/*/c", "/a//c"),
        ("/a/*/c", "/a/b/b/c"),
        ("/**/draft/*.html", "/x/mydraft/a.html"),
        ("/**/draft/*.html", "/draft/x/a.html"),
        ("/a/**/b/**/c", "/a/xb/c"),
        ("/a/**/b/**/c", "/a/b/xc"),
        ("/blog/:year/:slug", "/blog/2024/"),
        ("/blog/:year/:slug", "/blog/2024/a/b"),
        ("*.css", "/a.css/"),
        ("*.css", "/a.css/b"),
        ("*.css", "/a.scssx"),
        ("index.html", "/a/xindex.html"),
    ],
)
def test_a_pattern_is_not_for(pattern: str, path: str) -> None:
    assert match(pattern, path) is None


@pytest.mark.parametrize(
    ("pattern", "path", "captured"),
    [
        ("/*.jpg", "/a/b.jpg", {"splat": "a/b"}),
        ("/jobs/rock*", "/jobs/rockstar/now", {"splat": "star/now"}),
        ("/a/*/z", "/a/b/c/z", {"splat": "b/c"}),
        ("/{a,b}", "/{a,b}", {}),
        ("/movies/:title", "/movies/x", {"title": "x"}),
    ],
)
def test_the_star_of_hosting_services_crosses_slashes(pattern: str, path: str, captured: Mapping[str, str]) -> None:
    assert match(pattern, path, splat=True) == captured


@pytest.mark.parametrize(
    ("pattern", "path", "captured"),
    [
        ("/foo", "/foo/", {}),
        ("/foo/", "/foo", {}),
        ("/foo/", "/foo/", {}),
        ("/", "/", {}),
        ("/a/:b", "/a/b/", {"b": "b"}),
        ("/foo/*", "/foo", {"splat": ""}),
        ("/foo/*", "/foo/", {"splat": ""}),
        ("/foo/*", "/foo/a/", {"splat": "a/"}),
        ("/foo/*", "/foobar", None),
        ("/foo", "/foo/a", None),
    ],
)
def test_a_trailing_slash_need_not_count(pattern: str, path: str, captured: Mapping[str, str] | None) -> None:
    assert match(pattern, path, splat=True, either_slash=True) == captured


def test_nothing_captured_is_a_match_all_the_same() -> None:
    assert Pattern.parse("/a").match(b"/a") is NOTHING
    assert not NOTHING


def test_paths_that_can_be_listed_are() -> None:
    assert Pattern.parse("/{a,b}.html").literals == {b"/a.html", b"/b.html"}
    assert Pattern.parse("/a", either_slash=True).literals == {b"/a", b"/a/"}
    assert Pattern.parse("index.html").anywhere
    for wild in ("/*", "/:a", "/a*"):
        assert not Pattern.parse(wild).literals
    assert Pattern.parse("/:year/*").names == {"year", "splat"}


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("", "0 bytes"),
        ("/" + "a" * PATTERN_BYTES_MAX, "bytes"),
        ("docs/a", "begin with a slash"),
        ("**", "beside"),
        (":name", "no whole segment"),
        ("/a//b", "empty segment"),
        ("//a", "empty segment"),
        ("/{a,}/b", "empty segment"),
        ("/a/../b", "dots"),
        ("/./b", "dots"),
        ("/a**", "beside"),
        ("/{*,a}*/b", "beside other"),
        ("/a:b", "%3A"),
        ("/:a.html", "%3A"),
        ("/{:a,b}", "%3A"),
        ("/:a/:a", "twice"),
        ("/:splat/*", "twice"),
        ("/a?b", "'?'"),
        ("/a#b", "'#'"),
        ("/a\\b", "as an escape"),
        ("/a\nb", "as an escape"),
        ("/a\0", "as an escape"),
        ("/100%", "%25"),
        ("/a%2fb", "slash or a NUL"),
        ("/a%00", "slash or a NUL"),
        ("/\udcff", "not text"),
        ("/{a", "brace too many"),
        ("/a}", "brace too many"),
        ("/{a/b,c}", "brace too many"),
        ("/{{a,b},c}", "brace too many"),
        ("/{a}", "around one thing"),
        ("/" + "{a,b}" * 7, f"at most {ALTERNATIVES_MAX}"),
        ("/" + "/".join(["{a,b}"] * 7), f"at most {ALTERNATIVES_MAX}"),
        ("/" + "{a,b}" * 400, f"at most {ALTERNATIVES_MAX}"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(pattern: str, why: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Pattern.parse(pattern)
    assert why in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("pattern", ["/*/*", "/a*b*", "*.css", "/**", "docs/*"])
def test_hosting_services_have_one_star_and_paths_from_the_root(pattern: str) -> None:
    with pytest.raises(ConfigError):
        Pattern.parse(pattern, splat=True)


# Against a matcher that is too simple to be wrong.


def simply(pattern: list[str], path: list[str]) -> bool:
    """Segments against segments, trying everything."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(simply(pattern[1:], path[at:]) for at in range(len(path) + 1))
    if not path or (pattern[0] == "*" and not path[0]):
        return False
    return letters(pattern[0], path[0]) and simply(pattern[1:], path[1:])


def letters(pattern: str, name: str) -> bool:
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(letters(pattern[1:], name[at:]) for at in range(len(name) + 1))
    return name[:1] == pattern[0] and letters(pattern[1:], name[1:])


SEGMENTS = st.lists(st.sampled_from(["a", "b", "*", "**", "a*", "*b", "a*b", "*a*b*", "ab", "*ab*a"]), max_size=5)
NAMES = st.lists(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=6)


@given(SEGMENTS, st.sampled_from(["a", "b*", "*b"]), NAMES)
@example(["**", "a", "**"], "a", ["a", "a", "a"])
@example(["*a*b*"], "b*", ["ab", "b"])
def test_it_matches_what_a_simple_matcher_matches(segments: list[str], last: str, names: list[str]) -> None:
    pattern = [*segments, last]  # what ends in a star segment is a splat, which is tested above
    found = Pattern.parse("/" + "/".join(pattern)).match(b"/" + "/".join(names).encode())
    assert (found is not None) == simply(pattern, names)


# Any path at all.

PIECES = st.lists(
    st.sampled_from(["/", "*", "**", ":a", ":b", "{a,b}", "{,x}", "a", "b", ".", "%41", "%2F", "%", "{", "}", ","]),
    max_size=10,
).map("".join)


@given(PIECES, st.booleans(), st.booleans(), st.lists(st.binary(max_size=40), max_size=5))
def test_reading_refuses_or_works_and_matching_never_fails(
    text: str, splat: bool, either_slash: bool, paths: list[bytes]
) -> None:
    try:
        pattern = Pattern.parse("/" + text, splat=splat, either_slash=either_slash)
    except ConfigError:
        return
    for path in (b"", b"/", *paths, *pattern.literals):
        found = pattern.match(path)
        assert (found is None) == (path not in pattern.literals) or not pattern.literals
        if found is not None:
            assert set(found) == pattern.names


@pytest.mark.parametrize(
    ("pattern", "unit", "splat"),
    [
        ("/**/a/**/a/**/b*c*d", b"/a", False),
        ("/x*a*a*a*a*a*a*a*b", b"a", False),
        ("/**/*a*a*b/*a*b/c", b"/aaab", False),
        ("/**/:a/:b/:c/d", b"/aa", False),
        ("/**/**/**/**/*x", b"/", False),
        ("*a*a*a*{b,c}", b"a", False),
        ("/{a,*a}*{a,b}*{a,b*a}*b", b"a", False),
        ("/*x/:a/x/:b/y", b"x/", True),
        ("/*aaaaaaaaab", b"a", True),
    ],
)
def test_hostile_paths_take_linear_time(pattern: str, unit: bytes, splat: bool) -> None:
    """Half a megabyte; what tries pairs of places would take minutes, what tries more would never end."""
    read = Pattern.parse(pattern, splat=splat)
    path = b"/x" + unit * (500_000 // len(unit))
    started = time.perf_counter()
    assert read.match(path) is None
    assert time.perf_counter() - started < 3


# Helpers.


def test_filling_leaves_colons_that_are_no_placeholders() -> None:
    values = {"a": b"1", "b": b"\r\n"}
    assert fill(b"x:a-:b :c https://h:8080/:aa", values, lambda value: b"<%d>" % len(value)) == (
        b"x<1>-<2> :c https://h:8080/:aa"
    )


def test_escapes_stand_for_bytes() -> None:
    assert literal("%41%ff/é") == b"A\xff/\xc3\xa9"
