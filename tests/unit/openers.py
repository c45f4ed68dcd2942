"""openat2(2) through ctypes: what the engine's chain does in service, without the engine; and who is open."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from pathlib import Path

from tuxpy.site.opening import OPEN_FLAGS

_OPENAT2 = 437  # the same on every architecture
_NO_MAGICLINKS, _BENEATH = 0x02, 0x08
_HOW = struct.pack("=QQQ", OPEN_FLAGS, 0, _NO_MAGICLINKS | _BENEATH)

_libc = ctypes.CDLL(None, use_errno=True)


def openat2_beneath(root_fd: int, path: bytes) -> int:
    fd: int = _libc.syscall(_OPENAT2, root_fd, path or b".", _HOW, ctypes.c_size_t(len(_HOW)))
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return fd


def open_descriptors() -> set[str]:
    """Of this process; the one that reads the list is among them each time, under the same number."""
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def openat2_works() -> bool:
    try:
        os.close(openat2_beneath(-100, b"."))  # -100: AT_FDCWD
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EPERM):
            return False
        raise
    return True
