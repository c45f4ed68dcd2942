"""The admin listeners, on an engine of their own.

So draining the others, which takes the runs at all their listeners away, leaves /ready to be asked until the end; what
scrapes is not among the figures of the sites; and however many ask here, no connection slot of a site is taken.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final

from ..atoms import COUNTER, lifecycle
from ..base.log_throttle import LogThrottle
from ..engine.http_engine import BATCH, HttpEngine, Limits, Miss, Rules
from ..site.ready import ready_answers
from .admin import SIGNIFICANT_HERE, Admin
from .snapshot import Snapshot

log = logging.getLogger("tuxpy")

_ENDLESS: Final = 1 << 62
_TURN_S: Final = 0.005  # at most, before the sites' clients have their turn; an answer that has begun ends first
_SLOTS: Final = 64  # connections; the rest waits in the kernel
# Nothing is kept here, so there is nothing to keep it in.
_LIMITS: Final = Limits(slots=_SLOTS, workers=1, cache_entries_max=8, cache_bytes_max=1 << 16, cache_files_max=1)


class Door:
    """Opens the engine. Raises EngineError. Close it; the sockets stay those of the caller, and open until then."""

    def __init__(
        self, listeners: Sequence[socket.socket], notify_fd: int, backend: str = "auto", hosts: Sequence[str] = ()
    ) -> None:
        """notify_fd: an eventfd that becomes readable when somebody waits for `answer`. hosts: names that mean us."""
        self.admin = Admin(hosts, [line for line, one in enumerate(listeners) if one.family == socket.AF_UNIX])
        self._throttle = LogThrottle(log)
        self._batch: Sequence[Miss] = ()  # questions that were taken
        self._at = 0  # of them: the first that is not answered
        self._engine = HttpEngine(_LIMITS, notify_fd, backend, Rules(significant=SIGNIFICANT_HERE))
        for limit, form, answer in ready_answers(1.0, time.time()):
            self._engine.ready(limit, form, answer)
        self._engine.set_shared(COUNTER, _ENDLESS)
        copies = max(1, _SLOTS // len(listeners))
        for line, one in enumerate(listeners):
            chain = lifecycle(nodelay=one.family != socket.AF_UNIX)
            self._engine.submit(chain, {"listener": one.fileno()}, line, copies)

    def answer(self, take: Callable[[], Snapshot]) -> bool:
        """Answer those who ask now, for _TURN_S at most; whether more are waiting. Raises nothing.

        `take` is called for each request, so every answer is current.
        """
        try:
            self._engine.completions()
            if self._at >= len(self._batch):
                self._batch, self._at = (), 0
                self._batch = self._engine.misses()
            if not self._batch:
                return False
            until, snapshot = time.monotonic() + _TURN_S, take()
            while self._at < len(self._batch):
                self._answer(self._batch[self._at], snapshot)
                self._at += 1
                if time.monotonic() >= until:
                    break
        except Exception as failure:
            self._throttle.say(logging.ERROR, "turn", "an admin listener does not answer: %s", failure, failure=failure)
        self._engine.knock()
        return self._at < len(self._batch) or len(self._batch) >= BATCH

    def _answer(self, miss: Miss, snapshot: Snapshot) -> None:
        try:
            self._engine.answer(miss, self.admin.answer(miss, time.time(), snapshot), knock=False)
        except Exception as failure:
            words = "an answer of an admin listener is 503 in place of what it should be: %s"
            self._throttle.say(logging.ERROR, "answer", words, failure, failure=failure)
            self._engine.answer(miss, None, knock=False)

    def hand_over(self, idle_ms: int) -> None:
        """Accept no more; others do at the same sockets. Connections may ask once more within idle_ms."""
        self._engine.set_shared(COUNTER, 0)
        self._engine.drain(shut=False, idle_ms=idle_ms)

    def close(self) -> None:
        """Any number of times."""
        self._engine.close()
