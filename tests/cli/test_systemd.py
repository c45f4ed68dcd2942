"""What a service manager hands us and hears of us, with a manager that is only pretended; and the units in conf/."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.poll import until

from tuxpy.cli import init

from .processes import DEADLINE_S, REPOSITORY, Running, command, environment

pytestmark = pytest.mark.slow

# Starts a program as systemd does: descriptors from 3 on, and the number of the process, which stays the same.
STARTER = """
import os, sys
numbers = [int(word) for word in sys.argv[1].split(",") if word]
for place, number in enumerate(numbers):
    os.dup2(number, 3 + place, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(numbers)))
os.execv(sys.argv[2], sys.argv[2:])
"""


class Manager:
    """Hears what is said at a notify socket."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(DEADLINE_S)
        self.heard: list[str] = []

    def wait_for(self, word: str) -> str:
        """The next message with a line that begins so."""
        while True:
            said = self.socket.recv(4096).decode()
            self.heard.append(said)
            if any(line.startswith(word) for line in said.splitlines()):
                return said


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.socket.close()


class Starter:
    """Starts servers with sockets; whatever still runs at the end of the test is killed."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[bytes]] = []

    def __call__(self, *args: str, sockets: tuple[socket.socket, ...] = (), **variables: str) -> Running:
        # Above 3 + their count, so that none is overwritten before it was moved.
        numbers = [os.dup(one.fileno()) if one.fileno() > 9 else _high(one) for one in sockets]
        words = [sys.executable, "-c", STARTER, ",".join(map(str, numbers)), *command("serve", *args)]
        process = subprocess.Popen(words, env=environment(**variables), stderr=subprocess.PIPE, pass_fds=numbers)
        for number in numbers:
            os.close(number)
        self.started.append(process)
        return Running(process)


def _high(one: socket.socket) -> int:
    import fcntl

    return fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, 20)


@pytest.fixture
def begin() -> Iterator[Starter]:
    starter = Starter()
    yield starter
    for process in starter.started:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield one


# Sockets.


@pytest.mark.parametrize("backend", ["uring", "epoll"])
def test_sockets_are_used_by_themselves_when_nothing_is_configured(
    begin: Starter, www: Path, listening: socket.socket, backend: str
) -> None:
    with socket.socket(socket.AF_UNIX) as local:
        local.bind(str(www.parent / "s"))
        local.listen()
        server = begin(str(www), "-w", "2", "--backend", backend, sockets=(listening, local))
        port = listening.getsockname()[1]
        assert server.ports == [port] and f"unix:{www.parent / 's'}" in server.text.splitlines()
        for _ in range(8):
            assert server.get()[0] == 200
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(www.parent / "s"))
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b" 200 " in client.recv(65536)
    assert server.stop() == 0
    assert (www.parent / "s").exists(), "it is not ours"


def test_whoever_comes_behind_the_end_waits_for_the_next_start(
    begin: Starter, www: Path, listening: socket.socket
) -> None:
    """The socket is the manager's, so it is not shut down, and its queue is not served at the end."""
    server = begin(str(www), "-w", "1", sockets=(listening,))
    assert server.get()[0] == 200
    assert server.stop() == 0
    with socket.create_connection(listening.getsockname(), timeout=10) as patient:
        patient.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        begin(str(www), "-w", "1", sockets=(listening,))
        assert b" 200 " in patient.recv(65536)


def test_sockets_by_name_and_by_number(begin: Starter, www: Path, listening: socket.socket) -> None:
    with socket.socket() as second:
        second.bind(("127.0.0.1", 0))
        second.listen()
        both = (listening, second)
        ports = [one.getsockname()[1] for one in both]
        server = begin(str(www), "-b", "fd:web", sockets=both, LISTEN_FDNAMES="other:web")
        assert server.ports == ports[1:]
        assert server.stop() == 0
        server = begin(str(www), "-b", "fd:3", "-b", "127.0.0.1:0", sockets=both)
        assert server.ports[0] == ports[0] and len(server.ports) == 2
        assert server.stop() == 0


@pytest.mark.parametrize(("address", "said"), [("fd:web", "inherited no socket fd:web"), ("fd:9", "fd:9")])
def test_a_socket_that_is_not_there(
    begin: Starter, www: Path, listening: socket.socket, address: str, said: str
) -> None:
    server = begin(str(www), "-b", address, sockets=(listening,))
    assert server.finish() == 2
    assert said in server.text and server.text.count("\n") == 1


def test_what_does_not_listen_is_refused(begin: Starter, www: Path) -> None:
    with socket.socket() as silent:
        server = begin(str(www), sockets=(silent,))
        assert server.finish() == 2
    assert "does not listen" in server.text and server.text.count("\n") == 1


def test_sockets_for_another_process_are_not_ours(begin: Starter, www: Path) -> None:
    process = subprocess.Popen(
        command("serve", str(www), "-p", "0"), stderr=subprocess.PIPE, env=environment(LISTEN_PID="1", LISTEN_FDS="1")
    )
    begin.started.append(process)
    server = Running(process)
    assert server.get()[0] == 200
    assert server.stop() == 0


# What the manager hears.


def test_ready_reloading_stopping(begin: Starter, www: Path, manager: Manager) -> None:
    server = begin(str(www), "-p", "0", "-w", "1", NOTIFY_SOCKET=manager.path)
    ready = manager.wait_for("READY=1")
    assert re.search(r"^STATUS=serves at http://127\.0\.0\.1:\d+/$", ready, re.MULTILINE)
    assert server.get()[0] == 200
    server.process.send_signal(signal.SIGHUP)
    before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    said = manager.wait_for("RELOADING=1")
    stamp = re.search(r"^MONOTONIC_USEC=(\d+)$", said, re.MULTILINE)
    assert stamp and abs(int(stamp[1]) - before_us) < 5_000_000
    manager.wait_for("READY=1")
    assert server.stop() == 0
    manager.wait_for("STOPPING=1")
    assert not any("WATCHDOG" in said for said in manager.heard)


def test_a_reload_that_is_refused_is_over_too(begin: Starter, www: Path, tmp_path: Path, manager: Manager) -> None:
    (tmp_path / "c.toml").write_text('[server]\nlisten = ["127.0.0.1:0"]\n[site]\nroot = "www"\n')
    server = begin("-c", str(tmp_path / "c.toml"), NOTIFY_SOCKET=manager.path)
    manager.wait_for("READY=1")
    (tmp_path / "c.toml").write_text("[")
    server.process.send_signal(signal.SIGHUP)
    manager.wait_for("RELOADING=1")
    manager.wait_for("READY=1")
    assert server.stop() == 0


def test_the_reload_of_the_unit_tells_the_manager(
    begin: Starter, www: Path, tmp_path: Path, manager: Manager
) -> None:
    """systemd.service(5), ExecReload=: the command is to wait for the outcome, and its exit code tells it."""
    line = re.search(r"(?m)^ExecReload=(.*)$", init.text_of("tuxpy.service"))
    assert line
    config = tmp_path / "c.toml"
    config.write_text(good := '[server]\nlisten = ["127.0.0.1:0"]\n[site]\nroot = "www"\n')
    server = begin("-c", str(config), NOTIFY_SOCKET=manager.path)
    manager.wait_for("READY=1")
    words = [word.replace("$MAINPID", str(server.process.pid)) for word in shlex.split(line[1])]
    for text, status in (("[", 1), (good, 0)):
        config.write_text(text)
        done = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=DEADLINE_S)
        assert done.returncode == status and ("stays in force" in done.stderr) == bool(status), done.stderr
    assert server.stop() == 0


def test_a_name_without_a_path(begin: Starter, www: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(f"\0tuxpy-test-{os.getpid()}")
        one.settimeout(DEADLINE_S)
        server = begin(str(www), "-p", "0", NOTIFY_SOCKET=f"@tuxpy-test-{os.getpid()}")
        assert b"READY=1" in one.recv(4096)
    assert server.stop() == 0


def test_a_manager_that_is_gone_stops_nobody(begin: Starter, www: Path, tmp_path: Path) -> None:
    server = begin(str(www), "-p", "0", NOTIFY_SOCKET=str(tmp_path / "nobody"), WATCHDOG_USEC="100000")
    assert server.get()[0] == 200
    assert server.stop() == 0


def test_signs_of_life(begin: Starter, www: Path, manager: Manager) -> None:
    """Twice in the time that is asked for, and only while the judge's loop turns."""
    server = begin(str(www), "-p", "0", NOTIFY_SOCKET=manager.path, WATCHDOG_USEC="200000")
    manager.wait_for("WATCHDOG=1")

    def came_in_time() -> bool:
        begun = time.monotonic()
        for _ in range(3):  # several, since some may have waited while the machine kept us from reading them
            manager.wait_for("WATCHDOG=1")
        return time.monotonic() - begun < 3 * 0.2

    assert until(came_in_time)
    server.process.send_signal(signal.SIGSTOP)
    manager.socket.settimeout(0.4)
    with pytest.raises(TimeoutError):
        while True:
            manager.wait_for("WATCHDOG=1")
    server.process.send_signal(signal.SIGCONT)
    assert server.stop() == 0


def test_a_watchdog_of_another_process(begin: Starter, www: Path, manager: Manager) -> None:
    server = begin(str(www), "-p", "0", NOTIFY_SOCKET=manager.path, WATCHDOG_USEC="100000", WATCHDOG_PID="1")
    manager.wait_for("READY=1")
    time.sleep(0.3)
    assert server.stop() == 0
    manager.wait_for("STOPPING=1")
    assert not any("WATCHDOG" in said for said in manager.heard)


def test_an_upgrade_tells_the_number_of_the_new_process(begin: Starter, www: Path, manager: Manager) -> None:
    server = begin(str(www), "-p", "0", "-w", "1", NOTIFY_SOCKET=manager.path, WATCHDOG_USEC="1000000")
    manager.wait_for("READY=1")
    server.process.send_signal(signal.SIGUSR2)
    new = int(manager.wait_for("MAINPID=").partition("=")[2])
    try:
        assert new != server.process.pid
        assert server.process.wait(DEADLINE_S) == 0
        manager.wait_for("WATCHDOG=1")
        assert not any("STOPPING" in said for said in manager.heard), "the service goes on"
    finally:
        os.kill(new, signal.SIGTERM)
    manager.wait_for("STOPPING=1")


# The units.


@pytest.mark.parametrize("unit", ["tuxpy.service", "tuxpy.socket"])
def test_the_units_are_sound(unit: str, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    for name in ("tuxpy.service", "tuxpy.socket"):
        text = (REPOSITORY / "conf" / name).read_text()
        (tmp_path / name).write_text(re.sub(r"(?m)^Exec(Start|Reload)=\S+", rf"Exec\1={sys.executable}", text))
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(tmp_path / unit)],
        capture_output=True, text=True, timeout=DEADLINE_S, env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
    )  # fmt: skip
    assert not [line for line in done.stderr.splitlines() if "tuxpy" in line], done.stderr


def test_the_service_is_locked_up_as_far_as_it_says() -> None:
    """The score of systemd-analyze, from 0 to 10; other versions weigh a little otherwise."""
    analyze = shutil.which("systemd-analyze")
    unit = REPOSITORY / "conf" / "tuxpy.service"
    noted = re.search(r"rates this unit (\d\.\d)", unit.read_text())
    assert noted
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    words = [analyze, "security", "--offline=true", "--no-pager", str(unit)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    score = re.search(r"exposure level for tuxpy\.service: (\d+\.\d)", done.stdout)
    if score is None:
        pytest.skip(f"this systemd-analyze judges no file: {done.stderr}")
    assert float(score[1]) <= float(noted[1]) + 0.3
