"""A name of the abstract namespace (unix(7)) that goes with one reload and comes with the next, while it is in use."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest
from support.client import get
from support.fixtures import Serve
from support.poll import until
from support.reloading import Changing
from support.running import Running

from tuxpy.config.settings import Address
from tuxpy.serving import reload

NAME = f"@tuxpy-names-{os.getpid()}"
TCP, NAMED = Address("127.0.0.1", 0, True), Address("", 0, True, unix=NAME)


def connected() -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect("\0" + NAME[1:])
    return client


@pytest.fixture
def server(serve: Serve) -> Running:
    return serve(binds=(TCP, NAMED))


@pytest.fixture
def download(server: Running) -> Iterator[socket.socket]:
    """It has begun, and goes on for as long as its client likes."""
    with connected() as client:
        client.sendall(get("/large.bin"))
        assert client.recv(15) == b"HTTP/1.1 200 OK"
        yield client


def without(server: Running) -> Changing:
    """A reload has taken the name away; the next one will bring it again."""
    both = server.server.config
    gone = Changing(server, replace(both, binds=both.binds[:1]))
    assert gone() == "in force"
    return Changing(server, both)


def test_it_comes_again_when_its_connections_have_ended(server: Running, download: socket.socket) -> None:
    change = without(server)
    change.begin()
    assert until(lambda: change.under_way)
    assert not until(lambda: change.outcomes, 0.2)
    download.close()
    assert until(lambda: change.outcomes) == ["in force"]
    with connected() as client:
        client.sendall(get("/notes.txt"))
        assert client.recv(15) == b"HTTP/1.1 200 OK"


def test_one_that_is_held_for_long_is_refused_and_said(
    server: Running, download: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reload, "_PATIENCE_S", 0.2)
    change = without(server)
    assert change() == f"connections of before still hold unix:{NAME}: end them, or choose another name"
    download.close()
    monkeypatch.setattr(reload, "_PATIENCE_S", 10.0)
    assert change() == "in force"
    caplog.clear()
