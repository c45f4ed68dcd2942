"""One chain, three who run it: both back-ends and the reference interpreter do the same steps, and say the same."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from errno import EIO, ESTALE
from pathlib import Path
from typing import Final

import pytest
from support.client import TIMEOUT_S, Client, get

from tuxpy.atoms import COUNTER, Chain, ChainResult, Frozen, Reason, connections, lifecycle, reference, system
from tuxpy.model import Answer
from tuxpy.site.judge import judge_head
from tuxpy.site.site import Site

from .rig import Rig, judged, listening, site_of
from .surgery import without

Steps = list[tuple[str, int]]

_VARIES = re.compile(rb"\r\nDate: [^\r]*\r\n")
_LAST: Final = get("/notes.txt", "Connection: close")
_FILES: Final = {"index.html": b"home\n", "notes.txt": b"notes\n", "large.bin": bytes(range(256)) * 2000}

CONVERSATIONS: Final[dict[str, list[bytes]]] = {
    "one request": [_LAST],
    "nothing at all": [],
    "keep-alive": [get("/"), get("/"), get("/notes.txt"), _LAST],
    "pipelined": [get("/") + get("/notes.txt") + get("/", method="HEAD") + get("/large.bin") + get("/none"), _LAST],
    "HEAD": [get("/large.bin", method="HEAD"), get("/", method="HEAD"), _LAST],
    "404": [get("/none"), get("/none", method="HEAD"), get("/none"), _LAST],
    "sendfile": [get("/large.bin"), get("/large.bin", "Connection: close")],
    "in pieces": [get("/")[:9], get("/")[9:-1], get("/")[-1:] + b"\r\n" + _LAST[:3], _LAST[3:]],
    "refused": [b"GET / HTTP/9.9\r\n\r\n"],
    "half a head": [get("/"), get("/")[:-2]],
    "old": [b"GET / HTTP/1.0\r\n\r\n"],
    "all of it": [get("/"), get("/") + get("/none"), get("/notes.txt", method="HEAD"), get("/none"), get("/"), _LAST],
}


@pytest.fixture(scope="module")
def www(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("www")
    for name, content in _FILES.items():
        (root / name).write_bytes(content)
    return root


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with listening() as listener:
        yield listener


def converse(address: tuple[str, int], pieces: list[bytes]) -> bytes:
    """Say everything, then no more; what comes back, without its dates."""
    with socket.create_connection(address, timeout=TIMEOUT_S) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            client.sendall(piece)
        client.shutdown(socket.SHUT_WR)
        heard = b""
        while more := client.recv(1 << 16):
            heard += more
    return _VARIES.sub(b"\r\n", heard)


def by_engine(
    chain: Frozen, backend: str, root: Path, listener: socket.socket, pieces: list[bytes]
) -> tuple[Steps, ChainResult, bytes]:
    with judged(backend, root, slots=1) as rig:
        rig.engine.trace()
        rig.serve(listener, copies=1, most=connections(1, 1), chain=chain)
        heard = converse(listener.getsockname(), pieces)
        (ended,) = rig.results(1)
        steps = [(chain.atoms[atom].label, result) for _, depth, atom, result in rig.engine.traced() if depth == 0]
    return steps, ended, heard


class Http:
    """The calls of the HTTP engine in blocking Python, for the reference interpreter."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._kept = b""
        self._head = b""
        self._answer: Answer | None = None

    def recv_head(self, connection: int) -> int:
        while b"\r\n\r\n" not in self._kept:
            more = received(connection)
            if not more:
                return 0
            self._kept = (self._kept + more).lstrip(b"\r\n")  # RFC 9112 2.2: an empty line before it is no head
        length = self._kept.index(b"\r\n\r\n") + 4
        self._head, self._kept = self._kept[:length], self._kept[length:].lstrip(b"\r\n")
        return length

    def decide(self, _head: int) -> int:
        self._answer = judge_head(self._site, self._head, time.time())[2]
        return self._answer.status

    def respond(self, connection: int, _decision: int) -> int:
        answer = self._answer
        assert answer is not None
        given = {"connection": connection, "file": answer.file}
        try:
            ended = reference.run(answer.chain, given, calls={"discard": self.discard})
        finally:
            if answer.file >= 0:
                os.close(answer.file)
        return ended.result if ended.reason is Reason.STOP else int(answer.keep)

    def discard(self, connection: int, most: int) -> int:
        while most > 0 and (got := len(received(connection))):
            most -= got
        return 0


def received(connection: int) -> bytes:
    """What comes next; the connection itself does not block."""
    buffer = bytearray(1 << 16)
    return bytes(buffer[: max(0, system.recv(connection, memoryview(buffer), 0))])


def by_reference(
    chain: Frozen, root: Path, listener: socket.socket, pieces: list[bytes]
) -> tuple[Steps, ChainResult, bytes]:
    heard: list[bytes] = []
    client = threading.Thread(target=lambda: heard.append(converse(listener.getsockname(), pieces)))
    client.start()
    shared, steps = [0] * 16, Steps()
    shared[COUNTER] = connections(1, 1)
    with site_of(root) as site:
        http = Http(site)
        calls = {name: getattr(http, name) for name in ("recv_head", "decide", "respond")}
        ended = reference.run(chain, {"listener": listener.fileno()}, calls=calls, shared=shared, trace=steps)
    client.join()
    return steps, ended, heard[0]


def told(steps: Steps) -> Steps:
    """Which number a descriptor has is chance."""
    return [(label, min(result, 0) if label == "accept" else result) for label, result in steps]


@pytest.mark.parametrize("chain", [lifecycle(), without(lifecycle(), "nodelay")], ids=["whole", "without-nodelay"])
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_engines_do_what_the_reference_does(
    backend: str, www: Path, listener: socket.socket, chain: Frozen, name: str
) -> None:
    pieces = CONVERSATIONS[name]
    steps, ended, heard = by_engine(chain, backend, www, listener, pieces)
    same_steps, same_ended, same_heard = by_reference(chain, www, listener, pieces)
    assert told(steps) == told(same_steps)
    assert heard == same_heard
    assert (ended.reason, ended.last_atom, ended.result) == (same_ended.reason, same_ended.last_atom, 0)


def test_the_steps_are_those_of_the_picture(backend: str, www: Path, listener: socket.socket) -> None:
    """Written out once, so that the other test cannot be right about nothing."""
    first, last = get("/"), _LAST
    steps, ended, _ = by_engine(lifecycle(), backend, www, listener, [first, last])
    assert told(steps) == [
        ("accept", 0),
        ("nodelay", 0),
        ("read", len(first)),
        ("decide", 200),
        ("respond", 1),
        ("read", len(last)),
        ("decide", 200),
        ("respond", 0),
        ("close", 0),
        ("count", 0),
    ]
    assert ended.reason is Reason.STOP


def test_a_response_that_fails_ends_the_connection_alike(backend: str, tmp_path: Path, listener: socket.socket) -> None:
    """The file becomes shorter while it is sent: sendfile fails, and respond says with what."""
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(64 << 20))
    with judged(backend, tmp_path, slots=1) as rig:
        rig.engine.trace()
        rig.serve(listener, copies=1, most=connections(1, 1))
        with Client(listener.getsockname(), receive_buffer=4096) as client:
            client.send(get("/large.bin"))
            assert client.exactly(15) == b"HTTP/1.1 200 OK"
            os.truncate(large, 0)
            with contextlib.suppress(ConnectionResetError):  # what was promised does not come, and the client is told
                assert len(client.rest()) < 64 << 20
        rig.results(1)
        steps = [(lifecycle().atoms[a].label, result) for _, depth, a, result in rig.engine.traced() if depth == 0]
    assert steps[-2:] == [("close", 0), ("count", 0)]
    assert steps[-3] in [("respond", -EIO), ("respond", -ESTALE)], "shorter, or seen to be another"


def test_a_response_has_its_own_steps_beneath(backend: str, www: Path, listener: socket.socket) -> None:
    with judged(backend, www, slots=1) as rig:
        rig.engine.trace()
        rig.serve(listener, copies=1, most=connections(1, 1))
        converse(listener.getsockname(), [get("/large.bin", "Connection: close")])
        rig.results(1)
        beneath = [(depth, result) for _, depth, _, result in rig.engine.traced() if depth]
    assert [depth for depth, _ in beneath] == [1, 1]
    assert beneath[1][1] == len(_FILES["large.bin"])  # sendfile; before it, the head


def test_a_trace_counts_what_the_completion_counts(backend: str) -> None:
    c = Chain("three")
    n = c.int("n")
    for _ in range(3):
        c.umem_add(n, 2)
    with Rig(backend) as rig:
        rig.engine.trace()
        rig.engine.submit(c.freeze())
        ended = rig.result()
        assert [(atom, result) for _, _, atom, result in rig.engine.traced()] == [(0, 2), (1, 4), (2, 6)]
        assert (ended.steps, ended.result) == (3, 6)
