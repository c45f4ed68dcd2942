"""_headers and _redirects at the top of a root, over the wire: both dialects, and files that change while they hold.

RFC 9110 5.3 and 15.4 for what they say; RFC 9111 4 for how soon a kept answer must follow them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.client import Response, get
from support.fixtures import Connect, Serve
from support.planted import FRESH_S, NOTES, Planted, Planter
from support.poll import until
from support.webroot import PAGE, SECRET, write

from tuxpy.rules.fields import FieldRule
from tuxpy.rules.hidden import HiddenPolicy
from tuxpy.rules.policy import Policy
from tuxpy.rules.redirects import RedirectRule
from tuxpy.rules.rulesfiles import DIALECTS, Dialect
from tuxpy.rules.tries import TryRule

HEADERS = b"""\
# for everybody
/*
  X-Frame-Options: DENY
  X-Whose: the file
/docs/*
  X-Frame-Options: SAMEORIGIN
  X-Docs: :splat
"""
REDIRECTS = b"""\
/old /new
/old /never
/blog/* /news/:splat 302
/page.html /elsewhere
/forced.html /elsewhere 307!
/both /by-the-file 302
/app/* /docs/index.html 200
"""
FILES = {
    "_headers": HEADERS,
    "_redirects": REDIRECTS,
    "index.html": PAGE,
    "page.html": PAGE,
    "forced.html": PAGE,
    "docs/index.html": PAGE,
}
OPERATOR = Policy(
    rules=(FieldRule.parse("*", [("X-Whose", "the operator")], where="a test"),),
    redirects=(RedirectRule.parse("/both", "/by-the-operator", 307), RedirectRule.parse("/mine", "/yours", 308)),
)


def policy(dialect: Dialect | None, base: Policy = OPERATOR) -> Policy:
    return Policy(rules=base.rules, redirects=base.redirects, rules_files=dialect)


@pytest.fixture
def planter(serve: Serve, connect: Connect, tmp_path: Path) -> Planter:
    return Planter(serve, connect, tmp_path / "root")


ANSWERS = {
    200: get("/notes.txt"),
    206: get("/notes.txt", "Range: bytes=0-1"),
    304: get("/page.txt", "If-None-Match: *"),
    404: get("/nothing"),
    301: get("/folder"),
    308: get("/mine"),
    405: get("/notes.txt", method="POST"),
    412: get("/notes.txt", 'If-Match: "x"'),
    416: get("/notes.txt", "Range: bytes=99-"),
}


@pytest.mark.parametrize("dialect", [*DIALECTS, None])
@pytest.mark.parametrize("status", ANSWERS)
def test_fields_of_the_file_are_on_every_answer(planter: Planter, dialect: Dialect | None, status: int) -> None:
    """And what the operator says of a field, wins."""
    site = planter({**FILES, "page.txt": b"page\n", "folder/x": b""}, policy(dialect))
    answer = site.ask(ANSWERS[status])
    assert answer.status == status
    assert answer[b"x-whose"] == b"the operator"
    if dialect is None:
        assert b"x-frame-options" not in answer
    else:
        assert answer[b"x-frame-options"] == b"DENY"
    head = site.ask(ANSWERS[status].replace(b"GET ", b"HEAD "))
    assert head.status in (status, 200)
    assert (b"x-frame-options" in head) is (dialect is not None)



@pytest.mark.parametrize(
    "line", [b"X-Content-Type-Options: nosniff", b"! X-Content-Type-Options"], ids=["set", "removed"]
)
@pytest.mark.parametrize("status", [200, 404, 301, 405, 412, 416])
def test_9110_5_3_a_field_of_ours_is_the_files_to_change(planter: Planter, status: int, line: bytes) -> None:
    """It comes once, or not at all. The client refuses an answer in which a field comes twice."""
    site = planter({"_headers": b"/*\n " + line + b"\n", "folder/x": b""}, policy("netlify"))
    answer = site.client().ask(ANSWERS[status])
    assert (b"x-content-type-options" in answer) is not line.startswith(b"!")


@pytest.mark.parametrize(("dialect", "value"), [("netlify", b"SAMEORIGIN"), ("cloudflare", b"DENY, SAMEORIGIN")])
def test_9110_5_3_a_field_of_two_blocks(planter: Planter, dialect: Dialect, value: bytes) -> None:
    """The later block wins, or both count: as its author's service has it. Placeholders are filled."""
    answer = planter(FILES, policy(dialect)).ask(get("/docs/index.html"))
    assert (answer[b"x-frame-options"], answer[b"x-docs"]) == (value, b"index.html")


@pytest.mark.parametrize(
    ("target", "netlify", "cloudflare"),
    [
        ("/old", (301, b"/new"), (302, b"/new")),
        ("/old?a=b", (301, b"/new?a=b"), (302, b"/new?a=b")),
        ("/old/", (301, b"/new"), (404, b"")),
        ("/blog/a/b", (302, b"/news/a/b"), (302, b"/news/a/b")),
        ("/blog", (302, b"/news/"), (404, b"")),
        ("/page.html", (200, b""), (302, b"/elsewhere")),
        ("/forced.html", (307, b"/elsewhere"), (307, b"/elsewhere")),
        ("/both", (307, b"/by-the-operator"), (302, b"/by-the-file")),
        ("/mine", (308, b"/yours"), (308, b"/yours")),
        ("/app/x/y", (200, b""), (200, b"")),
    ],
)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_9110_15_4_redirects_of_the_file(
    planter: Planter, dialect: Dialect, target: str, netlify: tuple[int, bytes], cloudflare: tuple[int, bytes]
) -> None:
    """Those of the operator come first; a file that exists wins in one dialect, and never in the other."""
    if target == "/both":
        cloudflare = netlify
    answer = planter(FILES, policy(dialect)).ask(get(target))
    location = dict(answer.fields).get(b"Location", b"")
    assert (answer.status, location) == (netlify if dialect == "netlify" else cloudflare)


@pytest.mark.parametrize("target", ["/old", "/blog/a", "/app/x"])
def test_without_a_dialect_the_file_is_not_read(planter: Planter, target: str) -> None:
    assert planter(FILES, policy(None)).ask(get(target)).status == 404


WAYS = (
    *("/_headers", "/_redirects", "/%5fheaders", "/_HEADERS", "/_headers/", "/./_headers", "/x/../_redirects"),
    *("/see/_headers", "/missing/_redirects", "/try/_headers", "//_headers", "/_headers%20", "/_headers."),
)


@pytest.mark.parametrize("dialect", [*DIALECTS, None])
def test_8615_the_two_files_are_never_served(planter: Planter, dialect: Dialect | None) -> None:
    """Not by their names, nor by a rule that leads there, nor as a file to try, whoever asks for what coding."""
    rules = (RedirectRule.parse("/see/*", "/:splat", 200), RedirectRule.parse("/missing/*", "/:splat", 404))
    tries = (TryRule.parse("/try/*", ["$uri", "/_headers"]),)
    site = planter(FILES, Policy(redirects=rules, tries=tries, rules_files=dialect, listing=True))
    for target in WAYS:
        answer = site.ask(get(target))
        assert answer.status == 404, target
        assert b"DENY" not in answer.body
        assert b"/elsewhere" not in answer.body
    assert b"_headers" not in site.client().ask(get("/docs/../?format=json")).body


def test_8615_not_even_when_hidden_names_are_shown(planter: Planter) -> None:
    """Whoever shows what begins with a dot, has said nothing of these."""
    site = planter(FILES, Policy(hidden=HiddenPolicy.parse(show=[".*"])))
    assert {site.ask(get(f"/{name}")).status for name in ("_headers", "_redirects")} == {404}


def test_only_the_top_of_the_root_has_rules(planter: Planter) -> None:
    site = planter({"docs/_headers": HEADERS, "docs/_redirects": REDIRECTS, "docs/a.txt": NOTES}, policy("netlify"))
    assert b"x-frame-options" not in site.ask(get("/docs/a.txt"))
    assert site.ask(get("/old")).status == 404
    assert site.ask(get("/docs/_headers")).body == HEADERS, "there it is a file like any other"


# Files that change.


def _renew(file: Path, content: bytes) -> None:
    write(file.with_name("fresh"), content)
    file.with_name("fresh").replace(file)


@pytest.mark.slow
@pytest.mark.parametrize("dialect", DIALECTS)
def test_9111_4_what_is_written_into_the_files_is_seen_within_a_second(planter: Planter, dialect: Dialect) -> None:
    """Added, changed in place, exchanged, and gone: also for answers that are kept, and for every status."""
    site = planter({"a.txt": b"a\n"}, Policy(rules_files=dialect))
    asked = [get("/a.txt"), get("/nothing"), get("/a.txt", "If-None-Match: *"), get("/old")]
    headers, redirects = site.root / "_headers", site.root / "_redirects"

    def seen(value: bytes | None) -> Callable[[Response], bool]:
        return lambda answer: dict(answer.fields).get(b"X-A") == value

    def all_become(value: bytes | None, status: int) -> None:
        assert all(site.becomes(request, seen(value)) for request in asked)
        assert site.becomes(asked[3], lambda answer: answer.status == status)
        site.warm(*asked)

    all_become(None, 404)
    write(headers, b"/*\n X-A: 1\n")
    write(redirects, b"/old /new 302\n")
    all_become(b"1", 302)
    headers.write_bytes(b"/*\n X-A: 2\n")
    redirects.write_bytes(b"/old /new 307\n")
    all_become(b"2", 307)
    _renew(headers, b"/*\n X-A: 3\n")
    _renew(redirects, b"/old /new 308\n")
    all_become(b"3", 308)
    headers.unlink()
    redirects.unlink()
    all_become(None, 404)


@pytest.mark.slow
def test_9111_4_a_root_that_is_led_elsewhere_brings_its_rules(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path / f"{number}/_headers", b"/*\n X-A: %d\n" % number)
        write(tmp_path / f"{number}/a.txt", b"a\n")
    (tmp_path / "root").symlink_to("1")
    site = Planted(tmp_path / "root", serve(tmp_path / "root"), connect)
    assert site.warm(get("/a.txt"))[0][b"x-a"] == b"1"
    (tmp_path / "fresh").symlink_to("2")
    (tmp_path / "fresh").replace(tmp_path / "root")
    assert site.becomes(get("/a.txt"), lambda answer: (b"X-A", b"2") in answer.fields)


# Lines that are no good.


@pytest.mark.slow
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_bad_line_is_told_once_and_the_others_count(
    planter: Planter, dialect: Dialect, caplog: pytest.LogCaptureFixture
) -> None:
    headers = b"/*\n X-A: 1\n no field\n/b/*\n Content-Length: 7\n X-B: 2\n"
    redirects = b"/one /two\nnonsense\n/three /four 999\n/five /six 302\n"
    site = planter({"_headers": headers, "_redirects": redirects, "b/c": b""}, policy(dialect))
    expected = {"_headers:3": 1, "_headers:5": 1, "_redirects:2": 1, "_redirects:3": 1}

    def told() -> dict[str, int]:
        return {place: sum(f"{site.root}/{place}: " in line for line in caplog.messages) for place in expected}

    assert told() == expected
    assert site.ask(get("/b/c"))[b"x-b"] == b"2"
    assert {site.ask(get(target)).status for target in ("/one", "/five")} <= {301, 302}
    assert site.ask(get("/three")).status == 404
    _renew(site.root / "_redirects", redirects + b"/seven /eight 302\n")
    assert site.becomes(get("/seven"), lambda answer: answer.status == 302)
    assert told() == expected, "what was said is not said again, of neither file"
    _renew(site.root / "_headers", headers + b"/x/*\n\xff: 1\n")
    expected["_headers:8"] = 1
    assert until(lambda: told() == expected), told()
    caplog.clear()


# Files that cannot be read.


def _as_a_folder(root: Path) -> None:
    (root / "_headers").unlink()
    (root / "_headers").mkdir()


def _as_a_link_out(root: Path) -> None:
    write(root.parent / "outside/_headers", b"/*\n X-A: stolen\n")
    (root / "fresh").symlink_to("../outside/_headers")
    (root / "fresh").replace(root / "_headers")


def _as_a_loop(root: Path) -> None:
    (root / "fresh").symlink_to("_headers")
    (root / "fresh").replace(root / "_headers")


def _without_a_right(root: Path) -> None:
    with _oneself():
        (root / "_headers").chmod(0)


def _with_the_folder_closed(root: Path) -> None:
    with _oneself():
        root.chmod(0)


@contextlib.contextmanager
def _oneself() -> Iterator[None]:
    """Root is nobody while it serves; who changes a mode must be root again."""
    nobody, oneself = os.geteuid(), os.getuid()
    os.seteuid(oneself)
    try:
        yield
    finally:
        os.seteuid(nobody)


@pytest.mark.slow
@pytest.mark.parametrize("change", [_as_a_folder, _as_a_link_out, _as_a_loop, _without_a_right])
def test_a_file_that_cannot_be_read_keeps_its_rules(
    planter: Planter, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture, change: Callable[[Path], None]
) -> None:
    """And the log says so, once."""
    site = planter({"_headers": b"/*\n X-A: 1\n", "a.txt": b"a\n"}, policy("netlify"))
    if change is _without_a_right:
        request.getfixturevalue("unprivileged")  # only now: nobody may enter the folders above
    assert site.warm(get("/a.txt"))[0][b"x-a"] == b"1"
    change(site.root)
    assert until(lambda: "the rules read before stay in force" in caplog.text)
    assert not until(lambda: caplog.text.count("the rules read before stay") > 1, FRESH_S)
    assert f"{site.root}/_headers: " in caplog.text
    for target in ("/a.txt", "/nothing"):
        assert site.client().ask(get(target))[b"x-a"] == b"1"
    caplog.clear()


@pytest.mark.slow
def test_a_root_that_is_closed_keeps_its_rules(
    planter: Planter, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody can tell whether the file is there, so it is not gone."""
    site = planter({"_headers": b"/*\n X-A: 1\n"}, policy("netlify"))
    request.getfixturevalue("unprivileged")
    assert site.warm(get("/nothing"))[0][b"x-a"] == b"1"
    _with_the_folder_closed(site.root)
    try:
        assert until(lambda: "the rules read before stay in force" in caplog.text)
        assert site.client().ask(get("/another"))[b"x-a"] == b"1"
    finally:
        with _oneself():
            site.root.chmod(0o755)
    caplog.clear()


@pytest.mark.slow
def test_what_can_be_read_again_holds_again(planter: Planter, caplog: pytest.LogCaptureFixture) -> None:
    site = planter({"_headers": b"/*\n X-A: 1\n"}, policy("netlify"))
    _as_a_folder(site.root)
    assert until(lambda: "the rules read before stay in force" in caplog.text)
    (site.root / "_headers").rmdir()
    write(site.root / "_headers", b"/*\n X-A: 2\n")
    assert site.becomes(get("/notes.txt"), lambda answer: (b"X-A", b"2") in answer.fields)
    caplog.clear()


def test_a_secret_behind_a_link_is_not_told_by_a_bad_line(
    planter: Planter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Problems quote their line; so what lies outside the root must not even be read."""
    write(tmp_path / "outside/passwords", SECRET)
    site = planter({}, policy("netlify"), {"_redirects": "../outside/passwords"})
    assert site.client().ask(get("/notes.txt")).status == 200
    assert SECRET.decode() not in caplog.text
    assert "leads out of the root" in caplog.text
    caplog.clear()
