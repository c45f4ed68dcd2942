"""A running server for whoever asks for one, on both back-ends; its health is a part of every test.

    server   serves the document root that nobody changes
    serve    starts servers with other settings, or over another root
    connect  opens connections, which are closed before the server's health is looked at
    ask      one question in every way in which it can be asked, see support/both_ways.py

A test that means to see a warning of the server takes it out of the log with caplog.clear().
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support import webroot
from support.both_ways import ask_both_ways
from support.client import Client, Response
from support.fixtures import Ask, Connect, Serve
from support.running import BACKENDS, Running, refusal

from tuxpy.config.settings import Backend


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is slow runs after the others."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A document root that nobody changes."""
    return webroot.make(tmp_path_factory.mktemp("site"))


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each back-end that this machine has."""
    name: Backend = request.param
    why_not = refusal(name)
    if why_not is not None:
        pytest.skip(why_not)
    return name


@pytest.fixture
def serve(root: Path, backend: Backend, caplog: pytest.LogCaptureFixture) -> Iterator[Serve]:
    """Start servers; at the end of the test all must be well with them."""
    started: list[Running] = []

    def serve_(root: Path = root, **options: float) -> Running:
        started.append(Running(root, backend, **options))
        return started[-1]

    with ExitStack() as ends:
        yield serve_
        for running in started:
            ends.callback(running.close)
        for running in started:
            running.check_at_rest()
            running.stop()
        alarms = [r.getMessage() for r in caplog.get_records("call") if r.levelno >= logging.WARNING]
        assert not alarms, "the server has raised an alarm"


@pytest.fixture
def server(serve: Serve) -> Running:
    """One server over the root that nobody changes."""
    return serve()


@pytest.fixture
def connect(serve: Serve) -> Iterator[Connect]:
    """Open connections; whatever is left of them at the end of the test is closed."""
    opened: list[Client] = []

    def connect_(running: Running, receive_buffer: int | None = None) -> Client:
        opened.append(Client(running.address, receive_buffer))
        return opened[-1]

    yield connect_
    for client in opened:
        client.close()


@pytest.fixture
def ask(server: Running, connect: Connect) -> Ask:
    """Ask `server`, whole and byte by byte, judged and kept; `kept`: the judge is asked once at most."""

    def ask_(request: bytes, kept: bool = True) -> Response:
        return ask_both_ways(server, connect, request, kept)

    return ask_


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """File modes mean nothing to root, so root is somebody else for a moment."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    yield
    os.seteuid(was)
