"""Upgrade without downtime: the program is started anew and gets the listening sockets of this one.

The very same sockets, since a new one beside them would have a queue of its own, and closing ours would reset whoever
waits in it. The new server says over a pipe that it serves; then this one drains and leaves the sockets alone. If the
new one ends before, this one has lost nothing.

A byte over a pipe, where others have a signal: it says for certain who is ready, and its end says who never will be.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, TypeAlias

from ..errors import TuxError
from .inherited import HANDOVER

log = logging.getLogger("tuxpy")

_PATIENCE_S: Final = 60.0  # for the new server to be ready
_ENDS_S: Final = 2.0  # for it to end
Will: TypeAlias = "Callable[[int], tuple[str, list[int]]]"
"""What a successor is told of the pipe with this number and of all else, and the descriptors it gets (inherited.py)."""
_OURS: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID")


class _Successor:
    """A new server that is on its way. Nothing here waits: look() is called again and again."""

    def __init__(self, will: Will, environ: Mapping[str, str] = os.environ) -> None:
        """Start it. Raises TuxError when it cannot be."""
        if os.getpid() == 1:
            raise TuxError("a container ends with its first process: start a new container in its place")
        program = sys.executable or sys.orig_argv[0]
        theirs = self.fd = -1
        try:
            self.fd, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            said, numbers = will(theirs)
            kept = {name: value for name, value in environ.items() if name not in _OURS}
            self.pid = os.posix_spawn(
                program, sys.orig_argv, {**kept, HANDOVER: said},
                file_actions=[(os.POSIX_SPAWN_DUP2, number, number) for number in numbers],  # they survive exec so
                setsigdef=[signal.SIGPIPE],
            )  # fmt: skip
        except OSError as error:
            _close(self.fd)
            raise TuxError(f"{program} cannot be started: {error.strerror}") from error
        except BaseException:
            _close(self.fd)
            raise
        finally:
            _close(theirs)
        self.until = time.monotonic() + _PATIENCE_S
        self.late = self._asked_to_end = False

    def is_ready(self) -> bool | None:
        """Whether the new server serves; None: it is not known yet."""
        try:
            said = os.read(self.fd, 1)
        except BlockingIOError:
            return None if time.monotonic() < self.until else False
        return bool(said)

    def end(self) -> None:
        """It is not to come."""
        _close(self.fd)
        self.fd, now = -1, time.monotonic()
        self.late = now >= self.until
        self.until = now + _ENDS_S

    def has_ended(self) -> str | None:
        """How, once it has; what does not end by itself is made to."""
        try:
            found, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:  # somebody else has asked
            return "has ended"
        if found and self.late:
            return f"was not ready within {_PATIENCE_S:g} s"
        if found:
            return f"ended with {os.waitstatus_to_exitcode(status)}"
        now = time.monotonic()
        if (self._asked_to_end or not self.late) and now < self.until:
            return None
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL if self._asked_to_end else signal.SIGTERM)
        self._asked_to_end, self.until = True, now + _ENDS_S
        return None

    def let_go(self) -> None:
        """The new server is on its own; this process does not wait for its end."""
        _close(self.fd)


def _close(fd: int) -> None:
    if fd >= 0:
        os.close(fd)


class Upgrades:
    """One at a time. What comes of it is in the log."""

    def __init__(self) -> None:
        self._coming: _Successor | None = None
        self._ending: _Successor | None = None  # it has come to nothing, but lives yet

    @property
    def under_way(self) -> bool:
        return self._coming is not None or self._ending is not None

    def begin(self, will: Will, in_chroot: bool) -> None:
        """Start the program anew."""
        there = self._coming or self._ending
        if there is not None:
            log.warning("process %d is already starting for an upgrade", there.pid)
            return
        try:
            if in_chroot:
                raise TuxError("the program is out of reach for a server in a chroot: restart it")
            self._coming = _Successor(will)
        except TuxError as error:
            log.error("the upgrade failed and this server stays: %s", error)
        else:
            log.info("upgrade: process %d is starting", self._coming.pid)

    def look(self, failed: Callable[[int], object]) -> int:
        """The number of the process that serves now in our place; 0 as long as there is none.

        failed: told of a process that has come to nothing, once it has ended.
        """
        if self._ending is not None:
            how = self._ending.has_ended()
            if how is not None:
                pid, self._ending = self._ending.pid, None
                log.error("the upgrade failed and this server stays: process %d %s", pid, how)
                failed(pid)
        if self._coming is None:
            return 0
        ready = self._coming.is_ready()
        if ready is None:
            return 0
        coming, self._coming = self._coming, None
        if not ready:
            coming.end()
            self._ending = coming
            return 0
        log.info("upgrade: process %d serves now", coming.pid)
        coming.let_go()
        return coming.pid

    def close(self) -> None:
        """There will be no successor. Any number of times."""
        for one in (self._coming, self._ending):
            if one is not None:
                _close(one.fd)
                with suppress(ProcessLookupError):
                    os.kill(one.pid, signal.SIGTERM)
        self._coming = self._ending = None
