"""Redirects and rewrites by rule, over the wire: RFC 9110 sections 10.2.2, 13.2.1 and 15.4."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from support.client import get
from support.fixtures import Connect, Serve
from support.planted import NOTES, Planted, Planter
from support.webroot import PAGE, SECRET, settle, write

from tuxpy.rules.policy import Policy
from tuxpy.rules.redirects import REDIRECTS, RedirectRule

RULE = RedirectRule.parse
DOCS = b"<!doctype html><title>docs</title>\n"
GONE = b"<!doctype html><title>gone</title>\n"
FILES = {
    "index.html": PAGE,
    "there.txt": b"there\n",
    "forced.txt": b"forced\n",
    "docs/index.html": DOCS,
    "gone.html": GONE,
    "empty/x.txt": b"x\n",
    ".env": SECRET,
    "docs/.git/config": SECRET,
}
RULES = (
    *(RULE(f"/s{status}", "/the%20place", status) for status in REDIRECTS),
    RULE("/blog/:year/:slug", "/news/:slug?year=:year"),
    RULE("/old/*", "/docs/:splat", 302),
    RULE("/own", "/docs/?a=1#top", 307),
    RULE("/abroad/*", "https://other.example/x/:splat", 308),
    RULE("/store", "/item/:id", 301, query=(("id", ":id"),), pass_query=False),
    RULE("/there.txt", "/elsewhere", 302),
    RULE("/forced.txt", "/elsewhere", 302, force=True),
    RULE("/loop/*", "/loop/:splat", 302),
    RULE("/app/*", "/index.html", 200),
    RULE("/twin", "/there.txt", 200),
    RULE("/notes-forced", "/there.txt", 200, force=True),
    RULE("/manual/*", "/docs/:splat", 200),
    RULE("/manual-page", "/docs", 200),
    RULE("/bare", "/empty", 200),
    RULE("/peek/*", "/:splat", 200),
    RULE("/lost/*", "/gone.html", 404),
    RULE("/lost-folder", "/docs/", 404),
    RULE("/lost-name", "/docs", 404),
    RULE("/lost-home", "/", 404),
    RULE("/lost-nothing", "/nothing.html", 404),
    RULE("/away/*", "/:splat", 404),
    RULE("/go/*", "/:splat", 302),
)


@pytest.fixture
def planter(serve: Serve, connect: Connect, tmp_path: Path) -> Planter:
    return Planter(serve, connect, tmp_path / "root")


@pytest.fixture
def site(planter: Planter) -> Planted:
    return planter(FILES, Policy(redirects=RULES))


# Redirects.


@pytest.mark.parametrize("status", REDIRECTS)
def test_9110_15_4_a_redirect_says_where(site: Planted, status: int) -> None:
    """RFC 9110 15.4.2 and others: a Location, and a short note with a hyperlink; nothing of a file."""
    answer = site.ask(get(f"/s{status}"))
    assert (answer.status, answer[b"location"]) == (status, b"/the%20place")
    assert b'<a href="/the%20place">' in answer.body
    assert not {b"etag", b"last-modified", b"accept-ranges"} & {name.lower() for name, _ in answer.fields}
    head = site.ask(get(f"/s{status}", method="HEAD"))
    assert (head.undated.fields, head.body) == (answer.undated.fields, b"")


@pytest.mark.parametrize(
    "field",
    ["If-None-Match: *", 'If-Match: "x"', "Range: bytes=0-1", "If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT"],
)
def test_9110_13_2_1_no_condition_changes_a_redirect(site: Planted, field: str) -> None:
    """A server MUST ignore preconditions if the response without them would be other than 2xx or 412."""
    assert site.ask(get("/s307", field)).undated == site.ask(get("/s307")).undated


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/s301?a=b&c=%2F", "/the%20place?a=b&c=%2F"),
        ("/s301?", "/the%20place?"),
        ("/own?b=2", "/docs/?a=1#top"),
        ("/store?id=a%2Bb+c", "/item/a%2Bb%20c"),
        ("/blog/2004/my-story", "/news/my-story?year=2004"),
        ("/blog/a%26b/x%3Fy", "/news/x%3Fy?year=a%26b"),
        ("/old/", "/docs/"),
        ("/old/a/b.html?q", "/docs/a/b.html?q"),
        ("/old/%C3%BC%20%22", "/docs/%C3%BC%20%22"),
        ("/abroad/y?q", "https://other.example/x/y?q"),
        ("/%73301", "/the%20place"),
        ("http://other.example/s301", "/the%20place"),
    ],
)
def test_9110_10_2_2_the_place_has_what_the_request_gave(site: Planted, target: str, location: str) -> None:
    answer = site.ask(get(target))
    assert answer[b"location"].decode() == location
    assert 300 < answer.status < 309


@pytest.mark.parametrize("target", ["/store", "/store?id=1&x=2", "/store?id=a%2Fb", "/blog/2004", "/loop/x"])
def test_what_no_rule_is_for_is_404(site: Planted, target: str) -> None:
    """Parameters that are not those of the rule, a segment too few, a redirect to where the request already is."""
    answer = site.ask(get(target))
    assert answer.status == 404
    assert b"location" not in answer


def test_a_file_wins_over_a_rule_unless_that_is_forced(site: Planted) -> None:
    assert site.ask(get("/there.txt")).body == b"there\n"
    answer = site.ask(get("/forced.txt"))
    assert (answer.status, answer[b"location"]) == (302, b"/elsewhere")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_9110_15_5_6_a_redirect_is_for_what_can_be_done(site: Planted, method: str) -> None:
    answer = site.ask(get("/s308", method=method))
    assert answer.status == 405
    assert b"location" not in answer


# Rewrites.


@pytest.mark.parametrize(
    ("target", "content"),
    [
        ("/app/users/7?x", PAGE),
        ("/twin", b"there\n"),
        ("/notes-forced", b"there\n"),
        ("/manual/", DOCS),
        ("/manual-page", DOCS),
        ("/peek/notes.txt", NOTES),
    ],
)
def test_9110_15_3_1_a_rewrite_is_the_file_itself(site: Planted, target: str, content: bytes) -> None:
    """To a file, to a directory with and without its slash: the client is sent nowhere."""
    answer = site.ask(get(target))
    assert (answer.status, answer.body) == (200, content)
    assert b"location" not in answer
    assert site.ask(get(target, f"If-None-Match: {answer[b'etag'].decode()}")).status == 304
    assert site.ask(get(target, 'If-Match: "x"')).status == 412
    assert site.ask(get(target, "Range: bytes=1-3")).body == content[1:4]
    assert site.ask(get(target, method="HEAD")).undated.fields == answer.undated.fields


@pytest.mark.parametrize("target", ["/bare", "/peek/nothing", "/peek/empty/", "/lost-nothing", "/away/nothing"])
def test_9110_15_5_5_a_rewrite_to_nothing_is_404(site: Planted, target: str) -> None:
    answer = site.ask(get(target))
    assert (answer.status, answer.body) == (404, site.ask(get("/nothing")).body)


@pytest.mark.parametrize("way", ["peek", "away"])
@pytest.mark.parametrize("name", [".env", "%2eenv", "docs/.git/config", "docs/.git/", ".nothing"])
def test_8615_a_rewrite_shows_no_hidden_name(site: Planted, way: str, name: str) -> None:
    """Whether it is sent as found or as missing."""
    answer = site.ask(get(f"/{way}/{name}"))
    assert (answer.status, answer.body) == (404, site.ask(get("/nothing")).body)


@pytest.mark.parametrize(
    ("target", "content"),
    [
        ("/lost/x", GONE),
        ("/lost/", GONE),
        ("/lost-folder", DOCS),
        ("/lost-name", DOCS),
        ("/lost-home", PAGE),
        ("/away/there.txt", b"there\n"),
    ],
)
def test_9110_15_5_5_a_rewrite_may_be_a_page_for_what_is_missing(site: Planted, target: str, content: bytes) -> None:
    """RFC 9110 13.2.1: it has no version of its own, so no condition is asked, and nothing is cut."""
    answer = site.ask(get(target))
    assert (answer.status, answer.body) == (404, content)
    assert b"etag" not in answer
    assert b"last-modified" not in answer
    for field in ("If-None-Match: *", 'If-Match: "x"', "Range: bytes=0-1"):
        assert site.ask(get(target, field)).undated == answer.undated
    head = site.ask(get(target, method="HEAD"))
    assert (head.undated.fields, head.body) == (answer.undated.fields, b"")


# Nobody but the rule's author chooses the host.

TRICKS = [
    "//evil.example/",
    "///evil.example",
    "/%2f%2fevil.example",
    "%2fevil.example",
    "/%5cevil.example",
    "%5c%5cevil.example",
    "%5c/evil.example",
    "%09/evil.example",
    "/%09/evil.example",
    "%0d%0aLocation:%20https://evil.example",
    "x%0d%0a%0d%0a<script>",
    "x%0aSet-Cookie:%20a=b",
    "x?%0d%0aSet-Cookie:%20a=b",
    ".//evil.example",
    "x/..//evil.example",
    "%2e/%2e%2e//evil.example",
    "https://evil.example",
    "https:%2f%2fevil.example",
    "https:evil.example",
    "javascript:alert(1)",
    "@evil.example",
    ":80@evil.example/",
    ".evil.example",
    "%20//evil.example",
    "%00//evil.example",
    "%ef%bc%8f%ef%bc%8fevil.example",
    "%c0%af%c0%afevil.example",
    "%252f%252fevil.example",
    "%25255c%25255cevil.example",
    "?//evil.example",
    "x?https://evil.example",
    "x;//evil.example",
]


@pytest.mark.parametrize("way", ["/go/", "/abroad/", "/old/"])
def test_9110_17_11_no_request_chooses_where_a_redirect_leads(site: Planted, way: str) -> None:
    """Location is read as browsers do: a backslash is a slash, and tabs and line ends are not there."""
    for trick in TRICKS:
        with site.client() as client:
            answers = [client.ask(get(way + trick))]
            if not answers[0].closes:
                answers.append(client.ask(get(way + trick)))
        for answer in answers:
            assert answer.status in (200, 301, 302, 308, 404) or (answer.closes and answer.status == 400), trick
            assert b"set-cookie" not in answer
            assert b"<script" not in answer.body
            if b"location" in answer:
                _check_place(answer[b"location"].decode(), "other.example" if way == "/abroad/" else "here")


def _check_place(location: str, host: str) -> None:
    assert re.fullmatch(r"(https://other\.example)?/([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*", location)
    there = urlsplit(urljoin("https://here/x/y", location))
    assert (there.scheme, there.netloc) == ("https", host)


@pytest.mark.parametrize("target", ["//evil.example/s301", "http://evil.example/old/x", "//evil.example/../old/x"])
def test_9110_17_11_nor_does_its_target(site: Planted, target: str) -> None:
    answer = site.ask(get(target))
    if b"location" in answer:
        assert urlsplit(urljoin("http://here/", answer[b"location"].decode())).netloc == "here"


# A kept answer ends.


@pytest.mark.slow
def test_9111_4_a_redirect_ends_when_the_file_appears_and_comes_back_when_it_goes(planter: Planter) -> None:
    site = planter({}, Policy(redirects=(RULE("/later.txt", "/elsewhere", 302),)))
    request = get("/later.txt")
    assert site.warm(request)[0].status == 302
    write(site.root / "later.txt", b"later\n")
    assert site.becomes(request, lambda answer: answer.body == b"later\n")
    settle()
    assert site.warm(request)[0].status == 200
    (site.root / "later.txt").unlink()
    assert site.becomes(request, lambda answer: answer.status == 302)


@pytest.mark.slow
@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("status", [200, 404])
def test_9111_4_a_rewrite_ends_with_its_file(planter: Planter, status: int, force: bool) -> None:
    site = planter({"page.txt": b"one\n"}, Policy(redirects=(RULE("/a/*", "/page.txt", status, force=force),)))
    request = get("/a/b")
    assert (site.warm(request)[0].status, site.warm(request)[0].body) == (status, b"one\n")
    write(site.root / "fresh", b"two\n")
    (site.root / "fresh").replace(site.root / "page.txt")
    assert site.becomes(request, lambda answer: (answer.status, answer.body) == (status, b"two\n"))
    settle()
    site.warm(request)
    (site.root / "page.txt").unlink()
    assert site.becomes(request, lambda answer: answer.status == 404 and b"<title>404" in answer.body)
    site.warm(request)
    write(site.root / "page.txt", b"three\n")
    assert site.becomes(request, lambda answer: (answer.status, answer.body) == (status, b"three\n"))


@pytest.mark.slow
def test_9111_4_a_rewrite_to_a_bare_directory_ends_when_that_becomes_a_file(planter: Planter) -> None:
    """The index that is not there stays away; it is the directory itself that is another thing."""
    site = planter({}, Policy(redirects=(RULE("/a", "/thing", 200),)))
    (site.root / "thing").mkdir()
    assert site.warm(get("/a"))[0].status == 404
    (site.root / "thing").rmdir()
    write(site.root / "thing", b"a file now\n")
    assert site.becomes(get("/a"), lambda answer: answer.body == b"a file now\n")


# RFC 3986 6.2.2, with both dialects of the files of rules and in the configuration.


@pytest.mark.parametrize("way", ["netlify", "cloudflare", "configuration"])
def test_3986_2_2_a_redirect_keeps_what_the_client_wrote(planter: Planter, way: str) -> None:
    lines = "/moved/* https://new.example/:splat 301\n/p/:one/:two /q/:two/:one 302\n/b/* /y/:splat 302\n"
    files: dict[str, bytes] = {} if way == "configuration" else {"_redirects": lines.encode()}
    rules = [line.split() for line in lines.splitlines()]
    policy = Policy(rules_files="netlify" if way == "configuration" else way)  # type: ignore[arg-type]
    if way == "configuration":
        policy = replace(policy, redirects=tuple(RULE(path, to, int(status)) for path, to, status in rules))
    site = planter(files, policy)
    for target, there in (
        ("/moved/a%2Fb//c;d?e=%2f", b"https://new.example/a%2Fb//c;d?e=%2f"),
        ("/moved/https%3A%2F%2Fx/%c3%A9", b"https://new.example/https%3A%2F%2Fx/%c3%A9"),
        ("/p/a%2fb/c%3B", b"/q/c%3B/a%2fb"),
        ("/b///evil.example", b"/y///evil.example"),
    ):
        assert site.ask(get(target))[b"location"] == there


def test_9110_15_5_15_an_address_that_no_client_takes_is_not_sent(planter: Planter) -> None:
    """A request may be put into the target several times."""
    site = planter({}, Policy(redirects=(RULE("/x/*", "/" + ":splat/" * 200, 301),)))
    assert site.ask(get("/x/a"))[b"location"] == b"/" + b"a/" * 200
    assert site.ask(get("/x/" + "a" * 6000)).status == 414
    assert site.ask(get("/x/" + "a" * 100)).status == 301
