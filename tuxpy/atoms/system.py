"""The calls of the white list as plain blocking Python functions, for the reference interpreter.

A function takes the arguments of its call in order and returns a number, or -errno, as the kernel does. What it gets
for an argument follows from the kind in calls.py:

    f i   the number                   r   the bytes, as long as the length behind them says
    F     the number, and the cell     w   the same, to be written to
          is -1 from now on            n   nothing: it has been checked and the memory is cut to it
    c     the number; what the         z   the path, without the zero byte that ends it
          function returns is its
          new value

Whoever gives the interpreter functions of his own, for the calls of the HTTP engine say, keeps to the same. C does the
same work in csrc/call.c, where it is told not to block and mostly does not.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EAGAIN, EBADF, ECONNABORTED, EINVAL, EIO
from functools import wraps
from typing import Final, ParamSpec

_P = ParamSpec("_P")

OPENAT2: Final = 437  # its number, the same wherever Linux counts its newer calls in common
OPEN_HOW_BYTES: Final = 24  # struct open_how as it was born; a longer one is not ours to judge
WINDOW: Final = 4 << 20  # bytes asked for at a time; a window that ends behind the largest offset would be refused


class OutOfBounds(Exception):
    """An argument that the checker could not know is out of bounds: the run ends with reason ERROR."""


def _call(function: Callable[_P, int]) -> Callable[_P, int]:
    """Errors as numbers: OSError becomes -errno."""

    @wraps(function)
    def answering(*args: _P.args, **named: _P.kwargs) -> int:
        try:
            return function(*args, **named)
        except OSError as error:
            return -(error.errno or EIO)

    return answering


def wrapped(number: int, bits: int = 64) -> int:
    """`number` in two's complement; what does not fit wraps around, as in C."""
    half = 1 << bits - 1
    return (number + half) % (2 * half) - half


def _int(number: int) -> int:
    """A cell has 64 bits, a descriptor or a set of flags 32: the kernel looks at the lower half only."""
    return wrapped(number, 32)


@contextmanager
def _socket(fd: int) -> Iterator[socket.socket]:
    """The socket behind a descriptor, lent: leaving the block does not close it."""
    if fd < 0:
        raise OSError(EBADF, os.strerror(EBADF))
    lent = socket.socket(fileno=fd)
    try:
        yield lent
    finally:
        lent.detach()


def _await(fd: int, events: int) -> None:
    """Wait until a descriptor that does not block by itself is ready."""
    waiting = select.poll()
    waiting.register(fd, events)
    waiting.poll()


@_call
def getpid() -> int:
    return os.getpid()


def umem_add(value: int, increment: int) -> int:
    """The only call that is not one: the number, changed. 2007 had it too."""
    return wrapped(value + increment)


@_call
def accept4(listener: int, flags: int) -> int:
    """The descriptor of the next connection. One that was given up before we came does not count."""
    listener, flags = _int(listener), _int(flags)
    if flags & ~(socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC):
        return -EINVAL
    with _socket(listener) as lent:
        while True:
            try:
                connection, _ = lent.accept()
                break
            except OSError as error:
                if error.errno not in (EAGAIN, ECONNABORTED):
                    raise
                _await(listener, select.POLLIN)
    fd = connection.detach()
    os.set_blocking(fd, not flags & socket.SOCK_NONBLOCK)
    os.set_inheritable(fd, not flags & socket.SOCK_CLOEXEC)
    return fd


@_call
def setsockopt(fd: int, level: int, option: int, value: memoryview) -> int:
    with _socket(_int(fd)) as lent:
        lent.setsockopt(_int(level), _int(option), value)
    return 0


@_call
def recv(fd: int, buffer: memoryview, flags: int) -> int:
    """What is there, or as soon as something is; 0 when the peer will send no more."""
    fd = _int(fd)
    with _socket(fd) as lent:
        while True:
            try:
                return lent.recv_into(buffer, len(buffer), _int(flags) | socket.MSG_DONTWAIT)
            except BlockingIOError:
                _await(fd, select.POLLIN)


@_call
def send(fd: int, data: memoryview, flags: int) -> int:
    """Everything, or it fails: a short send is not success."""
    fd, sent = _int(fd), 0
    while sent < len(data):
        with _socket(fd) as lent:
            try:
                sent += lent.send(data[sent:], _int(flags) | socket.MSG_NOSIGNAL)
            except BlockingIOError:
                _await(fd, select.POLLOUT)
    return sent


@_call
def sendfile(fd: int, file: int, offset: int, count: int) -> int:
    """`count` bytes of the file, or it fails; -EIO when the file has become shorter than that."""
    fd, file, sent = _int(fd), _int(file), 0
    if count < 0:
        return -EINVAL
    while sent < count:
        try:
            moved = os.sendfile(fd, file, offset + sent, min(count - sent, WINDOW))
        except BlockingIOError:
            _await(fd, select.POLLOUT)
            continue
        if moved == 0:
            return -EIO
        sent += moved
    return sent


@_call
def shutdown(fd: int, direction: int) -> int:
    with _socket(_int(fd)) as lent:
        lent.shutdown(_int(direction))
    return 0


@_call
def close(fd: int) -> int:
    """0, or -EBADF where nothing was open; the cell is -1 either way."""
    os.close(_int(fd))
    return 0


@_call
def openat2(directory: int, path: bytes, open_how: memoryview) -> int:
    """A new descriptor. Python has no openat2, so this is the bare system call."""
    if len(open_how) != OPEN_HOW_BYTES:
        raise OutOfBounds
    libc = ctypes.CDLL(None, use_errno=True)
    how = ctypes.create_string_buffer(bytes(open_how), OPEN_HOW_BYTES)
    libc.syscall.restype = ctypes.c_long
    fd = int(
        libc.syscall(
            ctypes.c_long(OPENAT2),
            ctypes.c_int(_int(directory)),
            ctypes.c_char_p(path),
            how,
            ctypes.c_size_t(OPEN_HOW_BYTES),
        )
    )
    return fd if fd >= 0 else -ctypes.get_errno()


@_call
def read(fd: int, buffer: memoryview) -> int:
    """What is there, at most the buffer full; 0 at the end."""
    fd = _int(fd)
    while True:
        try:
            return os.readv(fd, [buffer])
        except BlockingIOError:
            _await(fd, select.POLLIN)


@_call
def pread(fd: int, buffer: memoryview, offset: int) -> int:
    """read at `offset`; the file's own position stays."""
    if offset < 0:
        return -EINVAL  # to preadv2, which Python may use, -1 means: at the file's own position
    return os.preadv(_int(fd), [buffer], offset)


@_call
def write(fd: int, data: memoryview) -> int:
    """One write, which may be short."""
    return os.write(_int(fd), data)


@_call
def nanosleep(nanoseconds: int) -> int:
    if nanoseconds < 0:
        return -EINVAL
    time.sleep(nanoseconds / 1_000_000_000)
    return 0


CALLS: Final[dict[str, Callable[..., int]]] = {
    function.__name__: function
    for function in (
        getpid,
        umem_add,
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
        nanosleep,
    )
}
