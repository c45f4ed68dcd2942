"""How an atom is carried out: ASYNC at a worker, SYNC on the engine or not at all, anything else as it comes."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from struct import pack

import pytest
from support.client import Client

from tuxpy.atoms import Chain, Reason, flags

from .conftest import Make
from .places import PLACES
from .rig import Rig, listening
from .surgery import with_flags

WAITING = ("at_accept", "at_read_of_a_pipe", "at_recv_from_a_socket", "at_write_to_a_full_pipe", "at_nanosleep")
CONNECTED = ("at_recv_head", "at_discard")
SENDING = ("at_send_to_a_stalled_reader", "at_sendfile_to_a_stalled_reader")


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789" * 1000)
    path.read_bytes()  # so it is in memory
    fd = os.open(path, os.O_RDWR)
    yield fd
    os.close(fd)


@pytest.fixture
def rig(file: int, make: Make) -> Rig:
    """It ends before the file is closed."""
    return make()


def reading(c: Chain, manner: int) -> None:
    c.pread(c.param("file", writable=False), c.buffer(100), 100, 5, flags=manner)


# ASYNC.


def test_async_takes_a_worker_though_nothing_would_wait(rig: Rig, file: int) -> None:
    c = Chain("reads")
    reading(c, flags.ASYNC)
    rig.engine.submit(c.freeze(), {"file": file}, copies=10)
    assert {(r.reason, r.result, r.steps) for r in rig.results(10)} == {(Reason.END, 100, 1)}
    assert rig.metric("cold") == 10


def test_without_it_what_is_in_memory_is_read_here(rig: Rig, file: int) -> None:
    c = Chain("reads")
    reading(c, 0)
    rig.engine.submit(c.freeze(), {"file": file}, copies=10)
    assert {r.result for r in rig.results(10)} == {100}
    assert rig.metric("cold") == 0


def test_async_opens_and_reads_and_sends_on_workers(rig: Rig, file: int, tmp_path: Path) -> None:
    root = os.open(tmp_path, os.O_PATH)
    c = Chain("opens")
    opened, how = c.fd("opened"), c.data(pack("=QQQ", os.O_RDONLY | os.O_CLOEXEC, 0, 0))
    c.openat2(c.param("root", writable=False), c.data(b"file\0"), how, 24, ret=opened, flags=flags.ASYNC)
    c.sendfile(c.param("socket", writable=False), opened, 0, 1000, flags=flags.ASYNC)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        try:
            rig.engine.submit(c.freeze(), {"root": root, "socket": ours.fileno()})
            ended = rig.result()
            assert (ended.reason, ended.result) == (Reason.END, 1000)
            assert theirs.recv(2000) == b"0123456789" * 100
        finally:
            os.close(root)
    assert rig.metric("cold") == 2


def test_one_worker_serves_many_runs(file: int, make: Make) -> None:
    rig = make(slots=300, workers=1)
    c = Chain("reads")
    fd, buffer = c.param("file", writable=False), c.buffer(100)
    for _ in range(5):
        c.pread(fd, buffer, 100, 0, flags=flags.ASYNC)
    rig.engine.submit(c.freeze(), {"file": file}, copies=300)
    assert {(r.reason, r.steps) for r in rig.results(300)} == {(Reason.END, 5)}
    assert rig.metric("cold") == 300  # a worker goes on with what it has begun


def test_a_write_to_a_file_is_a_workers_business(rig: Rig, file: int) -> None:
    c = Chain("writes")
    c.write(c.param("file", writable=False), c.data(b"hello"), 5)
    rig.engine.submit(c.freeze(), {"file": file})
    assert rig.result().result == 5
    assert os.pread(file, 5, 0) == b"hello"
    assert rig.metric("cold") == 1


# SYNC.


@pytest.mark.parametrize("name", [*WAITING, *CONNECTED, *SENDING])
def test_sync_never_leaves_the_engine(backend: str, name: str) -> None:
    """Whatever would wait fails with -EAGAIN; the atom after it is done at once."""
    with PLACES[name]() as (frozen, given), Rig(backend) as rig:
        here = frozen.labels["here"]
        sync = with_flags(frozen, "here", flags.SYNC)
        rig.engine.trace()
        rig.engine.submit(sync, given)
        ended = rig.result()
        results = {atom: result for _, _, atom, result in rig.engine.traced()}
        assert results[here] == -errno.EAGAIN
        assert ended.last_atom == (here if sync.atoms[here].flags & flags.STOP_ON_ANY else here + 1)
        assert rig.metric("cold") == 0


def test_sync_does_what_can_be_done_now(rig: Rig, file: int) -> None:
    c = Chain("reads")
    reading(c, flags.SYNC)
    rig.engine.submit(c.freeze(), {"file": file})
    assert rig.result().result == 100
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"hello")
        c = Chain("echoes")
        fd, buffer, n = c.param("fd", writable=False), c.buffer(10), c.int("n")
        c.recv(fd, buffer, 10, 0, ret=n, flags=flags.SYNC)
        c.send(fd, buffer, n, 0, flags=flags.SYNC)
        rig.engine.submit(c.freeze(), {"fd": ours.fileno()})
        assert rig.result().result == 5
        assert theirs.recv(10) == b"hello"


def test_sync_accepts_who_is_there(rig: Rig) -> None:
    c = Chain("accepts")
    c.accept4(c.param("listener", writable=False), 0, ret=c.fd("connection"), flags=flags.SYNC, stop_on="negative")
    with listening() as listener, Rig(rig.engine.backend) as own, Client(listener.getsockname()) as client:
        own.engine.submit(c.freeze(), {"listener": listener.fileno()})
        assert own.result().reason is Reason.END
        assert client.rest() == b""
        own.engine.submit(c.freeze(), {"listener": listener.fileno()})
        assert own.result().result == -errno.EAGAIN


def test_async_and_sync_exclude_each_other(rig: Rig) -> None:
    c = Chain("both")
    c.getpid(flags=flags.ASYNC | flags.SYNC)
    with pytest.raises(Exception, match="ASYNC and SYNC exclude each other"):
        c.freeze()


# Time.


@pytest.mark.parametrize("ms", [0, 1, 30, 100])
def test_a_sleep_is_never_too_short(rig: Rig, ms: int) -> None:
    c = Chain("sleeps")
    c.nanosleep(ms * 1_000_000)
    begun = time.monotonic()
    rig.engine.submit(c.freeze())
    assert rig.result().result == 0
    assert ms <= (time.monotonic() - begun) * 1000 < ms + 10_000
