"""Files that change: seen within one second, and no answer ever lies about what it carries.

RFC 9110 8.8.3: one strong entity tag stands for one sequence of bytes. RFC 9110 8.6: Content-Length is kept, or the
connection ends before it is reached (RFC 9112 8).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.client import Client, Response, get
from support.fixtures import Connect, Serve
from support.poll import until
from support.running import Running
from support.webroot import settle, write

FRESH_S = 1.0
SMALL, LARGE = 5_000, 400_000


def content(letter: str, size: int) -> bytes:
    return letter.encode() * size


# A change: from what was there to what is there, done at once or with nothing in between that could be served.


def _replace(file: Path, size: int) -> bytes | None:
    fresh = file.with_name("fresh-" + file.name)
    write(fresh, content("b", size))
    fresh.replace(file)
    return content("b", size)


def _replace_by_another_size(file: Path, size: int) -> bytes | None:
    return _replace(file, size + 17)


def _replace_by_the_same_date(file: Path, size: int) -> bytes | None:
    """As copies that keep dates do: only inode and time of change tell."""
    before = file.stat()
    fresh = file.with_name("fresh-" + file.name)
    fresh.write_bytes(content("b", size))
    os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
    fresh.replace(file)
    return content("b", size)


def _rewrite(file: Path, size: int) -> bytes | None:
    with open(file, "r+b", buffering=0) as there:
        there.write(content("b", size))
    return content("b", size)


def _grow(file: Path, size: int) -> bytes | None:
    with open(file, "ab", buffering=0) as there:
        there.write(b"more")
    return content("a", size) + b"more"


def _truncate(file: Path, size: int) -> bytes | None:
    os.truncate(file, size // 2)
    return content("a", size // 2)


def _delete(file: Path, _: int) -> bytes | None:
    file.unlink()
    return None


def _move_away(file: Path, _: int) -> bytes | None:
    file.rename(file.with_name("elsewhere-" + file.name))
    return None


def _exchange_the_folder(file: Path, size: int) -> bytes | None:
    other = file.parent.with_name("other-" + file.parent.name)
    write(other / file.name, content("b", size))
    file.parent.rename(file.parent.with_name("gone-" + file.parent.name))
    other.rename(file.parent)
    return content("b", size)


Change = Callable[[Path, int], bytes | None]
CHANGES: dict[str, Change] = {
    "replace": _replace,
    "replace-by-another-size": _replace_by_another_size,
    "replace-by-the-same-date": _replace_by_the_same_date,
    "rewrite": _rewrite,
    "grow": _grow,
    "truncate": _truncate,
    "delete": _delete,
    "move-away": _move_away,
    "exchange-the-folder": _exchange_the_folder,
}


class _Watched:
    """One file that was served, was changed, and is asked for again and again."""

    def __init__(self, server: Running, connect: Connect, name: str, size: int) -> None:
        self._server, self._connect, self._target = server, connect, f"/{name}/file.txt"
        self._client = connect(server)
        self._tags: dict[bytes, bytes] = {}  # what was served under which entity tag
        self._before = content("a", size)
        for _ in range(3):
            answer = self._client.ask(get(self._target))
            assert answer.body == self._before
            self._tags[answer[b"etag"]] = answer.body

    def change(self, file: Path, size: int, change: Change) -> None:
        self._after = change(file, size)
        self._changed = time.monotonic()

    def fault(self) -> str:
        """Ask once; what is wrong with the answer."""
        asked, answer = time.monotonic() - self._changed, self._ask()
        if answer is None:
            return ""
        got = None if answer.status == 404 else answer.body
        if got != self._after and (got != self._before or asked >= FRESH_S):
            return f"{got and got[:1]!r}, {asked:.3f} s after the change"
        if got is not None and self._tags.setdefault(answer[b"etag"], got) != got:
            return "one entity tag for two versions"
        return ""

    def _ask(self) -> Response | None:
        """The answer; None if the server broke it off, and knows it: that is no lie."""
        short = self._server.metric("failed_responses")
        try:
            return self._client.ask(get(self._target))
        except (AssertionError, ConnectionError):
            if not until(lambda: self._server.metric("failed_responses") > short, within_s=1):
                raise
            self._client.close()
            self._client = self._connect(self._server)
            return None


@pytest.mark.slow
@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["in-memory", "from-file"])
def test_9111_a_change_is_seen_within_a_second(serve: Serve, connect: Connect, tmp_path: Path, size: int) -> None:
    """Whoever asks a second later gets the new version; until then either, but each whole and under its own tag."""
    for name in CHANGES:
        write(tmp_path / name / "file.txt", content("a", size))
    settle()
    server = serve(tmp_path)
    watched = {name: _Watched(server, connect, name, size) for name in CHANGES}
    for name, change in CHANGES.items():
        watched[name].change(tmp_path / name / "file.txt", size, change)
    end = time.monotonic() + FRESH_S + 0.2
    faults: dict[str, str] = {}
    while time.monotonic() < end:
        for name, one in watched.items():
            if name not in faults and (fault := one.fault()):
                faults[name] = fault
    assert not faults


@pytest.mark.slow
def test_9111_what_appears_is_seen_within_a_second(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    """Files, folders, indexes and links that were not there, or pointed elsewhere."""
    root = tmp_path / "root"
    write(root / "one.txt", b"one")
    write(root / "two.txt", b"two")
    (root / "folder").mkdir()
    (root / "link").symlink_to("one.txt")
    settle()
    server = serve(root)
    client = connect(server)
    targets = ["/new.txt", "/folder/", "/later/new.txt", "/link", "/one.txt/"]
    for _ in range(2):
        assert [client.ask(get(target)).status for target in targets] == [404, 404, 404, 200, 404]
    write(root / "new.txt", b"new")
    write(root / "folder" / "index.html", b"index")
    write(root / "later" / "new.txt", b"later")
    (root / "other").symlink_to("two.txt")
    (root / "other").rename(root / "link")
    until(lambda: False, within_s=FRESH_S)
    answers = [client.ask(get(target)) for target in targets]
    assert [answer.status for answer in answers] == [200, 200, 200, 200, 404]
    assert [answer.body for answer in answers[:4]] == [b"new", b"index", b"later", b"two"]


@pytest.mark.slow
def test_9111_a_redirect_ends_with_its_directory(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "name").mkdir(parents=True)
    server = serve(root)
    client = connect(server)
    assert [client.ask(get("/name")).status for _ in range(3)] == [301] * 3
    (root / "name").rmdir()
    write(root / "name", b"a file now")
    until(lambda: False, within_s=FRESH_S)
    assert client.ask(get("/name")).body == b"a file now"


@pytest.mark.slow
def test_9110_13_1_2_a_304_ends_with_its_version(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root / "file.txt", b"a")
    settle()
    server = serve(root)
    client = connect(server)
    tag = client.ask(get("/file.txt"))[b"etag"].decode()
    question = get("/file.txt", f"If-None-Match: {tag}")
    assert [client.ask(question).status for _ in range(3)] == [304] * 3
    _replace(root / "file.txt", 1)
    until(lambda: False, within_s=FRESH_S)
    assert client.ask(question).body == b"b"


# While it is being sent.

SIZE = 16 << 20  # far more than the buffers of both ends hold


def _begin(serve: Serve, connect: Connect, tmp_path: Path) -> tuple[Path, Running, Client]:
    """A download that has begun and cannot go on: the client has read the head and takes no more."""
    file = tmp_path / "root" / "file.bin"
    write(file, content("a", SIZE))
    server = serve(tmp_path / "root")
    client = connect(server, receive_buffer=4096)
    client.send(get("/file.bin"))
    assert client.read(head_only=True)[b"content-length"] == b"%d" % SIZE
    assert client.exactly(1000) == content("a", 1000)
    return file, server, client


@pytest.mark.slow
@pytest.mark.parametrize("change", ["replace", "delete"])
def test_9110_8_6_a_download_goes_on_with_the_file_it_began_with(
    serve: Serve, connect: Connect, tmp_path: Path, change: str
) -> None:
    file, _, client = _begin(serve, connect, tmp_path)
    CHANGES[change](file, SIZE)
    assert client.exactly(SIZE - 1000) == content("a", SIZE - 1000)


@pytest.mark.parametrize("left", [0, 1, 4 << 20])
def test_9112_8_a_file_that_shrinks_ends_the_connection(
    serve: Serve, connect: Connect, tmp_path: Path, left: int
) -> None:
    """Content-Length was sent and cannot be kept; so the client must be able to see that it was not."""
    file, server, client = _begin(serve, connect, tmp_path)
    os.truncate(file, left)
    assert len(client.rest_or_reset()) < SIZE - 1000
    assert server.wait_for("failed_responses") == 1


def test_9110_8_8_3_no_download_mixes_two_versions(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    """Written to in place while it is sent: the answer is of one version, or seen to be short."""
    file, _, client = _begin(serve, connect, tmp_path)
    _rewrite(file, SIZE)
    client.finish_if_connected()
    came = len(client.rest_or_reset())
    assert came < SIZE - 1000, "it began with one version and ended with another"


@pytest.mark.slow
def test_9110_8_8_3_a_file_that_is_written_all_the_time(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    """Replaced again and again: every answer is one of the versions, whole, and no tag stands for two."""
    file = tmp_path / "root" / "file.txt"
    write(file, b"0" * SMALL)
    server = serve(tmp_path / "root")
    client, end, number = connect(server), time.monotonic() + 1.5, 0
    tags: dict[bytes, bytes] = {}
    while time.monotonic() < end:
        number += 1
        fresh = file.with_name("fresh")
        fresh.write_bytes(str(number % 10).encode() * (SMALL + number % 7))
        fresh.replace(file)
        for _ in range(20):
            answer = client.ask(get("/file.txt"))
            assert len(set(answer.body)) == 1
            assert tags.setdefault(answer[b"etag"], answer.body) == answer.body
    assert len(tags) > 1
