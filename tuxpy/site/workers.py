"""Threads that may block, for work that the judge has put off.

They are daemons, so a thread that hangs in the kernel keeps no process from ending; and whoever closes them waits for a
bounded time only.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any


class Workers:
    """A thread is started when all others are busy. `begin` and `close` are for one thread."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[tuple[Callable[[], object], Callable[[Future[Any]], object]] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._busy = 0  # jobs that have begun or are about to

    def begin(self, work: Callable[[], object], back: Callable[[Future[Any]], object]) -> bool:
        """Have `work` done now, on another thread, which then calls `back` with what came of it. False: no thread can
        be had."""
        with self._lock:
            needed = self._busy + 1 > len(self._threads)
            self._busy += 1
        if needed and not self._start():
            with self._lock:
                self._busy -= 1
            return False
        self._jobs.put((work, back))
        return True

    def _start(self) -> bool:
        thread = threading.Thread(target=self._run, name=f"{self._name}_{len(self._threads)}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the machine has no thread left
            return False
        self._threads.append(thread)
        return True

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._do(*job)
            del job  # what it holds is not to live until the next one comes

    def _do(self, work: Callable[[], object], back: Callable[[Future[Any]], object]) -> None:
        done: Future[Any] = Future()
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)
        with self._lock:  # before anybody learns of it, who may begin something else
            self._busy -= 1
        back(done)

    def close(self, wait_s: float = 0.0) -> None:
        """End the threads, each when its job is done, and wait for that so long. Any number of times."""
        until = time.monotonic() + wait_s
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._threads.clear()
