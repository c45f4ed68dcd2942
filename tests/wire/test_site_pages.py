"""Try lists, pages of errors, fallbacks, types and listings, over the wire: RFC 9110 sections 8.3, 9.3.2, 13, 15.5."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from support.access import CHALLENGE, write_users
from support.client import Response, get
from support.fixtures import Connect, Serve
from support.planted import NOTES, Planted, Planter
from support.webroot import PAGE, SECRET, settle, write

from tuxpy.http.mediatypes import MediaType
from tuxpy.rules.gates import Gate, Login
from tuxpy.rules.hidden import HiddenPolicy
from tuxpy.rules.policy import Policy
from tuxpy.rules.tries import TryRule

TRY = TryRule.parse
DOCS, APP = b"<!doctype html><title>docs</title>\n", b"<!doctype html><title>app</title>\n"


@pytest.fixture
def planter(serve: Serve, connect: Connect, tmp_path: Path) -> Planter:
    return Planter(serve, connect, tmp_path / "root")


# Try lists.

TREE = {
    "page.html": PAGE,
    "app.html": APP,
    "docs/index.html": DOCS,
    "docs.html": b"docs.html\n",
    "bare/x.txt": b"x\n",
    "old/index.htm": b"index.htm\n",
    ".env": SECRET,
    ".html": SECRET,
    "page.bak": SECRET,
    "docs/.git/index.html": SECRET,
}
DIRECTORY_FIRST = (TRY("/*", ["$uri", "$uri/", "$uri.html", "/app.html"]),)
FILE_FIRST = (TRY("/*", ["$uri", "$uri.html", "$uri/", "/app.html"]),)


@pytest.mark.parametrize(
    ("target", "directory_first", "file_first"),
    [
        ("/notes.txt", (200, NOTES), (200, NOTES)),
        ("/page", (200, PAGE), (200, PAGE)),
        ("/page.html", (200, PAGE), (200, PAGE)),
        ("/docs", (301, b"/docs/"), (200, b"docs.html\n")),
        ("/docs?a", (301, b"/docs/?a"), (200, b"docs.html\n")),
        ("/docs/", (200, DOCS), (200, b"docs.html\n")),
        ("/bare", (301, b"/bare/"), (301, b"/bare/")),
        ("/bare/", (200, APP), (200, APP)),
        ("/old/", (200, b"index.htm\n"), (200, b"index.htm\n")),
        ("/", (200, APP), (200, APP)),
        ("/nothing", (200, APP), (200, APP)),
        ("/nothing/at/all.js", (200, APP), (200, APP)),
        ("/notes.txt/", (200, APP), (200, APP)),
        ("/notes.txt/x", (200, APP), (200, APP)),
    ],
)
@pytest.mark.parametrize("order", ["directory-first", "file-first"])
def test_9110_3_3_the_first_name_that_is_there_answers(
    planter: Planter, order: str, target: str, directory_first: tuple[int, bytes], file_first: tuple[int, bytes]
) -> None:
    """A directory counts where the list says $uri/, with the index names of the site; and takes its slash there."""
    tries, wanted = (DIRECTORY_FIRST, directory_first) if order == "directory-first" else (FILE_FIRST, file_first)
    site = planter(TREE, Policy(tries=tries, index=(b"index.html", b"index.htm"), listing=True))
    answer = site.ask(get(target))
    assert (answer.status, answer[b"location"] if answer.status == 301 else answer.body) == wanted
    assert site.ask(get(target, method="HEAD")).undated.fields == answer.undated.fields


@pytest.mark.parametrize(
    ("target", "status", "content"),
    [
        ("/api/page", 404, b""),
        ("/api", 404, b""),
        ("/page", 200, PAGE),
        ("/img/x.png", 200, NOTES),
        ("/x.png", 200, NOTES),
        ("/docs/index", 404, b""),
        ("/docs", 200, DOCS),
        ("/docs/", 200, DOCS),
        ("/bare", 404, b""),
    ],
)
def test_the_first_rule_that_matches_decides(planter: Planter, target: str, status: int, content: bytes) -> None:
    """The others are not asked. A directory is nothing where no name of the list ends in a slash."""
    rules = (
        TRY("/api/*", ["/api.json"]),
        TRY("*.png", ["$uri", "/notes.txt"]),
        TRY("/docs", ["$uri", "$uri/index.html"]),
        TRY("/docs/*", ["$uri"]),
        TRY("/*", ["$uri", "$uri.html"]),
    )
    answer = planter(TREE, Policy(tries=rules)).ask(get(target))
    assert answer.status == status
    if content:
        assert answer.body == content


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("/.env", ["$uri", "/app.html"]),
        ("/%2eenv", ["$uri", "/app.html"]),
        ("/", ["$uri.html"]),
        ("/page", ["$uri.bak"]),
        ("/x", ["/.env"]),
        ("/docs/.git", ["$uri/"]),
        ("/docs/.git/", ["$uri/"]),
        ("/docs", ["$uri/.git/"]),
    ],
)
def test_8615_a_try_list_shows_no_hidden_name(planter: Planter, target: str, names: list[str]) -> None:
    site = planter(TREE, Policy(tries=(TRY("/notes.txt", ["$uri"]), TRY("/*", names))))
    answer = site.ask(get(target))
    assert answer.status == 404
    assert SECRET not in answer.body
    assert b"location" not in answer


def test_8615_nor_does_a_clean_address_or_an_index(planter: Planter) -> None:
    files = {"page.html": SECRET, "a/page.html": SECRET, "b/x": b""}
    hidden = HiddenPolicy.parse(hide=["page.html"])
    site = planter(files, Policy(clean=True, index=(b"page.html",), hidden=hidden))
    for target in ("/page", "/page.html", "/", "/a/", "/a/page"):
        answer = site.ask(get(target))
        assert (answer.status, SECRET in answer.body) == (404, False), target


@pytest.mark.slow
def test_9111_4_what_is_tried_first_is_seen_when_it_appears(planter: Planter) -> None:
    site = planter({"app.html": APP}, Policy(tries=DIRECTORY_FIRST))
    request = get("/new")
    assert site.warm(request)[0].body == APP
    write(site.root / "new.html", b"new.html\n")
    assert site.becomes(request, lambda answer: answer.body == b"new.html\n")
    settle()
    site.warm(request)
    (site.root / "new").mkdir()
    assert site.becomes(request, lambda answer: answer.status == 301)
    site.warm(request)
    (site.root / "new").rmdir()
    write(site.root / "new", b"new\n")
    assert site.becomes(request, lambda answer: answer.body == b"new\n")


# Pages of errors.

STATUSES = (401, 403, 404, 405, 406, 412, 416, 417)
ERROR_PAGES = {status: b"errors/%d.html" % status for status in STATUSES}
REQUESTS = {
    401: ("GET", "/locked/a.txt", ()),
    403: ("GET", "/far/a.txt", ()),
    404: ("GET", "/nothing", ()),
    405: ("POST", "/notes.txt", ()),
    406: ("GET", "/notes.txt", ("Accept-Encoding: identity;q=0, x",)),
    412: ("GET", "/notes.txt", ('If-Match: "x"',)),
    416: ("GET", "/notes.txt", ("Range: bytes=99-",)),
    417: ("GET", "/notes.txt", ("Expect: x",)),
}
OWN_FIELDS = {
    401: (b"www-authenticate", CHALLENGE),
    405: (b"allow", b"GET, HEAD, OPTIONS"),
    406: (b"vary", b"Accept-Encoding"),
    412: (b"vary", b"Accept-Encoding"),
    416: (b"content-range", b"bytes */6"),
}


def _error_page(status: int) -> bytes:
    return b"<!doctype html><title>our %d</title>\n" % status


@pytest.fixture
def strict(planter: Planter, tmp_path: Path) -> Planted:
    """A site that refuses in every way, and has a page for each."""
    files = {f"errors/{status}.html": _error_page(status) for status in STATUSES}
    files |= {"locked/a.txt": SECRET, "far/a.txt": SECRET, "docs/404.html": DOCS}
    users = write_users(tmp_path / "users", ann="right")
    gates = (Gate.parse("/locked/*", login=Login(users)), Gate.parse("/far/*", allow=["192.0.2.1"]))
    return planter(files, Policy(error_pages=ERROR_PAGES, gates=gates))


def _asked(status: int, method: str = "") -> bytes:
    usual, target, fields = REQUESTS[status]
    return get(target, *fields, method=method or usual)


@pytest.mark.parametrize("status", STATUSES)
def test_9110_15_5_an_error_has_the_page_of_the_site(strict: Planted, status: int) -> None:
    """With the status and the fields of the refusal, and without a version: it is not what was asked for."""
    answer = strict.ask(_asked(status), kept=status != 417)
    assert (answer.status, answer.body) == (status, _error_page(status))
    assert answer[b"content-type"] == b"text/html; charset=utf-8"
    assert b"etag" not in answer
    assert b"last-modified" not in answer
    if status in OWN_FIELDS:
        name, value = OWN_FIELDS[status]
        assert answer[name] == value


@pytest.mark.parametrize("status", [401, 403, 404, 406, 412])
def test_9110_9_3_2_head_tells_of_the_same_page(strict: Planted, status: int) -> None:
    head = strict.ask(_asked(status, "HEAD"))
    assert (head.undated.fields, head.body) == (strict.ask(_asked(status)).undated.fields, b"")


@pytest.mark.parametrize(
    "field", ["If-None-Match: *", "Range: bytes=0-1", "If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT"]
)
def test_9110_13_2_1_the_page_has_no_conditions(strict: Planted, field: str) -> None:
    assert strict.ask(get("/nothing", field)).undated == strict.ask(get("/nothing")).undated


def test_9110_15_5_5_the_nearest_page_wins(strict: Planted) -> None:
    assert strict.ask(get("/docs/nothing")).body == DOCS
    assert strict.ask(get("/docs/no/such/thing")).body == DOCS
    assert strict.ask(get("/errors/nothing")).body == _error_page(404)


@pytest.mark.parametrize("target", ["/errors/405.html", "/nothing", "/docs/", "/"])
def test_9110_15_5_6_a_post_gets_the_page_and_allow(strict: Planted, target: str) -> None:
    answer = strict.ask(get(target, method="POST"))
    assert (answer.status, answer.body, answer[b"allow"]) == (405, _error_page(405), b"GET, HEAD, OPTIONS")


def test_9112_9_3_a_post_with_a_body_gets_it_and_the_connection_closes(strict: Planted) -> None:
    with strict.client() as client:
        client.send(get("/x", "Content-Length: 3", method="POST") + b"abc")
        answer = client.read()
        assert (answer.status, answer.body, answer.closes) == (405, _error_page(405), True)
        client.finish_if_connected()
        assert client.rest_or_reset() == b""


def test_9110_15_5_2_the_page_of_a_401_needs_no_password(planter: Planter, tmp_path: Path) -> None:
    """Though everything else beneath the root does."""
    users = write_users(tmp_path / "users", ann="right")
    policy = Policy(error_pages={401: b"401.html"}, gates=(Gate.parse("/*", login=Login(users)),))
    site = planter({"401.html": _error_page(401)}, policy)
    with site.client() as client:
        for target in ("/", "/401.html", "/nothing"):
            answer = client.ask(get(target))
            assert (answer.status, answer.body, answer[b"www-authenticate"]) == (401, _error_page(401), CHALLENGE)


@pytest.mark.parametrize("page", [b"nothing.html", b"docs", b"docs/", b"../outside.html", b"link.html"])
def test_9110_15_5_without_its_page_an_error_has_ours(planter: Planter, page: bytes) -> None:
    """Also when the name leads nowhere, to a directory, or out of the root."""
    write(planter.root.parent / "outside.html", SECRET)
    policy = Policy(error_pages={404: page, 405: page})
    site = planter({"docs/x": b""}, policy, {"link.html": "../outside.html"})
    with site.client() as client:
        for request in (get("/nothing"), get("/nothing"), get("/", method="POST")):
            answer = client.ask(request)
            assert answer.status in (404, 405)
            assert b"<title>%d" % answer.status in answer.body
            assert SECRET not in answer.body


@pytest.mark.slow
@pytest.mark.parametrize("status", [404, 405, 412])
def test_9111_4_a_page_that_appears_is_seen_within_a_second(planter: Planter, status: int) -> None:
    """And when it changes, and when it goes."""
    site = planter({}, Policy(error_pages=ERROR_PAGES))
    request = _asked(status)
    ours = site.warm(request)[0].body
    for body in (b"one\n", b"two\n", None):
        page = site.root / f"errors/{status}.html"
        if body is None:
            page.unlink()
        else:
            write(page, body)
        wanted = ours if body is None else body
        assert site.becomes(request, lambda answer, wanted=wanted: answer.body == wanted)  # type: ignore[misc]
        settle()
        assert site.warm(request)[0].status == status


def test_9110_15_5_5_a_large_page_comes_from_its_file(planter: Planter) -> None:
    large = PAGE * 10_000
    site = planter({"404.html": large, "405.html": large}, Policy(error_pages={405: b"405.html"}))
    assert site.ask(get("/nothing")).body == large
    assert site.ask(get("/", method="POST")).body == large
    head = site.ask(get("/nothing", method="HEAD"))
    assert (head.status, head[b"content-length"], head.body) == (404, b"%d" % len(large), b"")


# The nearest page for what is missing.


def test_8615_a_hidden_folder_gives_no_page(planter: Planter) -> None:
    site = planter({".git/404.html": SECRET, "docs/.private/404.html": SECRET, "404.html": PAGE}, Policy())
    for target in ("/.git/nothing", "/.git/", "/docs/.private/x/y"):
        answer = site.ask(get(target))
        assert (answer.status, answer.body) == (404, PAGE), target


def test_9110_11_a_page_for_what_is_missing_passes_its_own_gate(planter: Planter, tmp_path: Path) -> None:
    users = write_users(tmp_path / "users", ann="right")
    gates = (Gate.parse("*.html", login=Login(users)),)
    answer = planter({"404.html": SECRET}, Policy(gates=gates)).ask(get("/nothing.txt"))
    assert (answer.status, SECRET in answer.body) == (404, False)


def test_9110_15_5_5_a_path_of_thousands_of_folders_costs_no_more_than_one(planter: Planter) -> None:
    """Nothing is looked for beneath what is not there; so such an answer is kept like any other."""
    site = planter({"404.html": PAGE, "a/b/x": b""}, Policy())
    for target in ("/x" * 100, "/a/b" + "/x" * 100, "/notes.txt" + "/x" * 100):
        answer = site.ask(get(target))
        assert (answer.status, answer.body) == (404, PAGE)


@pytest.mark.slow
def test_9111_4_a_folder_with_a_page_is_seen_when_it_appears(planter: Planter) -> None:
    site = planter({"a/x": b""}, Policy())
    request = get("/a/b/c/d/e")
    assert b"<title>404" in site.warm(request)[0].body
    write(site.root / "a/b/404.html", b"of b\n")
    assert site.becomes(request, lambda answer: answer.body == b"of b\n")
    settle()
    site.warm(request)
    write(site.root / "a/b/c/d/404.html", b"of d\n")
    assert site.becomes(request, lambda answer: answer.body == b"of d\n")


# The fallback.


@pytest.mark.slow
def test_9111_4_the_fallback_gives_way_when_a_page_appears(planter: Planter) -> None:
    site = planter({"app.html": APP}, Policy(fallback=b"app.html"))
    for request in (get("/users/7"), get("/users/7", method="HEAD")):
        assert site.ask(request).status == 200
    tag = site.ask(get("/users/7"))[b"etag"].decode()
    assert site.ask(get("/users/8", f"If-None-Match: {tag}")).status == 304
    assert site.ask(get("/users/8", "Range: bytes=0-3")).body == APP[:4]
    assert site.warm(get("/users/7"))[0].body == APP
    write(site.root / "users/7", b"seven\n")
    assert site.becomes(get("/users/7"), lambda answer: answer.body == b"seven\n")


@pytest.mark.parametrize(("name", "status"), [("x.page", 200), ("x.html", 404), ("x.js", 404), ("x", 200)])
def test_9110_8_3_the_types_of_the_site_say_what_is_a_page(planter: Planter, name: str, status: int) -> None:
    types = {b"page": MediaType(b"text/html", "a test"), b"html": MediaType(b"text/plain", "a test")}
    site = planter({"app.page": APP}, Policy(fallback=b"app.page", types=types))
    assert site.ask(get(f"/{name}")).status == status


# Types.

TEXT = b"".join(b"line %d of a text that shrinks well\n" % n for n in range(60))
TYPES = {
    b"gemini": MediaType(b"text/gemini", "a test"),
    b"txt": MediaType(b"text/plain; charset=iso-8859-1", "a test"),
    b"css": MediaType(b"application/octet-stream", "a test"),
    b"bin": MediaType(b"application/json", "a test"),
    b"": MediaType(b"text/x-bare; charset=utf-8", "a test"),
}


@pytest.mark.parametrize(
    ("name", "kind", "shrinks"),
    [
        ("a.gemini", b"text/gemini", True),
        ("a.GEMINI", b"text/gemini", True),
        ("a.txt", b"text/plain; charset=iso-8859-1", True),
        ("a.css", b"application/octet-stream", False),
        ("a.bin", b"application/json", True),
        ("LICENSE", b"text/x-bare; charset=utf-8", True),
        ("v1.2/README", b"text/x-bare; charset=utf-8", True),
        (".well-known/.x/../thing", b"text/x-bare; charset=utf-8", True),
        ("a.html", b"text/html; charset=utf-8", True),
        ("a.png", b"image/png", False),
        ("a.unknown", b"application/octet-stream", False),
    ],
)
def test_9110_8_3_types_of_the_site_come_first(planter: Planter, name: str, kind: bytes, shrinks: bool) -> None:
    """Additions, overrides, and names without an extension; what is compressed follows from them."""
    site = planter({name.replace(".x/../", ""): TEXT}, Policy(types=TYPES))
    plain, coded = site.ask(get(f"/{name}")), site.ask(get(f"/{name}", "Accept-Encoding: gzip"))
    assert plain[b"content-type"] == coded[b"content-type"] == kind
    assert plain[b"x-content-type-options"] == b"nosniff"
    assert (b"content-encoding" in coded) is (b"vary" in plain) is shrinks
    assert plain.body == (gzip.decompress(coded.body) if shrinks else coded.body) == TEXT
    assert site.ask(get(f"/{name}", "Range: bytes=0-3"))[b"content-type"] == kind


def test_9110_8_3_the_types_are_those_of_pages_too(planter: Planter) -> None:
    types = {b"html": MediaType(b"application/xhtml+xml", "a test"), b"": MediaType(b"text/html", "a test")}
    site = planter({"404.html": PAGE, "405": PAGE}, Policy(types=types, error_pages={405: b"405"}))
    assert site.ask(get("/nothing"))[b"content-type"] == b"application/xhtml+xml"
    assert site.ask(get("/", method="POST"))[b"content-type"] == b"text/html"


# Listings.


def _names(answer: Response) -> list[str]:
    return [entry["name"] for entry in json.loads(answer.body)["entries"]]


@pytest.mark.parametrize("fields", [(), ("Accept: application/json",)], ids=["page", "json"])
def test_9110_13_1_a_listing_has_conditions(planter: Planter, fields: tuple[str, ...]) -> None:
    """It has a tag, so whoever names it gets no second copy, and If-Match is heard. There is no date."""
    site = planter({"docs/a.txt": b"a\n"}, Policy(listing=True))
    answer = site.ask(get("/docs/", *fields), kept=False)
    tag = answer[b"etag"].decode()
    assert b"last-modified" not in answer
    same = site.ask(get("/docs/", *fields, f"If-None-Match: {tag}"), kept=False)
    assert (same.status, same[b"etag"].decode(), same[b"vary"], same.body) == (304, tag, answer[b"vary"], b"")
    assert b"content-type" not in same
    assert site.ask(get("/docs/", *fields, 'If-None-Match: "x"'), kept=False).undated == answer.undated
    assert site.ask(get("/docs/", *fields, f"If-Match: {tag}"), kept=False).undated == answer.undated
    assert site.ask(get("/docs/", *fields, 'If-Match: "x"'), kept=False).status == 412
    date = "If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT"
    assert site.ask(get("/docs/", *fields, date), kept=False).undated == answer.undated
    write(site.root / "docs/b.txt", b"b\n")
    assert site.client().ask(get("/docs/", *fields, f"If-None-Match: {tag}")).status == 200


def test_8615_a_listing_names_nothing_hidden_and_its_own_rules_hold(planter: Planter) -> None:
    files = {"docs/a.txt": b"", "docs/.env": SECRET, "docs/b.bak": SECRET, "docs/c~": SECRET}
    site = planter(files, Policy(listing=True))
    assert _names(site.ask(get("/docs/?format=json"), kept=False)) == ["a.txt"]
