"""A file system that can be made to hang, as a network file system does whose server is gone.

It is served by a process of its own, through /dev/fuse and without any library: that process is stopped (SIGSTOP) and
goes on (SIGCONT). It shows a directory that was made elsewhere, for reading. Needs the right to mount(2).

  python -m support.fuse SOURCE MOUNTPOINT
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import stat
import struct
import subprocess
import sys
from pathlib import Path

from .poll import until

_LIBC = ctypes.CDLL(None, use_errno=True)
_MNT_DETACH = 2
_INIT, _LOOKUP, _FORGET, _GETATTR, _OPEN, _READ, _STATFS = 26, 1, 2, 3, 14, 15, 17
_RELEASE, _FLUSH, _OPENDIR, _READDIR, _RELEASEDIR, _ACCESS, _BATCH_FORGET, _INTERRUPT = 18, 25, 27, 28, 29, 34, 42, 36
_ENTRY_S = 0  # the kernel asks each time, as for a network file system


def why_not() -> str | None:
    """Why this machine cannot have such a file system; None when it can."""
    if os.geteuid() != 0:
        return "only root may mount(2)"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return f"/dev/fuse: {error.strerror}"
    return None


class Hanging:
    """Such a file system at `mountpoint`, with the files of `source`."""

    def __init__(self, source: Path, mountpoint: Path) -> None:
        self.path = mountpoint
        mountpoint.mkdir(parents=True, exist_ok=True)
        before = mountpoint.stat().st_dev
        argv = [sys.executable, "-m", "support.fuse", str(source), str(mountpoint)]
        here = Path(__file__).resolve().parents[1]
        said = mountpoint.with_name(mountpoint.name + ".stderr")
        with said.open("wb") as errors:
            self._process = subprocess.Popen(argv, cwd=here, stderr=errors)

        def mounted() -> bool:
            return self._process.poll() is not None or mountpoint.stat().st_dev != before

        assert until(mounted)
        if self._process.poll() is not None:
            raise OSError((said.read_text().strip() or "no reason").splitlines()[-1])

    def hang(self) -> None:
        """Whoever asks it from now on waits."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def die(self) -> None:
        """Whoever asks it from now on, or waits, gets ENOTCONN."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Any number of times."""
        self.die()
        _LIBC.umount2(os.fsencode(self.path), _MNT_DETACH)


# The process that serves it.


class _Server:
    def __init__(self, source: str, mountpoint: str) -> None:
        self.device = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={self.device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
        if _LIBC.mount(b"hanging", os.fsencode(mountpoint), b"fuse.hanging", 0, options) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"mount: {os.strerror(number)}")
        self.paths = {1: source}
        self.numbers = {source: 1}

    def serve(self) -> None:
        while True:
            try:
                request = os.read(self.device, 1 << 18)
            except InterruptedError:
                continue
            except OSError:  # it is unmounted
                return
            length, what, unique, node = struct.unpack_from("=IIQQ", request)
            if what in (_FORGET, _BATCH_FORGET, _INTERRUPT):
                continue
            try:
                answer, failed = self.answer(what, node, request[40:length]), 0
            except OSError as error:
                answer, failed = b"", -(error.errno or 5)
            with contextlib.suppress(OSError):
                os.write(self.device, struct.pack("=IiQ", 16 + len(answer), failed, unique) + answer)

    def answer(self, what: int, node: int, body: bytes) -> bytes:
        path = self.paths.get(node, "")
        if what == _INIT:
            _, minor, ahead = struct.unpack_from("=III", body)
            return struct.pack("=IIIIHHII", 7, min(minor, 31), ahead, 0, 16, 12, 1 << 17, 1) + bytes(32)
        if what == _LOOKUP:
            return self.entry(f"{path}/{os.fsdecode(body.rstrip(bytes(1)))}")
        if what == _GETATTR:
            return struct.pack("=QII", 0, 0, 0) + _attributes(node, os.lstat(path))
        if what in (_OPEN, _OPENDIR):
            return struct.pack("=QII", 0, 0, 0)
        if what == _READ:
            _, offset, size = struct.unpack_from("=QQI", body)
            with open(path, "rb") as file:
                return os.pread(file.fileno(), size, offset)
        if what == _READDIR:
            _, offset, size = struct.unpack_from("=QQI", body)
            return self.names(path, offset, size)
        if what == _STATFS:
            return struct.pack("=QQQQQIII", 0, 0, 0, 0, 0, 512, 255, 0) + bytes(28)
        if what in (_RELEASE, _RELEASEDIR, _FLUSH, _ACCESS):
            return b""
        raise OSError(38, "not implemented")

    def entry(self, path: str) -> bytes:
        found = os.lstat(path)
        node = self.numbers.setdefault(path, len(self.numbers) + 1)
        self.paths[node] = path
        return struct.pack("=QQQQII", node, 0, _ENTRY_S, 0, 0, 0) + _attributes(node, found)

    def names(self, path: str, offset: int, size: int) -> bytes:
        packed = b""
        for number, name in enumerate(sorted(os.scandir(path), key=lambda one: one.name), 1):
            if number <= offset:
                continue
            raw = os.fsencode(name.name)
            one = struct.pack("=QQII", number, number, len(raw), 0) + raw
            one += bytes(-len(one) % 8)
            if len(packed) + len(one) > size:
                break
            packed += one
        return packed


def _attributes(node: int, found: os.stat_result) -> bytes:
    times = (found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns)
    seconds, rest = [t // 10**9 for t in times], [t % 10**9 for t in times]
    mode = found.st_mode | (stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    owner = (mode, 1, 0, 0, 0, 4096, 0)
    return struct.pack("=QQQQQQIIIIIIIIII", node, found.st_size, 8, *seconds, *rest, *owner)



if __name__ == "__main__":
    _Server(sys.argv[1], sys.argv[2]).serve()
