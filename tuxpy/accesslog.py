"""The access log: what is written of each request, and where. The engines only note what happened; a thread of the C
part makes lines of it, so nobody who is served waits for a disk (csrc/logger.c).
"""

from __future__ import annotations

import errno
import logging
import os
from typing import Any, Final

from .bounds import Table, intervals_of
from .errors import ConfigError
from .forked import watch
from .logformat import FORMATS, compiled
from .native import ffi, lib, must

log = logging.getLogger("tuxpy")

_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC  # a fifo must not hold us up
JOURNAL_BYTES: Final = 1 << 20  # of each engine: some 1,500 requests of browsers
FLUSH_MS: Final = 1000
FLUSH_TERMINAL_MS: Final = 100


class AccessLog:
    """One log for all engines. Close it after them."""

    def __init__(
        self, path: str, template: str, *, block: bool = False, networks: Table = (), forwarded: int = 0
    ) -> None:
        """path: a file, or "-" for standard output. template: a name of FORMATS, or one's own.

        block: when it cannot be written fast enough, engines wait; else lines are lost and counted.
        networks, forwarded: as in trust(). Raises ConfigError.
        """
        self.path = path
        program = compiled(FORMATS.get(template, template))
        options = ffi.new("struct tux_log_options *")
        intervals, count = intervals_of(networks)
        held = ffi.from_buffer("uint8_t[]", program)
        options.program, options.program_bytes = held, len(program)
        options.networks, options.network_count, options.forwarded = intervals, count, forwarded
        options.journal_bytes = JOURNAL_BYTES
        self._fd = self._opened()
        options.flush_ms = FLUSH_TERMINAL_MS if os.isatty(self._fd) else FLUSH_MS
        options.fd, options.block = os.dup(self._fd), block
        out = ffi.new("struct tux_log **")
        must(lib.tux_log_open(options, out), "access log")
        self.handle: Any = out[0]
        watch(self)
        self._told = ""
        self._lost = 0

    def _opened(self) -> int:
        if self.path == "-":
            return os.dup(1)
        try:
            return os.open(self.path, _FLAGS, 0o640)
        except OSError as error:
            why = error.strerror
            raise ConfigError(f"cannot write the access log {self.path!r}: {why}: name another file") from None

    def trust(self, networks: Table, forwarded: int) -> None:
        """Whose word about the client counts (rules/networks.py), and where they give it (enum tux_forwarded)."""
        must(lib.tux_log_trust(self.handle, *intervals_of(networks), forwarded), "access log")

    def reopen(self) -> None:
        """Go on in the file that has the name now. What cannot be opened is said, and the old one is written on."""
        if self.path == "-":
            return
        try:
            fd = self._opened()
        except ConfigError as error:
            log.error("%s; the old one is written on", error)
            return
        os.close(self._fd)
        self._fd = fd
        lib.tux_log_reopen(self.handle, os.dup(fd))

    def look(self) -> None:
        """Reopen when the file was rotated away, and say what went wrong, once. To be called now and then."""
        if self.path != "-":
            mine = os.fstat(self._fd)
            try:
                there = os.stat(self.path)  # noqa: PTH116
            except OSError:
                there = None
            if there is None or (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino):
                self.reopen()
        state = self.state()
        told = os.strerror(state["error"]) if state["error"] else ""
        if told and told != self._told:
            hint = "make room" if state["error"] in (errno.ENOSPC, errno.EDQUOT) else "look at the file"
            log.error("the access log cannot be written: %s; lines are lost until that is mended: %s", told, hint)
        if state["lost"] > self._lost:
            lost = state["lost"] - self._lost
            log.warning("%d lines of the access log were lost: it is not written fast enough", lost)
        self._told, self._lost = told, state["lost"]

    def state(self) -> dict[str, int]:
        """lines, lost, failed_writes, and error: the errno of the last write, 0 when it was fine."""
        out = ffi.new("struct tux_log_state *")
        lib.tux_log_state(self.handle, out)
        return {name: int(getattr(out, name)) for name in ("lines", "lost", "failed_writes", "error")}

    def close(self) -> None:
        """Write what is left. Any number of times."""
        if self.handle is not None:
            lib.tux_log_close(self.handle)
            self.handle = None
            os.close(self._fd)

    def forked(self) -> None:
        """In a child: the parent has it, and closing does nothing."""
        self.handle = None
