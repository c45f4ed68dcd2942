"""Who else is served while a server is measured: clients that fetch what is large or cold, or ask for what is new."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from contenders import FAILURES
from meter import HOST, Load, wrk

CLIENTS = 8
_LEAD_S = 0.3  # so long they are at it before it counts
_TIMEOUT_S = 20.0


@dataclass
class Fetching:
    """Clients that fetch one file after the other and throw away what they get."""

    port: int
    targets: Callable[[], str]
    done: threading.Event = field(default_factory=threading.Event)
    bytes: list[int] = field(default_factory=lambda: [0] * CLIENTS)
    faults: list[str] = field(default_factory=list)

    def work(self, number: int) -> None:
        try:
            while not self.done.is_set():
                self._fetch(number, self.targets())
        except OSError as error:
            if not self.done.is_set():
                self.faults.append(repr(error))

    def _fetch(self, number: int, target: str) -> None:
        room = bytearray(1 << 18)
        with socket.create_connection((HOST, self.port), timeout=_TIMEOUT_S) as connection:
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
            first = connection.recv_into(room)
            if not room.startswith(b"HTTP/1.1 200 "):
                raise OSError(f"{target} was answered {bytes(room[:40])!r}")
            while first and not self.done.is_set():
                self.bytes[number] += first
                first = connection.recv_into(room, len(room), socket.MSG_TRUNC)  # counted and not copied


@contextmanager
def fetching(port: int, targets: Callable[[], str]) -> Iterator[Fetching]:
    fetching = Fetching(port, targets)
    threads = [threading.Thread(target=fetching.work, args=(number,)) for number in range(CLIENTS)]
    for one in threads:
        one.start()
    try:
        time.sleep(_LEAD_S)
        yield fetching
    finally:
        fetching.done.set()
        for one in threads:
            one.join()


@dataclass
class Asking:
    """Eight connections of wrk that ask for a target never seen before, again and again; one round behind the end."""

    port: int
    path: str
    cpu: int
    seconds: int
    load: Load | None = None
    fault: str = ""

    def work(self) -> None:
        try:
            url = f"http://{HOST}:{self.port}{self.path}"
            self.load = wrk(url, self.seconds + 1, CLIENTS, "unseen.lua", False, str(self.cpu), 1)
        except FAILURES as reason:
            self.fault = str(reason)


@contextmanager
def asking(port: int, path: str, cpu: int, seconds: int) -> Iterator[Asking]:
    asking = Asking(port, path, cpu, seconds)
    thread = threading.Thread(target=asking.work)
    thread.start()
    try:
        time.sleep(_LEAD_S)
        yield asking
    finally:
        thread.join()
