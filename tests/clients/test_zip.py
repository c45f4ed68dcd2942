"""An archive that is read over HTTP without being fetched: the directory at its end, then one member in the middle."""

from __future__ import annotations

import io
import random
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from support.poll import until
from support.webroot import write

from .fixtures import Publish, Run
from .programs import MARKS, program

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

pytestmark = MARKS

MEMBERS: Final = {f"member-{number}.bin": random.Random(number).randbytes(100_000) for number in range(60)}
_TEXT: Final = b"a line that repeats\n" * 10_000
_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Remote(io.RawIOBase):
    """A file behind a URL. Every read is a request for a range of the version that was there at first."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._at = 0
        with _DIRECT.open(urllib.request.Request(url, method="HEAD")) as answer:
            assert answer.headers["Accept-Ranges"] == "bytes"  # RFC 9110 14.3
            self.size = int(answer.headers["Content-Length"])
            self._tag = answer.headers["ETag"]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        wanted = memoryview(buffer).cast("B")
        count = min(len(wanted), self.size - self._at)
        if count <= 0:
            return 0
        fields = {"Range": f"bytes={self._at}-{self._at + count - 1}", "If-Match": self._tag}
        with _DIRECT.open(urllib.request.Request(self._url, headers=fields)) as answer:
            assert answer.status == 206
            data: bytes = answer.read()
        wanted[: len(data)] = data
        self._at += len(data)
        return len(data)


def _archive(path: Path, members: dict[str, bytes]) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = b"a comment"
        for name, content in {**members, "text/lines.txt": _TEXT}.items():
            archive.writestr(name, content)
    write(path, buffer.getvalue())


def test_9110_14_2_one_member_of_many(publish: Publish, root: Path) -> None:
    _archive(root / "all.zip", MEMBERS)
    site = publish(root)
    remote = Remote(f"{site.url}/all.zip")
    with io.BufferedReader(remote, 16384) as file, zipfile.ZipFile(file) as archive:
        assert set(archive.namelist()) == {*MEMBERS, "text/lines.txt"}
        assert archive.read("member-33.bin") == MEMBERS["member-33.bin"]
        assert archive.read("text/lines.txt") == _TEXT
    assert site.received < remote.size / 10
    assert {one.status for one in site.passed(method="GET")} == {206}


def test_9110_13_1_1_an_archive_that_was_replaced_meanwhile(publish: Publish, root: Path, tmp_path: Path) -> None:
    """With If-Match two versions are never mixed: 412 as soon as the new one is seen, which is within a second."""
    _archive(root / "all.zip", MEMBERS)
    site = publish(root)
    with io.BufferedReader(Remote(f"{site.url}/all.zip"), 16384) as file, zipfile.ZipFile(file) as archive:
        _archive(tmp_path / "new.zip", dict(list(MEMBERS.items())[:50]))
        (tmp_path / "new.zip").rename(root / "all.zip")

        def seen() -> int:
            try:
                assert archive.read("member-33.bin") == MEMBERS["member-33.bin"]
            except urllib.error.HTTPError as error:
                with error:
                    return error.code
            return 0

        assert until(seen, within_s=3) == 412


def test_a_whole_archive_by_curl_and_unzip(publish: Publish, root: Path, run: Run, here: Path) -> None:
    _archive(root / "all.zip", MEMBERS)
    site = publish(root)
    run(program("curl", package="curl"), "-sS", "--fail", "-O", f"{site.url}/all.zip")
    assert site.one().head["content-type"] == "application/zip"
    assert "content-encoding" not in site.one().head
    run(program("unzip", package="unzip"), "-q", "all.zip", "-d", "out")
    assert {path.name: path.read_bytes() for path in (here / "out").glob("member-*")} == MEMBERS
