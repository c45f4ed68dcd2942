"""The file with our process number, for whoever wants to signal us.

It is written in place: a successor may have no right to make another file there.
"""

from __future__ import annotations

import os
import signal

from .errors import ConfigError


class PidFile:
    """Written when it is made. Raises ConfigError."""

    def __init__(self, path: str, successor: tuple[int, int] | None = None) -> None:
        """successor: user and group who will write it after us."""
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise ConfigError(f"cannot write the pid file {path!r}: {error.strerror}; name another one") from error
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, b"%d\n" % os.getpid(), 0)
            if successor is not None and os.geteuid() == 0:
                os.fchown(self._fd, *successor)
        except OSError as error:
            os.close(self._fd)
            raise ConfigError(f"cannot write the pid file {path!r}: {error.strerror}; name another one") from error

    def close(self) -> None:
        """Take it away, unless a successor has written its own number. Any number of times."""
        if self._fd < 0:
            return
        try:
            if os.pread(self._fd, 32, 0) == b"%d\n" % os.getpid():
                os.ftruncate(self._fd, 0)  # also where the name cannot be removed
                os.unlink(self.path)  # noqa: PTH108 (pathlib is slow to import)
        except OSError:
            pass
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
        raise ConfigError(f"{path!r} holds no number of a process: no server of its runs, or it is another file")
    return int(said)


def ask_to_reload(number: int) -> None:
    """Signal a server. Raises ConfigError."""
    try:
        os.kill(number, signal.SIGHUP)
    except (ProcessLookupError, OverflowError):
        raise ConfigError(f"no process has the number {number}: that server has ended") from None
    except PermissionError:
        raise ConfigError(f"the process {number} is another user's: be that user, or root") from None
