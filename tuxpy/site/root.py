"""A document root: a directory held open under one number, whatever its name leads to.

Witnesses name the root by that number, so it stays the same when the name leads to another directory: the usual deploy
is a symbolic link that is led elsewhere. Meanwhile the old place is served.

To look where the name leads may block, so that is one step, for any thread (`look`), and to go there another (`take`).
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from ..base.time_limit import looking_at
from ..errors import ConfigError
from .mounts import is_far

log = logging.getLogger("tuxpy")

_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_OTHER = "cannot open the directory {root!r}: {error}"
_REMEDIES = {
    errno.ENOENT: "there is no directory {root!r}: create it or name another one",
    errno.ENOTDIR: "{root!r} is not a directory: name the directory that holds the site",
    errno.EACCES: "no right to enter {root!r}: run as a user who may, or change its mode",
}

Glance: TypeAlias = "int | OSError | None"  # a descriptor of the new place; why it cannot be seen; None: as before


class FileChanged(Exception):
    """The file is no longer what was seen a moment ago: judge again."""


class Root:
    """Raises ConfigError, naming the remedy, when the directory cannot be entered."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd, self._lost, self._lock = -1, False, threading.Lock()
        try:
            with self.closed_on_failure(), looking_at(path):
                self.fd = os.open(path, _FLAGS)
                self._id = _identity(os.fstat(self.fd))
                self.far = is_far(self.fd)
        except OSError as error:
            remedy = _REMEDIES.get(error.errno or 0, _OTHER)
            raise ConfigError(remedy.format(root=path, error=error.strerror)) from error

    @contextmanager
    def closed_on_failure(self) -> Iterator[None]:
        """What fails in here leaves no descriptor behind."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    @property
    def device(self) -> int:
        """The number of the file system that it is on."""
        return self._id[0]

    @contextmanager
    def held(self) -> Iterator[int]:
        """For a worker: a descriptor that stays open while it is used. Raises FileChanged once the root is closed."""
        with self._lock:  # or the number may be another's by now
            if self.fd < 0:
                raise FileChanged
            fd = os.dup(self.fd)
        try:
            yield fd
        finally:
            os.close(fd)

    def is_deleted(self) -> bool:
        """Whether the directory itself has been deleted."""
        return os.fstat(self.fd).st_nlink == 0

    def signs(self, names: Iterable[bytes]) -> tuple[object, ...]:
        """What changes when the root's name or one of these at its top is made, replaced or written to. Where it is
        far, and behind symbolic links, nothing is asked: this does not block."""
        if self.far:
            return ()
        try:
            found = os.lstat(self.path)
            there: list[object] = [(found.st_dev, found.st_ino)]
        except OSError as error:
            there = [error.errno]
        for name in names:
            try:
                found = os.stat(name, dir_fd=self.fd, follow_symlinks=False)
                there.append((found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))
            except OSError as error:
                there.append(error.errno)
        return tuple(there)

    def look(self) -> Glance:
        """Where the name leads now. May block."""
        try:
            if _identity(os.stat(self.path)) == self._id:  # noqa: PTH116 (the error names no path of ours)
                return None
            return os.open(self.path, _FLAGS)
        except OSError as error:
            return error

    def take(self, glance: Glance) -> bool:
        """Go where it leads; whether that is another place. Closes what `look` has opened."""
        if glance is None:
            self._lost = False
            return False
        if isinstance(glance, OSError):
            if not self._lost:
                # A server that has given up rights may not see the way to the root any more: nothing is wrong then.
                level = logging.INFO if glance.errno == errno.EACCES else logging.WARNING
                log.log(level, "%s: %s; what was there is served on", self.path, glance.strerror)
            self._lost = True
            return False
        with self._lock:
            if self.fd < 0:
                os.close(glance)
                return False
            os.dup2(glance, self.fd, inheritable=False)
        os.close(glance)
        self._id, self._lost, self.far = _identity(os.fstat(self.fd)), False, is_far(self.fd)
        log.info("the root %s leads to another directory now", self.path)
        return True

    def close(self) -> None:
        """Any number of times."""
        with self._lock:
            if self.fd >= 0:
                os.close(self.fd)
                self.fd = -1


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
