"""Hashing and compressing on workers: nobody waits for what another one has asked for, and nothing is done twice."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from support.client import Client, get
from support.fixtures import Connect, Serve
from support.planted import NOTES, Planted, Planter
from support.poll import DEADLINE_S, until
from support.webroot import settle

from tuxpy.model import FileFact
from tuxpy.rules.policy import TAGS, Policy, Tag
from tuxpy.site import codings, compress, tags
from tuxpy.site.site import read_slices

TEXT = b"".join(b"line %d of a text that shrinks well\n" % n for n in range(4000))
LINE = TEXT[: TEXT.index(b"\n") + 1]
LARGE = os.urandom(1 << 20)
GZIPPED = [f"Accept-Encoding: gzip;q={q}" for q in ("1", "1.0", "1.00", "0.9", "0.8", "0.7", "0.6", "0.5")]


class Held:
    """Work that waits until it is let go, and is counted."""

    def __init__(self) -> None:
        self.begun: list[object] = []
        self._go = threading.Event()

    def wait(self, what: object) -> None:
        self.begun.append(what)
        assert self._go.wait(DEADLINE_S), "nobody has let the work go on"

    def let_go(self) -> None:
        self._go.set()


@pytest.fixture
def held() -> Iterator[Held]:
    one = Held()
    yield one
    one.let_go()


@pytest.fixture
def planter(serve: Serve, connect: Connect, tmp_path: Path) -> Planter:
    return Planter(serve, connect, tmp_path / "root")


@pytest.fixture
def held_hashing(held: Held, monkeypatch: pytest.MonkeyPatch) -> Held:
    read = tags._read

    def slowly(file: FileFact) -> bytes:
        if file.path == b"large.bin":
            held.wait(file.path)
        return read(file)

    monkeypatch.setattr(tags, "_read", slowly)
    return held


@pytest.fixture
def held_compressing(held: Held, monkeypatch: pytest.MonkeyPatch) -> Held:
    encode = compress.encode

    def slowly(coding: bytes, body: bytes) -> bytes:
        if body == TEXT:
            held.wait(coding)
        return encode(coding, body)

    monkeypatch.setattr(compress, "encode", slowly)
    return held


def _asking(site: Planted, requests: list[bytes]) -> list[Client]:
    clients = [site.client() for _ in requests]
    for client, request in zip(clients, requests, strict=True):
        client.send(request)
    return clients


def test_a_large_body_is_made_once_for_many_clients(planter: Planter, held_compressing: Held) -> None:
    """RFC 9110 8.4: meanwhile others are answered, also with bodies that are small enough to be made at once."""
    site = planter({"large.css": TEXT, "small.css": TEXT[:4000]}, Policy())
    clients = _asking(site, [get("/large.css", field) for field in GZIPPED])
    assert until(lambda: held_compressing.begun)
    for _ in range(2):
        with site.client() as other:
            assert other.ask(get("/notes.txt")).body == NOTES
            assert gzip.decompress(other.ask(get("/small.css", GZIPPED[0])).body) == TEXT[:4000]
            assert other.ask(get("/large.css")).body == TEXT
    held_compressing.let_go()
    answers = [client.read() for client in clients]
    assert len({answer.body for answer in answers}) == len({answer[b"etag"] for answer in answers}) == 1
    assert gzip.decompress(answers[0].body) == TEXT
    assert held_compressing.begun == [b"gzip"]


def test_who_leaves_meanwhile_takes_nothing_along(planter: Planter, held_compressing: Held) -> None:
    site = planter({"large.css": TEXT}, Policy())
    clients = _asking(site, [get("/large.css", field) for field in GZIPPED])
    assert until(lambda: held_compressing.begun)
    for client in clients[:-1]:
        client.reset()
    held_compressing.let_go()
    assert gzip.decompress(clients[-1].read().body) == TEXT
    assert site.client().ask(get("/large.css", GZIPPED[0])).status == 200


def test_a_server_ends_while_work_is_done(planter: Planter, held_compressing: Held) -> None:
    """RFC 9112 9.6: what was asked for is answered, and the connection closes then."""
    site = planter({"large.css": TEXT}, Policy())
    (client,) = _asking(site, [get("/large.css", GZIPPED[0])])
    assert until(lambda: held_compressing.begun)
    site.running.ask_to_stop()
    held_compressing.let_go()
    assert gzip.decompress(client.read().body) == TEXT


def test_9110_8_8_3_a_large_file_is_hashed_once_and_nobody_else_waits(planter: Planter, held_hashing: Held) -> None:
    site = planter({"large.bin": LARGE}, Policy(tag="content"))
    requests = [get("/large.bin"), get("/large.bin", "Range: bytes=0-1"), get("/large.bin", "If-None-Match: *")]
    clients = _asking(site, requests)
    assert until(lambda: held_hashing.begun)
    for _ in range(2):
        with site.client() as other:
            assert other.ask(get("/notes.txt")).body == NOTES
            assert other.ask(get("/nothing")).status == 404
    held_hashing.let_go()
    answers = [client.read() for client in clients]
    assert [(answer.status, answer.body) for answer in answers] == [(200, LARGE), (206, LARGE[:2]), (304, b"")]
    assert len({answer[b"etag"] for answer in answers}) == 1
    assert held_hashing.begun == [b"large.bin"]


def test_9110_8_8_3_a_form_that_is_hashed_and_compressed_takes_two_pieces_of_work(planter: Planter) -> None:
    site = planter({"large.css": TEXT, "b.css": TEXT, "b.css.gz": gzip.compress(TEXT)}, Policy(tag="content"))
    for name in ("large.css", "b.css"):
        answer = site.ask(get(f"/{name}", GZIPPED[0]))
        assert (answer.status, gzip.decompress(answer.body)) == (200, TEXT)


# The file changes meanwhile.


def _change(site: Planted, name: str, content: bytes) -> None:
    (site.root / name).write_bytes(content)
    settle()


@pytest.mark.parametrize("size", [len(LARGE), 5000], ids=["as-long", "shorter"])
def test_9110_8_8_3_a_file_that_changes_while_it_is_hashed_is_hashed_again(
    planter: Planter, held_hashing: Held, size: int
) -> None:
    """What is there now counts: one tag, and the bytes that it stands for."""
    site = planter({"large.bin": LARGE}, Policy(tag="content"))
    (client,) = _asking(site, [get("/large.bin")])
    assert until(lambda: held_hashing.begun)
    _change(site, "large.bin", LARGE[1 : 1 + size - 1] + b"!")
    held_hashing.let_go()
    answer = client.read()
    assert (answer.status, answer.body) == (200, LARGE[1 : 1 + size - 1] + b"!")
    other = site.ask(get("/large.bin"))
    assert (other[b"etag"], other.body) == (answer[b"etag"], answer.body)


def test_9110_8_4_a_file_that_changes_before_it_is_compressed_is_compressed_as_it_is_then(
    planter: Planter, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = planter({"large.css": TEXT}, Policy())
    left = [TEXT[::-1]]

    def changed_before(file: FileFact, slices: Sequence[tuple[int, int]]) -> list[bytes]:
        if left:
            _change(site, "large.css", left.pop())
        return read_slices(file, slices)

    monkeypatch.setattr(codings, "read_slices", changed_before)
    answer = site.client().ask(get("/large.css", GZIPPED[0]))
    assert (answer.status, gzip.decompress(answer.body)) == (200, TEXT[::-1])


@pytest.mark.parametrize("work", ["hashed", "compressed"])
def test_9110_15_6_1_a_small_file_that_changes_while_it_is_judged_is_no_failure(
    planter: Planter, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    """It is judged again, as when it changes a moment later."""
    site = planter({"small.css": TEXT[:4000]}, Policy(tag="content" if work == "hashed" else "file"))
    read, left = tags._read, [TEXT[1:4001]]

    def hashed(file: FileFact) -> bytes:
        if left:
            _change(site, "small.css", left.pop())
        return read(file)

    def cut(file: FileFact, slices: Sequence[tuple[int, int]]) -> list[bytes]:
        if left:
            _change(site, "small.css", left.pop())
        return read_slices(file, slices)

    monkeypatch.setattr(tags, "_read", hashed)
    monkeypatch.setattr(codings, "read_slices", cut)
    answer = site.client().ask(get("/small.css", GZIPPED[0]))
    told = caplog.text
    caplog.clear()
    assert (answer.status, told) == (200, "")
    assert gzip.decompress(answer.body) == TEXT[1:4001]


@pytest.mark.parametrize(("size", "status"), [(20_000, 200), (300_000, 503)])
def test_9110_15_6_4_a_file_that_changes_behind_every_hash_is_hashed_at_once_if_it_is_small(
    planter: Planter, monkeypatch: pytest.MonkeyPatch, size: int, status: int
) -> None:
    """Nobody waits for ever: the judge does in the end what workers do in vain, unless that would keep all others."""
    site = planter({"a.bin": LARGE[:size]}, Policy(tag="content"))
    read, versions = tags._read, iter(range(1, 100))

    def restless(file: FileFact) -> bytes:
        digest = read(file)
        if threading.current_thread().name.startswith("errand"):
            start = next(versions)
            _change(site, "a.bin", LARGE[start : start + size])
        return digest

    monkeypatch.setattr(tags, "_read", restless)
    answer = site.client().ask(get("/a.bin"))
    assert answer.status == status
    assert (answer.body in LARGE) == (status == 200)
    assert (answer[b"retry-after"] == b"1") if status == 503 else (b"retry-after" not in answer)


@pytest.mark.slow
@pytest.mark.parametrize("tag", TAGS)
def test_9110_8_8_3_a_file_that_is_written_all_the_time_is_answered_all_the_same(planter: Planter, tag: Tag) -> None:
    """A log, for instance: every answer is one whole version of it, and none takes for ever."""
    site = planter({"a.txt": LINE * 200}, Policy(tag=tag))
    written = threading.Event()
    stop = threading.Event()

    def write_on() -> None:
        with open(site.root / "a.txt", "ab", buffering=0) as file:
            while not stop.wait(0.005):
                file.write(LINE)
                written.set()

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        with site.client() as client:
            answers = [client.ask(get("/a.txt", GZIPPED[n % 8], f'If-None-Match: "{n}"')) for n in range(40)]
            for _ in range(2):  # the first may have been under way
                written.clear()
                assert written.wait(DEADLINE_S)
            answers.append(client.ask(get("/a.txt", 'If-None-Match: "last"')))
    finally:
        stop.set()
        writer.join()
    assert {answer.status for answer in answers} == {200}
    bodies = [gzip.decompress(one.body) if b"content-encoding" in one else one.body for one in answers]
    assert all(body == LINE * (len(body) // len(LINE)) for body in bodies)
    assert len(bodies[-1]) > len(bodies[0])
