"""Descriptors in blocking mode, of every kind, whose peer is silent: no call of the white list makes its submitter, the
engine or another run wait, its deadline holds, and close() ends it.

No flag is believed: kinds of files differ in which of them they keep (RWF_NOWAIT, MSG_DONTWAIT, SPLICE_F_NONBLOCK), and
another reader may take what was announced.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pty
import select
import socket
import struct
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.poll import until

from tuxpy import Chain
from tuxpy.atoms import CALLS, Frozen, Reason

from .conftest import Open
from .test_threads import LIMIT, dozing, thread_of

LIBC = ctypes.CDLL(None, use_errno=True)
DEADLINE = 0.05  # seconds
ROOM = 1 << 16


@dataclass
class Silent:
    """A descriptor with nothing to read, or, when it is for writing, with no room."""

    fd: int
    kind: str
    shared: bool = False  # others have the same open file, whose mode must stay as it is


def pipe(ends: ExitStack) -> tuple[int, int]:
    pair = os.pipe()
    for fd in pair:
        ends.callback(os.close, fd)
    return pair


def fifo(ends: ExitStack, folder: Path) -> tuple[int, int]:
    os.mkfifo(folder / "fifo")
    reader = os.open(folder / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(folder / "fifo", os.O_WRONLY)
    os.set_blocking(reader, True)
    for fd in (reader, writer):
        ends.callback(os.close, fd)
    return reader, writer


def terminal(ends: ExitStack) -> tuple[int, int]:
    """Its two sides, of which the second has a line discipline that does nothing."""
    master, slave = pty.openpty()
    tty.setraw(slave, termios.TCSANOW)
    for fd in (master, slave):
        ends.callback(os.close, fd)
    return master, slave


def connected(ends: ExitStack, family: int) -> tuple[int, int]:
    if family == socket.AF_UNIX:
        pair = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            first = socket.create_connection(listener.getsockname())
            pair = first, listener.accept()[0]
    for one in pair:
        ends.enter_context(one)
        one.setblocking(True)
    return pair[0].fileno(), pair[1].fileno()


def made_by(ends: ExitStack, name: str, *args: Any) -> int:
    fd = int(getattr(LIBC, name)(*args))
    assert fd >= 0, name
    ends.callback(os.close, fd)
    return fd


def eventfd(ends: ExitStack, value: int) -> int:
    fd = os.eventfd(0)
    os.eventfd_write(fd, value)
    if value == 0:
        with contextlib.suppress(BlockingIOError):
            os.set_blocking(fd, False)
            os.eventfd_read(fd)
        os.set_blocking(fd, True)
    ends.callback(os.close, fd)
    return fd


READERS: dict[str, Callable[[ExitStack, Path], int]] = {
    "tcp": lambda ends, _: connected(ends, socket.AF_INET)[0],
    "unix": lambda ends, _: connected(ends, socket.AF_UNIX)[0],
    "pipe": lambda ends, _: pipe(ends)[0],
    "fifo": lambda ends, folder: fifo(ends, folder)[0],
    "terminal": lambda ends, _: terminal(ends)[1],
    "terminal's master": lambda ends, _: terminal(ends)[0],
    "eventfd": lambda ends, _: eventfd(ends, 0),
    "timerfd": lambda ends, _: made_by(ends, "timerfd_create", 1, 0),
    "inotify": lambda ends, _: made_by(ends, "inotify_init"),
    "signalfd": lambda ends, _: made_by(ends, "signalfd", -1, ctypes.create_string_buffer(128), 0),
}
WRITERS: dict[str, Callable[[ExitStack, Path], int]] = {
    "tcp": READERS["tcp"],
    "unix": READERS["unix"],
    "pipe": lambda ends, _: pipe(ends)[1],
    "fifo": lambda ends, folder: fifo(ends, folder)[1],
    "terminal": READERS["terminal"],
    "eventfd": lambda ends, _: eventfd(ends, (1 << 64) - 2),
    "eventfd that has room for less": lambda ends, _: eventfd(ends, 1),
}
SHARED = ("fifo", "terminal")


def fill(fd: int) -> None:
    os.set_blocking(fd, False)
    idle = 0
    while idle < 3:  # a peer's kernel takes some of it now and then
        moved = 0
        for size in (ROOM, 1):
            with contextlib.suppress(BlockingIOError):
                while True:
                    moved += os.write(fd, bytes(size))
        idle = 0 if moved else idle + 1
        select.select([], [], [], 0.02)
    os.set_blocking(fd, True)


@pytest.fixture
def ends() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest, ends: ExitStack, tmp_path: Path) -> Silent:
    return Silent(READERS[request.param](ends, tmp_path), request.param, request.param in SHARED)


@pytest.fixture(params=WRITERS)
def writer(request: pytest.FixtureRequest, ends: ExitStack, tmp_path: Path) -> Silent:
    fd = WRITERS[request.param](ends, tmp_path)
    if "eventfd" not in request.param:
        fill(fd)
    return Silent(fd, request.param, request.param in SHARED)


def one_call(name: str, fd: int, ends: ExitStack, folder: Path) -> Frozen:
    """The call with this descriptor wherever it takes one; a splice has a pipe at its other end."""
    call, c = CALLS[name], Chain(name)
    writer = pipe(ends)[1]
    memory = (1 << 64) - 2 if name in ("write", "writev", "pwrite") else 1
    cells: list[Any] = []
    for place, (kind, parameter) in enumerate(zip(call.kinds, call.parameters, strict=True)):
        if kind == "f":
            cells.append(fd if name != "splice" or place == 0 else writer)
        elif kind == "O":
            cells.append(c.fd(parameter))
        elif kind == "F":
            cells.append(c.fd(parameter, param=True))
        elif kind == "c":
            cells.append(c.int(parameter))
        elif kind == "r" and parameter == "how":
            cells.append(c.how(os.O_RDONLY))
        elif kind == "r":
            cells.append(c.data(struct.pack("=Q", memory) * 32, parameter))
        elif kind == "w":
            cells.append(c.buffer(256, parameter))
        elif kind == "z":
            cells.append(c.data(b"absent\0", parameter))
        elif kind == "n":
            cells.append(24 if name == "openat2" else 256 if name in ("statx", "readv", "read", "recv") else 8)
        else:
            cells.append({"poll": select.POLLIN, "splice": {1: -1, 3: -1, 4: 100}.get(place, 0)}.get(name, 0))
    c.add(name, *cells, ret=c.fd("made") if call.makes_fd else None)
    return c.freeze()


def stays_apart(open_engine: Open, frozen: Frozen, fd: int, folder: Path) -> set[Reason]:
    """More of these runs than there are workers, begun here and on the engine: nobody else waits. Why they ended."""
    engine = open_engine()
    file = os.open(folder / "file", os.O_RDWR | os.O_CREAT)
    try:
        owned = {cell.name: fd for cell in frozen.params}

        def begin(away: bool, deadline: float | None = DEADLINE) -> list[int]:
            given = [{name: os.dup(one) for name, one in owned.items()} for _ in range(4)]
            return list(engine.submit_many(frozen, given, deadline=deadline, away=away))

        cookies = {*thread_of(lambda: begin(False)).result(LIMIT), *thread_of(lambda: begin(True)).result(LIMIT)}
        assert thread_of(lambda: engine.run(dozing, ns=1)).result(LIMIT).ok
        assert thread_of(lambda: engine.call("fsync", file)).result(LIMIT) == 0  # a worker is free
        ended = []
        while len(ended) < len(cookies):
            found = engine.wait(timeout=LIMIT)
            assert found, "a deadline did not hold"
            ended += found
        assert {one.cookie for one in ended} == cookies
        thread_of(lambda: (begin(False, None), begin(True, None))).result(LIMIT)
        thread_of(engine.close).result(LIMIT)
        return {one.reason for one in ended}
    finally:
        os.close(file)


PLAIN = [name for name, call in CALLS.items() if not call.http]
# What waits where: of a call that is not named the kernel says at once what is wrong, or it does what it does.
ON_INPUT = {"read": READERS.keys(), "readv": READERS.keys(), "poll": READERS.keys(), "recv": {"tcp", "unix"},
            "splice": {"tcp", "unix", "pipe", "fifo", "terminal", "terminal's master"}}
ON_ROOM = {"write": WRITERS.keys(), "writev": WRITERS.keys(), "send": {"tcp", "unix"}, "sendmsg": {"tcp", "unix"}}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLAIN)
def test_nothing_to_read(name: str, reader: Silent, open_engine: Open, ends: ExitStack, tmp_path: Path) -> None:
    reasons = stays_apart(open_engine, one_call(name, reader.fd, ends, tmp_path), reader.fd, tmp_path)
    if reader.kind in ON_INPUT.get(name, ()):
        assert reasons == {Reason.DEADLINE}
    if reader.shared:
        assert os.get_blocking(reader.fd), "others would find another mode"


@pytest.mark.slow
@pytest.mark.parametrize("name", PLAIN)
def test_no_room(name: str, writer: Silent, open_engine: Open, ends: ExitStack, tmp_path: Path) -> None:
    def reasons() -> set[Reason]:
        return stays_apart(open_engine, one_call(name, writer.fd, ends, tmp_path), writer.fd, tmp_path)

    def waits_for_room() -> bool:
        if reasons() == {Reason.DEADLINE}:
            return True
        if "eventfd" not in writer.kind:
            fill(writer.fd)  # the peer's kernel has made room late
        return False

    if writer.kind in ON_ROOM.get(name, ()):
        assert until(waits_for_room)
    else:
        reasons()
    if writer.shared:
        assert os.get_blocking(writer.fd), "others would find another mode"


def test_a_listener_that_takes_no_more(open_engine: Open, ends: ExitStack, tmp_path: Path) -> None:
    listener = ends.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
    address = listener.getsockname()
    for _ in range(4):  # so many that the kernel drops the next one's SYN
        full = ends.enter_context(socket.socket())
        full.setblocking(False)
        full.connect_ex(address)
    mine = ends.enter_context(socket.socket())
    c = Chain("connecting")
    name = struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", address[1], b"\x7f\0\0\1")
    c.connect(c.param("socket"), c.data(name), len(name))
    frozen, engine = c.freeze(), open_engine()
    cookies = thread_of(lambda: engine.submit_many(frozen, [{"socket": mine}], deadline=DEADLINE)).result(LIMIT)
    assert thread_of(lambda: engine.run(dozing, ns=1)).result(LIMIT).ok
    (ended,) = engine.wait(timeout=LIMIT)
    assert (ended.cookie, ended.reason) == (cookies[0], Reason.DEADLINE)


@pytest.mark.parametrize("away", [True, False])
@pytest.mark.parametrize("how", ["close", "end", "other", "kept"])
def test_closing_a_socket_that_lingers(open_engine: Open, how: str, away: bool) -> None:
    """SO_LINGER makes close(2) wait for the peer, in either mode (socket(7)): nobody's thread does, and all is sent."""
    c = Chain("closing")
    given = c.fd("given", param=True)
    if how == "close":
        c.close(given)
    elif how == "other":
        c.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, ret=given)
    else:
        c.getpid()
    frozen, engine = c.freeze(), open_engine()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        mine = socket.create_connection(listener.getsockname())
        peer = listener.accept()[0]
    with mine, peer:
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 600))
        fill(mine.fileno())
        fd = mine.detach()
        kept = {"fd": "given"} if how == "kept" else {}
        thread_of(lambda: engine.submit_many(frozen, [{"given": fd}], away=away, **kept)).result(LIMIT)
        assert thread_of(lambda: engine.run(dozing, ns=1)).result(LIMIT).ok
        thread_of(lambda: [one.ok for one in engine.wait(timeout=LIMIT)]).result(LIMIT)  # and dropped there
        thread_of(engine.close).result(LIMIT)
        while peer.recv(ROOM):
            pass
