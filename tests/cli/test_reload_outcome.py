"""`tuxpy reload` tells the outcome of the reload: by its exit code, and by the reason."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuxpy.errors import ConfigError, TuxError
from tuxpy.serving.reload_outcome import Outcomes, _name_of, reload_and_wait

from .processes import DEADLINE_S, Run, Running, Start, command, environment

pytestmark = pytest.mark.slow

GOOD = '[server]\nlisten = ["127.0.0.1:0"]\nworkers = 1\n[site]\nroot = "www"\n'


@pytest.fixture
def file(tmp_path: Path, www: Path) -> Path:
    file = tmp_path / "tuxpy.toml"
    file.write_text(GOOD)
    return file


@pytest.fixture
def server(start: Start, file: Path) -> Running:
    running = start("-c", str(file))
    assert running.get()[0] == 200
    return running


@pytest.fixture
def asking() -> Iterator[list[subprocess.Popen[str]]]:
    """Those that wait for an outcome; all have ended after the test."""
    asked: list[subprocess.Popen[str]] = []
    yield asked
    for one in asked:
        if one.poll() is None:
            one.kill()
        one.communicate()


def ask(server: Running, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("reload", "--pid", str(server.process.pid), *words),
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_refused_configuration(server: Running, run: Run, file: Path) -> None:
    file.write_text(GOOD + "lisen = 1\n")
    done = run("reload", "--pid", str(server.process.pid))
    assert (done.status, done.out) == (1, "") and done.err.count("\n") == 1
    assert "stays in force" in done.err and "site.lisen" in done.err
    assert server.get()[0] == 200
    file.write_text(GOOD)
    assert run("reload", "--pid", str(server.process.pid)).status == 0
    assert server.stop() == 0


def test_what_only_a_restart_can_change_is_named(server: Running, run: Run, file: Path) -> None:
    file.write_text(GOOD.replace("workers = 1", "workers = 2"))
    done = run("reload", "--pid", str(server.process.pid))
    assert (done.status, done.out) == (0, "") and "server.workers cannot change while the server runs" in done.err
    assert server.stop() == 0


def test_an_outcome_that_is_late(server: Running, run: Run) -> None:
    """A server that does not turn, such as one that a debugger holds, leaves who asks not waiting."""
    server.process.send_signal(signal.SIGSTOP)
    try:
        done = run("reload", "--pid", str(server.process.pid), "--wait", "0.3")
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert (done.status, done.out) == (1, "") and done.err.count("\n") == 1
    assert f"the process {server.process.pid} gave no outcome of the reload in time" in done.err
    assert run("reload", "--pid", str(server.process.pid)).status == 0, "one who has gone harms no other"
    assert server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "drained"])
def test_a_server_that_ends_meanwhile(
    server: Running, asking: list[subprocess.Popen[str]], number: signal.Signals
) -> None:
    """It stands still while it is asked, and hears of its end before it can obey."""
    server.process.send_signal(signal.SIGSTOP)
    asking.append(ask(server))
    wait_for_signal(server, signal.SIGHUP)
    server.process.send_signal(number)
    server.process.send_signal(signal.SIGCONT)
    _, err = asking[0].communicate(timeout=DEADLINE_S)
    assert asking[0].returncode == 1 and err.count("\n") == 1
    assert "has ended without an outcome" in err or "ends and reloads nothing" in err
    server.process.wait(DEADLINE_S)


def wait_for_signal(server: Running, number: int) -> None:
    """Until it is pending for a process that stands still (proc_pid_status(5))."""
    end = time.monotonic() + DEADLINE_S
    while True:
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        pending = next(line for line in status.splitlines() if line.startswith("ShdPnd:"))
        if int(pending.split()[1], 16) >> (number - 1) & 1:
            return
        assert time.monotonic() < end, "nobody has signalled"
        time.sleep(0.02)


def test_two_at_once_are_both_told(server: Running, asking: list[subprocess.Popen[str]], file: Path) -> None:
    """The kernel keeps one signal of a number (signal(7)), so one reload may answer both."""
    for text, status in ((GOOD + "lisen = 1\n", 1), (GOOD, 0)):
        file.write_text(text)
        both = [ask(server), ask(server)]
        asking += both
        for one in both:
            _, err = one.communicate(timeout=DEADLINE_S)
            assert one.returncode == status and ("site.lisen" in err) == bool(status), err
    assert server.stop() == 0


def test_one_who_does_not_read_holds_up_nobody(server: Running, run: Run) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.connect(_name_of(server.process.pid))
        for _ in range(3):
            assert run("reload", "--pid", str(server.process.pid)).status == 0
        mute.settimeout(DEADLINE_S)
        assert b'"fault": ""' in mute.recv(4096), "it was connected before the first"
    assert server.stop() == 0


# The server's side alone.


def test_a_process_that_tells_nothing_is_no_server() -> None:
    """It gets no signal either: SIGHUP would end it."""
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            with pytest.raises(ConfigError, match="not a tuxpy server"):
                reload_and_wait(other.pid, 5)
            assert other.poll() is None
        finally:
            other.kill()


@pytest.fixture
def outcomes() -> Iterator[Outcomes]:
    one = Outcomes()
    one.open()
    before = signal.signal(signal.SIGHUP, lambda *_: None)
    yield one
    signal.signal(signal.SIGHUP, before)
    one.close()


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({"ends": True}, "ends and reloads nothing"),
        ({"fault": "x" * 200_000, "kept": []}, "stays in force: xxxx"),
        ({"moved": os.getpid()}, "upgraded again and again"),
    ],
)
def test_what_may_be_said(outcomes: Outcomes, what: dict[str, object], said: str) -> None:
    """Also a reason beyond all bounds is told, as far as it goes."""
    over = threading.Event()

    def tells() -> None:
        while not over.wait(0.01):
            outcomes.begin()
            outcomes.tell(**what)

    teller = threading.Thread(target=tells)
    teller.start()
    try:
        with pytest.raises(TuxError, match=said):
            reload_and_wait(os.getpid(), DEADLINE_S)
    finally:
        over.set()
        teller.join()
