"""Event loops that look at an engine's descriptor, each while coroutines of it wait."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator

from .waiting import Waiting


class Loops:
    """Of one engine."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self._watching: dict[asyncio.AbstractEventLoop, tuple[int, int]] = {}  # coroutines that wait, a descriptor

    @contextlib.contextmanager
    def watched_by(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """While a coroutine of this loop waits, it looks at a duplicate of the engine's descriptor.

        The duplicate is the loop's own: an engine that is closed meanwhile takes no number away that the loop knows."""
        waiting = self._waiting
        with waiting.lock:
            if waiting.is_open:  # else close() gives each of its waiters an end
                count, fd = self._watching.get(loop, (0, -1))
                if count == 0:
                    fd = os.dup(waiting.notify)
                    loop.add_reader(fd, waiting.gather)
                self._watching[loop] = count + 1, fd
        waiting.gather()
        try:
            yield
        finally:
            with waiting.lock:
                count, fd = self._watching.pop(loop, (0, -1))
                if count > 1:
                    self._watching[loop] = count - 1, fd
                elif count == 1:
                    with contextlib.suppress(RuntimeError):  # the loop is closed
                        loop.remove_reader(fd)
                    os.close(fd)
