"""The calls that concern files and names, for the reference interpreter; system.py says what a function gets."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_int, c_ssize_t
from typing import Final

from .kernel import OutOfBounds, as_int, c_function, memory

STATX_BYTES: Final = 256  # struct statx


def pwrite(fd: int, data: memoryview, offset: int) -> int:
    """One write at `offset`, which may be short; the file's own position stays."""
    return c_function("pwrite", c_ssize_t, as_int(fd), bytes(data), len(data), offset)


def statx(directory: int, path: bytes, flags: int, mask: int, buffer: memoryview) -> int:
    """What is known of a name, or with AT_EMPTY_PATH of a descriptor, as struct statx."""
    if len(buffer) != STATX_BYTES:
        raise OutOfBounds
    return c_function("statx", c_int, as_int(directory), path, as_int(flags), as_int(mask), memory(buffer))


def getdents64(directory: int, buffer: memoryview) -> int:
    """The next entries of a directory, as bytes of struct linux_dirent64; 0 at the end."""
    return c_function("getdents64", c_ssize_t, as_int(directory), memory(buffer), len(buffer))


def fsync(fd: int) -> int:
    return c_function("fsync", c_int, as_int(fd))


def fdatasync(fd: int) -> int:
    return c_function("fdatasync", c_int, as_int(fd))


def fallocate(fd: int, mode: int, offset: int, length: int) -> int:
    return c_function("fallocate", c_int, as_int(fd), as_int(mode), offset, length)


def ftruncate(fd: int, length: int) -> int:
    return c_function("ftruncate", c_int, as_int(fd), length)


def renameat2(from_: int, old: bytes, to: int, new: bytes, flags: int) -> int:
    return c_function("renameat2", c_int, as_int(from_), old, as_int(to), new, as_int(flags))


def unlinkat(directory: int, path: bytes, flags: int) -> int:
    return c_function("unlinkat", c_int, as_int(directory), path, as_int(flags))


def mkdirat(directory: int, path: bytes, mode: int) -> int:
    return c_function("mkdirat", c_int, as_int(directory), path, as_int(mode))


def fadvise64(fd: int, offset: int, length: int, advice: int) -> int:
    """posix_fadvise returns what went wrong instead of setting errno."""
    return -c_function("posix_fadvise", c_int, as_int(fd), offset, length, as_int(advice))


def readahead(fd: int, offset: int, count: int) -> int:
    return c_function("readahead", c_ssize_t, as_int(fd), offset, count)


FUNCTIONS: Final[tuple[Callable[..., int], ...]] = (
    pwrite,
    statx,
    getdents64,
    fsync,
    fdatasync,
    fallocate,
    ftruncate,
    renameat2,
    unlinkat,
    mkdirat,
    fadvise64,
    readahead,
)
