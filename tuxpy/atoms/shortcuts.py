"""The white list as methods of the chain: `c.send(fd, data, 5, 0)` is `c.add("send", fd, data, 5, 0)`.

They exist for the type checker and for completion in editors; the table in calls.py rules, and a test holds every
signature here against it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, TypedDict

from . import flags as f
from .cells import Cell

if TYPE_CHECKING:
    from typing_extensions import Unpack

Argument: TypeAlias = Cell | int  # a plain number becomes a constant


class How(TypedDict, total=False):
    """What every atom may be told besides its arguments; see Chain.add."""

    label: str | None
    ret: Cell | None
    stop_on: f.Stop | tuple[f.Stop, ...]
    on_stop: str | None
    next: str | None
    flags: int


class Shortcuts:
    """One method a call. Cell where only a cell can do, Argument where a number will."""

    def add(self, call: str, *args: Argument, **how: Unpack[How]) -> None:
        raise NotImplementedError

    def getpid(self, **how: Unpack[How]) -> None:
        self.add("getpid", **how)

    def umem_add(self, cell: Cell, increment: Argument, /, **how: Unpack[How]) -> None:
        self.add("umem_add", cell, increment, **how)

    def accept4(self, listener: Argument, flags: Argument, /, **how: Unpack[How]) -> None:
        self.add("accept4", listener, flags, **how)

    def setsockopt(
        self, fd: Argument, level: Argument, option: Argument, value: Cell, length: Argument, /, **how: Unpack[How]
    ) -> None:
        self.add("setsockopt", fd, level, option, value, length, **how)

    def recv(
        self, fd: Argument, buffer: Cell, length: Argument, flags: Argument, /, **how: Unpack[How]
    ) -> None:
        self.add("recv", fd, buffer, length, flags, **how)

    def send(
        self, fd: Argument, data: Cell, length: Argument, flags: Argument, /, **how: Unpack[How]
    ) -> None:
        self.add("send", fd, data, length, flags, **how)

    def sendfile(
        self, fd: Argument, file: Argument, offset: Argument, count: Argument, /, **how: Unpack[How]
    ) -> None:
        self.add("sendfile", fd, file, offset, count, **how)

    def shutdown(self, fd: Argument, direction: Argument, /, **how: Unpack[How]) -> None:
        self.add("shutdown", fd, direction, **how)

    def close(self, fd: Cell, /, **how: Unpack[How]) -> None:
        self.add("close", fd, **how)

    def openat2(
        self, directory: Argument, path: Cell, open_how: Cell, length: Argument, /, **how: Unpack[How]
    ) -> None:
        self.add("openat2", directory, path, open_how, length, **how)

    def read(self, fd: Argument, buffer: Cell, length: Argument, /, **how: Unpack[How]) -> None:
        self.add("read", fd, buffer, length, **how)

    def pread(
        self, fd: Argument, buffer: Cell, length: Argument, offset: Argument, /, **how: Unpack[How]
    ) -> None:
        self.add("pread", fd, buffer, length, offset, **how)

    def write(self, fd: Argument, data: Cell, length: Argument, /, **how: Unpack[How]) -> None:
        self.add("write", fd, data, length, **how)

    def nanosleep(self, nanoseconds: Argument, /, **how: Unpack[How]) -> None:
        self.add("nanosleep", nanoseconds, **how)

    def recv_head(self, connection: Argument, /, **how: Unpack[How]) -> None:
        self.add("recv_head", connection, **how)

    def decide(self, head: Argument, /, **how: Unpack[How]) -> None:
        self.add("decide", head, **how)

    def respond(self, connection: Argument, decision: Argument, /, **how: Unpack[How]) -> None:
        self.add("respond", connection, decision, **how)

    def discard(self, connection: Argument, most: Argument, /, **how: Unpack[How]) -> None:
        self.add("discard", connection, most, **how)
