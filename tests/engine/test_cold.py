"""Cold files: whoever asks for what is not in memory waits for the disk, and nobody else does.

A file is made cold by throwing it out of memory; where the file system does not do that the tests are skipped. A disk
on which everybody would have to wait for long is loadtest/slow/slowfs.c, which needs root and /dev/fuse.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import random
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest
from support import webroot
from support.client import Client, get
from support.fixtures import Connect, Serve
from support.poll import until
from support.running import Running

from tuxpy.atoms import Chain, Reason, flags
from tuxpy.config.settings import Backend

from .conftest import Make

REPOSITORY: Final = Path(__file__).resolve().parents[2]
WINDOW: Final = 1 << 20  # TUX_WINDOW_BYTES of csrc/base/limits.h
AHEAD: Final = 2  # Limits.workers: with so many fetches under way none is made ahead
SEND_BUFFER_MAX: Final = 8 << 20  # more than the kernel keeps for a client who does not read
SLOW_MS: Final = 400
PATIENCE_S: Final = 0.35  # less than one read of the slow disk

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, *[ctypes.c_size_t] * 5]


def in_memory(path: Path) -> int:
    """How many bytes of the file are in memory, by mincore(2)."""
    size = path.stat().st_size
    with path.open("rb") as file:
        at = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, file.fileno(), 0)
        there = (ctypes.c_ubyte * (-(-size // mmap.PAGESIZE)))()
        assert libc.mincore(ctypes.c_void_p(at), ctypes.c_size_t(size), there) == 0
        libc.munmap(ctypes.c_void_p(at), ctypes.c_size_t(size))
    return sum(one & 1 for one in there) * mmap.PAGESIZE


def make_cold(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)
    if in_memory(path):
        pytest.skip("this file system throws nothing out of memory")


def content(windows: float) -> bytes:
    return random.Random(windows).randbytes(int(windows * WINDOW))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A root with a small file and some for each test to make cold."""
    for name, windows in {"a.bin": 4.5, "b.bin": 32.0}.items():
        webroot.write(tmp_path / name, content(windows))
    webroot.write(tmp_path / "small.txt", b"small\n")
    tmp_path.chmod(0o755)
    return tmp_path


# From a disk.


def test_a_cold_file_is_read_by_workers_and_sent_whole(site: Path, serve: Serve, connect: Connect) -> None:
    server = serve(site)
    make_cold(site / "a.bin")
    assert connect(server).ask(get("/a.bin")).body == content(4.5)
    assert 0 < server.metric("fetches") <= 5
    assert server.metric("cold") > 0


def test_a_hot_file_takes_nobody_to_a_worker(site: Path, serve: Serve, connect: Connect) -> None:
    server = serve(site)
    (site / "a.bin").read_bytes()
    client = connect(server)
    for _ in range(5):
        assert client.ask(get("/a.bin")).body == content(4.5)
    assert server.metric("fetches") <= 1  # where the kind of the file system must be asked for first


def test_many_who_want_the_same_cause_one_read(site: Path, serve: Serve, connect: Connect) -> None:
    server = serve(site)
    clients = [connect(server) for _ in range(12)]
    connect(server).ask(get("/small.txt"))
    make_cold(site / "a.bin")
    for client in clients:
        client.send(get("/a.bin"))
    for client in clients:
        assert client.read().body == content(4.5)
    assert 0 < server.metric("fetches") <= 5, "each window is read once"


def test_a_range_is_all_that_is_read(site: Path, serve: Serve, connect: Connect) -> None:
    server = serve(site)
    fd = os.open(site / "b.bin", os.O_RDONLY)
    try:
        make_cold(site / "b.bin")
        first = 20 * WINDOW + 5
        answer = connect(server).ask(get("/b.bin", f"Range: bytes={first}-{first + 100_000}"))
        assert (answer.status, answer.body) == (206, content(32.0)[first : first + 100_001])
        assert server.metric("fetches") == 1
        assert in_memory(site / "b.bin") < 16 << 20, "the kernel has its own read-ahead, but not all of it"
    finally:
        os.close(fd)


def test_a_slow_client_has_no_more_read_than_he_will_get_soon(site: Path, serve: Serve, connect: Connect) -> None:
    server = serve(site)
    make_cold(site / "b.bin")
    client = connect(server, receive_buffer=4096)
    client.send(get("/b.bin"))
    client.exactly(1000)
    until(lambda: _rests(server, "fetches"))
    most = (SEND_BUFFER_MAX >> 20) + 2 * AHEAD
    assert server.metric("fetches") <= most
    assert in_memory(site / "b.bin") < 32 * WINDOW
    client.reset()


def _rests(server: Running, name: str) -> bool:
    before = server.metric(name)
    time.sleep(0.1)
    return before > 0 and server.metric(name) == before


def test_what_was_thrown_out_meanwhile_is_read_again(site: Path, serve: Serve, connect: Connect) -> None:
    """A client dawdles while all of the file leaves the memory."""
    server = serve(site)
    client = connect(server, receive_buffer=4096)
    client.send(get("/b.bin"))
    begin = client.read(head_only=True)
    assert begin.status == 200
    make_cold_but_what_is_queued(site / "b.bin")
    time.sleep(0.15)  # until nobody believes any more that it is there
    fetches = server.metric("fetches")
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    assert client.exactly(32 * WINDOW) == content(32.0)
    assert server.metric("fetches") > fetches


def make_cold_but_what_is_queued(path: Path) -> None:
    """The socket holds on to the pages that it has still to send."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if in_memory(path) > 16 * WINDOW:
        pytest.skip("this file system throws nothing out of memory")


def test_a_file_that_has_become_shorter_ends_the_connection(site: Path, serve: Serve, connect: Connect) -> None:
    server = serve(site)
    server.forgiven.add("failed_responses")
    client = connect(server, receive_buffer=4096)
    client.send(get("/b.bin"))
    client.exactly(1000)
    os.truncate(site / "b.bin", 100)
    assert len(client.rest_or_reset()) < 32 * WINDOW


# From overlayfs, which every container has.


@pytest.fixture
def overlaid(site: Path) -> Iterator[Path]:
    parts = [site.parent / f"{site.name}-{part}" for part in ("upper", "work", "merged")]
    for part in parts:
        part.mkdir()
    options = f"lowerdir={site},upperdir={parts[0]},workdir={parts[1]}"
    done = subprocess.run(
        ["mount", "-t", "overlay", "-o", options, "overlay", str(parts[2])], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"no overlayfs here: {done.stderr.strip()}")
    try:
        yield parts[2]
    finally:
        subprocess.run(["umount", "--lazy", str(parts[2])], check=True)


def test_a_hot_file_on_overlayfs_is_hot(overlaid: Path, serve: Serve, connect: Connect) -> None:
    server = serve(overlaid)
    (overlaid / "a.bin").read_bytes()
    client = connect(server)
    for _ in range(5):
        assert client.ask(get("/a.bin")).body == content(4.5)
    assert server.metric("cold") <= 1, "once, to learn what file system it is"


def test_a_cold_file_on_overlayfs_is_cold(overlaid: Path, serve: Serve, connect: Connect) -> None:
    server = serve(overlaid)
    (overlaid / "small.txt").read_bytes()
    make_cold(overlaid.parent / overlaid.name.replace("-merged", "") / "a.bin")
    assert connect(server).ask(get("/a.bin")).body == content(4.5)
    assert 2 <= server.metric("fetches") <= 5


# Where the kernel does not tell: it tells only who owns the file or may write it.


@contextmanager
def as_nobody() -> Iterator[None]:
    """The server's threads too; it has opened its root before."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


def test_who_may_not_ask_is_served_all_the_same(site: Path, serve: Serve, connect: Connect) -> None:
    server = serve(site)
    client = connect(server)
    with as_nobody():
        for _ in range(5):
            assert client.ask(get("/a.bin")).body == content(4.5)
    assert server.metric("fetches") <= 6


def test_who_may_not_ask_on_overlayfs_has_it_read_in_now_and_then(
    overlaid: Path, serve: Serve, connect: Connect
) -> None:
    server = serve(overlaid)
    client = connect(server)
    begun = time.monotonic()
    with as_nobody():
        for _ in range(20):
            assert client.ask(get("/a.bin")).body == content(4.5)
    seconds = int(time.monotonic() - begun) + 1  # so long it is believed: TUX_UNSURE_MS
    assert server.metric("fetches") <= 1 + 5 * (seconds + 1)


# On a disk where each read takes its time.


@pytest.fixture(scope="session")
def slowfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if os.geteuid() != 0 or not Path("/dev/fuse").exists() or compiler is None:
        pytest.skip("a slow disk needs root, /dev/fuse and a C compiler")
    program = tmp_path_factory.mktemp("slowfs") / "slowfs"
    source = REPOSITORY / "loadtest" / "slow" / "slowfs.c"
    subprocess.run([compiler, "-std=c11", "-D_GNU_SOURCE", "-pthread", str(source), "-o", str(program)], check=True)
    return program


@pytest.fixture
def slow(slowfs: Path, tmp_path: Path) -> Iterator[Path]:
    """A root with a small file of its own and slow ones in a folder."""
    source, root = tmp_path / "source", tmp_path / "root"
    for number in range(5):
        webroot.write(source / f"{number}.bin", content(0.25))
    webroot.write(root / "small.txt", b"small\n")
    webroot.write(root / "large.bin", content(3.0))
    mount = root / "slow"
    mount.mkdir()
    command = [str(slowfs), str(source), str(mount), str(SLOW_MS), "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            pytest.skip("nothing can be mounted here")
        try:
            yield root
        finally:
            subprocess.run(["umount", "--lazy", str(mount)], check=True)
            process.kill()


@pytest.mark.slow
def test_nobody_waits_for_a_cold_file_but_who_asked_for_it(slow: Path, serve: Serve, connect: Connect) -> None:
    """All workers are held by the disk: what is hot is answered, what is old is checked, what is new is judged."""
    server = serve(slow)
    hot = connect(server)
    for target in ("/small.txt", "/large.bin"):
        hot.ask(get(target))
    waiting = [connect(server) for _ in range(5)]
    for number, client in enumerate(waiting):
        client.send(get(f"/slow/{number}.bin"))
    server.wait_for("fetches", 2)
    looks, took = server.metric("looks"), []
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        begun = time.monotonic()
        assert hot.ask(get("/small.txt")).body == b"small\n"
        assert hot.ask(get("/large.bin")).body == content(3.0)
        assert hot.ask(get(f"/small.txt?{len(took)}")).body == b"small\n"
        took.append(time.monotonic() - begun)
        time.sleep(0.01)
    assert server.metric("looks") >= looks + 4, "old decisions were looked up again meanwhile"
    took.sort()
    assert took[len(took) // 2] < PATIENCE_S, "the engine does not stand still"
    assert took[-1] < 1.5, "no check of an old decision stands behind the reads, which would take longer than that"
    for client in waiting:
        client.reset()


@pytest.mark.slow
def test_a_slow_file_arrives_whole(slow: Path, serve: Serve, connect: Connect) -> None:
    server = serve(slow)
    clients = [connect(server) for _ in range(3)]
    for client in clients:
        client.send(get("/slow/0.bin"))
    for client in clients:
        assert client.read().body == content(0.25)
    assert server.metric("fetches") == 1


@pytest.mark.slow
def test_a_server_ends_while_its_workers_are_held(slow: Path, serve: Serve, connect: Connect) -> None:
    server = serve(slow)
    client = connect(server)
    client.send(get("/slow/1.bin"))
    server.wait_for("fetches", 1)
    client.reset()


# What the engine must not send itself.


def drained(client: socket.socket, into: list[bytes]) -> threading.Thread:
    def drain() -> None:
        while part := client.recv(1 << 16):
            into.append(part)
            time.sleep(0.0005)

    thread = threading.Thread(target=drain)
    thread.start()
    return thread


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_workers_send_what_the_engine_must_not(make: Make, site: Path, kind: str, backend: Backend) -> None:
    """ASYNC: every byte by a worker, to a client so slow that each of them meets a full socket."""
    rig = make()
    with ExitStack() as ends:
        file = os.open(site / "a.bin", os.O_RDONLY)
        ends.callback(os.close, file)
        if kind == "unix":
            ours, theirs = socket.socketpair()
        else:
            listener = ends.enter_context(socket.create_server(("127.0.0.1", 0)))
            theirs = socket.create_connection(listener.getsockname())
            ours, _ = listener.accept()
        ends.enter_context(ours)
        ends.enter_context(theirs)
        c = Chain("sends")
        length = int(4.5 * WINDOW)
        c.sendfile(c.param("to", writable=False), c.param("file", writable=False), 0, length, flags=flags.ASYNC)
        got: list[bytes] = []
        reader = drained(theirs, got)
        rig.engine.submit(c.freeze(), {"to": ours.fileno(), "file": file})
        ended = rig.result()
        assert (ended.reason, ended.result) == (Reason.END, length)
        ours.shutdown(socket.SHUT_WR)
        reader.join()
        assert b"".join(got) == content(4.5)
        assert rig.metric("cold") >= 5
        rig.close()


def test_a_connection_of_its_own_is_sent_to_by_workers(make: Make, site: Path, backend: Backend) -> None:
    """The same with a connection that the run has accepted, which the back-end watches by edges."""
    rig = make()
    with ExitStack() as ends:
        file = os.open(site / "a.bin", os.O_RDONLY)
        ends.callback(os.close, file)
        listener = ends.enter_context(socket.create_server(("127.0.0.1", 0)))
        c = Chain("serves")
        length = int(4.5 * WINDOW)
        connection = c.fd("connection")
        c.accept4(c.param("listener", writable=False), 0, ret=connection, stop_on="negative")
        c.sendfile(connection, c.param("file", writable=False), 0, length, flags=flags.ASYNC)
        rig.engine.submit(c.freeze(), {"listener": listener.fileno(), "file": file})
        with Client(listener.getsockname(), receive_buffer=8192) as client:
            for at in range(0, length, WINDOW // 2):
                assert client.exactly(WINDOW // 2) == content(4.5)[at : at + WINDOW // 2]
                time.sleep(0.003)
        ended = rig.result()
        assert (ended.reason, ended.result) == (Reason.END, length)
        with suppress(OSError):
            rig.close()
