"""What is judged and what is found: an answer depends on the request line and the significant fields, and on nothing
else. RFC 9110 7.4 and 9.2.3 allow the reuse of an answer; here is shown that it is only ever the right one."""

from __future__ import annotations

import functools
import os
import random
import re
import selectors
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.client import Client, get, undated
from support.fixtures import Connect, Serve
from support.poll import until
from support.running import Running
from support.webroot import CONTENT

from tuxpy.model import SIGNIFICANT
from tuxpy.serving import fit as limits_module
from tuxpy.site.judge import judge_head
from tuxpy.site.opener import open_beneath
from tuxpy.site.site import Site

INERT = ("User-Agent", "Cookie", "Referer", "Accept", "Accept-Language", "X-Forwarded-For", "Cache-Control", "DNT")


def exchange(clients: list[Client], wire: list[bytes], wanted: int) -> bytes:
    """Send and receive on all connections at once; everything that came back, connection after connection."""
    back: list[list[bytes]] = [[] for _ in clients]
    left = [memoryview(data) for data in wire]
    with selectors.DefaultSelector() as selector:
        for number, client in enumerate(clients):
            client.socket.setblocking(False)
            selector.register(client.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, number)
        while wanted > 0:
            ready = selector.select(timeout=10)
            assert ready, f"{wanted} bytes did not come"
            for key, events in ready:
                number, connection = key.data, clients[key.data].socket
                if events & selectors.EVENT_READ:
                    back[number].append(connection.recv(1 << 20))
                    assert back[number][-1], "the connection ended"
                    wanted -= len(back[number][-1])
                if events & selectors.EVENT_WRITE:
                    left[number] = left[number][connection.send(left[number][: 1 << 18]) :]
                    if not left[number]:
                        selector.modify(connection, selectors.EVENT_READ, number)
    return b"".join(part for parts in back for part in parts)


@pytest.mark.slow
def test_9110_7_4_a_hundred_thousand_requests_are_judged_once(server: Running, connect: Connect) -> None:
    """One file, a thousand different User-Agents, Cookies and Referers, pipelined over several connections."""
    heads = [
        get("/notes.txt", f"User-Agent: agent/{n}", f"Cookie: id={n * 7919}", f"Referer: http://a/{n}")
        for n in range(1000)
    ]
    probe = connect(server)
    probe.send(get("/notes.txt"))
    answer = probe.read()
    one = undated(_raw(server, get("/notes.txt")))
    assert answer.body == CONTENT["notes.txt"]
    before = server.metrics()
    clients = [connect(server) for _ in range(4)]
    per_client = b"".join(heads) * 25
    bytes_each = len(one) + len("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n")
    back = exchange(clients, [per_client] * 4, 100_000 * bytes_each)
    assert undated(back) == one * 100_000
    until(lambda: server.metric("requests") - before["requests"] >= 100_000)
    after = server.metrics() - before
    assert after["requests"] == 100_000
    assert after["judged"] <= 4
    assert after["hits"] == 100_000 - after["judged"]


def _raw(server: Running, request: bytes) -> bytes:
    with Client(server.address) as client:
        client.send(request)
        client.finish()
        return client.rest()


@pytest.mark.parametrize("name", [name.decode() for name in SIGNIFICANT])
def test_9110_12_5_a_significant_field_splits_the_cache(server: Running, connect: Connect, name: str) -> None:
    """Absent, or with one of two values: three questions. Repeated, they are found."""
    values = {"host": ("a", "b"), "content-length": ("0", "00"), "connection": ("x", "y")}.get(name, ("u", "v"))
    client, host = connect(server), "" if name == "host" else "a"
    cacheable = name not in ("transfer-encoding", "expect")
    for number, value in enumerate(values, 1):
        for _ in range(3):
            if not cacheable:
                client = connect(server)
            client.ask(get("/notes.txt", f"{name}: {value}", host=host))
            assert server.metric("judged") >= number
    if cacheable:
        assert (server.metric("judged"), server.metric("hits")) == (2, 4)
    else:
        assert server.metric("judged") == 6


@pytest.mark.parametrize("name", INERT)
def test_9110_12_5_another_field_does_not(server: Running, connect: Connect, name: str) -> None:
    client = connect(server)
    for number in range(20):
        assert client.ask(get("/notes.txt", f"{name}: {number}")).status == 200
    assert (server.metric("judged"), server.metric("hits")) == (1, 19)


@pytest.mark.parametrize("order", ["fields", "case", "space"])
def test_9110_5_3_what_means_the_same_may_be_judged_again_but_not_differently(
    server: Running, connect: Connect, order: str
) -> None:
    client = connect(server)
    forms = {
        "fields": [("If-None-Match: *", "Accept-Encoding: gzip"), ("Accept-Encoding: gzip", "If-None-Match: *")],
        "case": [("If-None-Match: *",), ("IF-NONE-MATCH: *",)],
        "space": [("If-None-Match: *",), ("If-None-Match:*",), ("If-None-Match: \t* ",)],
    }[order]
    answers = [client.ask(get("/notes.txt", *fields)) for fields in forms * 2]
    assert {answer.status for answer in answers} == {304}
    assert server.metric("judged") <= len(forms)


def test_9112_2_3_listeners_names_and_values_do_not_run_together(server: Running, connect: Connect) -> None:
    """Keys are compared byte by byte: what moves from one field to its neighbour makes another key."""
    client = connect(server)
    assert client.ask(get("/notes.txt", "If-None-Match: *", "If-Match: x")).status == 412
    assert client.ask(get("/notes.txt", "If-Match: *", "If-None-Match: x")).status == 200
    assert client.ask(get("/notes.txt", "If-None-Match: *, If-Match: x")).status == 200
    assert client.ask(get("/notes.txt", "X: If-None-Match: *")).status == 200
    assert client.ask(get("/notes.txt?If-None-Match:*")).status == 200
    assert client.ask(get("/notes.txt", "If-None-Match: *")).status == 304


@pytest.fixture
def site(root: Path) -> Iterator[Site]:
    with Site(str(root), open_beneath) as site:
        yield site


@pytest.mark.slow
def test_9110_whatever_is_found_is_what_would_be_judged(server: Running, connect: Connect, site: Site) -> None:
    """Random sound heads, each asked three times: the answer is what the judge says of this very head, always."""
    chance, client = random.Random(1), connect(server)
    targets = ["/", "/notes.txt", "/docs", "/docs/", "/nothing", "/.env", "/empty.txt", "/%2e/notes.txt", "/fifo"]
    pieces = ["If-None-Match: *", 'If-None-Match: "x"', 'If-Match: "x"', "If-Match: *", "Accept-Encoding: gzip", "X: y"]
    pieces += ["If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "Connection: close", "Connection: keep-alive"]
    pieces += ["Range: bytes=0-1", "User-Agent: z", "Cookie: If-Match", "Expect: 100-continue", "Content-Length: 0"]
    for _ in range(400):
        fields = chance.sample(pieces, chance.randrange(5))
        method, version = chance.choice(["GET", "GET", "HEAD", "POST"]), chance.choice(["1.1", "1.1", "1.0"])
        head = get(chance.choice(targets), *fields, method=method, version=version)
        judged = judge_head(site, head, 0.0)[2]
        if judged.file >= 0:
            os.close(judged.file)
        for _ in range(3):
            answer = client.ask(head)
            assert (answer.status, not answer.closes) == (judged.status, judged.keep), head
            if answer.closes:
                assert client.rest() == b""
                client = connect(server)
    assert server.metric("hits") > 300


@pytest.mark.slow
def test_9110_17_5_a_flood_of_strangers_does_not_push_out_who_is_known(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Targets that nobody asks for twice fill the cache and no more; what is in use stays."""
    room, strangers = 1024, 4000
    monkeypatch.setattr(limits_module, "Limits", functools.partial(limits_module.Limits, cache_entries_max=room))
    server = serve()
    client, flood = connect(server), connect(server)
    for _ in range(3):
        assert client.ask(get("/notes.txt")).status == 200
    for first in range(0, strangers, 200):
        flood.send(b"".join(get(f"/{n}", method="HEAD") for n in range(first, first + 200)))
        assert {flood.read(head_only=True).status for _ in range(200)} == {404}
        with Client(server.address) as newcomer:
            assert newcomer.ask(get("/notes.txt")).status == 200
    m = server.metrics()
    assert room / 2 < m["entries"] <= room
    assert m["judged"] == strangers + 1, "the one that was known was judged once"
    assert m["entries"] + m["passed_over"] + m["evictions"] == m["judged"]


def test_9110_5_6_7_an_undated_answer_is_the_same_for_ever(server: Running) -> None:
    raw = [_raw(server, get("/notes.txt")) for _ in range(5)]
    assert len({undated(one) for one in raw}) == 1
    assert all(len(re.findall(rb"\r\nDate: ", one)) == 1 for one in raw)
