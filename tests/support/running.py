"""A server in a thread of the test process, and what must be true of it whatever was done to it."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import socket
import termios
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from tuxpy.config.settings import Address, Backend, Config
from tuxpy.config.sites import SiteConfig
from tuxpy.engine.http_engine import HttpEngine, Limits
from tuxpy.errors import EngineError
from tuxpy.rules.policy import Policy
from tuxpy.server import Server

from .client import Client
from .poll import until

BACKENDS: Final[tuple[Backend, ...]] = ("uring", "epoll")
_UNREAD_S: Final = 0.05  # so long we wait for the engine to read, in case it never will
_THREADS = Path("/proc/self/task")
_DESCRIPTORS = Path("/proc/self/fd")


@functools.lru_cache
def refusal(backend: Backend) -> str | None:
    """Why this machine has not this back-end, in the engine's own words; None when it has."""
    notify = os.eventfd(0)
    try:
        HttpEngine(Limits(slots=1), notify, backend).close()
    except EngineError as error:
        return str(error)
    finally:
        os.close(notify)
    return None


def taken() -> set[str]:
    """What this process holds now: descriptors, with what they stand for, and threads."""
    held = {f"thread {task.name}" for task in _THREADS.iterdir()}
    for fd in _DESCRIPTORS.iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that reads the directory
            held.add(f"descriptor {fd.name}: {fd.readlink()}")
    return held


def _connection_from(peer: tuple[str, int]) -> int | None:
    """The server's end of a connection: it is a descriptor of this very process. Only looked at, never used."""
    for entry in _DESCRIPTORS.iterdir():
        with contextlib.suppress(OSError):
            one = socket.socket(fileno=int(entry.name))
            try:
                if one.getpeername() == peer:
                    return one.fileno()
            finally:
                one.detach()
    return None


def _unread(fd: int) -> bool:
    try:
        return fcntl.ioctl(fd, termios.FIONREAD, bytes(4)) != bytes(4)
    except (OSError, ValueError):
        return False


class Running:
    """One server, judging in its own thread until close()."""

    def __init__(self, root: Path, backend: Backend, **options: Any) -> None:
        self.before = taken()
        self.forgiven: set[str] = set()  # counters of trouble that the test has made on purpose
        settings: Any = {"workers": 1, "max_connections": 256, **options}
        binds = settings.pop("binds", (Address("127.0.0.1", 0, True),))  # the first is of TCP
        site = SiteConfig(str(root), settings.pop("policy", Policy()))
        settings.setdefault("sites", (site,))
        self.server = Server(Config(binds=binds, backend=backend, **settings))
        self.server.open()
        self.result: int | None = None
        self.failure: BaseException | None = None
        self._asked_to_stop = False
        self._thread = threading.Thread(target=self._judge, name="judge")
        self._thread.start()
        host, _, port = self.server.urls[0].removeprefix("http://").removeprefix("proxy:").rstrip("/").rpartition(":")
        self.address = (host, int(port))

    def _judge(self) -> None:
        try:
            self.result = self.server.loop()
        except BaseException as error:  # told by the test that stops it
            self.failure = error

    def metrics(self) -> Counter[str]:
        """All counters now. Two of them subtract to what happened between."""
        return Counter(self.server.metrics())

    def metric(self, name: str) -> int:
        return self.server.metrics()[name]

    def wait_for(self, name: str, least: int = 1) -> int:
        """Until a counter has come so far."""
        until(lambda: self.metric(name) >= least)
        assert self.metric(name) >= least, f"{name} did not reach {least}: {self.metrics()}"
        return self.metric(name)

    def wait_until_read(self, client: Client, within_s: float = _UNREAD_S) -> None:
        """Until the engine has taken what the client has sent; it may as well have closed, or stopped to read."""
        here = client.socket.getsockname()
        if client.server_side < 0:
            client.server_side = until(lambda: _connection_from(here), within_s=max(within_s, 1)) or -1
        end = time.monotonic() + within_s
        while _unread(client.server_side) and time.monotonic() < end:
            time.sleep(0)

    # Health. Only when nobody is connected any more.

    def check_at_rest(self) -> None:
        """Every connection is gone and has given back what it had; every run waits for the next."""
        until(lambda: not self._unrest())
        assert not (unrest := self._unrest()), f"{unrest}: {dict(self.metrics())}"
        assert self.failure is None, self.failure
        assert self._thread.is_alive() or self._asked_to_stop, "the judge has left"

    def _unrest(self) -> str:
        m = self.metrics()
        slots = 0 if self._asked_to_stop else sum(engine.slots for engine in self.server._engines)
        counts = {
            "connections are open": m["connections"],
            "runs are not waiting": abs(slots - m["runs"]),
            "responses are kept by nobody": max(0, m["responses"] - m["entries"]),
            "blobs are kept by nobody": max(0, m["blobs"] - m["entries"]),
            "connections were not accepted": 0 if "accept_errors" in self.forgiven else m["accept_errors"],
            "submissions were refused": m["refused"],
        }
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count)

    def ask_to_stop(self) -> None:
        """Begin to drain."""
        if not self._asked_to_stop:
            self._asked_to_stop = True
            self.server.stop()

    def stop(self) -> None:
        """Drain. Every run must end by itself and leave its completion."""
        self.ask_to_stop()
        self._thread.join(self.server.config.drain_timeout_s + 5)
        assert not self._thread.is_alive(), "draining does not end"
        if self.failure is not None:
            raise self.failure
        assert self.result == 0
        m = self.metrics()
        assert (m["runs"], m["connections"], m["completions"]) == (0, 0, m["submitted"]), dict(m)
        assert self.server._alive == 0, "a completion was lost"

    def close(self) -> None:
        """Everything that was taken is given back."""
        if self._thread.is_alive():  # the test has failed before it could stop
            self.server.stop()
            self.server.stop()
            self._thread.join()
        self.server.close()
        until(lambda: not self._difference(), within_s=2)
        assert not (difference := self._difference()), difference

    def _difference(self) -> str:
        now = taken()
        more, lost = sorted(now - self.before), sorted(self.before - now)
        lost = [one for one in lost if not one.startswith("thread")]  # the kernel's own may have been late to go
        return f"left behind: {more}" * bool(more) + f"closed though others own it: {lost}" * bool(lost)
