"""Why a listening socket cannot be had: the sentence names the step that failed, and what helps."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuxpy.config.settings import Address
from tuxpy.errors import ConfigError
from tuxpy.process.bind_errors import Refused, at_path, at_port, first_free_port
from tuxpy.process.listen import listen

PORT = Address("127.0.0.1", 26_045, True)
LOW = Address("127.0.0.1", 80, True)
PLACE = Address(unix="/nowhere/at/all.sock")


def refused(step: str, number: int) -> Refused:
    return Refused(step, OSError(number, os.strerror(number)))


@pytest.mark.parametrize(
    ("step", "number", "address", "words"),
    [
        ("setsockopt", errno.EPERM, PORT, "the system call setsockopt is refused"),
        ("setsockopt", errno.ENOSYS, PORT, "look at the seccomp filter"),
        ("listen", errno.EACCES, PORT, "the system call listen is refused"),
        ("socket", errno.EPERM, PORT, "the system call socket is refused"),
        ("socket", errno.EAFNOSUPPORT, PORT, "give an IPv4 address"),
        ("socket", errno.EMFILE, PORT, "ulimit -n"),
        ("bind", errno.ENOBUFS, PORT, "no memory for another socket"),
        ("bind", errno.EACCES, LOW, "port 80 may only be taken by root"),
        ("bind", errno.EACCES, PORT, "the system call bind is refused (Permission denied)"),
        ("bind", errno.EADDRINUSE, PORT, "port 26045 of 127.0.0.1 is taken by another server"),
        ("bind", errno.EADDRINUSE, Address("127.0.0.1", 0), "no port of 127.0.0.1 is free"),
        ("listen", errno.EADDRINUSE, PORT, "port 26045 of 127.0.0.1 is taken by another server"),
        ("bind", errno.EADDRNOTAVAIL, PORT, "127.0.0.1 is not an address of this machine"),
    ],
)
def test_at_a_port(step: str, number: int, address: Address, words: str) -> None:
    said = at_port(refused(step, number), address, address.port)
    assert words in said and "\n" not in said
    assert ("may only be taken by root" in said) == (words.startswith("port 80"))


@pytest.mark.parametrize(
    ("step", "number", "words"),
    [
        ("bind", errno.ENOENT, "there is no directory '/nowhere/at'"),
        ("bind", errno.EACCES, "'/nowhere/at' may not be written to"),
        ("bind", errno.EADDRINUSE, "another server listens at unix:/nowhere/at/all.sock"),
        ("chown", errno.EPERM, "cannot be given to the group 'web'"),
        ("chmod", errno.EIO, "the system call chmod is refused"),
        ("setsockopt", errno.EPERM, "look at the seccomp filter"),
    ],
)
def test_at_a_path(step: str, number: int, words: str) -> None:
    said = at_path(refused(step, number), PLACE, "web")
    assert words in said and "\n" not in said


def test_a_port_that_needs_no_right_is_not_told_to_need_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuxpy.process.bind_errors.first_free_port", lambda: 0)
    assert "root" not in at_port(refused("bind", errno.EACCES), LOW, 80)
    assert 0 <= first_free_port() <= 65_536


def test_a_system_call_that_a_filter_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """No descriptor is left open."""

    class Filtered(socket.socket):
        def setsockopt(self, *_: Any) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

    before = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(socket, "socket", Filtered)
    with pytest.raises(ConfigError, match="the system call setsockopt is refused"):
        listen(Address("127.0.0.1", 0), 2)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (lambda tmp: str(tmp / "none" / "s"), "there is no directory"),
        (lambda tmp: str(tmp / ("x" * 120)), "107 bytes at most"),
        (lambda _: "/proc/s", "cannot listen at unix:/proc/s"),
    ],
)
def test_paths_that_cannot_be(tmp_path: Path, path: Callable[[Path], str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        listen(Address(unix=path(tmp_path)), 1)


def test_a_server_whose_queue_is_full_is_there_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To remove its socket would be the wrong advice."""
    path = str(tmp_path / "s")
    monkeypatch.setattr("tuxpy.process.listen._ANSWERS_S", 0.05)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen(0)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(path)
        with pytest.raises(ConfigError, match="another server listens"):
            listen(Address(unix=path), 1)
        for one in waiting:
            one.close()


def test_a_name_that_cannot_be_looked_up_now_is_not_told_to_be_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    with pytest.raises(ConfigError, match=r"cannot be looked up now .*: give an IP address"):
        listen(Address("www.example.org", 0), 1)
