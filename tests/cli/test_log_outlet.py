"""Standard error may have a reader that has stopped: nobody who logs waits for it."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator

import pytest

from tuxpy.process import outlet
from tuxpy.process.outlet import Outlet


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


def record(said: str) -> logging.LogRecord:
    return logging.LogRecord("tuxpy", logging.INFO, __file__, 1, said, None, None)


def read_all(fd: int) -> bytes:
    """What is in a pipe now."""
    os.set_blocking(fd, False)
    found = b""
    try:
        while piece := os.read(fd, 65536):
            found += piece
    except BlockingIOError:
        pass
    return found


def test_a_reader_that_has_stopped_costs_lines_which_are_told(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "_LAST_WORDS_S", 0.01)
    handler = Outlet(pipe[1])
    assert fcntl.fcntl(pipe[1], fcntl.F_GETFL) & os.O_NONBLOCK == 0
    count = 5000
    for number in range(count):
        handler.emit(record(f"{number} {'x' * 100}"))  # 64 KiB fit into the pipe
    assert handler.lost > 0
    handler.flush()  # comes back though nothing is read
    monkeypatch.setattr(outlet, "_LAST_WORDS_S", 10.0)
    read = b""
    while b"were lost" not in read:
        read += read_all(pipe[0])
    lines = read.decode().splitlines()
    assert lines[-1].startswith("tuxpy: ")
    lost = int(lines[-1].split()[1])
    assert len(lines) - 1 + lost == count
    numbers = [int(line.split()[0]) for line in lines[:-1]]
    assert numbers == sorted(set(numbers))  # in order, each once
    assert fcntl.fcntl(pipe[1], fcntl.F_GETFL) & os.O_NONBLOCK == 0  # whoever shares it sees no other mode


def test_the_last_words_are_written_before_the_end(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "_LAST_WORDS_S", 10.0)
    handler = Outlet(pipe[1])
    handler.emit(record("farewell"))
    handler.flush()
    assert read_all(pipe[0]) == b"farewell\n"


def test_a_descriptor_that_is_gone_stops_nobody(pipe: tuple[int, int]) -> None:
    gone = os.dup(pipe[1])
    os.close(gone)
    handler = Outlet(gone)
    handler.emit(record("into the void"))
    handler.flush()
