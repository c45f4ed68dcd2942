"""A password file that may change while we run: read again when it has, refused in one sentence when it is no good."""

from __future__ import annotations

import os
import shlex
import threading
import time
from collections.abc import Callable
from typing import Final

from ..base.time_limit import looking_at
from ..errors import ConfigError
from .passwords import Htpasswd

_UNSETTLED_S: Final = 0.02  # so young a file may change once more within the same tick of the file system

Stat = Callable[[str], os.stat_result]


class PasswordFile:
    """A password file that may change while we run. Safe to share between threads.

    At the start a file that cannot be read is refused. Later the last good version stays in force, since an editor that
    saves, or one slip of the pen, must not lock everybody out; `fault` says what is wrong until it is mended.
    `generation` grows with each version: an answer that rests on a password holds for its own generation only.
    """

    def __init__(self, path: str, stat: Stat = os.stat, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.fault: str | None = None
        self.generation = 0
        self._stat, self._clock = stat, clock
        self._lock = threading.Lock()
        self._version: tuple[int, ...] | None = None
        self._content: str | None = None
        self._users = Htpasswd({})
        with looking_at(path):
            self._renew()

    @property
    def current(self) -> Htpasswd:
        """The users as they were read last."""
        return self._users

    def users(self) -> Htpasswd:
        """The users as of now; one stat when nothing has changed."""
        with self._lock:
            try:
                self._renew()
            except ConfigError as error:
                self.fault = str(error)
            return self._users

    def _renew(self) -> None:
        try:
            found = self._stat(self.path)
            version = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            if version == self._version:
                return
            # The version is older than the content: what is written in between is seen the next time.
            with open(self.path, encoding="utf-8") as file:
                content = file.read()
        except (OSError, UnicodeDecodeError) as error:
            self._version = None
            because = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            remedy = f"write it with htpasswd -Bc {shlex.quote(self.path)} USER, or make it readable"
            raise ConfigError(f"cannot read the password file {self.path!r}: {because}: {remedy}") from error
        self._version = version if abs(self._clock() - found.st_ctime) >= _UNSETTLED_S else None
        if content != self._content or self.fault is not None:
            users = Htpasswd.parse(content, self.path)
            if content != self._content:
                self._users, self._content, self.generation = users, content, self.generation + 1
            self.fault = None
