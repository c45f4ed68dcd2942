"""One decision for every single range of a file: what the engine fills in is what the judge would say of that head.

RFC 9110 sections 13 and 14, and 8.6: what Content-Length announces is sent, and is of one version.
"""

from __future__ import annotations

import gzip
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from support.client import Response, get
from support.fixtures import Ask, Connect, Serve
from support.poll import DEADLINE_S, until
from support.running import Running
from support.webroot import CONTENT, settle, write

from tuxpy.atoms import Kind
from tuxpy.cli.explain import as_text, tell
from tuxpy.model import Answer
from tuxpy.serving import answering
from tuxpy.site.judge import judge_head
from tuxpy.site.opener import open_beneath
from tuxpy.site.site import Site

FRESH_S: Final = 1.0
COPIED_MAX: Final = 65536  # csrc/http/ranged.h: a slice up to this length is copied, a longer one is sent from its file
SIZES: Final = (0, 1, 2, 9, 10, 11, 999, 1000, COPIED_MAX - 1, COPIED_MAX, COPIED_MAX + 1, 300_000)


def bytes_of(seed: object, size: int) -> bytes:
    return random.Random(str(seed)).randbytes(size)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of every size that matters, and one with a sibling that its author has compressed."""
    folder = tmp_path_factory.mktemp("ranges")
    for size in SIZES:
        write(folder / f"{size}.bin", bytes_of(size, size))
    page = b"".join(b"line %d\n" % number for number in range(20_000))
    write(folder / "page.html", page)
    write(folder / "page.html.gz", gzip.compress(page, 1))
    write(folder / "plain.css", page[:50_000])  # compressed by the server, unless there is a Range
    (folder / "sub").mkdir()
    settle()
    return folder


@pytest.fixture
def site(folder: Path) -> Iterator[Site]:
    with Site(str(folder), open_beneath) as site:
        yield site


@pytest.fixture
def ranges(serve: Serve, folder: Path) -> Running:
    return serve(folder)


# What the judge says, carried out by hand.


def carried_out(answer: Answer) -> bytes:
    out = b""
    for atom in answer.chain.atoms:
        cells = [answer.chain.cells[number] for number in atom.args]
        if atom.call.name == "send":
            out += cells[1].content[: cells[2].value]
        elif atom.call.name == "sendfile":
            out += os.pread(answer.file, cells[3].value, cells[2].value)
    if answer.file >= 0:
        os.close(answer.file)
    return out


def judged(site: Site, head: bytes) -> Response:
    """Its answer, without Date."""
    said, _, body = carried_out(judge_head(site, head, time.time())[2]).partition(b"\r\n\r\n")
    line, *lines = said.split(b"\r\n")
    version, status, reason = line.split(b" ", 2)
    assert version == b"HTTP/1.1"
    fields = tuple((name, value) for name, _, value in (line.partition(b": ") for line in lines))
    return Response(int(status), reason, fields, body).undated


# Random heads. Most ask for one range in the strict form; the others for what is near it.


def one_range(chance: random.Random, size: int) -> str:
    """In the strict form; mostly there is something of it in the file."""
    kind, near = chance.randrange(8), (0, 1, size - 1, size, size + 1, COPIED_MAX - 1, COPIED_MAX, COPIED_MAX + 1)
    first = abs(chance.choice(near)) if kind == 0 else chance.randrange(size + 1) >> chance.randrange(18)
    if kind < 5:
        length = chance.choice(near) if chance.randrange(3) == 0 else chance.randrange(size + 1) >> chance.randrange(18)
        last = first + abs(length) if chance.randrange(20) else max(0, first - 1)
        return f"bytes={first}-{last}"
    if kind == 5:
        return f"bytes={first}-"
    return f"bytes=-{first}" if kind == 6 else f"bytes={first:018d}-999999999999999999"


ODD: Final = (
    *("bytes=0-0,5-6", "bytes=0-1, 100000-", "Bytes=1-2", "bytes=1-2,", "bytes=0-0000000000000000007", "bytes="),
    *("bytes=a-1", "bytes=+1-2", "lines=1-2", "bytes=1--2", "bytes=-", "bytes= 1-2", "bytes=1-2;x"),
    "bytes=99999999999999999999-",
)


def random_head(chance: random.Random, site: Site) -> bytes:
    name = chance.choice([*(f"{size}.bin" for size in SIZES), "page.html", "page.html", "plain.css", "nothing", "sub"])
    size = int(name[:-4]) if name.endswith(".bin") else 150_000
    fields = [f"Range: {one_range(chance, size) if chance.randrange(10) else chance.choice(ODD)}"]
    if chance.randrange(3) == 0:
        fields.append("Accept-Encoding: gzip")
    if chance.randrange(10) == 0:
        fields.append(chance.choice(["If-None-Match: *", 'If-None-Match: "x"', 'If-Match: "x"', "If-Match: *"]))
    if chance.randrange(15) == 0:
        fields.append(f"If-None-Match: {tag_of(site, name, fields)}")
    if chance.randrange(15) == 0:
        fields.append("If-Range: " + chance.choice([tag_of(site, name, fields), '"x"']))
    if chance.randrange(20) == 0:
        fields.append("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT")
    if chance.randrange(30) == 0:
        fields.append("Range: bytes=0-0")
    if chance.randrange(30) == 0:
        fields.append(chance.choice(["Connection: close", "Connection: keep-alive"]))
    chance.shuffle(fields)
    fields.insert(chance.randrange(len(fields) + 1), f"X: {chance.random()}")
    method = "GET" if chance.randrange(15) else chance.choice(["HEAD", "POST", "OPTIONS"])
    return get(f"/{name}", *fields, method=method, version="1.1" if chance.randrange(30) else "1.0")


def tag_of(site: Site, name: str, fields: list[str]) -> str:
    answer = judged(site, get(f"/{name}", *(field for field in fields if field.startswith("Accept")), method="HEAD"))
    return answer[b"etag"].decode() if b"etag" in answer else '"none"'


@pytest.mark.parametrize("seed", range(4))
def test_9110_14_every_answer_is_what_would_be_judged(
    ranges: Running, connect: Connect, site: Site, seed: int
) -> None:
    """Thousands of random heads, most of them pipelined; what is kept from one is right for all others."""
    chance, client = random.Random(seed), connect(ranges)
    for _ in range(120):
        heads = [random_head(chance, site) for _ in range(chance.choice([1, 5, 30]))]
        client.send(b"".join(heads))
        for number, head in enumerate(heads, 1):
            answer = client.read(head_only=head.startswith(b"HEAD "))
            assert answer.undated == judged(site, head), head
            if answer.closes or (b" HTTP/1.0" in head and b"keep-alive" not in head):
                client.close()  # what was sent behind it is nobody's
                client = connect(ranges)
                client.send(b"".join(heads[number:]))
    client.close()
    until(lambda: ranges.metric("connections") == 0)
    assert ranges.metric("ranged") > 300
    assert ranges.metric("copied_bytes") == 0


# What is judged, and what is not.


@pytest.mark.parametrize("name", ["1.bin", "1000.bin", f"{COPIED_MAX}.bin", "300000.bin", "page.html"])
def test_9110_14_one_range_is_judged_for_all(ranges: Running, connect: Connect, folder: Path, name: str) -> None:
    content, chance = (folder / name).read_bytes(), random.Random(name)
    client, other = connect(ranges), connect(ranges)
    client.ask(get(f"/{name}", "Range: bytes=0-0"))
    before = ranges.metrics()
    for number in range(500):
        first = chance.randrange(len(content))
        last = chance.randrange(first, len(content) + 3)
        head = get(f"/{name}", f"Range: bytes={first}-{last}", f"User-Agent: {number}")
        answer = (client, other)[number % 2].ask(head)
        assert answer.status == 206
        assert answer.body == content[first : last + 1]
    asked = ranges.metrics() - before
    assert (asked["judged"], asked["ranged"], asked["hits"], asked["requests"]) == (0, 500, 500, 500)


@pytest.mark.parametrize("value", ["bytes=0-9", "bytes=290000-", "bytes=-290000", "bytes=7-200000"])
@pytest.mark.parametrize("more", [(), ("Connection: close",), ("Accept-Encoding: br",)], ids=["", "close", "coding"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_9110_14_whole_and_byte_by_byte(
    server: Running, connect: Connect, ask: Ask, value: str, more: tuple[str, ...], version: str
) -> None:
    name = "large.bin"
    connect(server).ask(get(f"/{name}", "Range: bytes=1-1", *more, version=version))
    before = server.metric("ranged")
    answer = ask(get(f"/{name}", f"Range: {value}", *more, version=version))
    assert answer.status == 206
    assert len(answer.body) == int(answer[b"content-length"])
    assert server.metric("ranged") == before + 4


@pytest.mark.parametrize(
    ("value", "status"),
    [("bytes=1000-", 416), ("bytes=-0", 416), ("bytes=5000-6000", 416), ("bytes=9-8", 200), ("bytes=0-,5-", 206)],
)
def test_9110_15_5_17_what_is_no_range_of_the_file_is_judged_for_itself(
    ranges: Running, connect: Connect, value: str, status: int
) -> None:
    """And kept for itself: the decision for any range neither answers it nor is replaced by it."""
    client = connect(ranges)
    assert client.ask(get("/1000.bin", "Range: bytes=5-6")).status == 206
    before = ranges.metrics()
    for _ in range(3):
        assert client.ask(get("/1000.bin", f"Range: {value}")).status == status
        assert client.ask(get("/1000.bin", "Range: bytes=7-8")).status == 206
    asked = ranges.metrics() - before
    assert (asked["judged"], asked["ranged"], asked["hits"]) == (1, 3, 5)


RANGED: Final = (
    get("/1000.bin", "Range: bytes=0-9"),
    get("/1000.bin", "Range: bytes=999-"),
    get("/1000.bin", "Range: bytes=-2000"),
    get("/300000.bin", "rAnGe:  bytes=0-299999\t"),
    get("/page.html", "Range: bytes=0-9", "Accept-Encoding: gzip"),
    get("/1000.bin", "Range: bytes=0-9", 'If-None-Match: "x"'),
    get("/1000.bin", "Range: bytes=0-9", "If-Match: *"),
    get("/1000.bin", "Range: bytes=0-9", "Connection: close"),
    get("/1000.bin", "Range: bytes=0-9", version="1.0"),
)
NOT_RANGED: Final = (
    get("/1000.bin"),
    get("/1000.bin", "Range: bytes=0-9", method="HEAD"),
    get("/1000.bin", "Range: bytes=1000-"),
    get("/1000.bin", "Range: bytes=0-9", "If-None-Match: *"),
    get("/1000.bin", "Range: bytes=0-9", "If-Range: Sun, 06 Nov 1994 08:49:37 GMT"),
    get("/1000.bin", "Range: bytes=0-9", 'If-Range: "x"'),
    get("/1000.bin", "Range: bytes=0-9", "Content-Length: 1"),
    get("/1000.bin", "Range: bytes=0-9", "Range: bytes=0-9"),
    get("/0.bin", "Range: bytes=0-9"),
    get("/nothing", "Range: bytes=0-9"),
    *(get("/1000.bin", f"Range: {value}") for value in ODD),
)


@pytest.mark.parametrize("head", RANGED)
def test_an_answer_for_any_range_says_where_its_numbers_stand(site: Site, head: bytes) -> None:
    answer = judge_head(site, head, time.time())[2]
    os.close(answer.file)
    assert answer.ranged is not None
    text = next(cell.content for cell in answer.chain.cells if cell.kind is Kind.DATA)
    assert text[: answer.ranged.range_at].endswith(b"\r\nContent-Range: bytes ")
    assert text[: answer.ranged.length_at].endswith(b"\r\nContent-Length: ")
    assert [atom.call.name for atom in answer.chain.atoms] == ["send", "sendfile"]


@pytest.mark.parametrize("head", NOT_RANGED)
def test_every_other_answer_is_for_its_own_head(site: Site, head: bytes) -> None:
    answer = judge_head(site, head, time.time())[2]
    if answer.file >= 0:
        os.close(answer.file)
    assert answer.ranged is None


def test_it_is_explained(site: Site) -> None:
    """Not as if the key held the range that was asked for."""
    story = as_text(tell(site, get("/1000.bin", "Range: bytes=1-2"), time.time()))
    assert "the engine answers every other single range of this file by itself" in story
    remembered = story[story.index("Remembered") :]
    assert "range: any one of the forms bytes=first-last, bytes=first- and bytes=-count" in remembered
    assert "bytes=1-2" not in remembered
    assert "range: bytes=1-2" in as_text(tell(site, get("/1000.bin", "Range: bytes=1-2", 'If-Range: "x"'), time.time()))


# Many at once, and far away.


def test_9110_7_4_many_who_ask_for_ranges_wait_for_one_judgement(
    ranges: Running, connect: Connect, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when each wants another one; who asks for what is not there is then judged for himself."""
    leave, really = threading.Event(), answering.judge_miss

    def wait_and_judge(*args: object) -> object:
        leave.wait(DEADLINE_S)
        return really(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(answering, "judge_miss", wait_and_judge)
    content = (folder / "300000.bin").read_bytes()
    clients = [connect(ranges) for _ in range(100)]
    for number, client in enumerate(clients):
        client.send(get("/300000.bin", f"Range: bytes={number * 2900}-{number * 5000 + 10}"))
    last = connect(ranges)
    last.send(get("/300000.bin", "Range: bytes=300000-"))
    ranges.wait_for("joined", 100)
    leave.set()
    for number, client in enumerate(clients):
        assert client.read().body == content[number * 2900 : number * 5000 + 11]
    assert last.read().status == 416
    assert ranges.metric("judged") == 2


def test_9110_14_1_2_beyond_32_bits(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    """A file of six gigabytes, mostly hole: the engine's numbers are as wide as the file is long."""
    size, marks = 6 << 30, [0, (1 << 31) - 3, (1 << 32) - 5, (1 << 32) + 9, (6 << 30) - 10]
    with open(tmp_path / "far.bin", "wb") as file:
        file.truncate(size)
        for mark in marks:
            file.seek(mark)
            file.write(b"%010d" % (mark % 10**10))
    settle()
    server = serve(tmp_path)
    client = connect(server)
    for mark in (*marks, *marks):
        wanted = b"%010d" % (mark % 10**10)
        for value in (f"{mark}-{mark + 9}", f"-{size - mark}"):
            client.send(get("/far.bin", f"Range: bytes={value}"))
            answer = client.read(head_only=True)
            last = mark + 9 if not value.startswith("-") else size - 1
            assert answer[b"content-range"] == b"bytes %d-%d/%d" % (mark, last, size)
            assert answer[b"content-length"] == b"%d" % (last - mark + 1)
            assert client.exactly(10) == wanted
            if last > mark + 9:
                client.close()
                client = connect(server)
        client.send(get("/far.bin", f"Range: bytes={mark}-{mark + (1 << 20)}"))
        assert client.read(head_only=True).status == 206
        length = min(size - mark, (1 << 20) + 1)
        assert client.exactly(length)[:10] == wanted
    assert server.metric("judged") == 1


def test_what_is_not_in_memory_is_read_by_a_worker(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    """Neither copied nor sent before it is there, and nobody else waits for it."""
    body = bytes_of("cold", 8 << 20)
    write(tmp_path / "cold.bin", body)
    settle()
    server = serve(tmp_path)
    client = connect(server)
    client.ask(get("/cold.bin", "Range: bytes=0-0"))
    with open(tmp_path / "cold.bin", "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    for first, count in ((4 << 20, 100), (6 << 20, 65536), (1 << 20, 200_000)):
        answer = client.ask(get("/cold.bin", f"Range: bytes={first}-{first + count - 1}"))
        assert answer.body == body[first : first + count]
    assert server.metric("judged") == 1


def test_9110_14_slow_readers_get_their_slices(ranges: Running, connect: Connect, folder: Path) -> None:
    """Each holds his copy until he has it; then it is given back."""
    content = (folder / f"{COPIED_MAX}.bin").read_bytes()
    connect(ranges).ask(get(f"/{COPIED_MAX}.bin", "Range: bytes=0-0"))
    slow = [connect(ranges, receive_buffer=2048) for _ in range(20)]
    for client in slow:
        client.send(get(f"/{COPIED_MAX}.bin", "Range: bytes=0-") * 60)
    assert connect(ranges).ask(get(f"/{COPIED_MAX}.bin", "Range: bytes=5-9")).body == content[5:10]
    for client in slow[10:]:
        client.reset()
    for client in slow[:10]:
        for answer in client.read_all([b"GET"] * 60):
            assert answer.body == content
    until(lambda: ranges.metric("copied_bytes") == 0)
    assert ranges.metric("copied_bytes") == 0


# Files that change.


def _replace(file: Path, size: int) -> bytes:
    write(file.with_name("fresh"), bytes_of("b", size))
    file.with_name("fresh").replace(file)
    return bytes_of("b", size)


def _replace_by_a_longer_one(file: Path, size: int) -> bytes:
    return _replace(file, size + 12_345)


def _rewrite(file: Path, size: int) -> bytes:
    with open(file, "r+b", buffering=0) as there:
        there.write(bytes_of("b", size))
    return bytes_of("b", size)


def _grow(file: Path, size: int) -> bytes:
    with open(file, "ab", buffering=0) as there:
        there.write(b"more" * 1000)
    return bytes_of("a", size) + b"more" * 1000


def _shrink(file: Path, size: int) -> bytes:
    os.truncate(file, size // 3)
    return bytes_of("a", size)[: size // 3]


def _empty(file: Path, _: int) -> bytes:
    os.truncate(file, 0)
    return b""


def _delete(file: Path, _: int) -> bytes | None:
    file.unlink()
    return None


CHANGES: Final[dict[str, Callable[[Path, int], bytes | None]]] = {
    "replace": _replace,
    "replace-by-a-longer-one": _replace_by_a_longer_one,
    "rewrite": _rewrite,
    "grow": _grow,
    "shrink": _shrink,
    "empty": _empty,
    "delete": _delete,
}


def _is_of(answer: Response, value: str, content: bytes | None) -> bool:
    """Whether it is the right answer when this is the file."""
    if content is None:
        return answer.status == 404
    first, last = (int(number) for number in value.split("-"))
    size = len(content)
    if size == 0:
        return answer.status == 200 and answer.body == b""
    if first >= size:
        return answer.status == 416 and answer[b"content-range"] == b"bytes */%d" % size
    told = b"bytes %d-%d/%d" % (first, min(last, size - 1), size)
    return answer.status == 206 and answer[b"content-range"] == told and answer.body == content[first : last + 1]


@pytest.mark.slow
@pytest.mark.parametrize("size", [5_000, 500_000])
@pytest.mark.parametrize("change", CHANGES)
def test_9110_8_6_a_file_that_changes(
    serve: Serve, connect: Connect, tmp_path: Path, change: str, size: int
) -> None:
    """Ranges of it all the time: each is of one version, told by size and tag; after a second of the new one."""
    file, before, chance = tmp_path / "file.bin", bytes_of("a", size), random.Random(change)
    write(file, before)
    settle()
    server = serve(tmp_path)
    client = connect(server)
    assert client.ask(get("/file.bin", "Range: bytes=0-0")).body == before[:1]
    tags: dict[bytes, bool] = {}
    after: bytes | None = before
    changed_s = time.monotonic() + 0.1
    while (now_s := time.monotonic()) < changed_s + FRESH_S + 0.3:
        if now_s >= changed_s and after is before:
            after = CHANGES[change](file, size)
            changed_s = now_s = time.monotonic()
        first = chance.randrange(size)
        value = f"{first}-{first + (chance.randrange(size) >> chance.randrange(8))}"
        try:
            answer = client.ask(get("/file.bin", f"Range: bytes={value}"))
        except (AssertionError, ConnectionError):  # cut short: the version it was of was written to meanwhile
            assert change in ("rewrite", "shrink", "empty", "grow")
            client = connect(server)
            continue
        new, old = _is_of(answer, value, after), _is_of(answer, value, before)
        assert new or (old and now_s - changed_s < FRESH_S), f"{now_s - changed_s:.3f} s: {answer.fields}"
        if answer.status == 206 and new != old:
            assert tags.setdefault(answer[b"etag"], new) == new, "one entity tag for two versions"
    if after:  # it is answered by the engine again
        assert client.ask(get("/file.bin", "Range: bytes=0-1")).status == 206
        before_ = server.metric("judged")
        assert client.ask(get("/file.bin", "Range: bytes=1-2")).body == after[1:3]
        assert server.metric("judged") == before_


def test_a_range_of_what_has_grown_is_judged_at_once(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    """It is not in the file as it was; what is judged then takes the place of what was kept."""
    file = tmp_path / "log.bin"
    write(file, bytes_of("a", 1000))
    settle()
    server = serve(tmp_path)
    client = connect(server)
    assert client.ask(get("/log.bin", "Range: bytes=0-9")).status == 206
    for size in range(1100, 2100, 100):
        with open(file, "ab", buffering=0) as there:
            there.write(bytes_of(size, 100))
        answer = client.ask(get("/log.bin", f"Range: bytes={size - 100}-"))
        assert (answer.status, answer.body) == (206, bytes_of(size, 100))
        assert answer[b"content-range"] == b"bytes %d-%d/%d" % (size - 100, size - 1, size)
    until(lambda: server.metric("entries") == 1)
    assert server.metric("entries") == 1, "of one key one answer is kept"


def test_9110_13_conditions_keep_their_own(ranges: Running, connect: Connect, site: Site) -> None:
    """What a condition says is in the key: 304 and 206 of the same range do not mix, whichever was first."""
    tag = tag_of(site, "1000.bin", [])
    client = connect(ranges)
    for value in ("0-9", "5-20", "-7"):
        for fields, status in (((), 206), ((f"If-None-Match: {tag}",), 304), (('If-None-Match: "x"',), 206)):
            assert client.ask(get("/1000.bin", f"Range: bytes={value}", *fields)).status == status
        assert client.ask(get("/1000.bin", f"Range: bytes={value}", 'If-Match: "x"')).status == 412
        assert client.ask(get("/1000.bin", f"Range: bytes={value}", 'If-Range: "x"')).status == 200
        assert client.ask(get("/1000.bin", f"Range: bytes={value}", f"If-Range: {tag}")).status == 206
    assert ranges.metric("ranged") == 4


def test_9110_12_5_3_the_variant_is_cut(ranges: Running, connect: Connect, folder: Path) -> None:
    """The bytes counted are those of the form that is sent; each form has its own decision."""
    plain, coded = (folder / "page.html").read_bytes(), (folder / "page.html.gz").read_bytes()
    client = connect(ranges)
    for first in range(0, len(coded) - 2000, 1000):
        for fields, content in (((), plain), (("Accept-Encoding: gzip",), coded)):
            answer = client.ask(get("/page.html", f"Range: bytes={first}-{first + 1500}", *fields))
            assert answer.body == content[first : first + 1501]
            assert (b"content-encoding" in answer) == bool(fields)
    assert ranges.metric("judged") == 2


def test_the_judge_agrees_about_the_root_of_the_tests(server: Running, connect: Connect) -> None:
    """Two files of the shared root, from end to end in pieces that no power of two divides."""
    client = connect(server)
    for name in ("in-memory.bin", "from-file.bin"):
        content, pieces = CONTENT[name], b""
        while len(pieces) < len(content):
            answer = client.ask(get(f"/{name}", f"Range: bytes={len(pieces)}-{len(pieces) + 1012}"))
            pieces += answer.body
        assert pieces == content
    assert server.metric("judged") == 2


