"""Servers in processes of their own with a relay in front, and programs that ask them.

At the end of a test every server must end well and have said nothing of alarm. Programs find a home of their own, and
nothing of this machine's settings.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from cli.processes import Running, command, environment

from .fixtures import Done, Publish, Run
from .programs import PATH
from .relay import Relay

_DEADLINE_S: Final = 40.0
_ALARM = re.compile(r" (?:warning (?!the server runs as root)|error )|Traceback")  # as tests may


@pytest.fixture
def servers() -> Iterator[list[Running]]:
    """The servers of the test; each must end well."""
    started: list[Running] = []
    try:
        yield started
        for server in started:
            assert server.stop() == 0, server.text
            assert not _ALARM.search(server.text), server.text
    finally:
        for server in started:
            if server.process.poll() is None:
                server.process.kill()
            server.process.wait()
            if server.process.stderr is not None:
                server.process.stderr.close()


@pytest.fixture
def publish(servers: list[Running], backend: str) -> Iterator[Publish]:
    """Serve a directory on one back-end; what is given is the relay in front."""
    with ExitStack() as ends:

        def publish_(root: Path, *words: str) -> Relay:
            words = ("serve", str(root), "-p", "0", "-w", "1", "--backend", backend, *words)
            servers.append(Running(subprocess.Popen(command(*words), env=environment(), stderr=subprocess.PIPE)))
            return ends.enter_context(Relay(servers[-1].ports[0]))

        yield publish_


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where programs keep what they keep."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The directory in which programs work; empty."""
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory for the site of the test; empty."""
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


@pytest.fixture
def variables(home: Path) -> dict[str, str]:
    """The environment of programs: no proxies, no settings."""
    return {"PATH": PATH, "HOME": str(home), "LANG": "C.UTF-8", "TMPDIR": str(home)}


@pytest.fixture
def run(here: Path, variables: dict[str, str]) -> Run:
    """Run a program to its end."""

    def run_(
        *words: str | Path,
        cwd: Path = here,
        env: dict[str, str] | None = None,
        status: int | tuple[int, ...] = 0,
        within_s: float = _DEADLINE_S,
    ) -> Done:
        done = subprocess.run(
            words,
            cwd=cwd,
            env={**variables, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=within_s,
        )
        found = Done(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        assert found.status in (status if isinstance(status, tuple) else (status,)), found
        return found

    return run_
