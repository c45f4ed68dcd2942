"""From a name to what answers it: clean addresses, the fallback, pages for what is not there, listings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tuxpy.model import Decision, Redirect, Refuse, Request, Serve
from tuxpy.rules.policy import Policy
from tuxpy.rules.redirects import RedirectRule
from tuxpy.rules.tries import TryRule
from tuxpy.site.opener import opener
from tuxpy.site.resolve import resolve
from tuxpy.site.site import Site, release

FILES = (
    *("index.html", "about.html", "both", "both.html", "app/index.html", "app/main.js"),
    *("docs/404.html", "docs/a/b/c.txt"),
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"this is {name}")
    return tmp_path


@contextmanager
def answered(root: Path, policy: Policy, target: str, *fields: tuple[bytes, bytes]) -> Iterator[Decision]:
    with Site(str(root), opener(), policy) as site:
        decision = resolve(Request(b"GET", target.encode(), b"1.1", ((b"host", b"a"), *fields)), site)
        yield decision
        if isinstance(decision, Serve) and decision.file:
            release(decision.file)


def answer(root: Path, policy: Policy, target: str) -> tuple[int, str]:
    """The status, and the name of the file that is sent, or where it leads."""
    with answered(root, policy, target) as decision:
        if isinstance(decision, Redirect):
            return decision.status, decision.location.decode()
        name = decision.file.path.decode() if isinstance(decision, Serve) and decision.file else ""
        return decision.status, name


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        *(("/about", (200, "about.html")), ("/about.html", (301, "/about")), ("/both", (200, "both"))),
        *(("/app", (301, "/app/")), ("/about/", (404, "")), ("/nothing", (404, "")), ("/main", (404, ""))),
    ],
)
def test_clean_addresses(root: Path, target: str, wanted: tuple[int, str]) -> None:
    """What is there under its own name comes first."""
    assert answer(root, Policy(clean=True), target) == wanted


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        *(("/index.html", (301, "/")), ("/about.html?a=b&c", (301, "/about?a=b&c")), ("//about.html", (301, "/about"))),
        *(("/both.html", (200, "both.html")), ("/404.html", (200, "404.html")), ("/oops.html", (200, "oops.html"))),
        *(("/dir.html", (200, "dir.html")), ("/d/home.html", (301, "/d/")), ("/d/index.html", (200, "d/index.html"))),
        *(("/%C3%A4.html", (301, "/%C3%A4")), ("/tried.html", (200, "tried.html")), ("/led.html", (200, "led.html"))),
        *(("/%2F%2Fx.html", (301, "/x")), ("/about.txt", (200, "about.txt"))),
        *(("/.html", (404, "404.html")), ("/rewritten", (200, "about.html"))),
    ],
)
def test_9110_15_4_2_a_page_leads_to_its_clean_address(tmp_path: Path, target: str, wanted: tuple[int, str]) -> None:
    """Only where that address is answered by the very page; one that has no other stays under its file's name."""
    for name in ("index", "about", "both", "404", "oops", "dir", "\u00e4", "tried", "led", "x"):
        (tmp_path / f"{name}.html").write_text(name)
    for name in ("both", "about.txt"):
        (tmp_path / name).write_text(name)
    for name in ("dir", "d"):
        (tmp_path / name).mkdir()
    for name in ("home", "index"):
        (tmp_path / "d" / f"{name}.html").write_text(name)
    policy = Policy(
        clean=True,
        index=(b"home.html", b"index.html"),
        error_pages={403: b"oops.html"},
        tries=(TryRule.parse("/tried*", ["$uri", "/about.html"]),),
        redirects=(
            *(RedirectRule.parse("/led", "/about", 301, force=True),),
            *(RedirectRule.parse("/rewritten", "/about.html", 200),),
        ),
    )
    assert answer(tmp_path, policy, target) == wanted


def test_clean_addresses_must_be_asked_for(root: Path) -> None:
    assert answer(root, Policy(), "/about") == (404, "")


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        *(("/users/7", (200, "index.html")), ("/", (200, "index.html")), ("/old.html", (200, "index.html"))),
        *(("/users/7/", (200, "index.html")), ("/app/main.js", (200, "app/main.js"))),
        *(("/app/gone.js", (404, "")), ("/gone.css", (404, "")), ("/a/b.png", (404, "")), ("/x.woff2", (404, ""))),
        *(("/docs/gone.js", (404, "docs/404.html")), ("/v1.2", (404, ""))),
    ],
)
def test_the_fallback_stands_for_pages_only(root: Path, target: str, wanted: tuple[int, str]) -> None:
    """A missing script, style, image or font is a 404: a page in its place would be a riddle."""
    assert answer(root, Policy(fallback=b"index.html"), target) == wanted


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        *(("/docs/nothing", "docs/404.html"), ("/docs/a/b/nothing", "docs/404.html"), ("/docs/a/", "docs/404.html")),
        *(("/docs/no/such/place", "docs/404.html"), ("/nothing", ""), ("/app/nothing", "")),
    ],
)
def test_9110_15_5_5_the_nearest_page_says_that_nothing_is_there(root: Path, target: str, wanted: str) -> None:
    assert answer(root, Policy(), target) == (404, wanted)


def test_9110_13_2_1_a_404_has_no_conditions_and_no_validators(root: Path) -> None:
    """Conditions are for what would be a 2xx; and the page of an error is not the version of what was asked for."""
    with answered(root, Policy(), "/docs/nothing", (b"if-none-match", b"*"), (b"range", b"bytes=0-0")) as decision:
        assert isinstance(decision, Serve)
        assert (decision.status, decision.etag, decision.parts) == (404, b"", ())


def test_a_404_rests_on_every_page_it_might_have_had(root: Path) -> None:
    with answered(root, Policy(), "/app/nothing") as decision:
        assert [w.path for w in decision.witnesses] == [b"app/nothing", b"app/404.html", b"404.html"]
        assert decision.cacheable


def test_pages_for_404_can_be_switched_off(root: Path) -> None:
    assert answer(root, Policy(not_found=None), "/docs/nothing") == (404, "")


def test_a_listing_must_be_asked_for(root: Path) -> None:
    assert answer(root, Policy(), "/docs/a/")[0] == 404


@pytest.mark.parametrize(
    ("fields", "query", "kind"),
    [
        ((), "", b"text/html; charset=utf-8"),
        ((), "?format=json", b"application/json"),
        (((b"accept", b"application/json"),), "", b"application/json"),
        (((b"accept", b"text/html,*/*;q=0.8"),), "?sort=size&order=desc", b"text/html; charset=utf-8"),
    ],
)
def test_a_listing(root: Path, fields: tuple[tuple[bytes, bytes], ...], query: str, kind: bytes) -> None:
    with answered(root, Policy(listing=True), f"/docs/a/b/{query}", *fields) as decision:
        assert isinstance(decision, Serve)
        assert (decision.status, decision.cacheable) == (200, False)
        assert dict(decision.fields)[b"Content-Type"] == kind
        assert b"c.txt" in decision.content
        if kind == b"application/json":
            assert [entry["name"] for entry in json.loads(decision.content)["entries"]] == ["c.txt"]


def test_an_index_comes_before_a_listing(root: Path) -> None:
    assert answer(root, Policy(listing=True), "/app/") == (200, "app/index.html")


def test_a_directory_that_is_not_there_has_no_listing(root: Path) -> None:
    with answered(root, Policy(listing=True), "/nothing/") as decision:
        assert isinstance(decision, Refuse)
        assert decision.status == 404
