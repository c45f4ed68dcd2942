"""The reader of the access log may stop. That costs lines, or keeps requests waiting where that was asked for, and it
never holds up a signal, a reload, another request or the end."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.client import get
from support.fixtures import Connect
from support.poll import until
from support.running import Running

from tuxpy.config.settings import Backend, LogConfig

LONG = "User-Agent: " + "u" * 1000
FORMAT = "{target} {field:user-agent}"


class Reader:
    """The other end of a fifo, which reads only when it is told to."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.read = b""

    def go_on(self) -> None:
        """Take what is there."""
        try:
            while piece := os.read(self.fd, 65536):
                self.read += piece
        except BlockingIOError:
            pass

    @property
    def targets(self) -> list[str]:
        assert not self.read or self.read.endswith(b"\n")
        return [line.split(" ")[0] for line in self.read.decode().splitlines()]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    one = Reader(tmp_path / "fifo")
    yield one
    os.close(one.fd)


def served(root: Path, backend: Backend, tmp_path: Path, wait: bool, **settings: Any) -> Running:
    return Running(root, backend, access_log=LogConfig(str(tmp_path / "fifo"), FORMAT, wait), **settings)


def lost(server: Running) -> int:
    found = server.server._service.access_log
    assert found is not None
    return found.state()["lost"]


def test_a_reader_that_has_stopped_costs_lines_and_nothing_else(
    root: Path, backend: Backend, tmp_path: Path, reader: Reader, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server = served(root, backend, tmp_path, wait=False)
    client = connect(server)
    asked = 0
    while lost(server) == 0:
        client.send(get("/notes.txt", LONG) * 50)
        for _ in range(50):
            assert client.read().status == 200
        asked += 50
        assert asked < 100_000
    server.server.ask(signal.SIGUSR1)
    for number in range(20):  # judged, so the judge does not wait either
        assert client.ask(get(f"/nothing/{number}", LONG)).status == 404
    client.close()
    server.check_at_rest()
    server.stop()
    server.close()  # within its bound, or this test would not end
    reader.go_on()
    assert reader.targets == ["/notes.txt"] * len(reader.targets)
    assert 0 < len(reader.targets) < asked
    assert 1 <= said(caplog) <= 3  # within seconds, and at the end


def test_who_must_wait_is_answered_when_the_reader_goes_on(
    root: Path, backend: Backend, tmp_path: Path, reader: Reader, connect: Connect
) -> None:
    """Each request has exactly one line."""
    server = served(root, backend, tmp_path, wait=True)
    client, other = connect(server), connect(server)
    count = 3000
    client.socket.settimeout(None)  # it waits for us
    sender = threading.Thread(target=client.send, args=(get("/notes.txt", LONG) * count,))
    sender.start()
    answers = threading.Thread(target=lambda: [client.read() for _ in range(count)])
    answers.start()
    server.wait_for("parked_10")
    unknown = 1
    other.send(get("/nothing"))
    while not until(lambda: server.metric("parked_10") == 2, within_s=0.2):
        if select.select([other.socket], [], [], 0)[0]:  # there was room for a moment: the pipe was not full yet
            assert other.read().status == 404
            other.send(get("/nothing"))
            unknown += 1
    assert server.metric("judged") >= 2  # the judge goes on
    server.server.ask(signal.SIGUSR1)
    assert until(lambda: reader.go_on() or not answers.is_alive(), within_s=120)
    sender.join()
    answers.join()
    assert other.read().status == 404
    client.close()
    other.close()
    assert until(lambda: reader.go_on() or len(reader.targets) == count + unknown, within_s=20)
    server.check_at_rest()
    server.stop()
    server.close()
    reader.go_on()
    assert sorted(reader.targets) == ["/notes.txt"] * count + ["/nothing"] * unknown
    assert server.result == 0


@pytest.mark.parametrize("wait", [False, True])
def test_the_end_comes_though_nobody_reads(
    root: Path, backend: Backend, tmp_path: Path, reader: Reader, connect: Connect, wait: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    server = served(root, backend, tmp_path, wait, drain_timeout_s=1.0)
    client = connect(server)
    sender = threading.Thread(target=lambda: _send_all(client.socket, get("/notes.txt", LONG) * 20000), daemon=True)
    sender.start()
    taker = threading.Thread(target=lambda: _take_all(client.socket), daemon=True)
    taker.start()
    assert until(lambda: server.metric("parked_10") > 0 or lost(server) > 0, within_s=60)
    began = time.monotonic()
    server.ask_to_stop()
    server._thread.join()
    server.server.close()
    assert time.monotonic() - began < 20  # a second to drain, one for the reader; for ever with the fault
    client.close()
    sender.join()
    taker.join()
    server.close()
    said(caplog)


def said(caplog: pytest.LogCaptureFixture) -> int:
    """How often it was told that lines were lost; the fixtures need not be alarmed."""
    count = sum("lines of the access log were lost" in one.getMessage() for one in caplog.records)
    caplog.clear()
    return count


def _send_all(socket: Any, data: bytes) -> None:
    try:
        socket.sendall(data)
    except OSError:
        pass


def _take_all(socket: Any) -> None:
    try:
        while socket.recv(1 << 20):
            pass
    except OSError:
        pass
