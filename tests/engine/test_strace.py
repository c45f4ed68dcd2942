"""The same claim about a real process, by what its kernel was asked: no atom, no system call."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
from support.client import Client, get

DEADLINE_S = 20.0
REPOSITORY = Path(__file__).resolve().parents[2]
WITHOUT_THE_ATOM = """
import sys
import tuxpy.serving.listeners
from tuxpy.atoms import lifecycle
from tuxpy.cli.main import main
from engine.surgery import without

tuxpy.serving.listeners.lifecycle = lambda *_: without(lifecycle(), "nodelay")
sys.exit(main())
"""
CONNECTIONS = 5


def refusal() -> str | None:
    """Why no process can be traced here."""
    strace = shutil.which("strace")
    if strace is None:
        return "strace is not installed"
    tried = subprocess.run([strace, "-o", os.devnull, "true"], capture_output=True, text=True, timeout=DEADLINE_S)
    return f"strace is refused: {tried.stderr.strip()}" if tried.returncode else None


def line_with(stream: IO[str], words: str) -> str:
    """The next line with these words; pytest-timeout ends the wait."""
    for line in stream:
        if words in line:
            return line
    raise AssertionError(f"it has ended without {words!r}")


@pytest.fixture
def run() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start programs that end with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*command: str) -> subprocess.Popen[str]:
        path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests"), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": path}
        started.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment))
        return started[-1]

    yield start
    for program in started:
        program.terminate()
        program.communicate(timeout=DEADLINE_S)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "expected"),
    [(("-m", "tuxpy"), CONNECTIONS), (("-c", WITHOUT_THE_ATOM), 0)],
    ids=["whole", "without-the-atom"],
)
def test_the_kernel_is_asked_by_the_atom_and_by_nothing_else(
    run: Callable[..., subprocess.Popen[str]], backend: str, tmp_path: Path, program: tuple[str, str], expected: int
) -> None:
    if why := refusal():
        pytest.skip(why)
    (tmp_path / "index.html").write_text("hello\n")
    log = tmp_path.parent / f"{tmp_path.name}.strace"
    server = run(sys.executable, *program, "serve", str(tmp_path), "--port", "0", "--backend", backend)
    assert server.stderr is not None
    found = re.search(r"http://([\d.]+):(\d+)/", line_with(server.stderr, "http://"))
    assert found
    tracer = run("strace", "-f", "-p", str(server.pid), "-e", "trace=setsockopt", "-o", str(log))
    assert tracer.stderr is not None
    line_with(tracer.stderr, "attached")
    for _ in range(CONNECTIONS):
        with Client((found[1], int(found[2]))) as client:
            assert client.ask(get("/", "Connection: close")).status == 200
    tracer.send_signal(signal.SIGINT)
    tracer.wait(DEADLINE_S)
    asked = [line for line in log.read_text().splitlines() if "setsockopt" in line]
    assert len([line for line in asked if "TCP_NODELAY, [1], 4) = 0" in line]) == expected
    assert len(asked) == expected, "something else was asked too"


@pytest.mark.slow
def test_a_send_that_is_refused_falsely_is_tried_again(
    run: Callable[..., subprocess.Popen[str]], backend: str, tmp_path: Path
) -> None:
    """EAGAIN though there is room: no edge will tell of it, so the time limit's look must."""
    if why := refusal():
        pytest.skip(why)
    (tmp_path / "index.html").write_text("hello\n")
    config = tmp_path.parent / f"{tmp_path.name}.toml"
    config.write_text(
        f'[server]\nlisten = ["127.0.0.1:0"]\nbackend = "{backend}"\n[timeouts]\nsend = "4s"\n'
        f'[site]\nroot = "{tmp_path}"\n'
    )
    server = run(sys.executable, "-m", "tuxpy", "serve", "-c", str(config))
    assert server.stderr is not None
    found = re.search(r"http://([\d.]+):(\d+)/", line_with(server.stderr, "http://"))
    assert found
    false = ("-e", "trace=sendto", "-e", "inject=sendto:error=EAGAIN:when=1")
    tracer = run("strace", "-f", "-p", str(server.pid), *false, "-o", os.devnull)
    assert tracer.stderr is not None
    line_with(tracer.stderr, "attached")
    with Client((found[1], int(found[2]))) as client:
        assert client.ask(get("/")).body == b"hello\n"
    tracer.send_signal(signal.SIGINT)
    tracer.wait(DEADLINE_S)
