"""Servers in processes of their own, and what stands in front of them: relays, browsers, proxies.

At the end of a test every server must end well and have said nothing of alarm.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from cli.processes import Running, command, environment

from .chromium import Chromium, Page
from .fixtures import Launch, Record
from .programs import program
from .relay import Relay

_ALARM = re.compile(r" (?:warning (?!the server runs as root)|error )|Traceback")  # as tests may


@pytest.fixture
def servers() -> Iterator[list[Running]]:
    """The servers of the test. Those that still run at its end are stopped, and must end well."""
    started: list[Running] = []
    try:
        yield started
        for server in started:
            if server.process.poll() is None:
                server.stop()
            assert server.process.returncode == 0, server.text
            assert not _ALARM.search(server.text), server.text
    finally:
        for server in started:
            if server.process.poll() is None:
                server.process.kill()
            server.process.wait()
            if server.process.stderr is not None:
                server.process.stderr.close()


@pytest.fixture
def launch(servers: list[Running], backend: str) -> Launch:
    """Start a server over a directory; its port."""

    def launch_(root: Path, *words: str) -> int:
        process = subprocess.Popen(
            command("serve", str(root), "-p", "0", "-w", "1", "--backend", backend, *words),
            env=environment(),
            stderr=subprocess.PIPE,
        )
        servers.append(Running(process))
        return servers[-1].ports[0]

    return launch_


@pytest.fixture
def record(servers: list[Running]) -> Iterator[Record]:
    """Put a relay in front of a port."""
    with ExitStack() as ends:
        yield lambda port: ends.enter_context(closing(Relay(port)))


@pytest.fixture
def page(servers: list[Running], tmp_path: Path) -> Iterator[Page]:
    """A page of a browser that knows nothing yet."""
    with closing(Chromium(program("chromium", package="chromium"), tmp_path / "profile")) as browser:
        yield browser.open()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory for the site of the test."""
    folder = tmp_path / "site"
    folder.mkdir()
    return folder
