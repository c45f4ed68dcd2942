"""A file that changes while it is downloaded: what the head has promised comes as long as it is there.

RFC 9112 6.3 and 8: an answer with a Content-Length has as many bytes, or is seen to be incomplete. RFC 9110 8.8.3: one
strong entity tag stands for one sequence of bytes. So a file that only became longer is sent as far as it was promised,
and one that was written over ends the connection.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from support.client import Client, get
from support.fixtures import Connect, Serve
from support.poll import until
from support.running import Running
from support.webroot import MODIFIED_S

SIZE = 8 << 20  # far more than the buffers of both ends hold
CONTENT = random.Random(11).randbytes(1 << 20) * (SIZE >> 20)


def _append(file: Path) -> None:
    with open(file, "ab", buffering=0) as there:
        there.write(b"one more line\n")


def _append_twice(file: Path) -> None:
    _append(file)
    _append(file)


def _touch(file: Path) -> None:
    os.utime(file)


def _touch_back(file: Path) -> None:
    os.utime(file, (MODIFIED_S - 1000, MODIFIED_S - 1000))


def _reserve(file: Path) -> None:
    with open(file, "r+b") as there:
        os.posix_fallocate(there.fileno(), 0, SIZE)


def _chmod(file: Path) -> None:
    file.chmod(0o600)


def _link(file: Path) -> None:
    os.link(file, file.with_name("another-name"))


def _rename(file: Path) -> None:
    file.rename(file.with_name("another-name"))


HARMLESS: list[Callable[[Path], None]] = [
    _append,
    _append_twice,
    _touch,
    _touch_back,
    _reserve,
    _chmod,
    _link,
    _rename,
]


def _write_over(file: Path) -> None:
    with open(file, "r+b", buffering=0) as there:
        there.write(bytes(SIZE))


def _write_over_the_end(file: Path) -> None:
    """A part that is still to be sent."""
    with open(file, "r+b", buffering=0) as there:
        there.seek(SIZE * 3 // 4)
        there.write(bytes(SIZE // 16))


def _write_over_and_date_back(file: Path) -> None:
    before = file.stat()
    _write_over(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _write_anew(file: Path) -> None:
    file.write_bytes(bytes(SIZE))


def _write_anew_and_longer(file: Path) -> None:
    file.write_bytes(bytes(SIZE + 1000))


def _shorten(file: Path) -> None:
    os.truncate(file, SIZE - 1000)


HARMFUL: list[Callable[[Path], None]] = [
    _write_over,
    _write_over_the_end,
    _write_over_and_date_back,
    _write_anew,
    _write_anew_and_longer,
    _shorten,
]

FORMS = {
    "whole": "X-Plain: 1",
    "range": "Range: bytes=1000-7900000",
    "ranges": "Range: bytes=7-3000000,4000000-7900000",
}
OLD, YOUNG = "old", "young"  # the last change is long ago, or the file is being worked at


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return FORMS[request.param]


@pytest.fixture(params=[OLD, YOUNG])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == YOUNG and request.getfixturevalue("form") != FORMS["whole"]:
        pytest.skip("copies are sent in the same way")
    path = tmp_path / "root" / "file.bin"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    if request.param == OLD:
        os.utime(path, (MODIFIED_S, MODIFIED_S))
    return path


def _begin(server: Running, connect: Connect, form: str) -> tuple[Client, bytes, int]:
    """A download in the middle of which the client takes a rest: its first bytes, and how many are promised."""
    client = connect(server, receive_buffer=4096)
    client.send(get("/file.bin", form))
    head = client.read(head_only=True)
    assert head.status == (200 if form == FORMS["whole"] else 206)
    return client, client.exactly(2000), int(head[b"content-length"])


def _expected(form: str, got: bytes) -> bytes:
    """The content; of several ranges with the delimiter lines that came."""
    if form == FORMS["whole"]:
        return CONTENT
    if form == FORMS["range"]:
        return CONTENT[1000:7900001]
    parts = [(7, 3000001), (4000000, 7900001)]
    return b"".join(CONTENT[first:end] for first, end in parts) if _parts(got) == parts else b""


def _parts(body: bytes) -> list[tuple[int, int]]:
    found = []
    for piece in body.split(b"Content-Range: bytes ")[1:]:
        first, _, last = piece.partition(b"/")[0].partition(b"-")
        found.append((int(first), int(last) + 1))
    return found


def _content(form: str, body: bytes) -> bytes:
    """Without the lines between several ranges."""
    if form != FORMS["ranges"]:
        return body
    pieces = body.split(b"\r\n\r\n", 1)[1], body.split(b"4000000-7900000/", 1)[1].split(b"\r\n\r\n", 1)[1]
    return pieces[0][: 3000001 - 7] + pieces[1][: 7900001 - 4000000]


@pytest.mark.parametrize("change", HARMLESS, ids=lambda change: change.__name__)
def test_9112_6_3_what_was_promised_comes(
    serve: Serve, connect: Connect, file: Path, form: str, change: Callable[[Path], None]
) -> None:
    """The bytes are all still there: longer, touched, or under another name."""
    server = serve(file.parent)
    client, begun, length = _begin(server, connect, form)
    change(file)
    body = begun + client.exactly(length - len(begun))
    assert _content(form, body) == _expected(form, body)
    assert server.metric("failed_responses") == 0


@pytest.mark.parametrize("change", HARMFUL, ids=lambda change: change.__name__)
def test_9110_8_8_3_what_was_written_over_ends_short(
    serve: Serve, connect: Connect, file: Path, form: str, change: Callable[[Path], None]
) -> None:
    """And never as a whole answer that is made of two versions."""
    server = serve(file.parent)
    client, begun, length = _begin(server, connect, form)
    change(file)
    assert len(begun) + len(client.rest_or_reset()) < length
    assert server.wait_for("failed_responses") == 1


@pytest.mark.parametrize("form", ["whole"], indirect=True)
def test_9112_6_3_a_log_that_grows_all_the_time(serve: Serve, connect: Connect, file: Path, form: str) -> None:
    """It is longer each time when one looks, and each answer is what the file was when its head was made."""
    server = serve(file.parent)
    for _ in range(3):
        client, begun, length = _begin(server, connect, form)
        body = bytearray(begun)
        while len(body) < length:
            _append(file)
            body += client.exactly(min(1 << 20, length - len(body)))
        assert bytes(body) == file.read_bytes()[:length]
        client.close()


@pytest.mark.parametrize("form", ["whole"], indirect=True)
def test_9110_13_1_5_a_resume_of_what_has_grown_begins_anew(
    serve: Serve, connect: Connect, file: Path, form: str
) -> None:
    """A longer file is another representation and has another tag, so If-Range does not hold and Range is ignored
    (RFC 9110 14.2): nobody here can say that its beginning is what the client has. Without If-Range the rest comes."""
    server = serve(file.parent)
    assert form == FORMS["whole"]
    client = connect(server)
    first = client.ask(get("/file.bin", method="HEAD"))
    _append(file)
    assert until(lambda: client.ask(get("/file.bin", method="HEAD"))[b"etag"] != first[b"etag"])
    resumed = client.ask(get("/file.bin", f"Range: bytes={SIZE}-", f"If-Range: {first[b'etag'].decode()}"))
    assert (resumed.status, len(resumed.body)) == (200, SIZE + 14)
    rest = client.ask(get("/file.bin", f"Range: bytes={SIZE}-"))
    assert (rest.status, rest.body) == (206, b"one more line\n")
