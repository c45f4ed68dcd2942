"""The access log: what is written of each request, and where. The engines only note what happened; a thread of the C
part makes lines of it, writes them, opens the file again and looks whether it was rotated. So nobody who is served or
who judges waits for a disk, or for whoever reads the lines (csrc/log/logthread.c).
"""

from __future__ import annotations

import errno
import logging
import os
import re
import stat
import time
from typing import Any, Final

from ..base.forked import watch
from ..config.log_format import AUTO, FORMATS, compiled
from ..config.places import at
from ..config.settings import Config
from ..errors import ConfigError
from ..values import value_class
from .native import ffi, lib, must

log = logging.getLogger("tuxpy")

_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY  # a fifo must not hold us up
JOURNAL_BYTES: Final = 1 << 20  # of each engine: some 4,000 requests of browsers
FLUSH_MS: Final = 1000
FLUSH_AT_ONCE_MS: Final = 50  # where somebody or something looks at each line
_TOLD_S: Final = 10.0  # between two reports of lines that were lost
# Names of our own descriptors. Those of sockets, as systemd gives them, cannot be opened by name.
_OURS: Final = re.compile(r"/dev/(stdin|stdout|stderr)|(?:/dev/fd|/proc/self/fd)/([0-9]+)")


@value_class(frozen=True, slots=True)
class LogFile:
    """Where the lines go, opened.

    fd      the descriptor, for the one who takes it
    path    how the operator calls it
    again   where it is opened again after a rotation; "" for what has no name
    """

    fd: int
    path: str
    again: str = ""

    @property
    def terminal(self) -> bool:
        return os.isatty(self.fd)


def open_for(config: Config, owner: tuple[int, int] | None = None) -> LogFile | None:
    """The access log that a configuration asks for, to be opened while all rights are there. Raises ConfigError."""
    if config.access_log is None:
        return None
    with at(config, "log.access"):
        file = open_log(config.access_log.path, owner)
    if not file.again or not config.chroot:
        return file
    inside = os.path.relpath(file.again, os.path.abspath(config.chroot))  # noqa: PTH100
    return LogFile(file.fd, file.path, "" if inside.startswith("..") else f"/{inside}")


def open_log(path: str, owner: tuple[int, int] | None = None) -> LogFile:
    """Open what `path` names: a file, "-" for standard output, or a descriptor of ours such as /dev/stdout.

    owner: user and group that a new file is to belong to. Raises ConfigError.
    """
    number = _descriptor_of(path)
    if number is not None:
        return LogFile(_shared(path, number), path)
    try:
        try:
            fd = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o640)
        except FileExistsError:
            return LogFile(os.open(path, _FLAGS | os.O_CREAT, 0o640), path, os.path.abspath(path))  # noqa: PTH100
        if owner is not None and os.geteuid() == 0:
            os.fchown(fd, *owner)  # so that he can open it again
        return LogFile(fd, path, os.path.abspath(path))  # noqa: PTH100
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        hint = "name another file, or - for standard output"
        if isinstance(error, OSError) and error.errno == errno.ENXIO:
            hint = "start the program that reads it first, or give - for standard output"
        raise ConfigError(f"cannot write the access log {path!r}: {why}: {hint}") from None


def _descriptor_of(path: str) -> int | None:
    if path == "-":
        return 1
    found = _OURS.fullmatch(path)
    if found is None or len(found[2] or "") > 9:
        return None
    return {"stdin": 0, "stdout": 1, "stderr": 2}.get(found[1] or "", -1) if found[1] else int(found[2])


def _shared(path: str, number: int) -> int:
    """A descriptor of ours that others may share, so its mode is not ours to change: a pipe or a terminal is opened
    anew, in a mode in which no write waits."""
    try:
        mode = os.fstat(number).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
            try:
                return os.open(f"/proc/self/fd/{number}", _FLAGS)
            except OSError:
                pass  # somebody else's, or no /proc: the C part is careful with it
        return os.dup(number)
    except OSError as error:
        raise ConfigError(
            f"cannot write the access log {path!r}: {error.strerror}: it is not open; name a file"
        ) from None


class AccessLog:
    """One log for all engines. Close it after them."""

    def __init__(self, file: LogFile, template: str = AUTO, *, wait: bool = False, color: bool = True) -> None:
        """file: is taken over. template: a name of FORMATS, a template of one's own, or AUTO.

        wait: when lines are not written fast enough, no request is answered; else lines are lost and counted.
        color: whether the colours of a format are wanted. Raises ConfigError.
        """
        self.file = file
        taken = False
        try:
            if template == AUTO:
                template = "terminal" if file.terminal else "combined"
            program = compiled(FORMATS.get(template, template), color)
            options = ffi.new("struct tux_log_options *")
            held = ffi.from_buffer("uint8_t[]", program), ffi.new("char[]", os.fsencode(file.again))
            options.program, options.program_bytes = held[0], len(program)
            options.path = held[1] if file.again else ffi.NULL
            options.journal_bytes = JOURNAL_BYTES
            options.flush_ms = FLUSH_MS if stat.S_ISREG(os.fstat(file.fd).st_mode) else FLUSH_AT_ONCE_MS
            options.fd, options.wait = file.fd, wait
            out, taken = ffi.new("struct tux_log **"), True
            must(lib.tux_log_open(options, out), "access log")
        finally:
            if not taken:
                os.close(file.fd)
        self.handle: Any = out[0]
        watch(self)
        self._told = self._told_reopen = 0
        self._lost = 0
        self._tell_at = 0.0

    def reopen(self) -> None:
        """Go on, soon, in the file that has the name then; what becomes of that is told by look()."""
        if self.handle is None:
            return
        if self.file.again:
            lib.tux_log_reopen(self.handle)
        elif not _OURS.fullmatch(self.file.path) and self.file.path != "-":
            log.error("the access log %r is out of reach in the chroot, so the server keeps the old file: to rotate it,"
                      " copy and truncate it, or restart the server", self.file.path)  # fmt: skip

    def look(self) -> None:
        """Say what went wrong: a fault once, lines that were lost every few seconds. To be called now and then."""
        self._tell(self.state(), time.monotonic() >= self._tell_at)

    def _tell(self, state: dict[str, int], lost_too: bool) -> None:
        if state["error"] not in (0, self._told):
            hint = "make room" if state["error"] in (errno.ENOSPC, errno.EDQUOT) else "look at what reads or holds it"
            log.error("the server cannot write the access log: %s. It loses lines until that is repaired: %s",
                      os.strerror(state["error"]), hint)  # fmt: skip
        if state["reopen_error"] not in (0, self._told_reopen):
            log.error("the access log %r cannot be opened again: %s; the server keeps the old file. Give it the"
                      " right to write in its directory, or have the new file made for it (logrotate: create), or copy"
                      " and truncate the old one", self.file.path, os.strerror(state["reopen_error"]))  # fmt: skip
        elif state["reopen_error"] == 0 and self._told_reopen:
            log.info("the access log %r is open again", self.file.path)
        self._told, self._told_reopen = state["error"], state["reopen_error"]
        if state["lost"] > self._lost and lost_too:
            why = os.strerror(state["error"]) if state["error"] else "they are not read or written fast enough"
            log.warning("%d lines of the access log were lost: %s", state["lost"] - self._lost, why)
            self._lost = state["lost"]
            self._tell_at = time.monotonic() + _TOLD_S

    def state(self) -> dict[str, int]:
        """lines, lost, failed_writes, and the errno of the last write and of the last attempt to open the file again, 0
        when they were fine."""
        out = ffi.new("struct tux_log_state *")
        if self.handle is not None:
            lib.tux_log_state(self.handle, out)
        return _as_dict(out)

    def close(self) -> None:
        """Write what is left, as long as that is read: four seconds at most. Any number of times."""
        if self.handle is not None:
            out = ffi.new("struct tux_log_state *")
            lib.tux_log_close(self.handle, out)
            self.handle = None
            self._tell(_as_dict(out), lost_too=True)

    def forked(self) -> None:
        """In a child: the parent has it, and closing does nothing."""
        self.handle = None


def _as_dict(state: Any) -> dict[str, int]:
    names = ("lines", "lost", "failed_writes", "error", "reopen_error")
    return {name: int(getattr(state, name)) for name in names}
