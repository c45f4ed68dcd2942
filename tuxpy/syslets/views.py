"""What two system calls write into memory, as Python values: struct statx and struct linux_dirent64."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

from ..atoms import Chain, Frozen

AT_FDCWD: Final = -100  # the directory of a path that begins where the process is, openat(2)
AT_SYMLINK_NOFOLLOW: Final = 0x100
STATX_BASIC: Final = 0x7FF
STATX_BYTES: Final = 256

_DIRENT = Struct("=QqHB")  # inode, offset, length of the record, type; the name follows
_STATX = Struct("=IIQIIIHxxQQQQ qII qII qII qII IIII")  # up to the device numbers, statx(2)


def _stating() -> Frozen:
    c = Chain("stating")
    path, room = c.path("path", 4096), c.buffer(STATX_BYTES, "stat")
    c.statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC, room, STATX_BYTES)
    return c.freeze()


stating: Final = _stating()  # lstat(2) as a chain: its param `path`, its buffer `stat`


class Entry(NamedTuple):
    """A name in a directory. type: as in d_type of readdir(3), 4 a directory, 8 a file, 10 a link, 0 unknown."""

    name: bytes
    type: int
    ino: int


class Stat(NamedTuple):
    """The parts of struct statx that most want; times are in nanoseconds."""

    mode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    atime_ns: int
    ino: int
    nlink: int
    uid: int
    gid: int
    blocks: int
    blksize: int
    dev: tuple[int, int]  # major, minor


def stat_of(memory: bytes) -> Stat:
    """The 256 bytes that statx has written. Times: those of the record; 0 where the file system keeps none."""
    _, blksize, _, nlink, uid, gid, mode, ino, size, blocks, _, *times, _, _, major, minor = _STATX.unpack_from(memory)
    atime, _, ctime, mtime = [times[i] * 1_000_000_000 + times[i + 1] for i in (0, 3, 6, 9)]
    return Stat(mode, size, mtime, ctime, atime, ino, nlink, uid, gid, blocks, blksize, (major, minor))


def entries(memory: bytes) -> Iterator[Entry]:
    """What getdents64 has written, less . and .. themselves."""
    at = 0
    while at + _DIRENT.size <= len(memory):
        ino, _, length, kind = _DIRENT.unpack_from(memory, at)
        name = memory[at + _DIRENT.size : at + length].split(b"\0", 1)[0]
        if length < _DIRENT.size:
            return
        if name not in (b".", b".."):
            yield Entry(name, kind, ino)
        at += length
