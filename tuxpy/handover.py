"""Upgrade without downtime: the program is started anew and gets the listening sockets of this one.

The very same sockets, since a new one beside them would have a queue of its own, and closing ours would reset whoever
waits in it. The new server says over a pipe that it serves; then this one drains and leaves the sockets alone. If the
new one ends before, this one has lost nothing.

A byte over a pipe, where others have a signal: it says for certain who is ready, and its end says who never will be.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Final

from .errors import TuxError
from .inherit import HANDOVER
from .listen import Listener

log = logging.getLogger("tuxpy")

_PATIENCE_S: Final = 60.0  # for the new server to be ready
_ENDS_S: Final = 2.0  # for it to end
_PAUSE_S: Final = 0.01
_OURS: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID")


class _Successor:
    """A new server that is on its way."""

    def __init__(self, listeners: Iterable[Listener], environ: Mapping[str, str] = os.environ) -> None:
        """Start it. Raises TuxError when it cannot be."""
        if os.getpid() == 1:
            raise TuxError("a container ends with its first process: start a new container in its place")
        self.fd, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        sockets = {str(one.address): [each.fileno() for each in one.sockets] for one in listeners}
        said = json.dumps({"pipe": theirs, "listeners": sockets})
        kept = {name: value for name, value in environ.items() if name not in _OURS}
        numbers = [theirs, *(number for each in sockets.values() for number in each)]
        program = sys.executable or sys.orig_argv[0]
        try:
            self.pid = os.posix_spawn(
                program, sys.orig_argv, {**kept, HANDOVER: said},
                file_actions=[(os.POSIX_SPAWN_DUP2, number, number) for number in numbers],  # they survive exec so
                setsigdef=[signal.SIGPIPE],
            )  # fmt: skip
        except OSError as error:
            os.close(self.fd)
            raise TuxError(f"{program} cannot be started: {error.strerror}") from error
        finally:
            os.close(theirs)
        self.until = time.monotonic() + _PATIENCE_S

    def is_ready(self) -> bool | None:
        """Whether the new server serves; None: it is not known yet."""
        try:
            said = os.read(self.fd, 1)
        except BlockingIOError:
            return None if time.monotonic() < self.until else False
        return bool(said)

    def abandon(self) -> str:
        """End a new server that is not ready; how it ended."""
        os.close(self.fd)
        ended = self._ended(_ENDS_S if time.monotonic() < self.until else 0.0)
        if ended is not None:
            return f"ended with {ended}"
        for number in (signal.SIGTERM, signal.SIGKILL):
            os.kill(self.pid, number)
            if self._ended(_ENDS_S) is not None:
                break
        return f"was not ready within {_PATIENCE_S:g} s"

    def _ended(self, within_s: float) -> int | None:
        """Its exit code, once it has ended."""
        end = time.monotonic() + within_s
        while True:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() >= end:
                return None
            time.sleep(_PAUSE_S)

    def let_go(self) -> None:
        """The new server is on its own; nobody waits for its end here."""
        os.close(self.fd)


class Upgrades:
    """One at a time. What comes of it is in the log."""

    def __init__(self) -> None:
        self._coming: _Successor | None = None

    @property
    def under_way(self) -> bool:
        return self._coming is not None

    def begin(self, listeners: Iterable[Listener], in_chroot: bool) -> None:
        """Start the program anew."""
        if self._coming is not None:
            log.warning("an upgrade is under way already: process %d is starting", self._coming.pid)
            return
        try:
            if in_chroot:
                raise TuxError("the program is out of reach for a server in a chroot: restart it")
            self._coming = _Successor(listeners)
        except TuxError as error:
            log.error("no upgrade, this server stays: %s", error)
        else:
            log.info("upgrade: process %d is starting", self._coming.pid)

    def successor(self) -> int:
        """The number of the process that serves now in our place; 0 as long as there is none."""
        coming = self._coming
        ready = None if coming is None else coming.is_ready()
        if coming is None or ready is None:
            return 0
        self._coming = None
        if not ready:
            log.error("no upgrade, this server stays: process %d %s", coming.pid, coming.abandon())
            return 0
        log.info("upgrade: process %d serves now", coming.pid)
        coming.let_go()
        return coming.pid

    def abandon(self) -> None:
        """Nobody is to come after us."""
        if self._coming is not None:
            self._coming.until = 0.0
            self._coming.abandon()
            self._coming = None
