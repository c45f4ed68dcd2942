"""What changes on the disk is seen by the next request: what is kept is looked up again as part of it.

RFC 9111 4.2 and RFC 9110 8.8: a response that is no longer the origin server's current one is stale, and an origin
server has no excuse to send it. `look_after` says how long a look is believed: with 0 for no time, so there is nothing
to wait for in these tests; and what was looked at within that time may be used, which is tested by the number of looks.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.client import Client, get
from support.fixtures import Connect, Serve
from support.webroot import MODIFIED_S, settle, write

from tuxpy.rules.policy import Policy

ROUNDS = 200
LARGE = b"." * 70_000  # is sent from its file


def _put(file: Path, content: bytes) -> None:
    """A file that has been as it is for long, so that answers are kept at once."""
    fresh = file.with_name(file.name + ".new")
    write(fresh, content)
    fresh.replace(file)


def _in_place(root: Path, number: int) -> bytes:
    with open(root / "file.txt", "r+b", buffering=0) as file:
        file.write(b"%06d" % number)
    return b"%06d" % number + b"-" * 10


def _in_place_dated_back(root: Path, number: int) -> bytes:
    expected = _in_place(root, number)
    os.utime(root / "file.txt", (MODIFIED_S, MODIFIED_S))
    return expected


def _in_place_large(root: Path, number: int) -> bytes:
    with open(root / "large.txt", "r+b", buffering=0) as file:
        file.write(b"%06d" % number)
    return b"%06d" % number + LARGE[6:]


def _renamed_over(root: Path, number: int) -> bytes:
    _put(root / "file.txt", b"%d" % number)
    return b"%d" % number


def _comes_and_goes(root: Path, number: int) -> bytes | None:
    if number % 2:
        (root / "new.txt").unlink()
        return None
    write(root / "new.txt", b"new")
    return b"new"


def _index_comes_and_goes(root: Path, number: int) -> bytes | None:
    if number % 2:
        (root / "folder" / "index.html").unlink()
        return None
    write(root / "folder" / "index.html", b"index")
    return b"index"


def _folder_is_exchanged(root: Path, number: int) -> bytes:
    write(root / "next" / "index.html", b"%d" % number)
    (root / "swap").rename(root / f"old-{number}")
    (root / "next").rename(root / "swap")
    return b"%d" % number


def _link_is_led_elsewhere(root: Path, number: int) -> bytes:
    (root / "link.new").symlink_to(f"{number % 2}.txt")
    (root / "link.new").replace(root / "link")
    return b"target %d" % (number % 2)


CHANGES: dict[str, tuple[str, Callable[[Path, int], bytes | None]]] = {
    "in-place": ("/file.txt", _in_place),
    "in-place-dated-back": ("/file.txt", _in_place_dated_back),
    "in-place-large": ("/large.txt", _in_place_large),
    "renamed-over": ("/file.txt", _renamed_over),
    "comes-and-goes": ("/new.txt", _comes_and_goes),
    "index": ("/folder/", _index_comes_and_goes),
    "folder": ("/swap/", _folder_is_exchanged),
    "link": ("/link", _link_is_led_elsewhere),
}


def _plant(root: Path) -> None:
    write(root / "file.txt", b"------" + b"-" * 10)
    write(root / "large.txt", LARGE)
    for number in range(2):
        write(root / f"{number}.txt", b"target %d" % number)
    write(root / "swap" / "index.html", b"first")
    (root / "folder").mkdir()
    (root / "link").symlink_to("0.txt")
    settle()


@pytest.fixture(params=["memory", "disk"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """On a file system that keeps no absent names (tmpfs), and on one that does, as this machine has it."""
    if request.param == "disk":
        path = tmp_path / "root"
        path.mkdir()
        yield path
        return
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("/dev/shm cannot be written")
    import tempfile

    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        yield Path(name)


def _got(client: Client, target: str, *fields: str) -> bytes | None:
    answer = client.ask(get(target, *fields))
    return answer.body if answer.status < 300 else None


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("preload", [False, True], ids=["asked", "preloaded"])
def test_9111_4_2_what_was_written_before_is_what_is_sent(
    serve: Serve, connect: Connect, root: Path, name: str, preload: bool
) -> None:
    """Write, then ask: on a connection that has just asked the same, and on one that has asked other things."""
    target, change = CHANGES[name]
    _plant(root)
    server = serve(root, look_after_s=0.0, preload=preload)
    one, other = connect(server), connect(server)
    for client in (one, other, one):
        _got(client, target)
    for number in range(ROUNDS):
        expected = change(root, number)
        assert _got(one, target) == expected, f"round {number}"
        assert _got(other, "/0.txt") == b"target 0"
        assert _got(other, target) == expected, f"round {number}, another connection"
        assert _got(one, target) == expected


@pytest.mark.parametrize("preload", [False, True], ids=["asked", "preloaded"])
def test_9110_8_4_a_compressed_sibling_that_comes_and_goes(
    serve: Serve, connect: Connect, root: Path, preload: bool
) -> None:
    """Of an answer that rests on the absence of a sibling, and of one that is the sibling."""
    body = b"body " * 100
    write(root / "page.txt", body)
    settle()
    server = serve(root, look_after_s=0.0, preload=preload, policy=Policy(compress=True))
    client = connect(server)
    sibling = root / "page.txt.gz"
    marked = gzip.compress(body, mtime=1)
    for number in range(ROUNDS):
        if number % 2:
            sibling.unlink()
        else:
            write(sibling, marked)
        answer = client.ask(get("/page.txt", "Accept-Encoding: gzip"))
        assert (answer.body == marked) == (number % 2 == 0), f"round {number}"
        client.ask(get("/page.txt", "Accept-Encoding: gzip"))


def test_9110_14_2_the_decision_for_any_range(serve: Serve, connect: Connect, root: Path) -> None:
    write(root / "large.txt", LARGE)
    settle()
    server = serve(root, look_after_s=0.0)
    client = connect(server)
    content = LARGE
    for number in range(ROUNDS):
        if number % 2:
            _in_place_large(root, number)
            content = b"%06d" % number + content[6:]
        else:
            content = b"%06d" % number + LARGE * (1 + number % 3)
            _put(root / "large.txt", content)
        first = number % 4
        answer = client.ask(get("/large.txt", f"Range: bytes={first}-{first + 9}"))
        assert (answer.status, answer.body) == (206, content[first : first + 10]), f"round {number}"
        assert answer[b"content-range"].endswith(b"/%d" % len(content))


def test_9110_15_4_5_a_304_ends_with_its_version(serve: Serve, connect: Connect, root: Path) -> None:
    write(root / "file.txt", b"first")
    settle()
    server = serve(root, look_after_s=0.0)
    client = connect(server)
    for number in range(ROUNDS):
        tag = client.ask(get("/file.txt"))[b"etag"].decode()
        assert client.ask(get("/file.txt", f"If-None-Match: {tag}")).status == 304
        _put(root / "file.txt", b"%d" % number)
        assert client.ask(get("/file.txt", f"If-None-Match: {tag}")).body == b"%d" % number


def test_9111_4_2_a_listing_shows_what_is_there(serve: Serve, connect: Connect, root: Path) -> None:
    (root / "folder").mkdir()
    settle()
    server = serve(root, look_after_s=0.0, policy=Policy(listing=True))
    client = connect(server)
    for number in range(ROUNDS // 10):
        write(root / "folder" / f"name-{number}.txt", b"x")
        assert f"name-{number}.txt".encode() in (_got(client, "/folder/") or b"")


@pytest.mark.parametrize(("look_after_s", "looks"), [(60.0, 0), (0.0, 20)])
def test_9111_4_2_a_look_is_believed_for_its_time(
    serve: Serve, connect: Connect, root: Path, look_after_s: float, looks: int
) -> None:
    """With a long time there is one look for all requests; with none there is one for each."""
    write(root / "file.txt", b"x")
    settle()
    server = serve(root, look_after_s=look_after_s)
    client = connect(server)
    for _ in range(3):
        client.ask(get("/file.txt"))
    before = server.metric("looks")
    for _ in range(20):
        assert _got(client, "/file.txt") == b"x"
    assert server.metric("looks") - before == looks
