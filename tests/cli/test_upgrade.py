"""SIGUSR2: the program started anew takes the very sockets over, and nobody notices."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .processes import Running, Start

pytestmark = pytest.mark.slow


@pytest.fixture
def successors() -> Iterator[list[int]]:
    """Processes that the servers of a test have started: no children of ours. Killed at the end."""
    found: list[int] = []
    yield found
    for pid in found:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def upgrade(running: Running, pid: int, successors: list[int], says: str = "serves now") -> str:
    """Signal process `pid` and wait for the outcome; all that was written meanwhile."""
    running.wait_for(" serves ")
    before = len(running.text)
    os.kill(pid, signal.SIGUSR2)
    while says not in running.text[before:]:
        running.wait_for_more()
        successors += [int(number) for number in re.findall(r"process (\d+) is starting", running.text[before:])]
    return running.text[before:]


def gone(pid: int) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if not Path(f"/proc/{pid}/exe").exists():
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("backend", ["uring", "epoll"])
def test_the_new_one_serves_and_the_old_one_drains(
    start: Start, www: Path, tmp_path: Path, successors: list[int], backend: str
) -> None:
    path, pid_file = tmp_path / "s", tmp_path / "pid"
    (tmp_path / "c.toml").write_text(f'[server]\npid_file = "{pid_file}"\n[site]\nroot = "www"\n')
    words = ["-b", "127.0.0.1:0", "-b", f"unix:{path}", "-w", "2", "--backend", backend]
    server = start("-c", str(tmp_path / "c.toml"), *words)
    port, old = server.ports[0], server.process.pid
    with socket.create_connection(("127.0.0.1", port), timeout=10) as kept:
        assert b"Connection: close" not in ask(kept)
        said = upgrade(server, old, successors)
        (new,) = set(successors)
        assert f"upgrade: process {new} serves now" in said
        while b"Connection: close" not in ask(kept):  # the log may be a moment before the engines
            time.sleep(0.001)
        assert kept.recv(1) == b""
    assert server.process.wait(10) == 0
    assert pid_file.read_text() == f"{new}\n"
    assert server.get(port=port) == (200, b"<!doctype html>hello\n")
    with socket.socket(socket.AF_UNIX) as local:
        local.connect(str(path))
        assert b"hello" in ask(local)
    os.kill(new, signal.SIGTERM)
    assert gone(new)
    assert not path.exists() and not pid_file.exists()


def ask(client: socket.socket) -> bytes:
    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    return client.recv(65536)


def test_a_download_goes_on_in_the_old_one(start: Start, www: Path, successors: list[int]) -> None:
    size = 64 << 20
    with (www / "large").open("wb") as file:
        file.truncate(size)
    server = start(str(www), "-p", "0", "-w", "1")
    with socket.create_connection(("127.0.0.1", server.ports[0]), timeout=20) as peer:
        peer.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        received = len(peer.recv(4096))
        upgrade(server, server.process.pid, successors)
        assert server.get(port=server.ports[0])[0] == 200
        assert server.process.poll() is None
        while more := peer.recv(1 << 20):
            received += len(more)
    assert received > size
    assert server.process.wait(10) == 0


def test_the_number_of_engines_may_be_another(start: Start, www: Path, tmp_path: Path, successors: list[int]) -> None:
    """Two sockets for one engine, then three engines at two sockets: nobody waits in a queue that is forgotten."""
    file = tmp_path / "c.toml"
    file.write_text('[server]\nlisten = ["127.0.0.1:0"]\nworkers = 2\n[site]\nroot = "www"\n')
    server = start("-c", str(file))
    port, pid = server.ports[0], server.process.pid
    for workers in (1, 3):
        file.write_text(re.sub("workers = .", f"workers = {workers}", file.read_text()))
        upgrade(server, pid, successors)
        assert gone(pid) if workers == 3 else server.process.wait(10) == 0
        pid = successors[-1]
        for _ in range(30):
            assert server.get(port=port)[0] == 200
    os.kill(pid, signal.SIGTERM)
    assert gone(pid)


def test_a_new_one_that_cannot_start_changes_nothing(
    start: Start, www: Path, tmp_path: Path, successors: list[int]
) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[server]\nlisten = ["127.0.0.1:0"]\n[site]\nroot = "www"\n')
    server = start("-c", str(file))
    server.wait_for(" serves ")
    file.write_text("[server]\nlisen = 1\n")
    said = upgrade(server, server.process.pid, successors, "the upgrade failed")
    assert re.search(r"error +the upgrade failed and this server stays: process \d+ ended with 2\n", said)
    assert "unknown key server.lisen" in said
    assert server.get() == (200, b"<!doctype html>hello\n")
    assert gone(successors[-1])
    assert server.stop() == 0


def test_a_stop_ends_an_upgrade_that_is_under_way(start: Start, www: Path, successors: list[int]) -> None:
    server = start(str(www), "-p", "0", "-w", "1")
    upgrade(server, server.process.pid, successors, "is starting")
    assert server.stop() == 0
    assert gone(successors[-1])


def test_two_at_once(start: Start, www: Path, successors: list[int]) -> None:
    server = start(str(www), "-p", "0", "-w", "1")
    upgrade(server, server.process.pid, successors, "is starting")
    upgrade(server, server.process.pid, successors, "is already starting for an upgrade")
    server.wait_for("serves now")
    assert server.process.wait(10) == 0
