"""Who closes what: descriptors that a run owns, those that are lent, and those that come when nobody wants them."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from struct import pack

import pytest
from support.client import Client, get
from support.poll import until

from tuxpy.atoms import Cell, Chain, Frozen, Reason, flags

from .conftest import Make
from .rig import Rig, descriptors, listening

OPEN = pack("=QQQ", os.O_RDONLY | os.O_CLOEXEC, 0, 0)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    for number in range(20):
        (tmp_path / f"file{number}").write_bytes(b"%d" % number * 100)
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "long").write_bytes(bytes(4 << 20))
    fd = os.open(tmp_path, os.O_PATH)
    yield fd
    os.close(fd)


@pytest.fixture
def rig(root: int, make: Make) -> Rig:
    """It ends before the folder is closed."""
    return make()


def opened(c: Chain, count: int = 3, manner: int = 0) -> list[Cell]:
    """Open some files, each into a cell of its own."""
    root, how = c.param("root", writable=False), c.data(OPEN, "how")
    cells = [c.fd(f"file{number}") for number in range(count)]
    for number, cell in enumerate(cells):
        c.openat2(root, c.data(b"file%d\0" % number), how, 24, ret=cell, stop_on="negative", flags=manner)
    return cells


def ends(c: Chain, how: str) -> Frozen:
    """Finish the chain so that the run ends in this way."""
    if how == "stop":
        c.read(-1, c.buffer(1), 1, stop_on="negative")
    elif how == "error":
        c.read(-1, c.buffer(1), 2)
    elif how in ("cancelled", "deadline"):
        c.nanosleep(10**15)
    elif how == "budget":
        c.budget = 10
        c.umem_add(c.int("n"), 1, label="again", next="again")
    return c.freeze()


@pytest.mark.parametrize("manner", [0, flags.ASYNC], ids=["here", "worker"])
@pytest.mark.parametrize("how", ["end", "stop", "error", "cancelled", "deadline", "budget"])
def test_what_a_run_owns_is_closed_whatever_way_it_ends(rig: Rig, root: int, how: str, manner: int) -> None:
    before = descriptors()
    c = Chain("opens")
    opened(c, manner=manner)
    frozen = ends(c, how)
    rig.engine.submit(frozen, {"root": root}, copies=5, deadline_ms=30 if how == "deadline" else 0)
    if how == "cancelled":
        assert until(lambda: len(descriptors()) >= len(before) + 15)
        rig.engine.cancel(0)
    assert {r.reason for r in rig.results(5)} == {Reason[how.upper()]}
    assert until(lambda: descriptors() == before)


def test_a_cell_owns_one_descriptor_at_a_time(rig: Rig, root: int) -> None:
    before = descriptors()
    c = Chain("again", budget=1000)
    cell, count = c.fd("file"), c.int("count", 50)
    c.openat2(c.param("root"), c.data(b"file1\0"), c.data(OPEN), 24, label="open", ret=cell, stop_on="negative")
    c.umem_add(count, -1, stop_on="zero", on_stop="wait", next="open")
    c.nanosleep(10**15, label="wait")
    rig.engine.submit(c.freeze(), {"root": root})
    rig.wait_until_parked(1)
    assert len(descriptors()) == len(before) + 1
    rig.engine.cancel(0)
    assert rig.result().reason is Reason.CANCELLED
    assert until(lambda: descriptors() == before)


def test_what_is_lent_stays_open(rig: Rig, root: int) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        c = Chain("waits")
        c.recv(c.param("fd", writable=False), c.buffer(1), 1, 0)
        frozen = c.freeze()
        rig.engine.submit(frozen, {"fd": ours.fileno()}, cookie=1)
        rig.engine.submit(frozen, {"fd": ours.fileno()}, cookie=2, deadline_ms=20)
        rig.engine.cancel(1)
        rig.results(2)
        theirs.send(b"x")
        assert ours.recv(1) == b"x"


def test_a_lent_descriptor_may_be_gone(rig: Rig, root: int) -> None:
    """Then its calls fail, and nobody else's are harmed."""
    c = Chain("waits")
    c.recv(c.param("fd", writable=False), c.buffer(1), 1, 0, stop_on="negative")
    rig.engine.submit(c.freeze(), {"fd": 1 << 20})
    assert rig.result().result == -errno.EBADF


# The same descriptor, lent to several.


def test_two_readers_of_one_descriptor_are_both_woken(rig: Rig, root: int) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        c = Chain("reads")
        c.recv(c.param("fd", writable=False), c.buffer(1), 1, 0)
        rig.engine.submit(c.freeze(), {"fd": ours.fileno()}, copies=4)
        rig.wait_until_parked(4)
        theirs.send(b"1234")
        assert [r.result for r in rig.results(4)] == [1] * 4
        rig.engine.submit(c.freeze(), {"fd": ours.fileno()}, copies=4)
        rig.wait_until_parked(4)
        theirs.close()
        assert [r.result for r in rig.results(4)] == [0] * 4


@pytest.mark.parametrize("call", ["send", "sendfile", "write"])
def test_two_writers_to_one_descriptor_are_both_woken(rig: Rig, root: int, tmp_path: Path, call: str) -> None:
    size = 4096 if call == "write" else 300_000
    ours, theirs = socket.socketpair()
    file = os.open(tmp_path / "long", os.O_RDONLY)
    c = Chain("writes")
    fd = c.param("fd", writable=False)
    if call == "sendfile":
        c.sendfile(fd, c.param("file", writable=False), 0, size)
    else:
        c.add(call, fd, c.data(bytes(size)), size, *([0] if call == "send" else []))
    given = {"fd": ours.fileno(), **({"file": file} if call == "sendfile" else {})}
    try:
        with ours, theirs:
            for _ in range(2):  # a slot that has waited for a lent descriptor is as good as any other
                fill(ours)
                rig.engine.submit(c.freeze(), given, copies=3)
                rig.wait_until_parked(3)
                over = threading.Event()
                reader = threading.Thread(target=empty, args=(theirs, over))
                reader.start()
                try:
                    assert {(r.reason, r.result) for r in rig.results(3)} == {(Reason.END, size)}
                finally:
                    over.set()
                    reader.join()
    finally:
        os.close(file)


def fill(end: socket.socket) -> None:
    end.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            end.send(bytes(100_000))


def empty(end: socket.socket, over: threading.Event) -> None:
    """Read until it is over."""
    end.settimeout(0.1)
    while not over.is_set():
        with contextlib.suppress(TimeoutError):
            end.recv(1 << 16)


def test_a_lent_socket_that_blocks_does_not_hold_the_engine(rig: Rig, root: int, tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    file = os.open(tmp_path / "long", os.O_RDONLY)
    try:
        with ours, theirs:
            c = Chain("sends")
            c.sendfile(c.param("fd", writable=False), c.param("file", writable=False), 0, 4 << 20)
            rig.engine.submit(c.freeze(), {"fd": ours.fileno(), "file": file}, cookie=1)
            rig.wait_until_parked(1)
            rig.engine.cancel(1)
            assert rig.result().reason is Reason.CANCELLED
    finally:
        os.close(file)


@pytest.mark.parametrize("manner", [0, flags.ASYNC], ids=["here", "worker"])
def test_a_fifo_that_nobody_writes_to_holds_nobody(root: int, make: Make, tmp_path: Path, manner: int) -> None:
    rig = make(workers=1)
    c = Chain("opens")
    fifo = c.fd("fifo")
    c.openat2(c.param("root"), c.data(b"fifo\0"), c.data(OPEN), 24, ret=fifo, stop_on="negative", flags=manner)
    c.read(fifo, c.buffer(10), 10)
    rig.engine.submit(c.freeze(), {"root": root})
    other = Chain("other")
    opened(other, manner=flags.ASYNC)
    rig.engine.submit(other.freeze(), {"root": root}, cookie=1)
    assert rig.result().cookie == 1, "engine and worker go on"
    writer = os.open(tmp_path / "fifo", os.O_WRONLY | os.O_NONBLOCK)
    os.write(writer, b"hello")
    os.close(writer)
    ended = rig.result()
    assert (ended.reason, ended.result) == (Reason.END, 5)
    rig.close()


# A connection and other descriptors beside it.


def test_closing_a_file_does_not_make_the_connection_deaf(root: int, make: Make) -> None:
    """A static server without any HTTP engine: the connection goes on to be read after each file."""
    with listening() as listener:
        rig = make()
        c = Chain("serves")
        connection, file, buffer, n = c.fd("connection"), c.fd("file"), c.buffer(1), c.int("n")
        c.accept4(c.param("listener", writable=False), 0, ret=connection, stop_on="negative")
        c.recv(connection, buffer, 1, 0, label="read", ret=n, stop_on="non_positive")
        c.openat2(c.param("root", writable=False), c.data(b"long\0"), c.data(OPEN), 24, ret=file, stop_on="negative")
        c.sendfile(connection, file, 0, 4 << 20, stop_on="negative")
        c.close(file, next="read")
        rig.engine.submit(c.freeze(), {"listener": listener.fileno(), "root": root})
        with Client(listener.getsockname(), receive_buffer=4096) as client:
            for _ in range(3):
                client.send(b"?")
                time.sleep(0.01)  # until the engine waits for us to read
                assert client.exactly(4 << 20) == bytes(4 << 20)
        ended = rig.result()
        assert (ended.reason, ended.result, rig.metric("connections")) == (Reason.STOP, 0, 0)
        rig.close()


def test_closing_a_file_does_not_make_a_head_deaf(root: int, make: Make) -> None:
    with listening() as listener:
        rig = make()
        c = Chain("heads")
        connection, file = c.fd("connection"), c.fd("file")
        c.accept4(c.param("listener", writable=False), 0, ret=connection, stop_on="negative")
        c.recv_head(connection, label="read", stop_on="non_positive")
        c.openat2(c.param("root", writable=False), c.data(b"file1\0"), c.data(OPEN), 24, ret=file, stop_on="negative")
        c.sendfile(connection, file, 0, 100, stop_on="negative")
        c.close(file, next="read")
        rig.engine.submit(c.freeze(), {"listener": listener.fileno(), "root": root})
        with Client(listener.getsockname()) as client:
            for number in range(5):
                client.send(get(f"/{number}"))
                assert client.exactly(100) == b"1" * 100
        assert rig.result().result == 0
        assert rig.metric("connections") == 0
        rig.close()
