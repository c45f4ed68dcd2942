"""One call in one line: every call of the white list with friendly arguments, its result and its refusal."""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
from pathlib import Path
from struct import pack
from typing import get_args

import pytest

from tuxpy import AT_FDCWD, ChainError, Engine
from tuxpy.atoms import CALLS
from tuxpy.atoms.calls import REFUSED
from tuxpy.syslets import entries, stat_of
from tuxpy.syslets.names import GivesBytes, GivesNumber, GivesPieces


def test_a_file_from_beginning_to_end(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "new"
    fd = engine.call("openat2", AT_FDCWD, path, (os.O_RDWR | os.O_CREAT, 0o640))
    assert not os.get_inheritable(fd)
    assert engine.call("write", fd, b"hello, ") == 7
    assert engine.call("pwrite", fd, memoryview(b"world"), 7) == 5
    assert engine.call("pread", fd, 100, 0) == b"hello, world"
    assert engine.call("read", fd, 100) == b"world"
    assert engine.call("read", fd, 100) == b""
    assert engine.call("ftruncate", fd, 5) == 0
    assert engine.call("fallocate", fd, 0, 0, 4096) == 0
    assert engine.call("fsync", fd) == engine.call("fdatasync", fd) == 0
    assert engine.call("fadvise64", fd, 0, 0, os.POSIX_FADV_WILLNEED) == 0
    assert engine.call("readahead", fd, 0, 4096) == 0
    found = stat_of(engine.call("statx", fd, "", 0x1000))
    real = os.fstat(fd)
    assert (found.mode, found.size, found.ino) == (real.st_mode, real.st_size, real.st_ino)
    assert (found.mtime_ns, found.ctime_ns, found.atime_ns) == (real.st_mtime_ns, real.st_ctime_ns, real.st_atime_ns)
    assert (found.nlink, found.uid, found.gid, found.blocks) == (1, real.st_uid, real.st_gid, real.st_blocks)
    assert os.makedev(*found.dev) == real.st_dev
    assert engine.call("close", fd) == 0
    with pytest.raises(OSError) as gone:
        os.fstat(fd)
    assert gone.value.errno == errno.EBADF


def test_names(engine: Engine, tmp_path: Path) -> None:
    root = engine.call("openat2", AT_FDCWD, str(tmp_path), os.O_PATH | os.O_DIRECTORY)
    try:
        engine.call("mkdirat", root, "made", 0o755)
        engine.call("mkdirat", root, os.fsencode("grüß"), 0o755)
        engine.call("renameat2", root, "made", root, "grüß/inside", 0)
        assert (tmp_path / "grüß" / "inside").is_dir()
        (tmp_path / "link").symlink_to("nowhere")
        assert stat_of(engine.call("statx", root, "link", 0x100)).size == len("nowhere")
        with pytest.raises(FileNotFoundError) as missing:
            engine.call("statx", root, "link")
        assert missing.value.filename == "link"
        engine.call("unlinkat", root, "link", 0)
        directory = engine.call("openat2", root, ".", os.O_RDONLY | os.O_DIRECTORY)
        found = list(entries(engine.call("getdents64", directory, 4096)))
        assert [(e.name, e.type) for e in found] == [("grüß".encode(), 4)]
        assert engine.call("getdents64", directory, 4096) == b""
        os.close(directory)
    finally:
        os.close(root)


def test_sockets(engine: Engine) -> None:
    listener = engine.call("socket", socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC, 0)
    local = pack("=HH4s8x", socket.AF_INET, 0, b"\x7f\0\0\1")
    engine.call("setsockopt", listener, socket.SOL_SOCKET, socket.SO_REUSEADDR, pack("=i", 1))
    engine.call("bind", listener, local)
    engine.call("listen", listener, 5)
    with socket.socket(fileno=os.dup(listener)) as known:
        port = known.getsockname()[1]
    client = engine.call("socket", socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC, 0)
    engine.call("connect", client, pack("=H", socket.AF_INET) + pack(">H4s8x", port, b"\x7f\0\0\1"))
    server = engine.call("accept4", listener, socket.SOCK_CLOEXEC)
    assert engine.call("send", client, b"ping", 0) == 4
    assert engine.call("recv", server, 100, 0) == b"ping"
    assert engine.call("getsockopt", server, socket.SOL_SOCKET, socket.SO_TYPE, 4) == pack("=i", socket.SOCK_STREAM)
    assert engine.call("poll", server, select.POLLOUT) == select.POLLOUT
    assert engine.call("shutdown", client, socket.SHUT_WR) == 0
    assert engine.call("recv", server, 100, 0) == b""
    for fd in listener, client, server:
        engine.call("close", fd)


@pytest.mark.parametrize(("linger", "refused"), [((1, 0), False), ((0, 5), False), ((1, 5), True), ((1, -1), True)])
def test_nobody_lingers_at_a_close(engine: Engine, linger: tuple[int, int], refused: bool) -> None:
    """socket(7): with SO_LINGER above 0, close(2) waits for the peer, on whichever thread it is called."""
    with socket.socket() as one:
        words = ("setsockopt", one.fileno(), socket.SOL_SOCKET, socket.SO_LINGER, pack("=ii", *linger))
        if refused:
            with pytest.raises(OSError) as found:
                engine.call(*words)
            assert found.value.errno == errno.EINVAL
        else:
            assert engine.call(*words) == 0
            assert one.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER) == linger[0]


def test_a_connection_that_is_refused(engine: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = pack("=H", socket.AF_INET) + pack(">H4s8x", gone.getsockname()[1], b"\x7f\0\0\1")
    with socket.socket() as client, pytest.raises(ConnectionRefusedError):
        engine.call("connect", client, address)


def test_pieces_of_memory_are_one(engine: Engine, files: list[Path]) -> None:
    with files[0].open("r+b") as file:
        assert engine.call("writev", file, b"one", b"two") == 6
        file.seek(0)
        assert engine.call("readv", file, 4, 3) == [b"onet", b"wo\0"]
        assert engine.call("readv", file, 2000, 3) == [bytes(1893), b""]
    one, other = socket.socketpair()
    with one, other:
        assert engine.call("sendmsg", one, b"head ", b"body", 0) == 9
        assert engine.call("recv", other, 100, 0) == b"head body"
        big = bytes(range(256)) * 2000
        reader = threading.Thread(target=lambda: got.append(_all_of(other, 2 * len(big))))
        got: list[bytes] = []
        reader.start()
        assert engine.call("sendmsg", one, big, big[::-1], 0) == 2 * len(big)
        reader.join()
        assert got == [big + big[::-1]]


def _all_of(connection: socket.socket, length: int) -> bytes:
    received = b""
    while len(received) < length:
        received += connection.recv(1 << 16)
    return received


def test_splice_moves_from_a_file_to_a_pipe(engine: Engine, files: list[Path], pipe: tuple[int, int]) -> None:
    with files[0].open("rb") as source:
        assert engine.call("splice", source, 0, pipe[1], -1, 300, 0) == 300
    assert engine.call("read", pipe[0], 1000) == bytes(300)


def test_what_waits_is_waited_for(engine: Engine, pipe: tuple[int, int]) -> None:
    later = threading.Timer(0.02, os.write, (pipe[1], b"at last"))
    later.start()
    assert engine.call("poll", pipe[0], select.POLLIN) & select.POLLIN
    assert engine.call("read", pipe[0], 100) == b"at last"
    later.join()
    assert engine.call("nanosleep", 1_000_000) == 0


def test_waiting_can_be_limited(engine: Engine, pipe: tuple[int, int]) -> None:
    with pytest.raises(TimeoutError):
        engine.call("read", pipe[0], 1, timeout=0.02)
    os.write(pipe[1], b"x")
    assert engine.call("read", pipe[0], 1, timeout=10) == b"x"


def test_what_needs_nobody_never_leaves_its_thread(engine: Engine) -> None:
    for _ in range(10):
        assert engine.call("getpid") == os.getpid()
    assert engine.call("umem_add", 40, 2) == 42
    metrics = engine.metrics()
    assert (metrics["visits"], metrics["submitted"], metrics["cold"]) == (11, 0, 0)


def test_what_misses_goes_to_a_worker(engine: Engine, files: list[Path]) -> None:
    with files[0].open("r+b") as file:
        engine.call("pwrite", file, b"x", 0)
    assert engine.metrics()["cold"] == 1


def test_type_checkers_know_what_each_call_gives() -> None:
    kinds = {"bytes": GivesBytes, "pieces": GivesPieces, "number": GivesNumber}
    given = {gives: set(get_args(names)) for gives, names in kinds.items()}
    expected: dict[str, set[str]] = {"bytes": set(), "pieces": set(), "number": set()}
    for name, call in CALLS.items():
        if not call.http and "O" not in call.kinds:
            expected[("number", "bytes", "pieces")[call.kinds.count("w")]].add(name)
    assert given == expected


def test_a_call_makes_no_two_descriptors(engine: Engine) -> None:
    with pytest.raises(ValueError, match=r"pipe2 makes two descriptors, .* use os.pipe2"):
        engine.call("pipe2", 0)  # type: ignore[call-overload]


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_refused_says_why(engine: Engine, name: str) -> None:
    with pytest.raises(ChainError, match=f"{name} is refused: "):
        engine.call(name)


def test_the_calls_of_http_belong_to_another_engine(engine: Engine) -> None:
    for call in CALLS.values():
        if call.http:
            with pytest.raises(ValueError, match="belongs to the HTTP engine"):
                engine.call(call.name, 1)


@pytest.mark.parametrize(
    ("args", "error", "said"),
    [
        (("read", 0), TypeError, r"read\(fd, buffer\) takes 2 arguments, not 1"),
        (("read", 0, -1), ValueError, "-1 bytes of buffer"),
        (("read", 0, (1 << 20) + 1), ValueError, "at most 1048576, so take it in pieces"),
        (("read", 1 << 64, 1), ValueError, "does not fit into 64 bits"),
        (("read", object(), 1), TypeError, "neither a number nor a file"),
        (("write", 1, 5), TypeError, "neither bytes nor a path"),
        (("unlinkat", AT_FDCWD, b"a\0b", 0), ValueError, "a path cannot hold a zero byte"),
        (("frobnicate",), ChainError, "there is no call frobnicate"),
    ],
)
def test_arguments_that_fit_nothing(engine: Engine, args: tuple[str, int], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        engine.call(*args)
    assert engine.metrics()["submitted"] == engine.metrics()["visits"] == 0


def test_long_paths(engine: Engine, tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(14):
        deep = deep / ("d" * 250)
    with pytest.raises(FileNotFoundError):
        engine.call("openat2", AT_FDCWD, deep)
    with pytest.raises(OSError) as long:
        engine.call("openat2", AT_FDCWD, "x" * 5000)
    assert long.value.errno == errno.ENAMETOOLONG


def test_a_closed_engine_says_so(engine: Engine) -> None:
    engine.close()
    engine.close()
    with pytest.raises(ValueError, match="the engine is closed"):
        engine.call("getpid")
    with pytest.raises(ValueError, match="the engine is closed"):
        engine.wait()
