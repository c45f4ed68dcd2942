"""An engine with what it needs around it, and the few things that every test of engines asks for.

    Rig        an engine and its notify eventfd; waits for completions; answers misses when it has been given a site
    listening  a listener of the test's own
    far_end    the server's end of a connection
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from support.poll import DEADLINE_S, until

from tuxpy.atoms import COUNTER, ChainResult, Frozen, lifecycle
from tuxpy.engine.http_engine import HttpEngine, Limits, Miss, Rules
from tuxpy.serving.listeners import ENDLESS
from tuxpy.site.judge import judge_miss
from tuxpy.site.opener import opener
from tuxpy.site.site import Site

HOST: Final = "127.0.0.1"
_DESCRIPTORS: Final = Path("/proc/self/fd")


def opened(backend: str, notify: int, **numbers: int) -> HttpEngine:
    """An engine with these limits and numbers of rules, each by its own name."""
    limits = {name: value for name, value in numbers.items() if name in Limits.__slots__}
    rules = {name: value for name, value in numbers.items() if name not in limits}
    return HttpEngine(Limits(**{"slots": 16, **limits}), notify, backend, Rules(**rules))  # type: ignore[arg-type]


class Rig:
    """One engine. Completions are gathered in `ended` by whoever waits, or by the judge's thread if there is one."""

    def __init__(self, backend: str, site: Site | None = None, **limits: int) -> None:
        self.notify = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.engine = opened(backend, self.notify, **limits)
        self.ended: list[ChainResult] = []
        self.withheld: list[Miss] = []
        self._site = site
        self._leave = threading.Event()
        self._judge: threading.Thread | None = None
        self.failure: BaseException | None = None
        if site is not None:
            self._judge = threading.Thread(target=self._judging, name="judge")
            self._judge.start()

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        self.stop_judging()
        self.engine.close()
        if self.notify >= 0:
            os.close(self.notify)
            self.notify = -1

    # Completions.

    def take(self) -> None:
        """Gather what has ended; without a judge only."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.notify)
        while done := self.engine.completions():
            self.ended += done

    def results(self, count: int = 1, within_s: float = DEADLINE_S) -> list[ChainResult]:
        """The next `count` completions, and no more than that."""
        end = time.monotonic() + within_s
        waiting = select.poll()
        waiting.register(self.notify, select.POLLIN)
        while len(self.ended) < count and (left := end - time.monotonic()) > 0:
            if self._judge is None:
                waiting.poll(left * 1000)
                self.take()
            else:
                time.sleep(0.002)
        assert len(self.ended) == count, f"{len(self.ended)} runs have ended, not {count}: {self.engine.metrics()}"
        results, self.ended = self.ended, []
        return results

    def result(self) -> ChainResult:
        return self.results()[0]

    def metric(self, name: str) -> int:
        return self.engine.metrics()[name]

    def wait_for(self, name: str, value: int, least: bool = True) -> None:
        """Until a counter has come so far; not `least`: until it is exactly that."""

        def reached() -> bool:
            return self.metric(name) >= value if least else self.metric(name) == value

        assert until(reached), f"{name} is not {value}: {self.engine.metrics()}"

    def wait_until_parked(self, runs: int) -> None:
        """Until `runs` are alive and the engine sleeps, since there is nothing to do: the same turn after a while."""
        self.wait_for("runs", runs, least=False)

        def asleep() -> bool:
            turns = self.metric("turns")
            time.sleep(0.01)
            return self.metric("turns") == turns

        assert until(asleep), f"the engine does not come to rest: {self.engine.metrics()}"

    # Connections.

    def serve(self, listener: socket.socket, copies: int, most: int = ENDLESS, chain: Frozen | None = None) -> None:
        """Submit the life cycle."""
        self.engine.set_shared(COUNTER, most)
        self.engine.submit(chain or lifecycle(), {"listener": listener.fileno()}, copies=copies)

    # The judge.

    def _judging(self) -> None:
        try:
            waiting = select.poll()
            waiting.register(self.notify, select.POLLIN)
            while not self._leave.is_set():
                waiting.poll()
                self.take()
                self._answer()
        except BaseException as error:  # told by whoever closes the rig
            self.failure = error

    def _answer(self) -> None:
        assert self._site is not None
        while misses := self.engine.misses():
            for miss in misses:
                if b"/withheld" in miss.head[:40]:
                    self.withheld.append(miss)
                else:
                    self.engine.answer(miss, judge_miss(self._site, miss, time.time()))

    def stop_judging(self) -> None:
        if self._judge is not None:
            self._leave.set()
            os.eventfd_write(self.notify, 1)
            self._judge.join()
            self._judge = None


@contextmanager
def site_of(root: Path) -> Iterator[Site]:
    site = Site(str(root), opener())
    try:
        yield site
    finally:
        site.close()


@contextmanager
def judged(backend: str, root: Path, **limits: int) -> Iterator[Rig]:
    """A rig whose judge serves `root`."""
    with site_of(root) as site, Rig(backend, site, **limits) as rig:
        yield rig


@contextmanager
def listening(backlog: int = 1024) -> Iterator[socket.socket]:
    with socket.create_server((HOST, 0), backlog=backlog) as listener:
        yield listener


def descriptors() -> dict[int, str]:
    """The open descriptors of this process and what they stand for."""
    found = {}
    for entry in _DESCRIPTORS.iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that reads the directory
            found[int(entry.name)] = str(entry.readlink())
    return found


def far_end(client: socket.socket) -> socket.socket | None:
    """The server's end of a connection, duplicated: it is a descriptor of this very process."""
    here = client.getsockname()
    for fd, what in descriptors().items():
        if not what.startswith("socket:") or fd == client.fileno():
            continue
        with contextlib.suppress(OSError):
            end = socket.socket(fileno=os.dup(fd))
            with contextlib.suppress(OSError):
                if end.getpeername() == here:
                    return end
            end.close()
    return None
