"""RFC 9112 section 3.2 and RFC 3986: from a target to a file, or to nothing. No way leads out of the root."""

from __future__ import annotations

import os
import re
from urllib.parse import quote, urljoin

import pytest
from support.client import get
from support.fixtures import Ask, Connect
from support.running import Running
from support.webroot import CONTENT, HIDDEN, PAGE, SECRET

NOTES = CONTENT["notes.txt"]
DOCS = CONTENT["docs/index.html"]


@pytest.mark.parametrize(
    ("target", "content"),
    [
        ("/docs/", DOCS),
        ("/?a=b", PAGE),
        ("/notes.txt?a=b&c=/../x", NOTES),
        ("/notes.txt?", NOTES),
        ("/notes.txt??", NOTES),
        ("//notes.txt", NOTES),
        ("/docs//deep///a.css", CONTENT["docs/deep/a.css"]),
    ],
)
def test_9112_3_2_1_origin_form(ask: Ask, target: str, content: bytes) -> None:
    answer = ask(get(target))
    assert (answer.status, answer.body) == (200, content)


@pytest.mark.parametrize(
    ("target", "content"),
    [
        ("http://a/notes.txt", NOTES),
        ("HTTP://A/notes.txt", NOTES),
        ("https://a/notes.txt", NOTES),
        ("http://other.example:8080/notes.txt?q", NOTES),
        ("http://[::1]:80/notes.txt", NOTES),
        ("http://a", PAGE),
        ("http://a?q=/notes.txt", PAGE),
        ("http://a/", PAGE),
    ],
)
def test_9112_3_2_2_absolute_form(ask: Ask, target: str, content: bytes) -> None:
    """A server MUST accept the absolute-form in requests, and MUST ignore the received Host field then."""
    answer = ask(get(target))
    assert (answer.status, answer.body) == (200, content)


@pytest.mark.parametrize(
    "target", ["http:///notes.txt", "http://:80/notes.txt", "http://u@a/notes.txt", "http:/notes.txt", "ftp://a/n"]
)
def test_9110_4_2_an_url_without_a_sound_authority_is_refused(ask: Ask, target: str) -> None:
    """RFC 9110 4.2.1: a recipient that processes such a URI reference MUST reject it as invalid (empty host);
    4.2.4: userinfo is to be taken for an attempt to deceive."""
    assert ask(get(target), kept=False).status == 400


@pytest.mark.parametrize("target", ["*", "notes.txt", "a:80", "?q", ":", "docs/../notes.txt"])
def test_9112_3_2_no_other_form_is_for_get(ask: Ask, target: str) -> None:
    assert ask(get(target), kept=False).status == 400


@pytest.mark.parametrize("name", sorted(CONTENT), ids=ascii)
def test_3986_2_1_every_byte_may_be_escaped(server: Running, connect: Connect, name: str) -> None:
    escaped = "".join(f"%{byte:02x}" for byte in os.fsencode(name))
    answer = connect(server).ask(get("/" + escaped))
    assert (answer.status, answer.body == CONTENT[name]) == (200, True)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/%2e/notes.txt", 200),
        ("/docs%2fdeep%2Fa.css", 200),
        ("/notes%2Etxt", 200),
        ("/%2541.txt", 200),  # decoded once: the file %41.txt
        ("/%41.txt", 404),  # A.txt
        ("/notes%252Etxt", 404),
        ("/%c0%af", 404),  # two bytes, never a slash
        ("/notes.txt%20", 404),
        ("/notes.txt%0d%0aX:%20y", 404),
        ("/notes.txt/", 404),
        ("/notes.txt/x", 404),
        ("/NOTES.TXT", 404),
        ("/" + "n" * 256, 404),
        ("/x" * 2500, 404),
    ],
)
def test_3986_2_1_the_path_is_decoded_once(ask: Ask, target: str, status: int) -> None:
    answer = ask(get(target), kept=len(target) < 4096)  # a path that is too long cannot be watched
    assert answer.status == status


@pytest.mark.parametrize("target", ["/%", "/%2", "/%zz", "/a%-1", "/%00", "/notes.txt%00.html", "/a\\b", "/a#b"])
def test_3986_2_1_a_broken_escape_or_a_foreign_byte_is_refused(ask: Ask, target: str) -> None:
    assert ask(get(target), kept=False).status == 400


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/./notes.txt", 200),
        ("/docs/../notes.txt", 200),
        ("/docs/./deep/.././../notes.txt", 200),
        ("/docs/%2e%2E/notes.txt", 200),
        ("/nothing/../notes.txt", 200),  # RFC 3986 5.2.4: a matter of names, not of folders
        ("/..", 400),
        ("/../notes.txt", 400),
        ("/../outside/secret.txt", 400),
        ("/docs/../../outside/secret.txt", 400),
        ("/%2e%2e/outside/secret.txt", 400),
        ("/..%2foutside/secret.txt", 400),
        ("/docs/..%2f..%2foutside%2fsecret.txt", 400),
        ("/..;/outside/secret.txt", 404),
        ("/..%5coutside%5csecret.txt", 404),
        ("/...", 404),
        ("http://a/../notes.txt", 400),
    ],
)
def test_3986_5_2_4_dot_segments_do_not_lead_out(ask: Ask, target: str, status: int) -> None:
    answer = ask(get(target), kept=status != 400)
    assert answer.status == status
    assert SECRET not in answer.body


# Directories.


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/docs", "/docs/"),
        ("/docs?", "/docs/?"),
        ("/docs?a=b&c=%20d", "/docs/?a=b&c=%20d"),
        ("/docs/deep", "/docs/deep/"),
        ("/%64ocs", "/docs/"),
        ("//docs", "/docs/"),
        ("/empty", "/empty/"),
        ("/link-dir", "/link-dir/"),
        ("http://evil.example/docs?x", "/docs/?x"),
    ],
)
def test_9110_15_4_2_a_directory_moves_to_its_slash(ask: Ask, target: str, location: str) -> None:
    """RFC 9110 10.2.2: Location may be relative; so it needs no name of this server, which nobody could be sure of."""
    answer = ask(get(target))
    assert answer.status == 301
    assert answer[b"location"].decode() == location
    assert location.encode().replace(b"&", b"&amp;") in answer.body, "RFC 9110 15.4.2: a note with a hyperlink"


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example/..",
        "//evil.example/../docs",
        "///evil.example//..//docs",
        "/%2f%2fevil.example/../docs",
        "/.//evil.example/../docs",
        "//docs//",
        "//docs",
        "/docs?//evil.example/",
        "/docs/..//docs",
        "/%5c%5cevil.example/../docs",
    ],
)
def test_9110_17_11_no_redirect_leads_to_another_host(ask: Ask, target: str) -> None:
    answer = ask(get(target))
    if answer.status == 301:
        assert urljoin("http://here/x", answer[b"location"].decode()).startswith("http://here/docs/")
    else:
        assert answer.status in (200, 404)
        assert b"location" not in answer


@pytest.mark.parametrize("query", ["<script>", '"onload="x', "a'b", "a|b", "a^b", "{}", "%0d%0aX:y", "%", "a`b"])
def test_9110_10_2_2_what_comes_back_in_location_is_a_sound_reference(ask: Ask, query: str) -> None:
    """RFC 3986 3.4: and nothing in the page can be markup."""
    answer = ask(get(f"/docs?{query}"))
    assert answer.status == 301
    assert re.fullmatch(rb"/docs/\?([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-F]{2})*", answer[b"location"], re.IGNORECASE)
    assert b"<script" not in answer.body
    assert b'"onload' not in answer.body


def test_3986_5_2_a_directory_without_an_index_is_404(ask: Ask) -> None:
    answer = ask(get("/empty/"))
    assert answer.status == 404


# What is not served.


@pytest.mark.parametrize("name", HIDDEN)
def test_8615_a_hidden_name_is_404(ask: Ask, name: str) -> None:
    assert ask(get("/" + name)).undated == ask(get("/.nothing")).undated, "nobody can tell whether it is there"


def test_8615_3_well_known_is_served(ask: Ask) -> None:
    assert ask(get("/.well-known/security.txt")).body == CONTENT[".well-known/security.txt"]


def test_9110_15_5_5_a_link_within_the_root_is_followed(ask: Ask) -> None:
    assert ask(get("/link-in")).body == NOTES
    assert ask(get("/link-dir/")).body == DOCS


@pytest.mark.parametrize("name", ["link-out", "link-absolute", "link-folder/secret.txt", "link-folder/"])
def test_9110_17_3_a_link_out_of_the_root_is_404(ask: Ask, name: str) -> None:
    """RFC 9110 17.3: attacks based on file and path names."""
    answer = ask(get("/" + name), kept=False)
    assert answer.status == 404
    assert SECRET not in answer.body


@pytest.mark.parametrize(("name", "kept"), [("link-loop", False), ("link-nowhere", True)])
def test_9110_15_5_5_a_link_to_nothing_is_404(ask: Ask, name: str, kept: bool) -> None:
    assert ask(get("/" + name), kept=kept).status == 404


@pytest.mark.parametrize("name", ["fifo", "socket"])
def test_9110_15_5_5_what_is_no_file_is_404_at_once(server: Running, connect: Connect, name: str) -> None:
    """Opening a fifo waits for a writer; nobody may be made to wait with it."""
    client, other = connect(server), connect(server)
    client.send(get("/" + name) * 20)
    assert other.ask(get("/notes.txt")).status == 200
    assert {client.read().status for _ in range(20)} == {404}


def test_9110_15_5_5_what_is_not_there_is_404(ask: Ask) -> None:
    answer = ask(get("/nothing"))
    assert (answer.status, answer.reason) == (404, b"Not Found")


def test_9110_15_5_4_what_may_not_be_read_is_403(ask: Ask, unprivileged: None) -> None:
    answer = ask(get("/unreadable.txt"), kept=False)
    assert answer.status == 403
    assert SECRET not in answer.body
    assert quote("unreadable").encode() not in answer.body
