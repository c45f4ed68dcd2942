"""What is judged before anybody asks: the same answers, and no question for the judge."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from urllib.parse import quote

import pytest
from support.client import get
from support.fixtures import Connect, Serve
from support.poll import until
from support.running import Running
from support.webroot import CONTENT, HIDDEN, settle, write

from tuxpy.config.sites import SiteConfig
from tuxpy.rules.policy import Policy
from tuxpy.serving import preload

CODINGS = "Accept-Encoding: gzip, deflate, br, zstd"
CHROMIUM = ("Connection: keep-alive", "User-Agent: a browser", "Accept: */*", CODINGS)
FIREFOX = ("Accept: */*", CODINGS, "Connection: keep-alive")
CURL = ("User-Agent: curl/8.0", "Accept: */*")
CLIENTS = (CHROMIUM, FIREFOX, CURL)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "tuxpy")
    return caplog


def preloaded(server: Running, said: pytest.LogCaptureFixture, times: int = 1) -> str:
    """The summary, once it has come, and all of it is in the engines."""
    assert until(lambda: said.text.count("preloaded") >= times, within_s=60), said.text
    server.wait_for("preloaded")
    return [record.getMessage() for record in said.records if "preloaded" in record.getMessage()][-1]


def target_of(name: str) -> str:
    path = "/" + quote(os.fsencode(name), safe="/!$&'()*+,;=:@")
    return path.removesuffix("index.html")


def test_the_whole_site_is_answered_without_the_judge(
    serve: Serve, connect: Connect, root: Path, said: pytest.LogCaptureFixture
) -> None:
    settle()
    asked = [(name, fields) for fields in CLIENTS for name in CONTENT]
    server = serve(root, preload=True, workers=2)
    preloaded(server, said)
    client, host = connect(server), f"127.0.0.1:{server.address[1]}"
    answers = [client.ask(get(target_of(name), *fields, host=host)).undated for name, fields in asked]
    assert connect(server).ask(get("/", *CHROMIUM, host=f"localhost:{server.address[1]}")).status == 200
    assert server.metric("judged") == 0
    for (name, fields), answer in zip(asked, answers, strict=True):
        assert answer.status == 200 and (b"content-encoding" in answer or answer.body == CONTENT[name]), name
        assert client.ask(get(target_of(name) + "?judged", *fields, host=host)).undated == answer, name
    assert server.metric("judged") == len(asked)


def test_nothing_is_shown_that_is_not_shown_otherwise(
    serve: Serve, connect: Connect, root: Path, said: pytest.LogCaptureFixture
) -> None:
    server = serve(root, preload=True)
    preloaded(server, said)
    for name in HIDDEN:
        assert connect(server).ask(get(f"/{name}", host=f"127.0.0.1:{server.address[1]}")).status == 404


def test_what_changes_afterwards_is_seen(
    serve: Serve, connect: Connect, tmp_path: Path, said: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "a.txt", b"before\n")
    settle()
    server = serve(tmp_path, preload=True)
    preloaded(server, said)
    write(tmp_path / "a.txt", b"afterwards\n")
    head = get("/a.txt", *CURL, host=f"127.0.0.1:{server.address[1]}")
    assert until(lambda: connect(server).ask(head).body == b"afterwards\n", within_s=5)


def test_by_the_hosts_of_each_site(
    serve: Serve, connect: Connect, tmp_path: Path, said: pytest.LogCaptureFixture
) -> None:
    for name in ("one", "two"):
        write(tmp_path / name / "a.txt", name.encode())
    settle()
    hosts = {name: (f"{name}.example", f"*.{name}.example") for name in ("one", "two")}
    sites = tuple(SiteConfig(str(tmp_path / name), hosts=hosts[name]) for name in hosts)
    server = serve(tmp_path, preload=True, sites=sites)
    preloaded(server, said)
    for name in ("one", "two"):
        for host in (f"{name}.example", f"{name}.example:{server.address[1]}"):
            assert connect(server).ask(get("/a.txt", *FIREFOX, host=host)).body == name.encode()
    assert server.metric("judged") == 0
    assert connect(server).ask(get("/a.txt", host="x.one.example")).body == b"one"
    assert server.metric("judged") == 1


def test_clean_urls(serve: Serve, connect: Connect, root: Path, said: pytest.LogCaptureFixture) -> None:
    server = serve(root, preload=True, policy=Policy(clean=True))
    preloaded(server, said)
    assert connect(server).ask(get("/page", host=f"127.0.0.1:{server.address[1]}")).body == CONTENT["page.html"]
    assert server.metric("judged") == 0


def test_who_asks_meanwhile_is_answered_first(
    serve: Serve, connect: Connect, tmp_path: Path, said: pytest.LogCaptureFixture
) -> None:
    for number in range(2000):
        write(tmp_path / f"{number}.txt", b"%d" % number)
    settle()
    server = serve(tmp_path, preload=True)
    client = connect(server)
    for number in range(0, 2000, 100):
        assert client.ask(get(f"/{number}.txt?unseen")).body == b"%d" % number
    preloaded(server, said)


def test_a_reload_does_it_again(
    serve: Serve, connect: Connect, root: Path, said: pytest.LogCaptureFixture
) -> None:
    settle()
    server = serve(root, preload=True)
    preloaded(server, said)
    service = server.server._service
    service.change(service.generation(server.server.config), server.server.listeners, 0)
    server.server._service.knock()
    preloaded(server, said, times=2)
    assert connect(server).ask(get("/notes.txt", *CURL, host=f"127.0.0.1:{server.address[1]}")).status == 200
    assert server.metric("judged") == 0


def test_where_the_cache_is_full_it_ends(
    serve: Serve, tmp_path: Path, said: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preload, "_FULL", 0.0)
    for number in range(200):
        write(tmp_path / f"{number}.txt", b"%d" % number)
    settle()
    assert "it is full" in preloaded(serve(tmp_path, preload=True), said)


def test_what_is_left_out_is_said(serve: Serve, tmp_path: Path, said: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "a.txt", b"a")
    write(tmp_path / "b.txt", b"b")
    os.mkfifo(tmp_path / "fifo")
    settle()
    summary = preloaded(serve(tmp_path, preload=True), said)
    assert "preloaded 4 of 6 URLs" in summary and "2 left out: the answer is 404" in summary
