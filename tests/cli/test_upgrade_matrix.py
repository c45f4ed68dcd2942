"""SIGUSR2 with all that a server may have, and while all else is going on: everything is handed over, or all stays."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .processes import DEADLINE_S, Run, Running, Start
from .test_systemd import Manager, Starter, begin, listening, manager
from .test_upgrade import gone, successors, upgrade

pytestmark = pytest.mark.slow
__all__ = ["begin", "listening", "manager", "successors"]  # fixtures


@pytest.fixture(params=["uring", "epoll"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Upgraded:
    """A server with a pid file, an admin listener of each kind and sites at TCP and at a path; `pid` serves now."""

    def __init__(self, start: Start, folder: Path, successors: list[int], backend: str) -> None:
        self.successors, self.folder = successors, folder
        self.pid_file, self.path, self.admin_path = folder / "pid", folder / "site.sock", folder / "admin.sock"
        self.file = folder / "c.toml"
        self.file.write_text(
            f'[server]\npid_file = "{self.pid_file}"\nworkers = 2\nbackend = "{backend}"\n'
            f'listen = ["127.0.0.1:0", "unix:{self.path}"]\n[site]\nroot = "www"\n'
            f'[admin]\nlisten = ["127.0.0.1:0", "unix:{self.admin_path}"]\n'
        )
        self.running = start("-c", str(self.file))
        self.port = self.running.ports[0]
        self.running.wait_for("admin.sock tells")
        (admin,) = re.findall(r"http://127\.0\.0\.1:(\d+)/ tells", self.running.text)
        self.admin_port = int(admin)
        self.pid = self.running.process.pid

    def upgrade(self) -> None:
        upgrade(self.running, self.pid, self.successors)
        before, self.pid = self.pid, self.successors[-1]
        assert ended(self.running, before)

    def check(self) -> None:
        """All is there, and it is the work of the process whose number is in the pid file."""
        assert self.pid_file.read_text() == f"{self.pid}\n"
        assert self.running.get(port=self.port) == (200, b"<!doctype html>hello\n")
        assert b"hello" in asked(at_path(self.path), "/")
        for client in (at_port(self.admin_port), at_path(self.admin_path)):
            assert asked(client, "/ready").endswith(b"ready\n")
        report: dict[str, Any] = json.loads(asked(at_port(self.admin_port), "/status.json").partition(b"\r\n\r\n")[2])
        assert report["state"] == "running" and len(report["urls"]) == 2
        assert Path(f"/proc/{self.pid}/comm").read_text() == "tuxpy\n"

    def end(self) -> None:
        os.kill(self.pid, signal.SIGTERM)
        assert ended(self.running, self.pid)
        assert not any(path.exists() for path in (self.pid_file, self.path, self.admin_path))


def ended(running: Running, pid: int) -> bool:
    """Our own child has to be waited for."""
    return running.process.wait(DEADLINE_S) == 0 if pid == running.process.pid else gone(pid)


def at_port(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)


def at_path(path: Path) -> socket.socket:
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(DEADLINE_S)
    one.connect(str(path))
    return one


def asked(client: socket.socket, target: str) -> bytes:
    with client:
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        parts = []
        while part := client.recv(65536):
            parts.append(part)
        return b"".join(parts)


@pytest.fixture
def upgraded(start: Start, www: Path, tmp_path: Path, successors: list[int], backend: str) -> Iterator[Upgraded]:
    yield Upgraded(start, tmp_path, successors, backend)


def test_all_that_listens_and_the_pid_file_are_handed_over_again_and_again(upgraded: Upgraded) -> None:
    upgraded.check()
    for _ in range(2):
        upgraded.upgrade()
        upgraded.check()
    upgraded.end()


FAULTS: dict[str, Callable[[str], str]] = {
    "what is not understood": lambda text: text.replace("workers", "workrs"),
    "a root that is not there": lambda text: text.replace('root = "www"', 'root = "nowhere"'),  # behind the listeners
    "a password file": lambda text: text + '[[site.access]]\npath = "*"\npassword_file = "nowhere"\n',
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_new_one_that_fails_harms_nothing(upgraded: Upgraded, fault: str) -> None:
    good = upgraded.file.read_text()
    upgraded.file.write_text(FAULTS[fault](good))
    upgrade(upgraded.running, upgraded.pid, upgraded.successors, "the upgrade failed")
    assert gone(upgraded.successors[-1])
    upgraded.check()
    upgraded.file.write_text(good)
    upgraded.upgrade()
    upgraded.check()
    upgraded.end()


def test_a_new_one_that_is_killed_harms_nothing(upgraded: Upgraded) -> None:
    upgrade(upgraded.running, upgraded.pid, upgraded.successors, "is starting")
    os.kill(upgraded.successors[-1], signal.SIGKILL)
    upgraded.running.wait_for("the upgrade failed")
    upgraded.check()
    upgraded.end()


def test_a_reload_meanwhile_is_done_by_the_one_that_comes(upgraded: Upgraded, run: Run) -> None:
    """What was written is in force afterwards, whoever has read it; who asked for it hears so."""
    upgrade(upgraded.running, upgraded.pid, upgraded.successors, "is starting")
    upgraded.file.write_text(upgraded.file.read_text() + '[[site.headers]]\npath = "*"\nset = { X-A = "b" }\n')
    done = run("reload", "--pid", str(upgraded.pid))
    assert (done.status, done.err) == (0, "")
    upgraded.running.wait_for("is in force")
    assert b"X-A: b" in asked(at_port(upgraded.port), "/")
    upgraded.pid = upgraded.successors[-1]
    assert ended(upgraded.running, upgraded.running.process.pid)
    upgraded.check()
    upgraded.end()


def test_a_reload_meanwhile_is_not_lost_when_the_upgrade_is(upgraded: Upgraded, run: Run) -> None:
    upgrade(upgraded.running, upgraded.pid, upgraded.successors, "is starting")
    os.kill(upgraded.successors[-1], signal.SIGSTOP)
    upgraded.file.write_text(upgraded.file.read_text() + '[[site.headers]]\npath = "*"\nset = { X-A = "b" }\n')
    os.kill(upgraded.pid, signal.SIGHUP)
    os.kill(upgraded.successors[-1], signal.SIGKILL)
    upgraded.running.wait_for("is in force")
    assert b"X-A: b" in asked(at_port(upgraded.port), "/")
    upgraded.check()
    upgraded.end()


def test_the_end_meanwhile_is_the_end_of_both(upgraded: Upgraded) -> None:
    upgrade(upgraded.running, upgraded.pid, upgraded.successors, "is starting")
    os.kill(upgraded.pid, signal.SIGTERM)
    assert ended(upgraded.running, upgraded.pid)
    assert gone(upgraded.successors[-1])
    assert not any(path.exists() for path in (upgraded.pid_file, upgraded.path, upgraded.admin_path))


def test_a_second_signal_meanwhile_starts_no_second_one(upgraded: Upgraded) -> None:
    upgrade(upgraded.running, upgraded.pid, upgraded.successors, "is starting")
    upgrade(upgraded.running, upgraded.pid, upgraded.successors, "is already starting for an upgrade")
    upgraded.running.wait_for("serves now")
    assert len(set(upgraded.successors)) == 1
    upgraded.pid = upgraded.successors[-1]
    assert ended(upgraded.running, upgraded.running.process.pid)
    upgraded.check()
    upgraded.end()


def test_sites_are_served_while_a_new_one_that_hangs_is_made_to_end(upgraded: Upgraded) -> None:
    """Nothing of that waits on the thread that judges: each of these targets is a new one."""
    upgrade(upgraded.running, upgraded.pid, upgraded.successors, "is starting")
    os.kill(upgraded.successors[-1], signal.SIGSTOP)
    for number in range(20):
        assert upgraded.running.get(f"/?{number}", port=upgraded.port)[0] == 200
    os.kill(upgraded.successors[-1], signal.SIGKILL)
    upgraded.running.wait_for("the upgrade failed")
    upgraded.check()
    upgraded.end()


def test_sockets_of_systemd_that_are_not_used_yet_are_handed_over_too(
    begin: Starter, manager: Manager, www: Path, tmp_path: Path, listening: socket.socket, successors: list[int]
) -> None:
    """A reload of the new one may name them."""
    file, text = tmp_path / "c.toml", '[server]\nlisten = ["fd:3"{}]\n[site]\nroot = "www"\n'
    file.write_text(text.format(""))
    with socket.socket() as spare:
        spare.bind(("127.0.0.1", 0))
        spare.listen()
        server = begin("-c", str(file), sockets=(listening, spare), NOTIFY_SOCKET=manager.path)
        port, other = listening.getsockname()[1], spare.getsockname()[1]
        upgrade(server, server.process.pid, successors)
        assert server.process.wait(DEADLINE_S) == 0
        manager.wait_for(f"MAINPID={successors[-1]}")
        file.write_text(text.format(', "fd:4"'))
        os.kill(successors[-1], signal.SIGHUP)
        server.wait_for("is in force")
        for number in (port, other):
            assert server.get(port=number) == (200, b"<!doctype html>hello\n")
    os.kill(successors[-1], signal.SIGTERM)
    assert gone(successors[-1])


def test_the_admin_of_the_former_one_is_not_asked_any_more(upgraded: Upgraded) -> None:
    """A download keeps it alive: who asks /ready is answered by the new one, each time."""
    size = 64 << 20
    with (upgraded.folder / "www" / "large").open("wb") as file:
        file.truncate(size)
    with at_port(upgraded.port) as download, at_port(upgraded.admin_port) as kept:
        download.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        received = len(download.recv(4096))
        kept.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"ready\n" in kept.recv(65536)
        upgrade(upgraded.running, upgraded.pid, upgraded.successors)
        end = time.monotonic() + DEADLINE_S
        while kept.recv(65536):  # a connection to the former one ends
            assert time.monotonic() < end
        for _ in range(20):
            assert asked(at_port(upgraded.admin_port), "/ready").endswith(b"\r\n\r\nready\n")
        while more := download.recv(1 << 20):
            received += len(more)
        assert received > size
    former, upgraded.pid = upgraded.pid, upgraded.successors[-1]
    assert ended(upgraded.running, former)
    upgraded.check()
    upgraded.end()
