"""How names are opened beneath a directory without openat2: a component at a time, or by the kernel's own rules."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import Final

OpenBeneath = Callable[[int, bytes], int]
"""(descriptor of a directory, path beneath it) -> a descriptor for reading. Raises OSError as open does."""

# O_NONBLOCK: opening a fifo or a device must not wait for its other side.
OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
PATH_BYTES_MAX = 4096  # PATH_MAX of limits.h, its NUL included
_STEP_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def walk_beneath(root_fd: int, path: bytes) -> int:
    """Open `path` component by component, following no symbolic link (ELOOP if there is one).

    For kernels before 5.6, and as the partner that openat2 is tested against.
    Raises OSError as open does; EXDEV for "..".
    """
    if len(path) >= PATH_BYTES_MAX:  # the kernel's rule for whole paths, which steps alone would escape
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)
    *steps, name = [part for part in path.split(b"/") if part not in (b"", b".")] or [b"."]
    if b".." in steps or name == b"..":
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    at = root_fd
    try:
        for step in steps:
            below = _step(at, step)
            if at != root_fd:
                os.close(at)
            at = below
        wants_directory = os.O_DIRECTORY if path.endswith(b"/") else 0
        return os.open(name, OPEN_FLAGS | os.O_NOFOLLOW | wants_directory, dir_fd=at)
    finally:
        if at != root_fd:
            os.close(at)


def _step(at: int, name: bytes) -> int:
    """One directory down; a symbolic link is ELOOP (the kernel itself would say ENOTDIR)."""
    try:
        return os.open(name, _STEP_FLAGS, dir_fd=at)
    except NotADirectoryError:
        if stat.S_ISLNK(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name) from None
        raise


def open_anywhere(root_fd: int, path: bytes) -> int:
    """Open `path` from the root on, following every symbolic link. Raises OSError as open does."""
    return os.open(path, OPEN_FLAGS, dir_fd=root_fd)


def _device(path: str) -> int:
    try:
        return os.stat(path).st_dev  # noqa: PTH116
    except OSError:
        return -1


# Their files have other sizes than they say (0, or 4096), so no head that was written before they are read is right.
KERNELS: Final = {_device(path) for path in ("/proc", "/sys", "/sys/fs/cgroup", "/sys/kernel/debug")} - {-1}
