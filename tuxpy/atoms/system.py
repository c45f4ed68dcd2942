"""The calls of the white list as plain blocking Python functions, for the reference interpreter.

A function takes the arguments of its call in order and returns a number, or -errno, as the kernel does. What it gets
for an argument follows from the kind in calls.py:

    f i   the number                   r   the bytes, as long as the length behind them says
    F     the number, and the cell     w   the same, to be written to
          is -1 from now on            n   nothing: it has been checked and the memory is cut to it
    c     the number; what the         z   the path, without the zero byte that ends it
          function returns is its
          new value                  O   a list; the descriptor that it appends is the cell's from now on

Other functions that a caller gives the interpreter, such as the calls of the HTTP engine, keep to the same. C does the
same work in csrc/call*.c, where it is told not to block and mostly does not.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable
from errno import EAGAIN, ECONNABORTED, EINVAL, EIO
from struct import Struct
from typing import Final

from . import system_files, system_sockets
from .kernel import OutOfBounds, answering, as_int, await_ready, lent_socket, system_call, wrapped

__all__ = ["CALLS", "OutOfBounds"]

OPENAT2: Final = 437  # its number, the same wherever Linux counts its newer calls in common
OPEN_HOW_BYTES: Final = 24  # struct open_how as it was born; a longer one is not ours to judge
LINGER: Final = Struct("=ii")  # struct linger
WINDOW: Final = 4 << 20  # bytes asked for at a time; a window that ends behind the largest offset would be refused


@answering
def getpid() -> int:
    return os.getpid()


def umem_add(value: int, increment: int) -> int:
    """The only call that is not one: the number, changed. 2007 had it too."""
    return wrapped(value + increment)


def umem_sub(value: int, decrement: int) -> int:
    return wrapped(value - decrement)


@answering
def accept4(listener: int, flags: int) -> int:
    """The descriptor of the next connection. One that was given up before we came does not count."""
    listener, flags = as_int(listener), as_int(flags)
    if flags & ~(socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC):
        return -EINVAL
    with lent_socket(listener) as lent:
        while True:
            try:
                connection, _ = lent.accept()
                break
            except OSError as error:
                if error.errno not in (EAGAIN, ECONNABORTED):
                    raise
                await_ready(listener, select.POLLIN)
    fd = connection.detach()
    os.set_blocking(fd, not flags & socket.SOCK_NONBLOCK)
    os.set_inheritable(fd, not flags & socket.SOCK_CLOEXEC)
    return fd


@answering
def setsockopt(fd: int, level: int, option: int, value: memoryview) -> int:
    """SO_LINGER may discard, not wait: a close that waits for the peer would keep the closing thread (socket(7))."""
    if (as_int(level), as_int(option)) == (socket.SOL_SOCKET, socket.SO_LINGER) and len(value) >= LINGER.size:
        on, seconds = LINGER.unpack(value[: LINGER.size])
        if on and seconds:
            return -EINVAL
    with lent_socket(as_int(fd)) as lent:
        lent.setsockopt(as_int(level), as_int(option), value)
    return 0


@answering
def recv(fd: int, buffer: memoryview, flags: int) -> int:
    """What is there, or as soon as something is; 0 when the peer will send no more."""
    fd = as_int(fd)
    with lent_socket(fd) as lent:
        while True:
            try:
                return lent.recv_into(buffer, len(buffer), as_int(flags) | socket.MSG_DONTWAIT)
            except BlockingIOError:
                await_ready(fd, select.POLLIN)


@answering
def send(fd: int, data: memoryview, flags: int) -> int:
    """Everything, or it fails: a short send is not success."""
    fd, sent = as_int(fd), 0
    while sent < len(data):
        with lent_socket(fd) as lent:
            try:
                sent += lent.send(data[sent:], as_int(flags) | socket.MSG_NOSIGNAL)
            except BlockingIOError:
                await_ready(fd, select.POLLOUT)
    return sent


@answering
def sendfile(fd: int, file: int, offset: int, count: int) -> int:
    """`count` bytes of the file, or it fails; -EIO when the file has become shorter than that."""
    fd, file, sent = as_int(fd), as_int(file), 0
    if count < 0:
        return -EINVAL
    while sent < count:
        try:
            moved = os.sendfile(fd, file, offset + sent, min(count - sent, WINDOW))
        except BlockingIOError:
            await_ready(fd, select.POLLOUT)
            continue
        if moved == 0:
            return -EIO
        sent += moved
    return sent


@answering
def shutdown(fd: int, direction: int) -> int:
    with lent_socket(as_int(fd)) as lent:
        lent.shutdown(as_int(direction))
    return 0


@answering
def close(fd: int) -> int:
    """0, or -EBADF where nothing was open; the cell is -1 either way."""
    os.close(as_int(fd))
    return 0


@answering
def openat2(directory: int, path: bytes, open_how: memoryview) -> int:
    """A new descriptor. Python has no openat2, so this is the bare system call."""
    if len(open_how) != OPEN_HOW_BYTES:
        raise OutOfBounds
    return system_call(OPENAT2, as_int(directory), path, bytes(open_how), OPEN_HOW_BYTES)


@answering
def read(fd: int, buffer: memoryview) -> int:
    """What is there, at most the buffer full; 0 at the end."""
    fd = as_int(fd)
    while True:
        try:
            return os.readv(fd, [buffer])
        except BlockingIOError:
            await_ready(fd, select.POLLIN)


@answering
def pread(fd: int, buffer: memoryview, offset: int) -> int:
    """read at `offset`; the file's own position stays."""
    if offset < 0:
        return -EINVAL  # to preadv2, which Python may use, -1 means: at the file's own position
    return os.preadv(as_int(fd), [buffer], offset)


@answering
def write(fd: int, data: memoryview) -> int:
    """One write, which may be short."""
    return os.write(as_int(fd), data)


@answering
def readv(fd: int, first: memoryview, second: memoryview) -> int:
    """One read into two pieces of memory, the second when the first is full."""
    fd = as_int(fd)
    while True:
        try:
            return os.readv(fd, [first, second])
        except BlockingIOError:
            await_ready(fd, select.POLLIN)


@answering
def writev(fd: int, first: memoryview, second: memoryview) -> int:
    """One write of two pieces, which may be short."""
    return os.writev(as_int(fd), [first, second])


@answering
def nanosleep(nanoseconds: int) -> int:
    if nanoseconds < 0:
        return -EINVAL
    time.sleep(nanoseconds / 1_000_000_000)
    return 0


_FUNCTIONS: Final[tuple[Callable[..., int], ...]] = (
    getpid,
    umem_add,
    umem_sub,
    accept4,
    setsockopt,
    recv,
    send,
    sendfile,
    shutdown,
    close,
    openat2,
    read,
    pread,
    write,
    readv,
    writev,
    nanosleep,
    *system_files.FUNCTIONS,
    *system_sockets.FUNCTIONS,
)
CALLS: Final[dict[str, Callable[..., int]]] = {str(getattr(one, "__name__")): one for one in _FUNCTIONS}  # noqa: B009
