"""The file with our process number, for those who want to signal us.

It is written in place: a successor may have no right to make another file there. It belongs to the process whose number
is in it. So the number is written when we serve and can be signalled, and not before: a server that fails to start, or
to succeed another, leaves the file as it was.
"""

from __future__ import annotations

import os
from contextlib import suppress

from ..errors import ConfigError


class PidFile:
    """Opened when it is made, before rights are given up. Raises ConfigError."""

    def __init__(self, path: str, owner: tuple[int, int] | None = None) -> None:
        """owner: user and group who will write it later."""
        self.path = path
        self._made = not os.path.lexists(path)  # by us, and nothing is in it yet
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise ConfigError(f"cannot write the pid file {path!r}: {error.strerror}; name another one") from error
        try:
            os.ftruncate(self._fd, os.fstat(self._fd).st_size)  # a directory, a full quota: better now than later
            if owner is not None and os.geteuid() == 0:
                os.fchown(self._fd, *owner)
        except OSError as error:
            self.close()
            raise ConfigError(f"cannot write the pid file {path!r}: {error.strerror}; name another one") from error

    def take(self) -> None:
        """It is ours from now on. Raises ConfigError, and then it is as it was."""
        try:
            number = b"%d\n" % os.getpid()
            os.pwrite(self._fd, number.ljust(os.fstat(self._fd).st_size, b"\n"), 0)
            os.ftruncate(self._fd, len(number))
        except OSError as error:
            raise ConfigError(f"cannot write the pid file {self.path!r}: {error.strerror}; make room there") from error
        self._made = False

    def take_back(self, pid: int) -> None:
        """A successor of this number has come to nothing: what it has left is ours again."""
        with suppress(OSError, ConfigError):
            if not self._is_there():
                os.close(self._fd)
                self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            if os.pread(self._fd, 32, 0).strip() in (b"", b"%d" % pid):
                self.take()

    def _is_there(self) -> bool:
        """Whether the name still means this file."""
        mine = os.fstat(self._fd)
        try:
            there = os.lstat(self.path)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)

    def close(self) -> None:
        """Take it away if our number is in it, or if it is ours and empty. Any number of times."""
        if self._fd < 0:
            return
        with suppress(OSError):
            said = os.pread(self._fd, 32, 0)
            if (said == b"%d\n" % os.getpid() or (self._made and not said)) and self._is_there():
                os.ftruncate(self._fd, 0)  # also where the name cannot be removed
                os.unlink(self.path)  # noqa: PTH108 (pathlib is slow to import)
        os.close(self._fd)
        self._fd = -1


def read_pid(path: str) -> int:
    """The number in a pid file. Raises ConfigError."""
    try:
        with open(path, "rb") as file:
            said = file.read(32).strip()
    except OSError as error:
        raise ConfigError(f"cannot read the pid file {path!r}: {error.strerror}; give a number as --pid") from error
    if not said.isdigit() or int(said) < 1:
        raise ConfigError(f"{path!r} has no process number: its server does not run, or it is another file")
    return int(said)
