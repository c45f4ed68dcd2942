"""rulesfiles.py: _headers and _redirects as the services that they come from describe them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tuxpy.model import Field
from tuxpy.rules.fields import merged
from tuxpy.rules.redirects import find
from tuxpy.rules.rulesfiles import (
    BLOCKS_MAX,
    DIALECTS,
    FILE_BYTES_MAX,
    LINE_BYTES_MAX,
    MOVING_MAX,
    PROBLEMS_MAX,
    REDIRECTS_MAX,
    Dialect,
    parse_headers,
    parse_redirects,
)


def headers(text: str, path: str, dialect: Dialect = "netlify", own: tuple[Field, ...] = ()) -> list[tuple[str, str]]:
    rules, problems = parse_headers(text.encode(), dialect=dialect)
    assert not problems
    return [(name.decode(), value.decode()) for name, value in merged(own, rules, path.encode(), 200)]


def redirect(text: str, path: str, dialect: Dialect = "netlify", query: bytes | None = None) -> str | None:
    """What happens: status, ! for force, and where."""
    rules, problems = parse_redirects(text.encode(), dialect=dialect)
    assert not problems
    match = find(rules, path.encode(), query)
    if match is None:
        return None
    there = match.path if match.location is None else match.location
    assert there is not None
    return f"{match.status}{'!' * match.force} {there.decode()}"


def problem(text: str, kind: str = "redirects", dialect: Dialect = "netlify") -> str:
    """The one problem of a file in which the good lines are read all the same."""
    if kind == "headers":
        blocks, problems = parse_headers(f"/ok\n  X-A: 1\n{text}\n/fine\n  X-B: 1\n".encode(), dialect=dialect)
        places = [rule.where for rule in blocks]
        assert places == ["_headers:1", f"_headers:{len(text.splitlines()) + 3}"]
    else:
        redirects, problems = parse_redirects(f"/ok /a\n{text}\n/fine /b\n".encode(), dialect=dialect)
        assert [rule.where for rule in redirects] == ["_redirects:1", "_redirects:3"]
    assert len(problems) == 1
    assert "\n" not in problems[0]
    return problems[0]


# _headers, as both know them.

CLOUDFLARE_HEADERS = """\
# This is a comment
/secure/page
  X-Frame-Options: DENY
  X-Content-Type-Options: nosniff
  Referrer-Policy: no-referrer

/static/*
  Access-Control-Allow-Origin: *
  X-Robots-Tag: nosnippet

/*
  X-Robots-Tag: noindex
"""
SECURE = [("X-Frame-Options", "DENY"), ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer")]


def test_blocks_that_match_add_up() -> None:
    assert headers(CLOUDFLARE_HEADERS, "/secure/page") == [*SECURE, ("X-Robots-Tag", "noindex")]
    assert headers(CLOUDFLARE_HEADERS, "/home") == [("X-Robots-Tag", "noindex")]


@pytest.mark.parametrize(("dialect", "value"), [("cloudflare", "nosnippet, noindex"), ("netlify", "noindex")])
def test_values_of_two_blocks_join_on_cloudflare_alone(dialect: Dialect, value: str) -> None:
    own = ((b"X-Robots-Tag", b"all"),)
    expected = [("X-Robots-Tag", value), ("Access-Control-Allow-Origin", "*")]
    assert headers(CLOUDFLARE_HEADERS, "/static/styles.css", dialect, own) == expected


def test_detach_a_header() -> None:
    text = "/*\n  Content-Security-Policy: default-src 'self';\n\n/*.jpg\n  ! Content-Security-Policy\n"
    for dialect in DIALECTS:
        assert headers(text, "/a/b.jpg", dialect) == []
        assert headers(text, "/a/b.png", dialect) == [("Content-Security-Policy", "default-src 'self';")]


def test_placeholders_and_splats_go_into_values() -> None:
    text = '/movies/:title\n  x-movie-name: You are watching ":title"\n/d/*\n  x-d: :splat\n'
    assert headers(text, "/movies/a b") == [("x-movie-name", 'You are watching "a%20b"')]
    assert headers(text, "/d/e/f") == [("x-d", "e/f")]


def test_several_values_of_one_block_are_one() -> None:
    """The example of Netlify's documentation for multi-value headers."""
    text = "/*\n  cache-control: max-age=0\n  cache-control: no-cache\n  Cache-Control: must-revalidate\n"
    assert headers(text, "/") == [("cache-control", "max-age=0, no-cache, must-revalidate")]
    cookies = "/*\n  Set-Cookie: a=1\n  Set-Cookie: b=2\n  Set-Cookie: c=3\n"
    assert headers(cookies, "/") == [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Set-Cookie", "c=3")]


def test_layout_does_not_count() -> None:
    text = "\ufeff\r\n   # x\r\n\t/a \r\n\r\nX-A:1:2 \r\n    # y\r\n \t X-B :  #1  \r\n/b\n X-C: 1"
    assert headers(text, "/a") == [("X-A", "1:2"), ("X-B", "#1")]
    assert headers(text, "/b") == [("X-C", "1")]
    assert headers("", "/") == []


def test_a_rule_knows_where_it_was_written() -> None:
    rules, _ = parse_headers(CLOUDFLARE_HEADERS.encode(), name="site/_headers")
    assert [rule.where for rule in rules] == ["site/_headers:2", "site/_headers:7", "site/_headers:11"]


@pytest.mark.parametrize(("dialect", "same"), [("netlify", True), ("cloudflare", False)])
def test_a_trailing_slash_counts_on_cloudflare_alone(dialect: Dialect, same: bool) -> None:
    assert bool(headers("/a\n X-A: 1\n", "/a/", dialect)) == same
    assert bool(headers("/a/*\n X-A: 1\n", "/a", dialect)) == same


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("/x\n  nonsense", "_headers:4: 'nonsense' is not a field"),
        ("/x\n  X-A:", "_headers:4: X-A has no value"),
        ("/x\n  : b", "_headers:4: "),
        ("/x\n  X A: b", "_headers:4: "),
        ("/x\n  X-A: b\0c", "_headers:4: the value of X-A has a control"),
        ("/x\n  Content-Length: 1", "_headers:4: Content-Length cannot be set by a rule"),
        ("/x\n  ! Vary", "_headers:4: Vary cannot be removed"),
        ("/x\n  !", "_headers:4: "),
        ("/x\n  Basic-Auth: a:b", "_headers:4: Basic-Auth would hold passwords"),
        ("/x", "_headers:3: '/x' has no fields"),
        ("https://a.pages.dev/*\n  X-A: 1\n  X-B: 1", "_headers:3: 'https://a.pages.dev/*' names a host"),
        ("https://:project.pages.dev/*\n  X-A: 1", "_headers:3: "),
        ("/a/*/b/*\n  X-A: 1", "_headers:3: the pattern '/a/*/b/*' has two stars"),
        ("/:a.html\n  X-A: 1", "_headers:3: "),
        ("/x\n  X-A: " + "a" * LINE_BYTES_MAX, "_headers:4: the line has"),
    ],
)
def test_what_is_not_understood_is_said_with_its_line(text: str, sentence: str) -> None:
    for dialect in DIALECTS:
        assert problem(text, "headers", dialect).startswith(sentence)


def test_fields_above_the_first_path_belong_to_nobody() -> None:
    rules, problems = parse_headers(b"X-A: 1\n/a\n  X-B: 1\n")
    assert len(rules) == 1
    assert problems == ("_headers:1: the line stands above the first path: write a path such as /* before it",)


@pytest.mark.parametrize("line", [b"docs/*", b"/\xff/*", b"/" + b"a" * LINE_BYTES_MAX, b"https://h/*", b"/a//b"])
def test_no_field_moves_to_the_path_above_when_its_own_is_not_understood(line: bytes) -> None:
    rules, problems = parse_headers(b"/a\n  X-A: 1\n" + line + b"\n  X-B: 1\n")
    assert [rule.set for rule in rules] == [((b"X-A", b"1"),)]
    assert len(problems) == 1


def test_values_that_grow_together_are_bounded() -> None:
    line = "  X-A: " + "a" * 5000 + "\n"
    assert "_headers:1: the value of X-A has" in parse_headers(f"/a\n{line}{line}".encode()).problems[0]


# _redirects.


@pytest.mark.parametrize(
    ("text", "path", "outcome"),
    [
        # Netlify: redirect options.
        ("/home / 301", "/home", "301 /"),
        ("/my-redirect / 302", "/my-redirect", "302 /"),
        ("/ecommerce /store-closed 404", "/ecommerce", "404 /store-closed"),
        ("/pass-through /index.html 200", "/pass-through", "200 /index.html"),
        ("/news/:month/:date/:year/:s  /blog/:year/:month/:date/:s", "/news/02/12/2004/s", "301 /blog/2004/02/12/s"),
        ("/news/*  /blog/:splat", "/news/a/b", "301 /blog/a/b"),
        ("/jobs/ninja /careers/support\n/jobs/* /careers/:splat", "/jobs/x", "301 /careers/x"),
        ("/jobs/customer-ninja-rockstar* /careers/support", "/jobs/customer-ninja-rockstars", "301 /careers/support"),
        ("/app/* /app/index.html 200!", "/app/x", "200! /app/index.html"),
        ("/a /b 302!", "/a", "302! /b"),
        ("/en/* /en/404.html 404\n/de/* /de/404.html 404", "/de/x", "404 /de/404.html"),
        ("/* /index.html 200", "/any/thing", "200 /index.html"),
        ("/a /b 307 # why\n/c /d # 302", "/c", "301 /d"),
        ("/a https://example.org/b 308", "/a", "308 https://example.org/b"),
        ("/foo /bar", "/foo/", "301 /bar"),
        ("/foo /foo/", "/foo", "301 /foo/"),
        ("/foo /foo/", "/foo/", None),
        ("/a /b\n/a /c", "/a", "301 /b"),
        ("/A /b", "/a", None),
    ],
)
def test_redirects_of_netlify(text: str, path: str, outcome: str | None) -> None:
    assert redirect(text, path) == outcome


def test_queries_of_netlify() -> None:
    text = "/store id=:id  /blog/:id  301\n/store /shop 302\n/path/* a=:a b=:b /other/:a/:b/:splat 200\n"
    assert redirect(text, "/store", query=b"id=my-post") == "301 /blog/my-post?id=my-post"
    assert redirect(text, "/store", query=b"id=1&utm=2") == "302 /shop?id=1&utm=2"
    assert redirect(text, "/store") == "302 /shop"
    assert redirect(text, "/path/x", query=b"b=2&a=1") == "200 /other/1/2/x"


CLOUDFLARE_REDIRECTS = """\
/home301 / 301
/home302 / 302
/querystrings /?query=string 301
/twitch https://twitch.tv
/trailing /trailing/ 301
/notrailing/ /nottrailing 301
/page/ /page2/#fragment 301
/blog/* https://blog.my.domain/:splat
/products/:code/:name /products?code=:code&name=:name
/a /b 200
/b /c 200
"""


@pytest.mark.parametrize(
    ("path", "outcome"),
    [
        ("/home301", "301! /"),
        ("/home302", "302! /"),
        ("/querystrings", "301! /?query=string"),
        ("/twitch", "302! https://twitch.tv"),
        ("/trailing", "301! /trailing/"),
        ("/trailing/", None),
        ("/notrailing/", "301! /nottrailing"),
        ("/notrailing", None),
        ("/page/", "301! /page2/#fragment"),
        ("/blog/a/b", "302! https://blog.my.domain/a/b"),
        ("/blog", None),
        ("/products/1/x", "302! /products?code=1&name=x"),
        ("/a", "200! /b"),
    ],
)
def test_redirects_of_cloudflare(path: str, outcome: str | None) -> None:
    assert redirect(CLOUDFLARE_REDIRECTS, path, "cloudflare") == outcome


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/ /anz 302 Country=au,nz", "clients have no country"),
        ("/china/* /china/zh-cn/:splat 302 Language=zh", "language is not looked at"),
        ("/admin/* /admin/:splat 200! Role=admin", "rule for access"),
        ("/* /preview/:splat 302 Cookie=preview", "cookies are not looked at"),
        ("/a /b 301 Signed=KEY", "nothing is proxied"),
        ("/a /b 301 Agent=x", "neither a status nor anything"),
        ("/a /b 2000", "neither a status nor anything"),
        ("/a /b 418", "418 is not a status of a redirect"),
        ("/api/* https://api.example.com/:splat 200", "another host"),
        ("/a /.netlify/functions/x 200", "service of Netlify"),
        ("http://blog.example.com/* https://www.example.com/blog/:splat 301!", "names a host"),
        ("workers.example.com/* workers.example.com/blog/:splat 301", "names a host"),
        ("/a", "no target"),
        ("/pwa.html 200", "no target"),
        ("/a b", "no target"),
        ("/a id /b", "not a parameter"),
        ("/a? /b", "'?'"),
        ("/a#b /c", "'#'"),
        ("/*/x/* /b", "two stars"),
        ("/a //evil.example", "begin it with a single slash"),
        ("/a /:splat", "nothing gives :splat"),
        ("/a/* /a\\b", "not an address"),
        ("/a " + "/b" * LINE_BYTES_MAX, "the line has"),
    ],
)
def test_what_cannot_be_kept_says_what_to_do(line: str, words: str) -> None:
    said = problem(line)
    assert said.startswith("_redirects:2: ")
    assert words in said


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/shop id=:id /blog/:id 301", "asks for a query"),
        ("/blog/* /blog/404.html 404", "404 is not a status of this dialect"),
        ("/* /index.html 200", "matched by its own rule"),
        ("/a /a 301", "leads to itself"),
    ],
)
def test_what_cloudflare_ignores_is_refused(line: str, words: str) -> None:
    """There every rule goes before the files, so these would hide the site."""
    assert words in problem(line, dialect="cloudflare")


def test_a_line_that_is_not_utf_8_is_named() -> None:
    assert parse_redirects(b"/a /b\n/\xff /c\n").problems == (
        "_redirects:2: the line is not UTF-8: correct '/\\\\xff /c'",
    )


# Bounds.


def test_files_are_bounded() -> None:
    for parse in (parse_headers, parse_redirects):
        rules, problems = parse(b"#" * (FILE_BYTES_MAX + 1), "f")
        assert not rules
        assert problems == (f"f: the file has {FILE_BYTES_MAX + 1} bytes: give at most {FILE_BYTES_MAX}",)
        assert len(parse(b"nonsense\n" * 1000).problems) == PROBLEMS_MAX


def test_rules_are_bounded() -> None:
    rules, problems = parse_headers(b"/a\n X-A: 1\n" * (BLOCKS_MAX + 2))
    assert (len(rules), len(problems)) == (BLOCKS_MAX, 2)
    assert "too many blocks" in problems[0]
    redirects, problems = parse_redirects(b"/a/* /b\n" * (MOVING_MAX + 1) + b"/a /b\n" * 3)
    assert (len(redirects), len(problems)) == (MOVING_MAX + 3, 1)
    assert f":{MOVING_MAX + 1}: there are too many rules" in problems[0]
    redirects, problems = parse_redirects(b"/a /b\n" * (REDIRECTS_MAX + 1))
    assert (len(redirects), len(problems)) == (REDIRECTS_MAX, 1)


LINES = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.lists(
            st.sampled_from([b"/a", b"/*", b"/:x", b":splat", b" ", b"\t", b":", b"!", b"X-A", b"301", b"200!", b"#",
                             b"https://h/", b"id=:id", b"Country=de", b"\r", b"\xff", b"Set-Cookie", b"/a/../b"]),
            max_size=8,
        ).map(b"".join),
    ),
    max_size=8,
).map(b"\n".join)  # fmt: skip


@given(LINES, st.sampled_from(DIALECTS), st.binary(max_size=10), st.none() | st.binary(max_size=10))
@example(b"/*\n", "netlify", b"", None)
def test_any_bytes_are_read_and_every_rule_can_be_asked(
    data: bytes, dialect: Dialect, path: bytes, query: bytes | None
) -> None:
    rules, problems = parse_headers(data, dialect=dialect)
    for name, value in merged((), rules, b"/" + path, 200):
        assert not set(name + value) & {0, 10, 13}
    redirects, others = parse_redirects(data, dialect=dialect)
    find(redirects, b"/" + path, query)
    for said in (*problems, *others):
        assert said.startswith(("_headers:", "_redirects:"))
        assert said.isprintable()
