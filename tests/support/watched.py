"""An engine with a site and, beside it, an admin door: the least that a server does with both."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from tuxpy.admin.door import Door
from tuxpy.admin.snapshot import EngineFigures, Reloads, Snapshot, State, site_figures
from tuxpy.atoms import COUNTER, lifecycle
from tuxpy.config.settings import Backend
from tuxpy.engine.http_engine import HttpEngine, Limits
from tuxpy.site.judge import judge_miss
from tuxpy.site.opener import opener
from tuxpy.site.site import Site


def _listening() -> socket.socket:
    one = socket.socket()
    one.bind(("127.0.0.1", 0))
    one.listen(64)
    return one


class Watched:
    """Judges in a thread of its own. Use in `with`."""

    def __init__(self, root: Path, backend: Backend) -> None:
        self.state: State = "running"
        self.reloads = Reloads()
        self._begun_s = time.time()
        self._ended = False
        self._failure: BaseException | None = None
        with ExitStack() as ends:
            self.site = ends.enter_context(Site(str(root), opener()))
            self._notify = os.eventfd(0, os.EFD_NONBLOCK)
            ends.callback(os.close, self._notify)
            self._listener, self._other = (ends.enter_context(_listening()) for _ in range(2))
            self.engine = ends.enter_context(HttpEngine(Limits(slots=32), self._notify, backend))
            self.engine.set_shared(COUNTER, 1 << 62)
            self.engine.submit(lifecycle(), {"listener": self._listener.fileno()}, copies=32)
            self.door = Door([self._other], self._notify, backend, ["a"])
            ends.callback(self.door.close)
            self._ends = ends.pop_all()
        self.address, self.admin_address = self._listener.getsockname(), self._other.getsockname()
        self._thread = threading.Thread(target=self._judge, name="judge")
        self._thread.start()

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        os.eventfd_write(self._notify, 1)
        self._thread.join()
        self._ends.close()
        if self._failure is not None:
            raise self._failure

    def drain(self) -> None:
        """No more connections to the site."""
        self.state = "draining"
        self.engine.set_shared(COUNTER, 0)
        self.engine.drain()

    def snapshot(self) -> Snapshot:
        return Snapshot(
            version="0",
            state=self.state,
            now_s=time.time(),
            started_s=self._begun_s,
            backend=self.engine.backend,
            why=self.engine.why,
            origin="a test",
            urls=(),
            engines=(EngineFigures(self.engine.metrics(), self.engine.slots, self.engine.workers),),
            sites=(site_figures(self.site.root, ("_",), self.site.problems),),
            reloads=self.reloads,
        )

    def _judge(self) -> None:
        try:
            poll = select.poll()
            poll.register(self._notify, select.POLLIN)
            while not self._ended:
                poll.poll(100)
                try:
                    os.eventfd_read(self._notify)
                except BlockingIOError:
                    continue
                self._answer()
        except BaseException as error:
            self._failure = error

    def _answer(self) -> None:
        self.engine.completions()
        while self.door.answer(self.snapshot):
            pass
        judging = self.door.admin.judging
        judging.look(self.engine.samples())
        while misses := self.engine.misses():
            for miss in misses:
                began = time.perf_counter()
                self.engine.answer(miss, judge_miss(self.site, miss, time.time()))
                judging.note(miss.head, time.perf_counter() - began)
