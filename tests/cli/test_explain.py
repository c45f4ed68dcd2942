"""What `tuxpy explain` says of a request, and which chains `tuxpy chain` can draw."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuxpy.atoms import Frozen, lifecycle
from tuxpy.cli.chains import CHAINS, chains, drawn
from tuxpy.cli.explain import as_json, explain, head_of, tell
from tuxpy.errors import ConfigError
from tuxpy.site.site import Site

from .processes import Run

NOW = 1_700_000_000.0


def open_files() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


@pytest.fixture
def site(www: Path) -> Iterator[Site]:
    before = open_files()
    with Site(str(www)) as opened:
        yield opened
    assert open_files() == before, "a descriptor was left open"


def story(site: Site, target: str, *fields: str, method: str = "GET", version: str = "1.1") -> dict[str, list[str]]:
    """The paragraphs of an explanation by their headings."""
    said = explain(site, head_of(target, method, fields, version), NOW)
    paragraphs = (paragraph.splitlines() for paragraph in said.rstrip("\n").split("\n\n"))
    found: dict[str, list[str]] = {}
    for title, *lines in paragraphs:
        if title.startswith(" "):  # a drawing may hold an empty line
            found["Chain"] += [title, *lines]
        else:
            found[title] = [line[2:] for line in lines]
    found.setdefault("Rules for fields", [])
    assert set(found) == {"Request", "Reasons", "Rules for fields", "Answer", "Remembered", "Chain"}
    return found


@pytest.mark.parametrize(
    ("target", "first", "host"),
    [
        ("/a", b"GET /a HTTP/1.1", b"localhost"),
        ("a", b"GET /a HTTP/1.1", b"localhost"),
        ("*", b"GET * HTTP/1.1", b"localhost"),
        ("http://example.org:81/a/b?c#d", b"GET /a/b?c HTTP/1.1", b"example.org:81"),
        ("HTTPS://example.org", b"GET / HTTP/1.1", b"example.org"),
        ("http://example.org?q", b"GET /?q HTTP/1.1", b"example.org"),
        ("/a b\r\nX: y", b"GET /a%20b%0D%0AX:%20y HTTP/1.1", b"localhost"),
        ("/é", b"GET /%C3%A9 HTTP/1.1", b"localhost"),
        ("/a%20b", b"GET /a%20b HTTP/1.1", b"localhost"),
        ("//example.org/a", b"GET //example.org/a HTTP/1.1", b"localhost"),
    ],
)
def test_the_head_is_what_a_client_would_send(target: str, first: bytes, host: bytes) -> None:
    assert head_of(target) == first + b"\r\nHost: " + host + b"\r\n\r\n"


def test_fields_of_the_head() -> None:
    head = head_of("http://a/", "HEAD", ["HOST: b", "Range:bytes=0-1", "Empty:"], "1.0")
    assert head == b"HEAD / HTTP/1.0\r\nHOST: b\r\nRange: bytes=0-1\r\nEmpty: \r\n\r\n"
    for line in ("Range", ": x", ""):
        with pytest.raises(ConfigError, match="'Field: value'"):
            head_of("/", fields=[line])


def test_a_small_file(site: Site) -> None:
    said = story(site, "/", "User-Agent: x", "Accept-Encoding: gzip")
    assert said["Request"] == ["GET / HTTP/1.1", "Host: localhost", "User-Agent: x", "Accept-Encoding: gzip"]
    assert said["Reasons"][0] == "1. the head is valid HTTP/1.1 with 3 fields, 2 of them significant"
    assert any("the file is index.html, 21 bytes" in line for line in said["Reasons"])
    assert said["Answer"][0] == "HTTP/1.1 200 OK"
    assert "Date: Tue, 14 Nov 2023 22:13:20 GMT" in said["Answer"]
    assert "Content-Length: 21" in said["Answer"]
    assert said["Answer"][-1] == "(and 21 bytes of body, in the same send)"
    yes, *key = said["Remembered"]
    assert yes.startswith("yes")
    assert key[:3] == ["  GET / HTTP/1.1", "  host: localhost", "  accept-encoding: gzip"]
    assert key[3] == "as long as"
    assert "index.html stays as it is" in key[4]
    assert any("send(" in line for line in said["Chain"])


def test_the_rules_for_fields_are_told_with_their_places(site: Site) -> None:
    said = story(site, "/")
    assert said["Rules for fields"] == [
        "the defaults: sets X-Content-Type-Options: nosniff",
        "the defaults: sets Cache-Control: no-cache",
    ]
    assert story(site, "/nothing")["Rules for fields"] == []


def test_a_password_is_not_shown(site: Site) -> None:
    said = explain(site, head_of("/", fields=["Authorization: Basic c2VjcmV0"]), NOW)
    assert "c2VjcmV0" not in said
    assert "Authorization: (not shown)" in said


def test_json_tells_the_same(site: Site) -> None:
    head = head_of("/big.bin", fields=["Range: bytes=0-99999", "Authorization: x"])
    told = json.loads(as_json(tell(site, head, NOW)))
    assert told["request"]["target"] == "/big.bin"
    assert ["authorization", "(not shown)"] in told["request"]["significant_fields"]
    assert (told["answer"]["status"], told["answer"]["file"]) == (206, "big.bin")
    assert told["answer"]["body"] == "100000 bytes of big.bin, by sendfile"
    assert ["Content-Range", "bytes 0-99999/200000"] in told["answer"]["fields"]
    assert [watched["name"] for watched in told["remembered"]] == ["big.bin"]
    refused = json.loads(as_json(tell(site, head_of("/", fields=["Host: a", "Host: b"]), NOW)))
    assert refused["request"] is None
    assert refused["not_remembered_because"] == "a refused head has no key"


def test_a_large_file(site: Site) -> None:
    said = story(site, "/big.bin")
    assert said["Answer"][-1] == "(and 200000 bytes of big.bin, by sendfile)"
    assert any("sendfile(" in line for line in said["Chain"])


def test_head_has_no_body(site: Site) -> None:
    for target in ("/", "/big.bin", "/nothing"):
        assert story(site, target, method="HEAD")["Answer"][-1] == "(and no body)"


def test_what_is_absent_is_remembered_as_absent(site: Site) -> None:
    said = story(site, "/nothing")
    assert said["Answer"][0] == "HTTP/1.1 404 Not Found"
    assert said["Remembered"][-2:] == ["  nothing does not exist", "  404.html does not exist"]


def test_a_directory_without_its_slash(site: Site) -> None:
    said = story(site, "/docs?q")
    assert said["Answer"][0] == "HTTP/1.1 301 Moved Permanently"
    assert "Location: /docs/?q" in said["Answer"]


def test_hidden(site: Site) -> None:
    assert any("begin with a dot" in line for line in story(site, "/.env")["Reasons"])


def test_not_modified(site: Site) -> None:
    said = story(site, "/", "If-None-Match: *")
    assert said["Answer"][0] == "HTTP/1.1 304 Not Modified"
    assert "  if-none-match: *" in said["Remembered"]


def test_a_refused_head(site: Site) -> None:
    said = story(site, "/", "Host: a", "Host: b")
    assert said["Reasons"][0] == "1. the server refuses the head before it looks anything up"
    assert said["Answer"][0] == "HTTP/1.1 400 Bad Request"
    assert said["Remembered"] == ["no: a refused head has no key"]
    assert any("shutdown(" in line for line in said["Chain"])


def test_a_body_is_never_remembered(site: Site) -> None:
    said = story(site, "/", "Content-Length: 5", method="POST")
    assert said["Answer"][0] == "HTTP/1.1 405 Method Not Allowed"
    assert said["Remembered"] == ["no: the server judges each request that announces a body anew"]


def test_what_cannot_be_watched_is_not_remembered(site: Site, www: Path) -> None:
    (www / "loop").symlink_to("loop")
    assert story(site, "/loop")["Remembered"] == ["no: the answer depends on something without a name to check"]


def test_http_1_0(site: Site) -> None:
    said = story(site, "/", version="1.0")
    assert "Connection: close" in said["Answer"]
    assert said["Reasons"][-1].endswith("the connection closes")


def test_control_characters_never_reach_the_terminal(site: Site) -> None:
    said = explain(site, b"GET /%1B[31m%0A HTTP/1.1\r\nHost: a\r\n\r\n", NOW)
    assert "\x1b" not in said
    assert r"\x1b[31m\x0a" in said


def test_the_known_chains() -> None:
    assert list(CHAINS) == ["lifecycle", "proxied", "response", "refusal", "open"]
    assert chains("lifecycle") == (lifecycle(),)
    small, large = chains("response")
    assert [atom.call.name for atom in small.atoms] == ["send"]
    assert [atom.call.name for atom in large.atoms] == ["send", "sendfile"]
    (refusal,) = chains("refusal")
    assert [atom.call.name for atom in refusal.atoms] == ["send", "shutdown", "discard"]
    with pytest.raises(ConfigError, match="choose from lifecycle"):
        chains("nothing")


def test_the_chain_that_opens() -> None:
    (chain,) = chains("open")
    assert isinstance(chain, Frozen)
    assert [atom.call.name for atom in chain.atoms] == ["openat2"]


def test_drawings() -> None:
    assert drawn("lifecycle", "ascii").isascii()
    assert not drawn("lifecycle").isascii()
    assert drawn("response").count("send(") == 2
    assert drawn("refusal", "dump").splitlines()[0].split()[:2] == ["0", "send"]


# The verb.


def test_the_verb_writes_json_and_asks_from_an_address(run: Run, www: Path) -> None:
    done = run("explain", "/", "--root", str(www), "--allow", "192.0.2.0/24", "--from", "192.0.2.7", "--json")
    told = json.loads(done.out)
    assert (done.status, told["answer"]["status"]) == (0, 200)
    assert "the client's address is allowed (--allow)" in told["reasons"]
    assert told["reasons"].count("the client's address is allowed (--allow)") == 1
    far = run("explain", "/", "--root", str(www), "--allow", "192.0.2.0/24", "--from", "198.51.100.7")
    assert "HTTP/1.1 403 Forbidden" in far.out
    nowhere = run("explain", "/", "--root", str(www), "--from", "somewhere")
    assert (nowhere.status, nowhere.out) == (2, "")
    assert "'somewhere' is not an address: give one, as in 192.0.2.1 or 2001:db8::1" in nowhere.err


def test_it_says_what_another_policy_would_find(site: Site, www: Path) -> None:
    (www / "about-us.html").write_text("x")
    (www / "away").symlink_to("/etc/hostname")
    assert any("clean_urls" in line for line in story(site, "/about-us")["Reasons"])
    assert any("symlinks" in line for line in story(site, "/away")["Reasons"])
    assert not any("clean_urls" in line or "symlinks" in line for line in story(site, "/nothing")["Reasons"])
