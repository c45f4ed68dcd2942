"""redirects.py: where rules lead, and that no request ever chooses the host (RFC 9110 10.2.2, RFC 3986 4.2)."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tuxpy.errors import ConfigError
from tuxpy.http.target import Target, read_target
from tuxpy.rules.redirects import REDIRECTS, TARGET_BYTES_MAX, RedirectRule, RedirectTable, find
from tuxpy.rules.written import Written

HOST = "https://new.example"


def kept(rule: RedirectRule, target: str) -> str | None:
    """Where a request leads, its target as the client has written it."""
    read = read_target(target.encode())
    assert isinstance(read, Target)
    match = rule.apply(read.asked, read.query, Written(read.written) if read.written else None)
    return None if match is None or match.location is None else match.location.decode()


def location(rule: RedirectRule, path: str, query: str | None = None) -> str | None:
    match = rule.apply(path.encode(), None if query is None else query.encode())
    if match is None:
        return None
    assert match.path is None
    assert match.location is not None
    return match.location.decode()


def rewritten(rule: RedirectRule, path: str) -> str | None:
    match = rule.apply(path.encode(), None)
    if match is None:
        return None
    assert match.location is None
    assert match.path is not None
    return match.path.decode()


def rule(pattern: str, to: str, status: int = 301, *query: str, pass_query: bool = True) -> RedirectRule:
    pairs = [tuple(pair.split("=", 1)) for pair in query]
    return RedirectRule.parse(pattern, to, status, query=pairs, pass_query=pass_query)  # type: ignore[arg-type]


# Redirects.


@pytest.mark.parametrize(
    ("pattern", "to", "path", "there"),
    [
        ("/home", "/", "/home", "/"),
        ("/blog/*", "/news/:splat", "/blog/a/b.html", "/news/a/b.html"),
        ("/blog/*", "/news/:splat", "/blog/", "/news/"),
        ("/blog/*", "https://blog.my.domain/:splat", "/blog/a", "https://blog.my.domain/a"),
        ("/twitch", "https://twitch.tv", "/twitch", "https://twitch.tv"),
        ("/a", "HTTP://Example.org:8080/x", "/a", "http://Example.org:8080/x"),
        ("/news/:m/:d/:y/:s", "/blog/:y/:m/:d/:s", "/news/02/12/2004/my-story", "/blog/2004/02/12/my-story"),
        ("/news/:year/:month", "/blog-:year-:month.html", "/news/2004/12", "/blog-2004-12.html"),
        ("/p/:code/:name", "/products?code=:code&name=:name", "/p/7/a&b=c", "/products?code=7&name=a%26b%3Dc"),
        ("/page/", "/page2/#fragment", "/page/", "/page2/#fragment"),
        ("/querystrings", "/?query=string", "/querystrings", "/?query=string"),
        ("/a/:b", "/c/:b", "/a/é \"<%\\?#", "/c/%C3%A9%20%22%3C%25%5C%3F%23"),
        ("/a", "/é%20[x]", "/a", "/%C3%A9%20%5Bx%5D"),
        ("/a/:b", "/x%3Ab/:b", "/a/1", "/x%3Ab/1"),
        ("/trailing", "/trailing/", "/trailing", "/trailing/"),
    ],
)
def test_a_redirect_leads_to(pattern: str, to: str, path: str, there: str) -> None:
    assert location(rule(pattern, to), path) == there


@pytest.mark.parametrize("status", REDIRECTS)
def test_its_status_and_force_come_along(status: int) -> None:
    made = RedirectRule.parse("/a", "/b", status, force=True, where="here:1")
    match = made.apply(b"/a", None)
    assert match
    assert (match.status, match.force, match.rule.where) == (status, True, "here:1")


def test_the_query_is_handed_on_unless_the_target_has_its_own() -> None:
    assert location(rule("/a", "/b"), "/a", "x=1&y") == "/b?x=1&y"
    assert location(rule("/a", "/b"), "/a", "") == "/b?"
    assert location(rule("/a", "/b#c"), "/a", "x=1") == "/b?x=1#c"
    assert location(rule("/a", "https://h.example"), "/a", "x=1") == "https://h.example?x=1"
    assert location(rule("/a", "/b?z=2"), "/a", "x=1") == "/b?z=2"
    assert location(rule("/a", "/b", pass_query=False), "/a", "x=1") == "/b"
    assert location(rule("/a", "/b"), "/a", "x=<\\>%zz\r\n#é") == "/b?x=%3C%5C%3E%25zz%0D%0A%23%C3%A9"


def test_a_redirect_to_where_the_request_is_is_passed_over() -> None:
    everything = rule("/*", "/index.html")
    assert location(everything, "/a") == "/index.html"
    assert location(everything, "/index.html") is None
    assert location(everything, "/index.html", "x=1") is None
    once = rule("/a*", "/a?x=1")
    assert location(once, "/a") == "/a?x=1"
    assert location(once, "/a", "x=1") is None
    assert location(rule("/p*", "/p#x"), "/p") is None
    assert location(rule("/:a", "/é"), "/é") is None


# Parameters of the query.


@pytest.mark.parametrize(
    ("query", "there"),
    [
        ("id=my-post", "/blog/my-post?id=my-post"),
        ("id=a+b%2Bc", "/blog/a%20b%2Bc?id=a+b%2Bc"),
        ("&id=1&", "/blog/1?&id=1&"),
        ("%69d=1", "/blog/1?%69d=1"),
        (None, None),
        ("", None),
        ("id=1&x=2", None),
        ("ID=1", None),
        ("id=a/b", None),
        ("id=a%2Fb", None),
        ("id=..", None),
        ("id=%2e%2e", None),
        ("id=%00", None),
    ],
)
def test_a_rule_with_parameters_wants_these_and_no_others(query: str | None, there: str | None) -> None:
    assert location(rule("/store", "/blog/:id", 301, "id=:id"), "/store", query) == there


def test_parameters_may_have_a_value_or_go_into_the_query() -> None:
    assert location(rule("/s", "/b", 301, "id=a+b", pass_query=False), "/s", "id=a%20b") == "/b"
    assert location(rule("/s", "/b", 301, "id=a"), "/s", "id=b") is None
    finger = rule("/finger", "https://f.example/?resource=:r", 301, "resource=:r")
    assert location(finger, "/finger", "resource=acct:a/b@c") == "https://f.example/?resource=acct%3Aa%2Fb%40c"
    two = rule("/articles", "/posts/:tag/:id", 301, "id=:id", "tag=:tag", pass_query=False)
    assert location(two, "/articles", "tag=t&id=i") == "/posts/t/i"


# Rewrites.


@pytest.mark.parametrize(
    ("pattern", "to", "path", "there"),
    [
        ("/*", "/index.html", "/a/b", "/index.html"),
        ("/*", "/", "/a", "/"),
        ("/blog/*", "/news/:splat", "/blog/é ?", "/news/é ?"),
        ("/a/:b", "/caf%C3%A9/:b.html", "/a/x", "/café/x.html"),
        ("/a/*", "/:splat", "/a/", "/"),
    ],
)
def test_a_rewrite_gives_a_path_as_files_have_them(pattern: str, to: str, path: str, there: str) -> None:
    assert rewritten(rule(pattern, to, 200), path) == there
    assert rewritten(rule(pattern, to, 404), path) == there


@pytest.mark.parametrize("path", ["/x/../secret", "/x/..", "/x/.", "/x/a/./b", "/x/a\0b"])
def test_a_value_with_dots_or_nul_leads_nowhere(path: str) -> None:
    for status in (200, 301, 404):
        assert rule("/x/*", "/y/:splat", status).apply(path.encode(), None) is None
    assert rewritten(rule("/x/*", "/y/:splat", 200), "/x/.../..a/b.") == "/y/.../..a/b."


def test_a_value_that_goes_nowhere_near_the_path_may_be_anything() -> None:
    assert location(rule("/x/*", "/y?at=:splat"), "/x/../a") == "/y?at=..%2Fa"


# Refusals.


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("", "begin it with"),
        ("b", "begin it with"),
        ("//evil.example/", "begin it with"),
        ("/\\evil.example", "not an address"),
        ("/a b", "not an address"),
        ("/a\r\nSet-Cookie: a", "not an address"),
        ("/a\0", "not an address"),
        ("/100%", "not an address"),
        ("https:/x", "begin it with"),
        ("ftp://h/x", "begin it with https"),
        ("javascript:alert(1)", "begin it with"),
        ("https://", "no sound host"),
        ("https:///x", "no sound host"),
        ("https://:8080/", "no sound host"),
        ("https://bücher.example/", "no sound host"),
        ("https://user@host/", "no sound host"),
        ("https://:name/x", "choose the host"),
        ("https://x.:name.example/", "choose the host"),
        ("https://example.org:name/", "choose the host"),
        ("https://example.org:splat", "choose the host"),
        ("/:other", "write %3A"),
        ("/:splat", "write %3A"),
        ("/wiki/Talk:Main", "write %3A"),
        ("/?a=:other", "write %3A"),
        ("/#:other", "write %3A"),
        ("/a/../b", "dots"),
        ("/a/%2e%2E", "dots"),
        ("/x/\udcff", "not an address"),
        ("/" + "a" * TARGET_BYTES_MAX, "too long"),
    ],
)
def test_targets_that_cannot_be_are_refused(to: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        RedirectRule.parse("/a/:name", to)


@pytest.mark.parametrize("to", ["https://h.example/x", "/a?b", "/a#b", "/a%2Fb", "/a%00"])
@pytest.mark.parametrize("status", [200, 404])
def test_a_rewrite_names_a_file_of_this_site(to: str, status: int) -> None:
    with pytest.raises(ConfigError):
        RedirectRule.parse("/x", to, status)


@pytest.mark.parametrize("status", [0, 100, 206, 300, 304, 401, 410, 500])
def test_other_statuses_are_refused(status: int) -> None:
    with pytest.raises(ConfigError, match="not a status of a redirect"):
        RedirectRule.parse("/a", "/b", status)


def test_rules_that_mean_nothing_are_refused() -> None:
    for make in (
        lambda: rule("/a", "/a"),
        lambda: rule("/%61", "/a#b"),
        lambda: rule("/:a", "/b/:a", 301, "a=:a"),
        lambda: rule("/a", "/b/:x", 301, "a=:x", "b=:x"),
        lambda: rule("/a", "/b", 301, "a=1", "a=2"),
        lambda: rule("/a", "/b", 301, "=1"),
        lambda: rule("/a", "/b", 301, "a=:1"),
        lambda: rule("/a", "/b/:splat", 301, "a=:splat"),
        lambda: rule("/a", "/b", 301, "a=\udcff"),
    ):
        with pytest.raises(ConfigError):
            make()


# The host.

TARGETS = st.sampled_from(
    ["/:splat", "/:a", "/:a/:splat", "/:a:splat", "/x/:splat", "/:splat?:a#:a", "/-:a/:b/:splat", "/%2F:splat",
     "https://safe.example/:splat", "https://safe.example?:splat", "https://safe.example#:a",
     "http://safe.example:81/:b"]
)  # fmt: skip
EVIL = st.lists(
    st.sampled_from(
        [b"/", b"//", b"\\", b"evil.example", b"@", b":", b"http:", b"\r\n", b"\0", b"\t", b" ", b"?", b"#", b".",
         b"..", b"%2f", b"%", b"\xff", b"\xe2\x80\xae", b"a", b"&", b"="]
    ),
    max_size=8,
).map(b"".join)  # fmt: skip
VALUE = st.one_of(EVIL, st.binary(max_size=20))


@given(TARGETS, st.sampled_from(REDIRECTS), VALUE, VALUE, st.none() | VALUE, st.booleans())
@example("/:splat", 301, b"a", b"/evil.example", None, True)
@example("/:a:splat", 301, b"\\", b"/evil.example", b"b=/", True)
@example("/:splat", 301, b"a", b"\\evil.example", b"\r\nX: y", True)
def test_no_request_chooses_the_host_or_ends_the_line(
    to: str, status: int, a: bytes, splat: bytes, query: bytes | None, asks: bool
) -> None:
    made = rule("/:a/*", to, status, *(["b=:b"] if asks or ":b" in to else []))
    match = made.apply(b"/" + a + b"/" + splat, b"b=" + query if asks and query is not None else query)
    if match is None:
        return
    assert match.location is not None
    there = match.location.decode("ascii")
    assert not set(there) & set(map(chr, (*range(33), 92, 127)))
    if to.startswith("https"):
        assert urlsplit(there).netloc == "safe.example"
    elif to.startswith("http"):
        assert urlsplit(there).netloc == "safe.example:81"
    else:
        assert there[0] == "/"
        assert there[1:2] not in ("/", "\\")
    # As a browser resolves it, which drops tabs and reads a backslash as a slash.
    netloc = urlsplit(urljoin("https://here.example/x/y", there.replace("\\", "/"))).netloc
    assert netloc == (urlsplit(to).netloc or "here.example")


@given(st.sampled_from(["/:splat", "/x/:a/:splat", "/:a"]), VALUE, VALUE)
def test_no_request_rewrites_above_the_root(to: str, a: bytes, splat: bytes) -> None:
    match = rule("/:a/*", to, 200).apply(b"/" + a + b"/" + splat, None)
    if match is not None:
        assert match.path is not None
        assert match.path[:1] == b"/"
        assert match.path[1:2] != b"/"
        assert b"\0" not in match.path
        assert not {b".", b".."} & set(match.path.split(b"/"))


TARGET_PIECES = st.lists(st.sampled_from(["/", ":splat", "a", "?", "#", "%41", "é", "https://h", ":"])).map("".join)


@given(st.text(max_size=20) | TARGET_PIECES, st.binary(max_size=20))
@example("/\\", b"")
@example("/%", b"")
def test_any_target_is_refused_or_sound(to: str, splat: bytes) -> None:
    try:
        made = RedirectRule.parse("/x/*", to)
    except ConfigError:
        return
    match = made.apply(b"/x/" + splat, None)
    if match is not None:
        assert match.location
        assert match.location.isascii()
        assert not set(match.location) & {*range(33), 34, 60, 62, 92, 127}
        assert match.location[:2] != b"//"


# Several rules.

RULES = st.lists(
    st.tuples(
        st.sampled_from(["/p", "/q", "/{p,q}", "/*", "/:x", "/p/*", "p", "/p/", "/r"]),
        st.sampled_from(["/z", "/a", "/b", "/y"]),
    ).map(lambda pair: RedirectRule.parse(*pair)),
    max_size=6,
)


@given(RULES, st.sampled_from([b"/p", b"/q", b"/r", b"/p/", b"/p/q", b"/z", b"/", b""]), st.sampled_from([None, b"x"]))
def test_the_table_finds_what_the_first_rule_says(rules: list[RedirectRule], path: bytes, query: bytes | None) -> None:
    first = next((match for one in rules if (match := one.apply(path, query)) is not None), None)
    assert RedirectTable(rules).find(path, query) == first == find(rules, path, query)


def test_one_rewrite_is_all_there_is() -> None:
    """Two rules that lead to each other are no circle: whoever finds a path does not look it up again."""
    rules = [rule("/a", "/b", 200), rule("/b", "/a", 200)]
    match = find(rules, b"/a", None)
    assert match
    assert match.path == b"/b"


# RFC 3986 2.2, 3.3, 6.2.2: another spelling may be another resource, and only its own server knows.


@pytest.mark.parametrize(
    ("target", "there"),
    [
        ("/moved/a%2Fb", "/a%2Fb"),
        ("/moved/a%2fb", "/a%2fb"),
        ("/moved/a//b", "/a//b"),
        ("/moved/a/b//", "/a/b//"),
        ("/moved/https%3A%2F%2Fx", "/https%3A%2F%2Fx"),
        ("/moved/a;v=1,2", "/a;v=1,2"),
        ("/moved/a%3Bv", "/a%3Bv"),
        ("/moved/%c3%a9%C3%A9", "/%c3%a9%C3%A9"),
        ("/moved/%41%7E~", "/%41%7E~"),
        ("/moved/a+b%20c", "/a+b%20c"),
        ("/moved/!$&'()*:@=", "/!$&'()*:@="),
        ("/moved/%5Cevil", "/%5Cevil"),
        ("/moved/a%252Fb", "/a%252Fb"),
        ('/moved/é"<>^`{|}', "/%C3%A9%22%3C%3E%5E%60%7B%7C%7D"),
        ("/moved/a%2Fb?c=%2F&d", "/a%2Fb?c=%2F&d"),
        ("/moved/a/./b/../c", "/a/c"),  # dots mean what they mean everywhere
        ("/moved/a%2F..%2Fc", "/c"),
    ],
)
def test_3986_6_2_2_a_redirect_keeps_what_the_client_wrote(target: str, there: str) -> None:
    assert kept(rule("/moved/*", HOST + "/:splat"), target) == HOST + there
    assert kept(rule("/moved/*", "/new/:splat"), target) == "/new" + there


@pytest.mark.parametrize(
    ("target", "there"),
    [("/p/a%2Fb/c", "/q/c/a%2Fb"), ("/p/a%2fb/c%2Fd", "/q/c%2Fd/a%2fb"), ("/p/a/b/c", None), ("/p//c", None)],
)
def test_3986_3_3_an_escaped_slash_is_part_of_its_segment(target: str, there: str | None) -> None:
    assert kept(rule("/p/:one/:two", "/q/:two/:one"), target) == there


def test_in_a_query_what_the_client_wrote_is_data() -> None:
    """RFC 3986 3.4: there, signs of the path would have another meaning."""
    assert kept(rule("/p/:a", "/q?a=:a#:a"), "/p/x%2Fy&z=1+%2B") == "/q?a=x%2Fy%26z%3D1%2B%2B#x%2Fy%26z%3D1%2B%2B"


@pytest.mark.parametrize("head", ["", "/x", "/moved/x"])
@pytest.mark.parametrize(
    "tail",
    [
        *("/evil.example", "//evil.example", "/%2Fevil.example", "%2F%2Fevil.example", "/%5Cevil.example"),
        "%5C%5Cevil",
        *("///evil", "/%09/evil", "/%0D%0AX:y", "https:/evil", "https:%2F%2Fevil", "@evil", ":80@evil", "%00", ".evil"),
        *("%2e%2e/evil", "/..%2Fevil", "/%2e/evil", ";@evil", "/;/evil", "/.%2F/evil"),
    ],
)
def test_9110_15_4_no_request_chooses_the_host(head: str, tail: str) -> None:
    read = read_target(f"/moved/{tail}".encode())
    if not isinstance(read, Target):
        return
    for to in (f"{head}/:splat", f"{head}/:splat/x", HOST + "/:splat"):
        there = kept(rule("/moved/*", to), f"/moved/{tail}")
        if there is None:
            continue
        led = urljoin("http://here.example/moved/", there)
        assert urlsplit(led).netloc == ("new.example" if to.startswith(HOST) else "here.example"), there
        assert "\\" not in there and there.isprintable() and not there.startswith("//")


@pytest.mark.parametrize("target", ["/a/b", "/a//b", "//a/b", "/a%2Fb", "/%61/b"])
def test_a_redirect_to_where_one_is_is_passed_over_however_it_is_written(target: str) -> None:
    assert kept(rule("/a/*", "/a/:splat"), target) is None
