"""The system calls in Python: where they differ from the functions that Python has for the same."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from errno import EBADF, EINVAL, EIO, ENOENT, ENOTSOCK, EPIPE
from pathlib import Path
from struct import pack

import pytest

from tuxpy.atoms import system


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def room(size: int) -> memoryview:
    return memoryview(bytearray(size))


@pytest.mark.parametrize("non_blocking", [0, socket.SOCK_NONBLOCK])
@pytest.mark.parametrize("close_on_exec", [0, socket.SOCK_CLOEXEC])
def test_accept4_gives_what_its_flags_say(listener: socket.socket, non_blocking: int, close_on_exec: int) -> None:
    with socket.create_connection(listener.getsockname()):
        fd = system.accept4(listener.fileno(), non_blocking | close_on_exec)
        try:
            assert os.get_blocking(fd) is not bool(non_blocking)
            assert os.get_inheritable(fd) is not bool(close_on_exec)
        finally:
            os.close(fd)
    assert system.accept4(listener.fileno(), 1) == -EINVAL


def test_accept4_waits_at_a_listener_that_does_not(listener: socket.socket) -> None:
    listener.setblocking(False)
    connecting = threading.Timer(0.01, lambda: socket.create_connection(listener.getsockname()).close())
    connecting.start()
    os.close(system.accept4(listener.fileno(), 0))
    connecting.join()


def test_send_sends_everything_also_where_room_is_scarce(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    ours.setblocking(False)
    data, arrived = os.urandom(1 << 20), bytearray()

    def receive() -> None:
        while piece := theirs.recv(65536):
            arrived.extend(piece)

    receiver = threading.Thread(target=receive)
    receiver.start()
    assert system.send(ours.fileno(), memoryview(data), 0) == len(data)
    assert system.shutdown(ours.fileno(), socket.SHUT_WR) == 0
    receiver.join()
    assert arrived == data
    assert system.send(ours.fileno(), memoryview(b"x"), 0) == -EPIPE


def test_recv_and_read_wait_at_a_socket_that_does_not(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    ours.setblocking(False)
    fd = ours.fileno()
    receivers: list[Callable[[memoryview], int]] = [lambda b: system.recv(fd, b, 0), lambda b: system.read(fd, b)]
    for receive in receivers:
        sending = threading.Timer(0.01, theirs.send, (b"late",))
        sending.start()
        buffer = room(10)
        assert receive(buffer) == 4
        assert bytes(buffer) == b"late" + bytes(6)
        sending.join()


def test_sendfile_sends_all_or_says_that_the_file_is_shorter(
    pair: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    ours, theirs = pair
    (tmp_path / "ten").write_bytes(b"0123456789")
    with open(tmp_path / "ten", "rb") as file:
        assert system.sendfile(ours.fileno(), file.fileno(), 2, 5) == 5
        assert theirs.recv(100) == b"23456"
        assert system.sendfile(ours.fileno(), file.fileno(), 5, 6) == -EIO
        assert system.sendfile(ours.fileno(), file.fileno(), 0, -1) == -EINVAL
        assert system.sendfile(ours.fileno(), -1, 0, 1) == -EBADF
        assert system.sendfile(ours.fileno(), -1, 0, 0) == 0


def test_openat2_beneath_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    how = memoryview(pack("=QQQ", os.O_RDONLY | os.O_CLOEXEC, 0, 0x08))  # RESOLVE_BENEATH
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        fd = system.openat2(directory, b"file", how)
        buffer = room(7)
        assert system.pread(fd, buffer, 3) == 4
        assert bytes(buffer[:4]) == b"tent"
        assert system.pread(fd, buffer, -1) == -EINVAL
        assert system.close(fd) == 0
        assert system.openat2(directory, b"absent", how) == -ENOENT
        assert system.openat2(directory, b"../" + os.fsencode(tmp_path.name), how) < 0
    finally:
        os.close(directory)
    with pytest.raises(system.OutOfBounds):
        system.openat2(-1, b"file", how[:8])


def test_setsockopt_sets(listener: socket.socket) -> None:
    on = memoryview(pack("=i", 1))
    assert system.setsockopt(listener.fileno(), socket.IPPROTO_TCP, socket.TCP_NODELAY, on) == 0
    assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
    assert system.setsockopt(listener.fileno(), socket.IPPROTO_TCP, socket.TCP_NODELAY, on[:1]) == -EINVAL


@pytest.mark.parametrize(("linger", "result"), [((1, 0), 0), ((0, 5), 0), ((1, 5), -EINVAL), ((1, -1), -EINVAL)])
def test_nobody_lingers_at_a_close(listener: socket.socket, linger: tuple[int, int], result: int) -> None:
    """socket(7): with SO_LINGER above 0, close(2) waits for the peer."""
    value = memoryview(pack("=ii", *linger))
    assert system.setsockopt(listener.fileno(), socket.SOL_SOCKET, socket.SO_LINGER, value) == result


def test_what_is_no_socket_or_not_open_is_an_errno(tmp_path: Path) -> None:
    with open(tmp_path / "file", "wb") as file:
        assert system.recv(file.fileno(), room(1), 0) == -ENOTSOCK
    for nothing in -1, 1 << 31:
        assert system.recv(nothing, room(1), 0) == -EBADF
        assert system.send(nothing, memoryview(b"x"), 0) == -EBADF
        assert system.accept4(nothing, 0) == -EBADF
        assert system.shutdown(nothing, 0) == -EBADF
        assert system.read(nothing, room(1)) == -EBADF
        assert system.pread(nothing, room(1), 0) == -EBADF
        assert system.write(nothing, memoryview(b"x")) == -EBADF
        assert system.close(nothing) == -EBADF


def test_small_ones() -> None:
    assert system.getpid() == os.getpid()
    assert system.nanosleep(1) == 0
    assert system.nanosleep(-1) == -EINVAL
    assert system.wrapped(1 << 31, 32) == -(1 << 31)
