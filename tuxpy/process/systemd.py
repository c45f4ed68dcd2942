"""What a service manager is told (sd_notify(3)): that we are ready, what we are doing, that we are alive.

Without NOTIFY_SOCKET there is no listener, and every method does nothing.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import MutableMapping
from typing import Final

_QUIET: Final = 1e9  # seconds; for who needs no sign of life


class Notifier:
    """Connected when it is made: later the socket's path may be out of our reach."""

    def __init__(self, environ: MutableMapping[str, str] | None = None) -> None:
        """Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of `environ`; None: there is no service manager."""
        self._socket: socket.socket | None = None
        self._every_s = _QUIET
        self._next = 0.0
        environ = {} if environ is None else environ
        name = environ.get("NOTIFY_SOCKET", "")
        if name[:1] not in ("/", "@"):
            return
        one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            one.connect("\0" + name[1:] if name[0] == "@" else name)
        except OSError:
            one.close()
            return
        one.setblocking(False)
        self._socket = one
        asked, whose = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
        if asked.isdecimal() and int(asked) > 0 and whose in ("", str(os.getpid())):
            self._every_s = int(asked) / 2e6  # half of it, as the manual advises

    def ready(self, status: str) -> None:
        """The start, or a reload, is done."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now_us}", "STATUS=reads its configuration again")

    def stopping(self, status: str) -> None:
        self._send("STOPPING=1", f"STATUS={status}")

    def hand_over(self, pid: int) -> None:
        """Another process is the service now. We have nothing more to say."""
        self._send(f"MAINPID={pid}")
        self.close()

    def live(self) -> None:
        """A sign of life, when one is due. For the loop that judges: it proves that this one turns."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._every_s
            if self._every_s < _QUIET:
                self._send("WATCHDOG=1")

    @property
    def due(self) -> float:
        """When the next sign of life is due, in monotonic time."""
        return self._next

    def _send(self, *lines: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.send("\n".join(lines).encode(errors="replace"))
        except OSError:  # a manager that does not listen is no reason to stop
            pass

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
