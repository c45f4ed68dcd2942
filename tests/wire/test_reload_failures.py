"""A reload happens wholly or not at all, also when memory or descriptors end in its middle: each step fails in turn."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.client import get
from support.fixtures import Connect, Serve
from support.poll import until
from support.reloading import Changing, descriptors
from support.running import Running

from tuxpy.config.settings import Address
from tuxpy.config.sites import SiteConfig
from tuxpy.engine import http_engine as engine_module
from tuxpy.engine import native
from tuxpy.engine import response as lowering
from tuxpy.engine import transaction as transaction_module
from tuxpy.errors import EngineError
from tuxpy.process.inherited import Inherited
from tuxpy.rules.policy import Policy
from tuxpy.serving import reload

# What a reload asks of the engines, each as Engine calls it.
_ASKED = (
    *("tux_engine_rules", "tux_engine_ready", "tux_engine_drain", "tux_engine_shed", "tux_engine_submit"),
    *("tux_engine_share", "tux_response_open", "tux_engine_hold"),
)


class Failing:
    """The library of C, whose Nth call from now on fails as it would without memory."""

    def __init__(self, nth: int) -> None:
        self.left = nth

    def __getattr__(self, name: str) -> Any:
        really = getattr(native.lib, name)
        return self._wrapped(name, really) if name in _ASKED else really

    def _wrapped(self, name: str, really: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            self.left -= 1
            if self.left != 0:
                return really(*args)
            if name == "tux_engine_hold":
                raise MemoryError
            if name == "tux_engine_ready":
                native.lib.tux_response_close(args[-1])  # it takes it over in any case
            if name == "tux_response_open" and args[0].file >= 0:
                os.close(args[0].file)
            return -12  # ENOMEM

        return call


@contextmanager
def failing(nth: int) -> Iterator[Failing]:
    with pytest.MonkeyPatch.context() as patch:
        lib = Failing(nth)
        for module in (engine_module, lowering, transaction_module):
            patch.setattr(module, "lib", lib)
        yield lib


def another(running: Running, root: Path) -> Any:
    """Another root, an address more, and one less."""
    now = running.server.config
    binds = (now.binds[0], Address("127.0.0.1", 0, True))
    return replace(now, binds=binds, sites=(SiteConfig(str(root), Policy()),))


def asked(server: Running, port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(get("/a.txt", "Connection: close"))
        return b"".join(iter(lambda: client.recv(65536), b"")).partition(b"\r\n\r\n")[2]


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(name)
    return tmp_path / "old", tmp_path / "new"


def test_each_call_into_the_engines_fails_in_turn(
    serve: Serve, connect: Connect, roots: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    old, new = roots
    away = Address("127.0.0.1", 0, True)
    server = serve(old, workers=2, binds=(away, replace(away, host="127.0.0.2")))
    ports = [one.port for one in server.server.listeners]
    change = Changing(server, another(server, new))
    assert asked(server, ports[0]) == b"old"
    listeners, urls, held = server.server.listeners, server.server.urls, descriptors()
    failed = 0
    for nth in range(1, 200):
        with failing(nth) as lib:
            outcome = change()
        if outcome == "in force":  # all that it asks for comes before; what fails now was asked for afterwards
            break
        failed += 1
        assert lib.left <= 0, outcome
        assert (server.server.listeners, server.server.urls) == (listeners, urls)
        assert [asked(server, port) for port in ports[:1]] == [b"old"]
        assert until(lambda: descriptors() <= held), f"call {nth} left a descriptor behind: {descriptors()} > {held}"
        assert server.server._service.generations.next_number == 1
    assert outcome == "in force" and failed > 40
    assert until(lambda: asked(server, ports[0]) == b"new")
    assert len(server.server.listeners) == 2 and server.server.urls != urls
    assert asked(server, server.server.listeners[1].port) == b"new"
    caplog.clear()


@pytest.mark.parametrize("failure", [MemoryError(), OSError(24, os.strerror(24)), EngineError("x", 12)])
@pytest.mark.parametrize("step", ["listeners", "generation", "trust", "address"])
def test_each_step_before_fails_in_turn(
    serve: Serve, roots: tuple[Path, Path], caplog: pytest.LogCaptureFixture, step: str, failure: Exception
) -> None:
    """Descriptors that end while roots are opened, or in the midst of new listeners."""

    def fails(*_: Any, **__: Any) -> Any:
        raise failure

    old, new = roots
    server = serve(old)
    port = server.server.listeners[0].port
    change = Changing(server, another(server, new))
    assert asked(server, port) == b"old"
    words, held = [str(one.address) for one in server.server.listeners], descriptors()
    with pytest.MonkeyPatch.context() as patch:
        if step == "generation":
            patch.setattr(server.server._service, "generation", fails)
        elif step == "listeners":
            patch.setattr(reload, "listen", fails)
        elif step == "trust":
            patch.setattr("tuxpy.serving.service.rules_of", fails)
        else:
            patch.setattr(Inherited, "listener", fails)
        assert change() != "in force"
    assert asked(server, port) == b"old"
    assert [str(one.address) for one in server.server.listeners] == words
    assert until(lambda: descriptors() <= held)
    assert change() == "in force" and asked(server, port) == b"new"
    caplog.clear()


def test_what_fails_behind_it_does_not_take_it_back(
    serve: Serve, roots: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    """It is in force, so its listeners stay open, and it is called so."""

    def fails(*_: Any) -> None:
        raise MemoryError

    old, new = roots
    server = serve(old)
    change = Changing(server, another(server, new))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server.server._service, "_begin_preload", fails)
        patch.setattr(server.server._service.listeners, "pace", fails)
        patch.setattr(server.server._service, "reloaded", fails)
        assert change() == "in force"
    for one in server.server.listeners:
        assert asked(server, one.port) == b"new"
    caplog.clear()
