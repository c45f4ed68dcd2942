"""A small site, and processes that end with the test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .processes import DEADLINE_S, Done, Run, Running, Start, command, environment


@pytest.fixture
def www(tmp_path: Path) -> Path:
    """A small site, readable by everybody."""
    root = tmp_path / "www"
    (root / "docs").mkdir(parents=True)
    (root / "index.html").write_text("<!doctype html>hello\n")
    (root / "docs" / "index.html").write_text("docs\n")
    (root / "big.bin").write_bytes(bytes(200_000))
    (root / ".env").write_text("secret\n")
    return root


@pytest.fixture
def run() -> Run:
    """Run tuxpy to its end."""

    def run_(*args: str, env: dict[str, str] | None = None, program: list[str] | None = None) -> Done:
        done = subprocess.run(
            [*program, *args] if program else command(*args),
            env=environment(**(env or {})),
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run_


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers; whatever still runs at the end of the test is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start_(*args: str, env: dict[str, str] | None = None, stderr: int = subprocess.PIPE) -> Running:
        process = subprocess.Popen(command("serve", *args), env=environment(**(env or {})), stderr=stderr)
        started.append(process)
        return Running(process)

    yield start_
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()
