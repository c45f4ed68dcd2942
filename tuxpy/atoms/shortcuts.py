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

    def umem_sub(self, cell: Cell, decrement: Argument, /, **how: Unpack[How]) -> None:
        self.add("umem_sub", cell, decrement, **how)

    def pipe2(self, reader: Cell, writer: Cell, flags: Argument, /, **how: Unpack[How]) -> None:
        self.add("pipe2", reader, writer, flags, **how)

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

    def pwrite(
        self, fd: Argument, data: Cell, length: Argument, offset: Argument, /, **how: Unpack[How]
    ) -> None:
        self.add("pwrite", fd, data, length, offset, **how)

    def statx(
        self,
        directory: Argument,
        path: Cell,
        flags: Argument,
        mask: Argument,
        buffer: Cell,
        length: Argument,
        /,
        **how: Unpack[How],
    ) -> None:
        self.add("statx", directory, path, flags, mask, buffer, length, **how)

    def getdents64(self, directory: Argument, buffer: Cell, length: Argument, /, **how: Unpack[How]) -> None:
        self.add("getdents64", directory, buffer, length, **how)

    def fsync(self, fd: Argument, /, **how: Unpack[How]) -> None:
        self.add("fsync", fd, **how)

    def fdatasync(self, fd: Argument, /, **how: Unpack[How]) -> None:
        self.add("fdatasync", fd, **how)

    def fallocate(
        self, fd: Argument, mode: Argument, offset: Argument, length: Argument, /, **how: Unpack[How]
    ) -> None:
        self.add("fallocate", fd, mode, offset, length, **how)

    def ftruncate(self, fd: Argument, length: Argument, /, **how: Unpack[How]) -> None:
        self.add("ftruncate", fd, length, **how)

    def renameat2(
        self, from_: Argument, old: Cell, to: Argument, new: Cell, flags: Argument, /, **how: Unpack[How]
    ) -> None:
        self.add("renameat2", from_, old, to, new, flags, **how)

    def unlinkat(self, directory: Argument, path: Cell, flags: Argument, /, **how: Unpack[How]) -> None:
        self.add("unlinkat", directory, path, flags, **how)

    def mkdirat(self, directory: Argument, path: Cell, mode: Argument, /, **how: Unpack[How]) -> None:
        self.add("mkdirat", directory, path, mode, **how)

    def fadvise64(
        self, fd: Argument, offset: Argument, length: Argument, advice: Argument, /, **how: Unpack[How]
    ) -> None:
        self.add("fadvise64", fd, offset, length, advice, **how)

    def readahead(self, fd: Argument, offset: Argument, count: Argument, /, **how: Unpack[How]) -> None:
        self.add("readahead", fd, offset, count, **how)

    def socket(self, domain: Argument, type: Argument, protocol: Argument, /, **how: Unpack[How]) -> None:  # noqa: A002
        self.add("socket", domain, type, protocol, **how)

    def bind(self, fd: Argument, address: Cell, length: Argument, /, **how: Unpack[How]) -> None:
        self.add("bind", fd, address, length, **how)

    def listen(self, fd: Argument, backlog: Argument, /, **how: Unpack[How]) -> None:
        self.add("listen", fd, backlog, **how)

    def connect(self, fd: Argument, address: Cell, length: Argument, /, **how: Unpack[How]) -> None:
        self.add("connect", fd, address, length, **how)

    def getsockopt(
        self, fd: Argument, level: Argument, option: Argument, value: Cell, length: Argument, /, **how: Unpack[How]
    ) -> None:
        self.add("getsockopt", fd, level, option, value, length, **how)

    def splice(
        self,
        from_: Argument,
        from_offset: Argument,
        to: Argument,
        to_offset: Argument,
        length: Argument,
        flags: Argument,
        /,
        **how: Unpack[How],
    ) -> None:
        self.add("splice", from_, from_offset, to, to_offset, length, flags, **how)

    def poll(self, fd: Argument, events: Argument, /, **how: Unpack[How]) -> None:
        self.add("poll", fd, events, **how)

    def sendmsg(
        self,
        fd: Argument,
        first: Cell,
        first_length: Argument,
        second: Cell,
        second_length: Argument,
        flags: Argument,
        /,
        **how: Unpack[How],
    ) -> None:
        self.add("sendmsg", fd, first, first_length, second, second_length, flags, **how)

    def readv(
        self, fd: Argument, first: Cell, first_length: Argument, second: Cell, second_length: Argument, /,
        **how: Unpack[How],
    ) -> None:
        self.add("readv", fd, first, first_length, second, second_length, **how)

    def writev(
        self, fd: Argument, first: Cell, first_length: Argument, second: Cell, second_length: Argument, /,
        **how: Unpack[How],
    ) -> None:
        self.add("writev", fd, first, first_length, second, second_length, **how)

    def recv_proxy(self, connection: Argument, /, **how: Unpack[How]) -> None:
        self.add("recv_proxy", connection, **how)

    def recv_head(self, connection: Argument, /, **how: Unpack[How]) -> None:
        self.add("recv_head", connection, **how)

    def decide(self, head: Argument, /, **how: Unpack[How]) -> None:
        self.add("decide", head, **how)

    def respond(self, connection: Argument, decision: Argument, /, **how: Unpack[How]) -> None:
        self.add("respond", connection, decision, **how)

    def discard(self, connection: Argument, most: Argument, /, **how: Unpack[How]) -> None:
        self.add("discard", connection, most, **how)
