"""What was warm in the cache is seen to be over within one second, on a used connection and on a fresh one.

test_changes.py watches one connection that asks all the time. Here the answer is asked for many times before, so it is
kept and remembered; afterwards a used and a fresh connection ask, either all the time or not before the second is over.
RFC 9110 8.6 and 8.8.3: whatever is answered meanwhile is of one version, with its own length and entity tag.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import mmap
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from support.client import Client, Response, get
from support.fixtures import Connect, Serve
from support.poll import until
from support.running import Running
from support.webroot import settle, write

FRESH_S: Final = 1.0
SIZES: Final = {"in-memory": 5_000, "from-file": 400_000}
ASKED_BEFORE: Final = 20

Seen = tuple[int, bytes | None]
"""Status and decoded body; None: a page of the server's own, or nothing."""
Change = Callable[[Path, int], None]
GONE: Final[Seen] = (404, None)


def content(letter: str, size: int) -> bytes:
    """One version; nothing of it is in another."""
    return random.Random(letter).randbytes(size)


def seen(answer: Response) -> Seen:
    own_page = answer.status >= 400 and b"charset" in answer[b"content-type"] and b"<title>" in answer.body
    if own_page or answer.status not in (200, 206, 404):
        return answer.status, None
    coded = b"content-encoding" in answer
    return answer.status, gzip.decompress(answer.body) if coded else answer.body


def flip(link: Path, target: str) -> None:
    """What ln -sfn does where it is done well: there is always one link or the other."""
    fresh = link.with_name(".fresh-" + link.name)
    fresh.symlink_to(target)
    fresh.replace(link)


# What is there before, in a folder that holds file.txt of version a already; and what is done to it.


def put(name: str, letter: str) -> Change:
    def change(folder: Path, size: int) -> None:
        body = content(letter, size)
        write(folder / name, gzip.compress(body, 1) if name.endswith(".gz") else body)

    return change


def remove(name: str) -> Change:
    return lambda folder, _: (folder / name).unlink()


def _replace(folder: Path, size: int) -> None:
    write(folder / "fresh", content("b", size))
    (folder / "fresh").replace(folder / "file.txt")


def _edit_to_another_size(folder: Path, size: int) -> None:
    with open(folder / "file.txt", "wb", buffering=0) as there:
        there.write(content("b", size + 17))


def _edit_in_the_same_size(folder: Path, size: int) -> None:
    with open(folder / "file.txt", "r+b", buffering=0) as there:
        there.write(content("b", size))


def _truncate(folder: Path, size: int) -> None:
    os.truncate(folder / "file.txt", size // 2)


def _empty(folder: Path, size: int) -> None:
    os.truncate(folder / "file.txt", 0)


def _move_the_folder_away(folder: Path, size: int) -> None:
    folder.rename(folder.with_name("moved-" + folder.name))


def _become_a_folder(folder: Path, size: int) -> None:
    (folder / "file.txt").unlink()
    (folder / "file.txt").mkdir()


def _link(folder: Path, size: int) -> None:
    write(folder / "two.txt", content("b", size))
    (folder / "link.txt").symlink_to("file.txt")


def _flip(folder: Path, size: int) -> None:
    flip(folder / "link.txt", "two.txt")


def _releases(folder: Path, size: int) -> None:
    write(folder / "releases/1/file.txt", content("a", size))
    write(folder / "releases/2/file.txt", content("b", size))
    (folder / "current").symlink_to("releases/1")


def _flip_and_delete_the_old(folder: Path, size: int) -> None:
    flip(folder / "current", "releases/2")
    shutil.rmtree(folder / "releases/1")


def _mounted_map(folder: Path, size: int) -> None:
    """As Kubernetes mounts a ConfigMap: each name leads through ..data to a directory of the version."""
    write(folder / "..1/map.txt", content("a", size))
    write(folder / "..2/map.txt", content("b", size))
    (folder / "..data").symlink_to("..1")
    (folder / "map.txt").symlink_to("..data/map.txt")


def _publish_the_map(folder: Path, size: int) -> None:
    flip(folder / "..data", "..2")
    shutil.rmtree(folder / "..1")


def _sibling_is_replaced(folder: Path, size: int) -> None:
    put("fresh.gz", "c")(folder, size)
    (folder / "fresh.gz").replace(folder / "file.txt.gz")


def _pages(folder: Path, size: int) -> None:
    write(folder / "404.html", content("b", size))
    write(folder / "deep/404.html", content("a", size))


def _nothing(folder: Path, size: int) -> None:
    pass


@dataclass(frozen=True)
class Case:
    """`before` and `after`: the status, and the letter of the version, with + or / for another size, or none.

    kept: the answer before the change comes from the cache; else it is judged every time.
    """

    change: Change
    before: str
    after: str
    target: str = "file.txt"
    prepare: Change = _nothing
    fields: tuple[str, ...] = ()
    kept: bool = True

    def seen(self, words: str, size: int) -> Seen:
        status, _, letter = words.partition(" ")
        if not letter:
            return int(status), None
        whole = content(letter[0], size + 17) if letter.endswith("+") else content(letter[0], size)
        if letter.endswith("/"):
            whole = whole[: size // 2]
        if letter == "0":
            whole = b""
        return int(status), whole[:1000] if status == "206" else whole


GZIP: Final = ("Accept-Encoding: gzip",)
START: Final = ("Range: bytes=0-999",)
CASES: Final = {
    "replace": Case(_replace, "200 a", "200 b"),
    "edit-to-another-size": Case(_edit_to_another_size, "200 a", "200 b+"),
    "edit-in-the-same-size": Case(_edit_in_the_same_size, "200 a", "200 b"),
    "edit-of-a-part": Case(_edit_in_the_same_size, "206 a", "206 b", fields=START),
    "truncate": Case(_truncate, "200 a", "200 a/"),
    "empty": Case(_empty, "200 a", "200 0"),
    "empty-of-a-part": Case(_empty, "206 a", "200 0", fields=START),
    "delete": Case(remove("file.txt"), "200 a", "404"),
    "move-the-folder-away": Case(_move_the_folder_away, "200 a", "404"),
    "become-a-folder": Case(_become_a_folder, "200 a", "301"),
    "flip-a-link": Case(_flip, "200 a", "200 b", "link.txt", _link),
    "flip-a-folder": Case(_flip_and_delete_the_old, "200 a", "200 b", "current/file.txt", _releases),
    "publish-a-map": Case(_publish_the_map, "200 a", "200 b", "map.txt", _mounted_map),
    "appear": Case(put("new.txt", "b"), "404", "200 b", "new.txt"),
    "appear-with-folders": Case(put("x/y/new.txt", "b"), "404", "200 b", "x/y/new.txt"),
    "index-appears": Case(put("index.html", "b"), "404", "200 b", ""),
    "index-goes": Case(remove("index.html"), "200 a", "404", "", put("index.html", "a")),
    "sibling-appears": Case(put("file.txt.gz", "b"), "200 a", "200 b", fields=GZIP),
    "sibling-goes": Case(remove("file.txt.gz"), "200 b", "200 a", "file.txt", put("file.txt.gz", "b"), GZIP),
    "sibling-is-replaced": Case(_sibling_is_replaced, "200 b", "200 c", "file.txt", put("file.txt.gz", "b"), GZIP),
    "original-goes": Case(remove("file.txt"), "200 b", "404", "file.txt", put("file.txt.gz", "b"), GZIP),
    "page-appears": Case(put("404.html", "b"), "404", "404 b", "deep/nothing"),
    "nearest-page-goes": Case(remove("deep/404.html"), "404 a", "404 b", "deep/nothing", _pages),
}


class _Watched:
    """One target whose answer is warm, asked for on a connection that is used already and on fresh ones."""

    def __init__(self, server: Running, connect: Connect, request: bytes, before: Seen, after: Seen) -> None:
        self._server, self._connect, self._request = server, connect, request
        self._before, self._after = before, after
        self._tags: dict[bytes, Seen] = {}
        self._used = connect(server)
        for _ in range(ASKED_BEFORE):
            answer = self._used.ask(request)
            assert seen(answer) == before, f"{answer.status} {answer.fields}"
            self._note(answer)
        self._changed_s = 0.0

    def changed(self) -> None:
        self._changed_s = time.monotonic()

    @property
    def is_over(self) -> bool:
        return time.monotonic() - self._changed_s >= FRESH_S

    def faults(self) -> list[str]:
        """Ask on both; what is wrong with the answers."""
        found = [self._fault(self._used, "used")]
        with self._connect(self._server) as fresh:
            found.append(self._fault(fresh, "fresh"))
        return [fault for fault in found if fault]

    def _fault(self, client: Client, which: str) -> str:
        asked_s = time.monotonic() - self._changed_s
        answer = client.ask(self._request)
        got = seen(answer)
        if got != self._after and (got != self._before or asked_s >= FRESH_S):
            old = " as before" * (got == self._before)
            return f"{answer.status}{old}, {asked_s:.3f} s after the change, on a {which} connection"
        return "" if self._note(answer) else f"one entity tag for two versions, on a {which} connection"

    def _note(self, answer: Response) -> bool:
        if b"etag" not in answer:
            return True
        return self._tags.setdefault(answer[b"etag"], seen(answer)) == seen(answer)


def _watch(server: Running, connect: Connect, name: str, case: Case, size: int) -> _Watched:
    request = get(f"/{name}/{case.target}", *case.fields)
    judged = server.metric("judged")
    watched = _Watched(server, connect, request, case.seen(case.before, size), case.seen(case.after, size))
    assert server.metric("judged") - judged == (1 if case.kept else ASKED_BEFORE)
    return watched


def _faults_of(watched: dict[str, _Watched], constantly: bool) -> dict[str, list[str]]:
    """What is found wrong until a little after the second; else asked once each, when it is over."""
    faults: dict[str, list[str]] = {}
    for name, one in watched.items():
        if not constantly:
            until(lambda one=one: one.is_over)  # type: ignore[misc]
            faults[name] = one.faults()
    end_s = time.monotonic() + (FRESH_S + 0.2 if constantly else 0.0)
    while time.monotonic() < end_s:
        for name, one in watched.items():
            faults[name] = faults.get(name) or one.faults()
    return {name: found for name, found in faults.items() if found}


@pytest.mark.slow
@pytest.mark.parametrize("constantly", [True, False], ids=["constantly", "after-the-second"])
@pytest.mark.parametrize("kind", SIZES)
def test_9111_a_warm_answer_ends_within_a_second(
    serve: Serve, connect: Connect, tmp_path: Path, kind: str, constantly: bool
) -> None:
    """Whoever asks a second after the change gets what is there; until then either, each whole under its own tag."""
    size = SIZES[kind]
    for name, case in CASES.items():
        write(tmp_path / name / "file.txt", content("a", size))
        case.prepare(tmp_path / name, size)
    settle()
    server = serve(tmp_path)
    watched = {name: _watch(server, connect, name, case, size) for name, case in CASES.items()}
    for name, case in CASES.items():
        case.change(tmp_path / name, size)
        watched[name].changed()
    assert not _faults_of(watched, constantly)


# What a mode forbids.


def _forbid_the_file(folder: Path, size: int) -> None:
    (folder / "file.txt").chmod(0)


def _forbid_the_folder(folder: Path, size: int) -> None:
    folder.chmod(0)


def _forbidden(folder: Path, size: int) -> None:
    put("file.txt.gz", "b")(folder, size)
    (folder / "file.txt.gz").chmod(0)


def _allow_the_sibling(folder: Path, size: int) -> None:
    (folder / "file.txt.gz").chmod(0o644)


@contextlib.contextmanager
def _oneself() -> Iterator[None]:
    """Root is nobody while it serves; who changes a mode must be root again. Nothing is asked meanwhile."""
    nobody, oneself = os.geteuid(), os.getuid()
    os.seteuid(oneself)
    try:
        yield
    finally:
        os.seteuid(nobody)


def _watch_as_nobody(
    request: pytest.FixtureRequest, serve: Serve, connect: Connect, root: Path, cases: dict[str, Case], size: int
) -> dict[str, list[str]]:
    for name, case in cases.items():
        write(root / name / "file.txt", content("a", size))
        case.prepare(root / name, size)
    settle()
    server = serve(root)
    request.getfixturevalue("unprivileged")  # only now: nobody may enter the folders above
    watched = {name: _watch(server, connect, name, case, size) for name, case in cases.items()}
    with _oneself():
        for name, case in cases.items():
            case.change(root / name, size)
            watched[name].changed()
    try:
        return _faults_of(watched, constantly=True)
    finally:
        with _oneself():
            for name in cases:
                (root / name).chmod(0o755)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SIZES)
def test_9110_15_5_4_what_becomes_unreadable_is_403_within_a_second(
    serve: Serve, connect: Connect, tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    cases = {"file": Case(_forbid_the_file, "200 a", "403"), "folder": Case(_forbid_the_folder, "200 a", "403")}
    root = tmp_path / "root"
    assert not _watch_as_nobody(request, serve, connect, root, cases, SIZES[kind])


@pytest.mark.slow
def test_9110_15_5_4_what_is_missing_in_a_folder_that_becomes_unreadable_is_403_within_a_second(
    serve: Serve, connect: Connect, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """As it is told to whoever asks there for the first time."""
    cases = {"nothing": Case(_forbid_the_folder, "404", "403", "nothing.txt")}
    assert not _watch_as_nobody(request, serve, connect, tmp_path / "root", cases, SIZES["in-memory"])


@pytest.mark.slow
def test_9110_12_5_3_a_precompressed_file_that_becomes_readable_is_seen_within_a_second(
    serve: Serve, connect: Connect, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """It was passed over because it may not be read; that must be watched, or the answer not be kept."""
    cases = {"sibling": Case(_allow_the_sibling, "200 a", "200 b", "file.txt", _forbidden, GZIP, kept=False)}
    assert not _watch_as_nobody(request, serve, connect, tmp_path / "root", cases, SIZES["in-memory"])


# Links that lead out of the root.


@pytest.mark.slow
def test_9110_12_5_3_a_precompressed_file_that_replaces_a_link_out_of_the_root_is_seen_within_a_second(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    root, size = tmp_path / "root", SIZES["in-memory"]
    write(root / "a/file.txt", content("a", size))
    put("outside.gz", "c")(tmp_path, size)
    (root / "a/file.txt.gz").symlink_to("../../outside.gz")
    settle()
    watched = _watch(serve(root), connect, "a", Case(_nothing, "200 a", "200 b", fields=GZIP, kept=False), size)
    put("fresh.gz", "b")(root / "a", size)
    (root / "a/fresh.gz").replace(root / "a/file.txt.gz")
    watched.changed()
    assert not _faults_of({"sibling": watched}, constantly=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SIZES)
def test_a_folder_that_is_moved_out_of_the_root_is_gone_within_a_second(
    serve: Serve, connect: Connect, tmp_path: Path, kind: str
) -> None:
    """A link to where it is now leads to the very same files, and yet out of the root: nothing there is served."""
    root, size = tmp_path / "root", SIZES[kind]
    write(root / "a/file.txt", content("a", size))
    settle()
    watched = _watch(serve(root), connect, "a", Case(_nothing, "200 a", "404"), size)
    (root / "a").rename(tmp_path / "moved")
    (root / "a").symlink_to("../moved")
    watched.changed()
    assert not _faults_of({"folder": watched}, constantly=True)


# Never a mixture: changed while it is downloaded.

BLOCK: Final = 16
DOWNLOAD: Final = 8 << 20  # far more than the buffers of both ends hold
READ_BEFORE: Final = 1 << 20


@functools.lru_cache(maxsize=8)
def blocks(letter: str, size: int) -> bytes:
    """Content in which every 16 bytes say their version and place."""
    return b"".join(b"%s%015d" % (letter.encode(), at) for at in range(0, size, BLOCK))


OLD: Final = blocks("a", DOWNLOAD)


def _rewrite(file: Path) -> None:
    with open(file, "r+b", buffering=0) as there:
        there.write(blocks("b", DOWNLOAD))


def _rewrite_what_is_to_come(file: Path) -> None:
    with open(file, "r+b", buffering=0) as there:
        there.seek(DOWNLOAD // 2)
        there.write(blocks("b", DOWNLOAD // 4))


def _write_through_a_mapping(file: Path) -> None:
    with open(file, "r+b") as there, mmap.mmap(there.fileno(), 0) as mapped:
        mapped[DOWNLOAD // 2 : DOWNLOAD // 2 + 4096] = blocks("b", 4096)
        mapped.flush()


def _write_again(file: Path) -> None:
    """As editors and `>` do: cut to nothing, then written."""
    file.write_bytes(blocks("b", DOWNLOAD))


def _write_again_and_more(file: Path) -> None:
    file.write_bytes(blocks("b", DOWNLOAD + (4 << 20)))


def _write_again_and_less(file: Path) -> None:
    file.write_bytes(blocks("b", DOWNLOAD // 2))


def _shrink_and_grow(file: Path) -> None:
    """The size is what it was, and behind the cut there are zeros."""
    os.truncate(file, READ_BEFORE)
    os.truncate(file, DOWNLOAD)


def _grow(file: Path) -> None:
    with open(file, "ab") as there:
        there.write(blocks("b", 1 << 20))


EDITS: Final[list[Callable[[Path], None]]] = [
    _rewrite,
    _rewrite_what_is_to_come,
    _write_through_a_mapping,
    _write_again,
    _write_again_and_more,
    _write_again_and_less,
    _shrink_and_grow,
    _grow,
]


def _named(edit: Callable[[Path], None]) -> str:
    return edit.__name__.strip("_").replace("_", "-")


PARTS: Final = f"Range: bytes=0-{DOWNLOAD // 4 - 1},{DOWNLOAD // 4 + BLOCK}-{DOWNLOAD - 1}"


def _begin(
    serve: Serve, connect: Connect, root: Path, *fields: str, kept: bool = True
) -> tuple[Path, Running, Client, int]:
    """A download of a file that is in the cache, read for a while and then no more; the length that was promised."""
    file = root / "file.bin"
    write(file, OLD)
    settle()
    server = serve(root)
    if kept:
        with connect(server) as before:
            assert before.ask(get("/file.bin", *fields)).status in (200, 206)
    client = connect(server, receive_buffer=1 << 16)
    client.send(get("/file.bin", *fields))
    return file, server, client, int(client.read(head_only=True)[b"content-length"])


@pytest.mark.slow
@pytest.mark.parametrize("fields", [(), ("Range: bytes=16-",), (PARTS,)], ids=["whole", "part", "parts"])
@pytest.mark.parametrize("edit", EDITS, ids=_named)
def test_9110_8_6_an_edit_ends_the_download_or_is_not_in_it(
    serve: Serve, connect: Connect, tmp_path: Path, edit: Callable[[Path], None], fields: tuple[str, ...]
) -> None:
    """What was promised arrives whole and is of the old version, or the connection ends before."""
    file, server, client, promised = _begin(serve, connect, tmp_path, *fields)
    came = client.exactly(READ_BEFORE)
    edit(file)
    came += client.rest_or_reset() if edit is not _grow else _up_to(client, promised - len(came))
    if len(came) >= promised:
        assert len(came) == promised
        assert b"b000" not in came
        assert server.metric("failed_responses") == 0
    else:
        assert server.wait_for("failed_responses") == 1
    assert connect(server).ask(get("/file.bin")).body == file.read_bytes()


def _up_to(client: Client, count: int) -> bytes:
    """So many bytes, or what there is of them before the end."""
    came = b""
    while len(came) < count and (part := client.socket.recv(min(1 << 18, count - len(came)))):
        came += part
    return came


_SENT_BY_REFERENCE = pytest.mark.xfail(
    strict=False, reason="sendfile(2) hands the socket the pages of the file and no copies of them"
)


def _in_the_buffer(serve: Serve, connect: Connect, root: Path) -> tuple[Path, Client, int]:
    """An answer that the server is done with, and of which the client has read the head only."""
    file, size = root / "file.bin", 80 << 10
    write(file, blocks("a", size))
    settle()
    server = serve(root)
    client = connect(server, receive_buffer=4096)
    client.send(get("/file.bin") + get("/nothing"))
    client.read(head_only=True)
    server.wait_for("requests", least=2)  # it is at the second, so the first is done
    return file, client, size


@pytest.mark.parametrize("edit", [pytest.param(_rewrite, marks=_SENT_BY_REFERENCE), _write_again, _grow], ids=_named)
def test_9110_8_8_3_what_the_kernel_holds_already_is_not_edited_any_more(
    serve: Serve, connect: Connect, tmp_path: Path, edit: Callable[[Path], None]
) -> None:
    """The server has sent all of it, so it can take nothing back: what the client reads then must be one version."""
    file, client, size = _in_the_buffer(serve, connect, tmp_path)
    edit(file)
    assert b"b000" not in client.exactly(size)


@pytest.mark.slow
def test_9110_8_8_3_an_edit_that_restores_the_date_is_not_in_a_download(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    """As tools do that keep dates: ctime says that something has happened, and inotify(7) and the samples say what."""
    file, _, client, promised = _begin(serve, connect, tmp_path)
    before = file.stat()
    came = client.exactly(READ_BEFORE)
    _rewrite(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    came += client.rest_or_reset()
    assert len(came) < promised or b"b000" not in came


@pytest.mark.xfail(strict=True, reason="entity tags are made without ctime")
@pytest.mark.slow
@pytest.mark.parametrize("kind", SIZES)
def test_9110_8_8_3_an_edit_that_restores_the_date_gets_a_tag_of_its_own(
    serve: Serve, connect: Connect, tmp_path: Path, kind: str
) -> None:
    """The change is seen within the second, but who has the old version is told that it is the new one."""
    file, size = tmp_path / "a/file.txt", SIZES[kind]
    write(file, content("a", size))
    settle()
    watched = _watch(serve(tmp_path), connect, "a", Case(_nothing, "200 a", "200 b"), size)
    before = file.stat()
    _edit_in_the_same_size(file.parent, size)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    watched.changed()
    assert not _faults_of({"file": watched}, constantly=True)
