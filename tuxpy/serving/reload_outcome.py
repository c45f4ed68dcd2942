"""What came of a reload, for those who asked for it: `tuxpy reload` waits until the server has said it.

    a unix socket without a path (unix(7)), named by the process: no directory is needed, no pid file, no right to
    write, and neither a chroot nor another user stands in the way
    who waits connects first and signals then; who was connected when a reload began hears what came of that one, and
    it has read all that was written before
    only root and the server's own users are told
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import time
from contextlib import suppress
from typing import Any, Final

from ..errors import ConfigError, TuxError

_BACKLOG: Final = 64
_WAITING_MAX: Final = 64
_FORGET_S: Final = 600.0  # who waits so long has not signalled
_BYTES_MAX: Final = 1 << 16
_REASON_MAX: Final = 8 << 10  # characters; with their escapes they fit into the buffer of a socket
_PEER: Final = struct.Struct("3i")  # pid, uid, gid: struct ucred of SO_PEERCRED
_MOVES_MAX: Final = 4


def _name_of(pid: int) -> str:
    """A process's number means something within its namespace alone (pid_namespaces(7)), such as a container's."""
    space = 0
    with suppress(OSError):
        space = os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116
    return f"\0tuxpy/{space}/{pid}"


def _peer_of(one: socket.socket) -> tuple[int, int]:
    """Process and user at the other end."""
    pid, uid, _ = _PEER.unpack(one.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return pid, uid


class Outcomes:
    """The server's side. All methods but open() raise nothing."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._users = {0}
        self._waiting: list[tuple[float, socket.socket]] = []
        self._hearing: list[tuple[float, socket.socket]] = []

    def open(self) -> None:
        """Raises OSError; then no caller can wait."""
        self._users |= {os.getuid(), os.geteuid()}
        one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            one.bind(_name_of(os.getpid()))
            one.listen(_BACKLOG)
        except OSError:
            one.close()
            raise
        self._socket = one

    def look(self) -> None:
        """Let those in who may know, and forget who has waited too long. To be called now and then."""
        with suppress(Exception):
            now = time.monotonic()
            for since, one in self._waiting[:]:
                if now - since > _FORGET_S or len(self._waiting) > _WAITING_MAX:
                    self._waiting.remove((since, one))
                    one.close()
            for _ in range(_BACKLOG if self._socket is not None else 0):
                one = self._socket.accept()[0]  # type: ignore[union-attr]
                if _peer_of(one)[1] in self._users | {os.geteuid()}:
                    one.setblocking(False)
                    self._waiting.append((now, one))
                else:
                    one.close()

    def begin(self) -> None:
        """A reload begins."""
        self.look()
        self._hearing, self._waiting = self._hearing + self._waiting, []

    def tell(self, **what: Any) -> None:
        """It is over. fault: why it was refused, "" when it is in force; kept: keys that only a restart can change."""
        self._hearing, hearing = [], self._hearing
        with suppress(Exception):
            import json  # most servers never need it

            what = {key: value[:_REASON_MAX] if isinstance(value, str) else value for key, value in what.items()}
            said = json.dumps(what).encode() + b"\n"
            for _, one in hearing:
                with suppress(OSError):  # it has not waited
                    one.send(said)
        for _, one in hearing:
            with suppress(OSError):
                one.close()

    def close(self) -> None:
        """Any number of times."""
        self.begin()
        self.tell(ends=True)
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def reload_and_wait(pid: int, within_s: float) -> list[str]:
    """Have a server read its configuration again; the keys of what only a restart can change.

    Raises ConfigError when it cannot be asked, and TuxError when the configuration was refused, with the reason, or
    when nothing is known within that time.
    """
    until = time.monotonic() + within_s
    for _ in range(_MOVES_MAX):
        said = _asked(pid, until)
        if said.get("moved"):
            pid = int(said["moved"])
            continue
        if said.get("fault"):
            raise TuxError(f"the new configuration is refused and the old one stays in force: {said['fault']}")
        if "fault" not in said:
            raise TuxError(f"the process {pid} ends and reloads nothing: ask the one that comes after it")
        return [str(key) for key in said.get("kept", ())]
    raise TuxError("the server is upgraded again and again: ask once more when that is over")


def _asked(pid: int, until: float) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(max(0.001, until - time.monotonic()))
        try:
            one.connect(_name_of(pid))
            known = _peer_of(one)[0] == pid
        except OSError:
            known = False
        if not known:
            _signal(pid, 0)
            raise ConfigError(
                f"the process {pid} is not a tuxpy server that reads its configuration again, or it is in another"
                f" container: look at the number; `kill -HUP {pid}` asks it without waiting for the outcome"
            )
        _signal(pid, signal.SIGHUP)
        said = bytearray()
        try:
            while not said.endswith(b"\n"):
                one.settimeout(max(0.001, until - time.monotonic()))
                more = one.recv(_BYTES_MAX)
                if not more:
                    raise TuxError(f"the process {pid} has ended without an outcome of the reload: see its log")
                said += more
        except TimeoutError:
            raise TuxError(f"the process {pid} gave no outcome of the reload in time: see its log") from None
        except ConnectionError:
            raise TuxError(f"the process {pid} has ended without an outcome of the reload: see its log") from None
        import json

        found: dict[str, Any] = json.loads(said)
        return found


def _signal(pid: int, number: int) -> None:
    """Raises ConfigError."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, OverflowError):
        raise ConfigError(f"there is no process {pid}: that server has ended") from None
    except PermissionError:
        raise ConfigError(f"the process {pid} is another user's: be that user, or root") from None
