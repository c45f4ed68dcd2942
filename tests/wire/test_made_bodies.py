"""Bodies of any size that are made here, over the wire: listings and codings (RFC 9110 8.4, 8.8.3, 9.3.2, 12.5.3)."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import time
from itertools import product
from pathlib import Path

import pytest
from support.client import Response, get
from support.fixtures import Connect, Serve
from support.poll import until
from support.running import Running

from tuxpy.config.bounds import ClientLimits
from tuxpy.rules.policy import Policy
from tuxpy.site.made import IN_MEMORY_MAX, STORE

LONG = "протокол заседания комиссии по рассмотрению предложений, окончательный вариант %05d.pdf"
GZIP = "Accept-Encoding: gzip"
NEVER_IDENTITY = "Accept-Encoding: gzip, identity;q=0"
MIB = 1 << 20
OLD_S = 784111777


def fill(directory: Path, count: int, form: str) -> Path:
    directory.mkdir()
    for number in range(count):
        (directory / (form % number)).touch()
    return directory


def words(size: int) -> bytes:
    """Text that shrinks to about a third."""
    chosen = random.Random(size)
    return b"".join(b"%d\n" % chosen.randrange(10**6) for _ in range(size // 6)).ljust(size)[:size]


def put(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    os.utime(path, (OLD_S, OLD_S))


def body_of(answer: Response) -> bytes:
    return gzip.decompress(answer.body) if b"content-encoding" in answer else answer.body


def names_in(answer: Response) -> int:
    return len(set(re.findall(rb"([0-9]{5})(?:\.pdf)?\"", body_of(answer))))


# Listings.


def test_9110_9_3_2_a_listing_of_any_size_is_whole_and_head_agrees(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    """Its bytes are more than a chain can hold, by many names and by long ones."""
    fill(tmp_path / "many", 7_000, "f%05d")
    fill(tmp_path / "long", 1_500, LONG)
    running = serve(tmp_path, policy=Policy(listing=True))
    places = (("many", 7_000), ("long", 1_500))
    ways = (("", "X-A: b"), ("?format=json", "X-A: b"), ("", GZIP), ("?format=json", GZIP))
    for (directory, count), (query, field) in product(places, ways):
        with connect(running) as client:
            head = client.ask(get(f"/{directory}/{query}", field, method="HEAD"))
            whole = client.ask(get(f"/{directory}/{query}", field))
        assert whole.status == 200
        assert names_in(whole) == count
        assert (b"content-encoding" in whole) == (field == GZIP)
        assert head.without(b"date") == whole.without(b"date")


def test_9110_12_5_3_each_form_of_a_listing_has_its_tag(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    """RFC 9110 8.8.3.3, and 13.1.2: each is not modified by its own tag alone."""
    fill(tmp_path / "many", 2_000, "f%05d")
    with connect(serve(tmp_path, policy=Policy(listing=True))) as client:
        tags = {}
        for field in ("X-A: b", GZIP):
            answer = client.ask(get("/many/", field))
            assert answer[b"vary"] == b"Accept, Accept-Encoding"
            tags[field] = answer[b"etag"].decode()
            assert len(answer.body) > IN_MEMORY_MAX or field == GZIP
        assert len(set(tags.values())) == 2
        for field, other in (("X-A: b", GZIP), (GZIP, "X-A: b")):
            assert client.ask(get("/many/", field, f"If-None-Match: {tags[field]}")).status == 304
            assert client.ask(get("/many/", field, f"If-None-Match: {tags[other]}")).status == 200
        assert client.ask(get("/many/", "Accept-Encoding: *;q=0")).status == 406


def test_a_listing_that_is_cut_says_so(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    fill(tmp_path / "many", 40, "f%05d")
    with connect(serve(tmp_path, policy=Policy(listing=True, listing_max=30))) as client:
        page = client.ask(get("/many/"))
        assert (names_in(page), page.body.count(b"than the 30 names that are shown")) == (30, 1)
        told = json.loads(client.ask(get("/many/?format=json")).body)
        assert (len(told["entries"]), told["truncated"]) == (30, True)


def test_the_same_listing_lies_in_memory_once(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    """However many clients take their time with it."""
    fill(tmp_path / "many", 9_000, "f%05d")
    running = serve(tmp_path, policy=Policy(listing=True))
    sizes = []
    for _ in range(6):
        slow = connect(running, receive_buffer=4096)
        slow.send(get("/many/"))
        slow.exactly(100)
        sizes.append(STORE.taken if not sizes else until(lambda: STORE.taken == sizes[0]) and sizes[0])
    assert sizes[0] > MIB
    assert set(sizes) == {sizes[0]}


# Codings.


@pytest.mark.parametrize("size", [IN_MEMORY_MAX, MIB, 2 * MIB + 1])
@pytest.mark.parametrize("field", [GZIP, NEVER_IDENTITY])
def test_9110_8_4_1_a_file_of_any_size_is_coded(
    serve: Serve, connect: Connect, tmp_path: Path, size: int, field: str
) -> None:
    """Judged and kept the same, and the same for HEAD (9.3.2)."""
    content = words(size)
    put(tmp_path / "a.js", content)
    running = serve(tmp_path)
    with connect(running) as client:
        head = client.ask(get("/a.js", field, method="HEAD"))
        for _ in range(3):
            answer = client.ask(get("/a.js", field))
            assert answer[b"content-encoding"] == b"gzip"
            assert gzip.decompress(answer.body) == content
            assert answer.without(b"date") == head.without(b"date")

        def is_kept() -> bool:
            judged = running.metric("judged")
            assert client.ask(get("/a.js", field)).body == answer.body
            return running.metric("judged") == judged

        assert until(is_kept), "the engine never keeps it, not even when the file has not just been written"


def test_9110_8_4_1_noise_that_must_be_coded_is_longer_and_is_sent(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    """Head and body would be more than a chain can hold."""
    content = random.Random(1).randbytes(MIB)
    put(tmp_path / "a.js", content)
    with connect(serve(tmp_path)) as client:
        answer = client.ask(get("/a.js", NEVER_IDENTITY))
        assert gzip.decompress(answer.body) == content
        assert len(answer.body) > MIB
        assert b"content-encoding" not in client.ask(get("/a.js", GZIP)), "that would make it longer for nothing"


def test_9110_14_2_ranges_and_conditions_are_those_of_the_file(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    """RFC 9110 13.1.2, 14.2: a coding that is made here is never sent in parts."""
    content = words(3 * MIB)
    put(tmp_path / "a.js", content)
    with connect(serve(tmp_path)) as client:
        coded, plain = client.ask(get("/a.js", GZIP)), client.ask(get("/a.js"))
        assert coded[b"etag"] != plain[b"etag"]
        assert b"accept-ranges" not in coded
        part = client.ask(get("/a.js", GZIP, "Range: bytes=100-199"))
        assert (part.status, part.body, part[b"etag"]) == (206, content[100:200], plain[b"etag"])
        assert client.ask(get("/a.js", GZIP, f"If-None-Match: {coded[b'etag'].decode()}")).status == 304
        assert client.ask(get("/a.js", GZIP, f"If-None-Match: {plain[b'etag'].decode()}")).status == 200


def test_what_is_larger_than_the_bound_is_sent_as_it_is(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    for size in (99_999, 100_001):
        put(tmp_path / f"{size}.js", words(size))
    with connect(serve(tmp_path, policy=Policy(compress_max=100_000))) as client:
        assert b"content-encoding" in client.ask(get("/99999.js", GZIP))
        assert b"content-encoding" not in client.ask(get("/100001.js", GZIP))


def test_memory_for_codings_is_bounded_and_files_are_sent_all_the_same(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    """Slow clients hold all of it; when they have gone, the next body is made again."""
    contents = {f"{number}.js": words(3 * MIB + number) for number in range(4)}
    for name, content in contents.items():
        put(tmp_path / name, content)
    running = serve(tmp_path, limits=ClientLimits(made_bytes=3 * MIB))
    slow = []
    for name in contents:
        slow.append(connect(running, receive_buffer=4096))
        slow[-1].send(get(f"/{name}", GZIP))
        slow[-1].exactly(100)
        assert STORE.taken <= 3 * MIB
    with connect(running) as client:
        for name, content in contents.items():
            assert body_of(client.ask(get(f"/{name}", GZIP))) == content
    for client in slow:
        client.reset()
    end = until(lambda: _is_coded(running, connect, "3.js"), within_s=10)
    assert end, "memory that nobody holds is used again"


def _is_coded(running: Running, connect: Connect, name: str) -> bool:
    time.sleep(0.05)  # more is not tried at once
    with connect(running) as client:
        return b"content-encoding" in client.ask(get(f"/{name}?{time.monotonic_ns()}", GZIP))


def test_9110_15_3_1_a_file_that_grows_all_the_time_is_sent_as_it_is(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    """It would never be coded to its end; it is coded when it rests."""
    log = tmp_path / "a.log"
    log.write_bytes(words(2 * MIB))
    running = serve(tmp_path)
    for _ in range(3):
        with log.open("ab") as file:
            file.write(b"one more line\n")
        content = log.read_bytes()
        with connect(running) as client:
            answer = client.ask(get(f"/a.log?{len(content)}", GZIP))
        assert answer.status == 200
        assert b"content-encoding" not in answer
        assert answer.body == content
    os.utime(log, (OLD_S, OLD_S))
    assert until(lambda: _is_coded(running, connect, "a.log"), within_s=10)
