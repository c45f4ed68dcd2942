"""Nothing outside the root, and nothing hidden: links as the policy has them, and the usual tricks with names.

RFC 9110 17.3 (attacks based on file and path names), RFC 3986 2.1 and 5.2.4, RFC 8615.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Final

import pytest
from support.client import Client, get
from support.fixtures import Connect, Serve
from support.planted import NOTES, Planted, Planter
from support.running import Running
from support.webroot import PAGE, SECRET, write

from tuxpy.rules.policy import LINKS, Links, Policy
from tuxpy.rules.redirects import RedirectRule
from tuxpy.rules.tries import TryRule
from tuxpy.site import opener

OUTSIDE: Final = b"from outside\n"
FILES = {"docs/index.html": PAGE, "docs/a.txt": b"a\n", "docs/deep/b.txt": b"b\n", "fd.txt": b"fd\n"}

INSIDE_LINKS = {"in": "notes.txt", "folder": "docs", "docs/up": "../notes.txt", "twice": "in", "docs/self": "."}
# name: what all links lead to where everything is followed
OUTSIDE_LINKS = {
    "out": "../outside/file.txt",
    "out-folder": "../outside",
    "docs/out": "../../outside/file.txt",
    "through": "../outside/back/notes.txt",
    "there-and-back": "../root/notes.txt",
}
NO_LINKS = {
    "loop": "loop",
    "loop-a": "loop-b",
    "loop-b": "loop-a",
    "nowhere": "nothing",
    "environ": "/proc/self/environ-not-there",
    "magic-root": "/proc/self/root/etc/passwd",
    "magic-cwd": "/proc/self/cwd/pyproject.toml",
    "magic-exe": "/proc/self/exe",
    "magic-thread": "/proc/thread-self/root/etc/passwd",
}


@pytest.fixture
def planter(serve: Serve, connect: Connect, tmp_path: Path) -> Planter:
    write(tmp_path / "outside/file.txt", OUTSIDE)
    write(tmp_path / "outside/index.html", OUTSIDE)
    (tmp_path / "outside/back").symlink_to("../root")
    return Planter(serve, connect, tmp_path / "root")


def _served(planter: Planter, links: Links) -> Planted:
    (planter.root / "docs").mkdir(parents=True)
    outside = planter.root.parent / "outside/file.txt"
    absolute = {"out-absolute": str(outside), "in-absolute": f"{planter.root}/notes.txt"}
    return planter(FILES, Policy(links=links), {**INSIDE_LINKS, **OUTSIDE_LINKS, **absolute, **NO_LINKS})


@pytest.fixture
def without_openat2(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel before 5.6, or a container that refuses the call."""

    def refused(_root_fd: int, path: bytes, links: Links = "inside") -> int:
        raise OSError(errno.ENOSYS, "no such call", path, None, links)

    monkeypatch.setattr(opener, "open_beneath", refused)


INSIDE: Final = {
    "in": NOTES,
    "folder/": PAGE,
    "folder/a.txt": b"a\n",
    "docs/up": NOTES,
    "folder/up": NOTES,
    "twice": NOTES,
    "docs/self/self/a.txt": b"a\n",
}
BEYOND: Final = {
    "out": OUTSIDE,
    "out-folder/": OUTSIDE,
    "out-folder/file.txt": OUTSIDE,
    "docs/out": OUTSIDE,
    "through": NOTES,
    "there-and-back": NOTES,
    "out-absolute": OUTSIDE,
    "in-absolute": NOTES,
    "out-folder/back/notes.txt": NOTES,
}


def _check(site: Planted, followed: dict[str, bytes], refused: set[str]) -> None:
    with site.client() as client:
        for _ in range(2):
            for name, content in followed.items():
                answer = client.ask(get(f"/{name}"))
                assert (answer.status, answer.body) == (200, content), name
            for name in sorted(refused):
                answer = client.ask(get(f"/{name}"))
                assert answer.status == 404, name
                assert b"location" not in answer
                assert OUTSIDE not in answer.body
                assert NOTES not in answer.body
        assert client.ask(get("/notes.txt")).body == NOTES
        assert client.ask(get("/docs/deep/b.txt")).body == b"b\n"


@pytest.mark.parametrize("links", LINKS)
def test_9110_17_3_links_are_followed_as_the_policy_has_it(planter: Planter, links: Links) -> None:
    """An absolute link begins at the root of all, so it leads out even if its end is inside. A link of /proc that is no
    path at all is never followed."""
    followed = {"inside": INSIDE, "all": {**INSIDE, **BEYOND}, "none": {}}[links]
    _check(_served(planter, links), followed, {*INSIDE, *BEYOND, *NO_LINKS} - {*followed})


@pytest.mark.parametrize("links", ["inside", "none"])
def test_9110_17_3_without_openat2_no_link_is_followed(
    planter: Planter, without_openat2: None, caplog: pytest.LogCaptureFixture, links: Links
) -> None:
    """Rather none than one too many; and the log says so where they would have been."""
    _check(_served(planter, links), {}, {*INSIDE, *BEYOND, *NO_LINKS})
    assert ("symbolic links are not followed" in caplog.text) is (links == "inside")
    caplog.clear()


def test_9110_17_3_without_openat2_all_links_are_still_all(planter: Planter, without_openat2: None) -> None:
    harmless = {name for name, target in NO_LINKS.items() if "/proc" not in target}
    _check(_served(planter, "all"), {**INSIDE, **BEYOND}, harmless)


@pytest.mark.parametrize("links", LINKS)
def test_9110_17_3_a_folder_that_is_a_link_takes_its_slash_where_it_is_followed(planter: Planter, links: Links) -> None:
    site = _served(planter, links)
    with site.client() as client:
        for name, inside in (("folder", True), ("out-folder", False)):
            followed = links == "all" or (links == "inside" and inside)
            answer = client.ask(get(f"/{name}"))
            assert answer.status == (301 if followed else 404)


@pytest.mark.parametrize("links", LINKS)
def test_9110_17_3_whatever_leads_to_a_link_it_is_the_same_link(planter: Planter, links: Links) -> None:
    """As an index, a page of an error, a precompressed file, a clean address, something to try, or by a rewrite."""
    policy = Policy(
        links=links,
        clean=True,
        error_pages={405: b"out.html"},
        redirects=(RedirectRule.parse("/see/*", "/:splat", 200), RedirectRule.parse("/miss/*", "/:splat", 404)),
        tries=(TryRule.parse("/try/*", ["/out.html"]),),
        fallback=b"out.html",
    )
    out = "../outside/file.txt"
    names = ("out.html", "index.html", "404.html", "notes.txt.br", "clean.html")
    (planter.root / "d").mkdir(parents=True)
    site = planter({}, policy, dict.fromkeys(names, out) | {"d/index.html": "../" + out})
    asked = ("", "d/", "clean", "nothing", "try/x", "see/out.html", "miss/out.html", "x.js")
    requests = [get(f"/{name}") for name in asked]
    requests += [get("/", method="POST"), get("/notes.txt", "Accept-Encoding: br, identity;q=0.1")]
    with site.client() as client:
        answers = [client.ask(request) for request in requests for _ in range(2)]
    assert {OUTSIDE in answer.body for answer in answers} == {links == "all"}
    assert {answer.status for answer in answers} <= {200, 404, 405}


@pytest.mark.parametrize("links", LINKS)
def test_9110_17_3_a_link_to_what_the_kernel_says_of_this_process_tells_nothing(planter: Planter, links: Links) -> None:
    """The environment may hold passwords. Where all links are followed, files of the kernel are refused."""
    names = ("environ", "maps", "cmdline", "status")
    site = planter({}, Policy(links=links), {name: f"/proc/self/{name}" for name in names})
    with site.client() as client:
        for name in names:
            answer = client.ask(get(f"/{name}", "Range: bytes=0-99"))
            assert answer.status == (403 if links == "all" else 404)
            assert b"HOME=" not in answer.body and b"Pid:" not in answer.body


@pytest.mark.parametrize("links", LINKS)
def test_9110_17_3_a_name_to_try_for_the_root_is_none_from_the_top_of_the_machine(
    planter: Planter, links: Links
) -> None:
    """The path of the root is empty: what follows it in a try list must not become an absolute name."""
    top = str(planter.root.parent).lstrip("/")
    names = [f"$uri/{top}/outside/file.txt", "$uri/docs/a.txt"]
    site = planter(FILES, Policy(links=links, tries=(TryRule.parse("/", names),)))
    answer = site.ask(get("/"))
    assert (answer.status, answer.body) == (200, b"a\n")


@pytest.mark.slow
@pytest.mark.parametrize("links", LINKS)
def test_9111_4_a_file_that_becomes_a_link_is_seen_within_a_second(planter: Planter, links: Links) -> None:
    site = planter({"a.txt": b"a\n", "b.txt": b"b\n"}, Policy(links=links))
    assert site.warm(get("/a.txt"))[0].body == b"a\n"
    (site.root / "fresh").symlink_to("b.txt")
    (site.root / "fresh").replace(site.root / "a.txt")
    wanted = 404 if links == "none" else 200
    assert site.becomes(get("/a.txt"), lambda a: (a.status, a.body == b"b\n") == (wanted, wanted == 200))


@pytest.mark.slow
def test_9111_4_nor_does_it_stay_when_it_leads_to_what_it_was(planter: Planter) -> None:
    """The file is moved away, and a link to it stands in its place."""
    site = planter({"a.txt": b"a\n"}, Policy(links="none"))
    assert site.warm(get("/a.txt"))[0].body == b"a\n"
    (site.root / "a.txt").rename(site.root / "moved.txt")
    (site.root / "a.txt").symlink_to("moved.txt")
    assert site.becomes(get("/a.txt"), lambda answer: answer.status == 404)


# The usual tricks. `server` has a secret beside its root, in hidden files, and in one that may not be read.

TRICKS: Final = {
    "dots": "/../outside/secret.txt",
    "dots-further": "/../../../../../../../../etc/passwd",
    "dots-behind-a-folder": "/docs/../../outside/secret.txt",
    "dots-behind-nothing": "/nothing/../../outside/secret.txt",
    "dots-encoded": "/%2e%2e/outside/secret.txt",
    "dots-half-encoded": "/.%2e/outside/secret.txt",
    "slash-encoded": "/..%2foutside%2fsecret.txt",
    "all-encoded": "/%2e%2e%2f%6f%75%74%73%69%64%65%2fsecret.txt",
    "encoded-twice": "/%252e%252e/outside/secret.txt",
    "slash-encoded-twice": "/..%252foutside%252fsecret.txt",
    "encoded-three-times": "/%25252e%25252e/outside/secret.txt",
    "overlong-dot": "/%c0%ae%c0%ae/outside/secret.txt",
    "overlong-slash": "/..%c0%afoutside/secret.txt",
    "overlong-slash-3": "/..%e0%80%afoutside/secret.txt",
    "overlong-slash-4": "/..%f0%80%80%afoutside/secret.txt",
    "overlong-wrong": "/..%c1%9coutside/secret.txt",
    "full-width": "/%ef%bc%8e%ef%bc%8e/outside/secret.txt",
    "full-width-slash": "/..%ef%bc%8foutside/secret.txt",
    "one-dot-leader": "/%e2%80%a4%e2%80%a4/outside/secret.txt",
    "u-dot": "/%u002e%u002e/outside/secret.txt",
    "u-slash": "/..%u2215outside/secret.txt",
    "backslash": "/..\\outside\\secret.txt",
    "backslash-encoded": "/..%5coutside%5csecret.txt",
    "mixed-slashes": "/..%5c/..%5c/outside/secret.txt",
    "dots-and-backslash": "/docs/..\\../..\\outside/secret.txt",
    "many-slashes": "/..//..///outside//secret.txt",
    "dots-of-four": "/..../outside/secret.txt",
    "dots-doubled": "/....//....//outside/secret.txt",
    "dots-with-slash": "/..././..././outside/secret.txt",
    "dots-and-semicolon": "/..;/outside/secret.txt",
    "dots-and-params": "/..;a=b/outside/secret.txt",
    "dots-and-blank": "/..%20/outside/secret.txt",
    "dots-and-tab": "/..%09/outside/secret.txt",
    "dots-and-line": "/..%0a/outside/secret.txt",
    "dots-and-return": "/..%0d/outside/secret.txt",
    "dots-and-nul": "/..%00/outside/secret.txt",
    "nul-behind": "/.env%00.txt",
    "nul-in-front": "/%00/../outside/secret.txt",
    "absolute": "/%2fetc%2fpasswd",
    "absolute-uri": "http://a/../outside/secret.txt",
    "absolute-uri-encoded": "http://a/%2e%2e/outside/secret.txt",
    "absolute-uri-of-a-file": "file:///etc/passwd",
    "absolute-uri-without-a-slash": "http://a..%2foutside/secret.txt",
    "authority-of-dots": "http://../outside/secret.txt",
    "query-that-is-none": "/..%3f/outside/secret.txt",
    "fragment": "/x#/../outside/secret.txt",
    "drive": "/C:/outside/secret.txt",
    "unc": "/%5c%5ca%5coutside%5csecret.txt",
    "home": "/~/outside/secret.txt",
    "variable": "/$HOME/outside/secret.txt",
    "wildcard": "/../outs*/secret.txt",
    "proc": "/proc/self/environ",
    "link-out": "/link-out",
    "link-folder": "/link-folder/secret.txt",
    "link-folder-dots": "/link-folder/../outside/secret.txt",
    "link-dir-dots": "/link-dir/../../outside/secret.txt",
    "hidden": "/.env",
    "hidden-encoded": "/%2e%65%6e%76",
    "hidden-twice": "/%252eenv",
    "hidden-slash": "/.env/",
    "hidden-dot": "/./.env",
    "hidden-dots": "/docs/../.env",
    "hidden-absolute": "http://a/.env",
    "hidden-trailing-dot": "/.env.",
    "hidden-trailing-blank": "/.env%20",
    "hidden-upper-case": "/.ENV",
    "hidden-kelvin": "/.git%e2%80%8b/config",
    "hidden-stream": "/.env::$DATA",
    "hidden-stream-of-folder": "/.git::$INDEX_ALLOCATION/config",
    "hidden-short-name": "/GIT~1/config",
    "hidden-params": "/.env;a=b",
    "hidden-params-in-front": "/;/.env",
    "hidden-below": "/docs/.hidden",
    "hidden-in-well-known": "/.well-known/.env",
    "hidden-beside-well-known": "/.well-known/../.env",
    "hidden-history": "/.git/config",
    "hidden-history-of-dots": "/docs/../.git/./config",
    "unreadable-stream": "/unreadable.txt::$DATA",
    "unreadable-blank": "/unreadable.txt%20",
    "device": "/con",
    "device-with-name": "/docs/aux.txt",
    "device-nul": "/nul::$DATA",
    "stream-of-a-page": "/notes.txt::$DATA",
    "trailing-dot": "/notes.txt.",
    "trailing-slash": "/notes.txt/",
    "trailing-name": "/notes.txt/../../outside/secret.txt",
    "fifo": "/fifo",
    "socket": "/socket",
    "long": "/" + "../" * 1000 + "outside/secret.txt",
    "long-and-down": "/" + "docs/" * 500 + "../" * 501 + "outside/secret.txt",
    "long-name": "/" + "n" * 4000,
    "very-long": "/" + "%2e%2e%2f" * 2000 + "outside/secret.txt",
    "escape-broken": "/%2/../outside/secret.txt",
    "escape-not-hex": "/%zz%2e/outside/secret.txt",
    "escape-of-a-percent": "/%%32%65%%32%65/outside/secret.txt",
    "utf-7": "/+AC4-+AC4-/outside/secret.txt",
    "html": "/&#46;&#46;/outside/secret.txt",
    "no-slash": "../outside/secret.txt",
    "asterisk": "*",
}


def _ask_alone(running: Running, connect: Connect, request: bytes) -> list[tuple[int, bytes]]:
    """Twice, on one connection if it stays."""
    answers: list[tuple[int, bytes]] = []
    client: Client = connect(running)
    for _ in range(2):
        answer = client.ask(request)
        answers.append((answer.status, answer.body))
        if answer.closes:
            client.close()
            client = connect(running)
    client.close()
    return answers


@pytest.mark.parametrize("trick", TRICKS)
def test_9110_17_3_no_trick_with_a_name_shows_what_is_not_to_be_seen(
    server: Running, connect: Connect, trick: str
) -> None:
    answers = _ask_alone(server, connect, get(TRICKS[trick]))
    assert answers[0] == answers[1]
    for status, body in answers:
        assert 400 <= status < 500, status
        assert SECRET not in body
        assert b"root:" not in body


@pytest.mark.slow
@pytest.mark.parametrize("links", ["inside", "none"])
def test_9110_17_3_nor_by_way_of_any_rule(serve: Serve, connect: Connect, links: Links, root: Path) -> None:
    """Rewrites, names to try, clean addresses: what a request puts into a name stays beneath the root, and shown."""
    policy = Policy(
        links=links,
        clean=True,
        redirects=(RedirectRule.parse("/see/*", "/:splat", 200), RedirectRule.parse("/miss/*", "/:splat", 404)),
        tries=(TryRule.parse("/try/*", ["$uri", "$uri.txt", "$uri/"]),),
        index=(b"secret.txt", b"config"),
        error_pages={404: b"page.html"},
        not_found=b"secret.txt",
    )
    server = serve(root, policy=policy)
    with connect(server) as client:
        for way in ("/see", "/miss", "/try", ""):
            for trick, target in TRICKS.items():
                if target.startswith("/"):
                    answer = client.ask(get(way + target))
                    assert SECRET not in answer.body, (way, trick)
                    assert b"root:" not in answer.body
                    if answer.closes:
                        client.close()
                        client = connect(server)
