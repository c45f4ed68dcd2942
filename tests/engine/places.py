"""Where a run can wait: for each place a chain that parks there at its atom `here`, and what it is lent.

Some atoms are done before `here`, and some would come after it, so that the place is told from its neighbours.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Final

import pytest
from support.client import Client

from tuxpy.atoms import Cell, Chain, Frozen

from .rig import listening

LONG: Final = 1 << 20  # bytes; more than any socket here takes without a reader
CLIENTS: Final = 3

Place = tuple[Frozen, dict[str, int]]


def around(name: str, here: Callable[[Chain], None]) -> Frozen:
    """Something, the waiting, something."""
    c = Chain(name)
    n = c.int("n")
    c.umem_add(n, 1)
    here(c)
    c.umem_add(n, 1)
    return c.freeze()


def lent(c: Chain, name: str = "fd") -> Cell:
    return c.param(name, writable=False)


@contextmanager
def at_accept() -> Iterator[Place]:
    frozen = around("accept", lambda c: c.accept4(lent(c), 0, label="here", ret=c.fd("connection"), stop_on="negative"))
    with listening() as listener:
        yield frozen, {"fd": listener.fileno()}


@contextmanager
def at_read_of_a_pipe() -> Iterator[Place]:
    frozen = around("read", lambda c: c.read(lent(c), c.buffer(10), 10, label="here"))
    ours, theirs = os.pipe()
    try:
        yield frozen, {"fd": ours}
    finally:
        os.close(ours)
        os.close(theirs)


@contextmanager
def at_recv_from_a_socket() -> Iterator[Place]:
    frozen = around("recv", lambda c: c.recv(lent(c), c.buffer(10), 10, 0, label="here"))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield frozen, {"fd": ours.fileno()}


@contextmanager
def at_write_to_a_full_pipe() -> Iterator[Place]:
    frozen = around("write", lambda c: c.write(lent(c), c.data(b"ten bytes."), 10, label="here"))
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(theirs, bytes(4096))
    try:
        yield frozen, {"fd": theirs}
    finally:
        os.close(ours)
        os.close(theirs)


@contextmanager
def at_send_to_a_stalled_reader() -> Iterator[Place]:
    """Through a socket that is lent, and that blocks."""
    frozen = around("send", lambda c: c.send(lent(c), c.data(bytes(LONG)), LONG, 0, label="here"))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield frozen, {"fd": ours.fileno()}


@contextmanager
def at_sendfile_to_a_stalled_reader() -> Iterator[Place]:
    """The same."""
    frozen = around("sendfile", lambda c: c.sendfile(lent(c), lent(c, "file"), 0, LONG, label="here"))
    ours, theirs = socket.socketpair()
    file = os.memfd_create("long")
    os.truncate(file, LONG)
    try:
        with ours, theirs:
            yield frozen, {"fd": ours.fileno(), "file": file}
    finally:
        os.close(file)


@contextmanager
def at_nanosleep() -> Iterator[Place]:
    yield around("nanosleep", lambda c: c.nanosleep(10**15, label="here")), {}


# On a connection that the run has accepted.


@contextmanager
def _connected(name: str, here: Callable[[Chain, Cell], None]) -> Iterator[Place]:
    c = Chain(name)
    connection = c.fd("connection")
    c.accept4(lent(c), 0, ret=connection, stop_on="negative")
    here(c, connection)
    c.umem_add(c.int("n"), 1)
    with listening() as listener, ExitStack() as clients:
        for _ in range(CLIENTS):
            client = clients.enter_context(Client(listener.getsockname(), receive_buffer=4096))
            client.send(b"GET / HT")
        yield c.freeze(), {"fd": listener.fileno()}


def at_recv_head() -> AbstractContextManager[Place]:
    return _connected("recv_head", lambda c, connection: c.recv_head(connection, label="here"))


def at_discard() -> AbstractContextManager[Place]:
    return _connected("discard", lambda c, connection: c.discard(connection, 1 << 40, label="here"))


def at_send_on_its_own() -> AbstractContextManager[Place]:
    """More than the kernel takes: the first may go through, the last will not."""

    def here(c: Chain, connection: Cell) -> None:
        content = c.data(bytes(LONG))
        for label in ("here", "here_too", "here_at_last"):
            c.send(connection, content, LONG, 0, label=label, stop_on="negative", next=None)
        c.send(connection, content, LONG, 0, label="here_again", stop_on="negative", next="here")

    return _connected("send_own", here)


def at_sendfile_on_its_own() -> AbstractContextManager[Place]:
    def here(c: Chain, connection: Cell) -> None:
        c.sendfile(connection, lent(c, "file"), 0, 64 * LONG, label="here")

    @contextmanager
    def place() -> Iterator[Place]:
        file = os.memfd_create("long")
        os.truncate(file, 64 * LONG)
        try:
            with _connected("sendfile_own", here) as (frozen, given):
                yield frozen, {**given, "file": file}
        finally:
            os.close(file)

    return place()


PLACES: Final[dict[str, Callable[[], AbstractContextManager[Place]]]] = {
    place.__name__: place
    for place in (
        at_accept,
        at_read_of_a_pipe,
        at_recv_from_a_socket,
        at_write_to_a_full_pipe,
        at_send_to_a_stalled_reader,
        at_sendfile_to_a_stalled_reader,
        at_nanosleep,
        at_recv_head,
        at_discard,
        at_send_on_its_own,
        at_sendfile_on_its_own,
    )
}
