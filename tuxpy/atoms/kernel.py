"""How the reference interpreter asks the kernel: errors as numbers, numbers as wide as the kernel reads them."""

from __future__ import annotations

import ctypes
import os
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EBADF, EINTR, EIO
from functools import wraps
from typing import Any, ParamSpec

_P = ParamSpec("_P")


class OutOfBounds(Exception):
    """An argument that the checker could not know is out of bounds: the run ends with reason ERROR."""


def answering(function: Callable[_P, int]) -> Callable[_P, int]:
    """Errors as numbers: OSError becomes -errno."""

    @wraps(function)
    def answers(*args: _P.args, **named: _P.kwargs) -> int:
        try:
            return function(*args, **named)
        except OSError as error:
            return -(error.errno or EIO)

    return answers


def wrapped(number: int, bits: int = 64) -> int:
    """`number` in two's complement; what does not fit wraps around, as in C."""
    half = 1 << bits - 1
    return (number + half) % (2 * half) - half


def as_int(number: int) -> int:
    """A cell has 64 bits, a descriptor or a set of flags 32: the kernel looks at the lower half only."""
    return wrapped(number, 32)


def as_short(number: int) -> int:
    """The events of poll(2)."""
    return wrapped(number, 16)


def system_call(number: int, *args: int | bytes | Any) -> int:
    """A call for which there is no function: its result, or -errno."""
    return c_function("syscall", ctypes.c_long, number, *args)


def c_function(name: str, result: Any, *args: int | bytes | Any) -> int:
    """A function of the C library by its name: what it returns, or -errno. Integers are passed as long.

    bytes: a pointer to them, which ends at the first NUL for whoever reads a path. Anything else: as ctypes takes it.
    """
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    function.restype = result
    while True:
        answer = int(function(*(ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args)))
        if answer >= 0:
            return answer
        if ctypes.get_errno() != EINTR:
            return -ctypes.get_errno()


def memory(view: memoryview) -> Any:
    """Writable memory for a function of the C library."""
    return (ctypes.c_char * len(view)).from_buffer(view)


@contextmanager
def lent_socket(fd: int) -> Iterator[socket.socket]:
    """The socket behind a descriptor, lent: leaving the block does not close it."""
    if fd < 0:
        raise OSError(EBADF, os.strerror(EBADF))
    lent = socket.socket(fileno=fd)
    try:
        yield lent
    finally:
        lent.detach()


def await_ready(fd: int, events: int) -> int:
    """Wait until a descriptor that does not block by itself is ready, and for what."""
    waiting = select.poll()
    waiting.register(fd, events)
    ((_, ready),) = waiting.poll()
    return ready
