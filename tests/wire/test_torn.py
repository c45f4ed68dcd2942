"""A write(2) that is under way: the file has its new date already, and not all of its new bytes.

RFC 9110 8.8.3: one strong entity tag stands for one sequence of bytes. So who asks in the middle of a write gets what
is there behind it. The write is held up by a source whose last page comes only when the test gives it (userfaultfd(2)).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import mmap
import os
import platform
import select
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.client import get
from support.fixtures import Connect, Serve
from support.poll import until
from support.webroot import settle, write

PAGE = mmap.PAGESIZE
LIBC = ctypes.CDLL(None, use_errno=True)
USERFAULTFD = {"x86_64": 323, "aarch64": 282}
API, REGISTER, ZEROPAGE = 0xC018AA3F, 0xC020AA00, 0xC020AA04  # ioctl(2) of <linux/userfaultfd.h>


class HeldWrite:
    """Writes letters over a file from its beginning, and a page of zeros behind them when it is let go."""

    def __init__(self, file: Path, size: int) -> None:
        self._faults = LIBC.syscall(USERFAULTFD.get(platform.machine(), -1), os.O_CLOEXEC | os.O_NONBLOCK)
        if self._faults < 0:
            pytest.skip("userfaultfd(2) is not to be had")
        fcntl.ioctl(self._faults, API, struct.pack("QQQ", 0xAA, 0, 0))
        self._source = mmap.mmap(-1, size)
        self._source[: size - PAGE] = b"b" * (size - PAGE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._source))
        self._last = start + size - PAGE
        fcntl.ioctl(self._faults, REGISTER, struct.pack("QQQQ", self._last, PAGE, 1, 0))
        self._file = os.open(file, os.O_WRONLY)
        arguments = (self._file, ctypes.c_void_p(start), ctypes.c_size_t(size), ctypes.c_long(0))
        self._thread = threading.Thread(target=LIBC.pwrite, args=arguments)
        self._thread.start()

    def reached(self) -> bool:
        """Whether it waits for its last page."""
        return select.select([self._faults], [], [], 0)[0] != []

    def let_go(self) -> None:
        if self._thread.is_alive():
            with contextlib.suppress(FileExistsError):
                fcntl.ioctl(self._faults, ZEROPAGE, struct.pack("QQQq", self._last, PAGE, 0, 0))
            self._thread.join()

    def close(self) -> None:
        self.let_go()
        os.close(self._file)
        os.close(self._faults)


@contextlib.contextmanager
def _held_write(file: Path, size: int) -> Iterator[HeldWrite]:
    held = HeldWrite(file, size)
    try:
        yield held
    finally:
        held.close()


@pytest.mark.parametrize("pages", [2, 16, 512], ids=lambda pages: f"{pages}-pages")
@pytest.mark.parametrize("field", ["X-Plain: 1", "Range: bytes=0-"], ids=["whole", "range"])
def test_9110_8_8_3_who_asks_in_the_middle_of_a_write_gets_what_is_behind_it(
    serve: Serve, connect: Connect, tmp_path: Path, pages: int, field: str
) -> None:
    size = pages * PAGE
    file = tmp_path / "file.bin"
    write(file, b"a" * size)
    settle()
    server = serve(tmp_path, look_after_s=0.0)
    before = connect(server).ask(get("/file.bin", field))
    assert before.body == b"a" * size
    client, other = connect(server), connect(server)
    with _held_write(file, size) as held:
        assert until(held.reached)
        judged = server.metric("judged")
        client.send(get("/file.bin", field))
        assert until(lambda: server.metric("judged") > judged)
        assert select.select([client.socket], [], [], 0.2)[0] == []
        assert other.ask(get("/nothing")).status == 404  # nobody else waits
        held.let_go()
        answer = client.read()
    assert answer.body == b"b" * (size - PAGE) + bytes(PAGE)
    assert answer[b"etag"] != before[b"etag"]
    again = client.ask(get("/file.bin", field))
    assert (again.body, again[b"etag"]) == (answer.body, answer[b"etag"])
