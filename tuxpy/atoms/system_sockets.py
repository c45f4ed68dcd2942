"""The calls that concern sockets, pipes and whatever can be waited for, for the reference interpreter.

system.py says what a function gets.
"""

from __future__ import annotations

import os
import select
import socket as sockets
from collections.abc import Callable
from ctypes import byref, c_int, c_int64, c_ssize_t, c_uint32
from errno import EAGAIN, EBADF, EINPROGRESS, EINVAL
from typing import Final

from .kernel import answering, as_int, as_short, await_ready, c_function, lent_socket, memory, wrapped

MORE_AT_ONCE: Final = 1 << 20  # bytes moved by one splice
SPLICE_F_NONBLOCK: Final = 2


def socket(domain: int, type: int, protocol: int) -> int:  # noqa: A002, the parameter's name in socket(2)
    return c_function("socket", c_int, as_int(domain), as_int(type), as_int(protocol))


def bind(fd: int, address: memoryview) -> int:
    return c_function("bind", c_int, as_int(fd), bytes(address), len(address))


def listen(fd: int, backlog: int) -> int:
    return c_function("listen", c_int, as_int(fd), as_int(backlog))


@answering
def connect(fd: int, address: memoryview) -> int:
    """0 when the connection stands. The socket becomes non-blocking."""
    fd = as_int(fd)
    os.set_blocking(fd, False)
    result = c_function("connect", c_int, fd, bytes(address), len(address))
    if result != -EINPROGRESS:
        return result
    await_ready(fd, select.POLLOUT)
    lent = sockets.socket(fileno=fd)
    try:
        return -lent.getsockopt(sockets.SOL_SOCKET, sockets.SO_ERROR)
    finally:
        lent.detach()


def getsockopt(fd: int, level: int, option: int, value: memoryview) -> int:
    """The length of the value."""
    used = c_uint32(len(value))
    failed = c_function("getsockopt", c_int, as_int(fd), as_int(level), as_int(option), memory(value), byref(used))
    return failed or used.value


def splice(from_: int, from_offset: int, to: int, to_offset: int, length: int, flags: int) -> int:
    """Bytes moved between a pipe and something else, once; an offset of -1 is the descriptor's own position."""
    from_, to, flags = as_int(from_), as_int(to), as_int(flags) | SPLICE_F_NONBLOCK
    most = min(wrapped(length) % (1 << 64), MORE_AT_ONCE)
    while True:
        first = None if from_offset == -1 else byref(c_int64(from_offset))
        second = None if to_offset == -1 else byref(c_int64(to_offset))
        moved = c_function("splice", c_ssize_t, from_, first, to, second, most, flags)
        if moved != -EAGAIN:
            return moved
        ready = select.poll()
        ready.register(from_, select.POLLIN)
        await_ready(*(to, select.POLLOUT) if ready.poll(0) else (from_, select.POLLIN))


def pipe2(reader: list[int], writer: list[int], flags: int) -> int:
    ends = (c_int * 2)()
    failed = c_function("pipe2", c_int, ends, as_int(flags))
    if not failed:
        reader.append(ends[0])
        writer.append(ends[1])
    return failed


@answering
def poll(fd: int, events: int) -> int:
    """What is ready, as soon as something is."""
    fd, events = as_int(fd), as_short(events)
    if fd < 0:
        return -EBADF
    if not events & (select.POLLIN | select.POLLOUT):
        return -EINVAL
    ready = await_ready(fd, events % (1 << 16))
    return -EBADF if ready & select.POLLNVAL else ready


@answering
def sendmsg(fd: int, first: memoryview, second: memoryview, flags: int) -> int:
    """Both pieces as one, all of it, or it fails."""
    fd, sent = as_int(fd), 0
    while sent < len(first) + len(second):
        with lent_socket(fd) as lent:
            try:
                rest = [first[sent:], second[max(0, sent - len(first)) :]]
                sent += lent.sendmsg(rest, [], as_int(flags) | sockets.MSG_NOSIGNAL)
            except BlockingIOError:
                await_ready(fd, select.POLLOUT)
    return sent


FUNCTIONS: Final[tuple[Callable[..., int], ...]] = (
    socket,
    bind,
    listen,
    connect,
    getsockopt,
    splice,
    pipe2,
    poll,
    sendmsg,
)
