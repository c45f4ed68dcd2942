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
from ..engine import Engine, Limits
from ..errors import EngineError
from .admin import SIGNIFICANT_HERE, Admin
from .snapshot import Snapshot

log = logging.getLogger("tuxpy")

_ENDLESS: Final = 1 << 62
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
        self._engine = Engine(_LIMITS, notify_fd, backend, SIGNIFICANT_HERE)
        self._engine.set_shared(COUNTER, _ENDLESS)
        chain = lifecycle()
        copies = max(1, _SLOTS // len(listeners))
        for line, one in enumerate(listeners):
            self._engine.submit(chain, {"listener": one.fileno()}, line, copies)

    def answer(self, take: Callable[[], Snapshot]) -> None:
        """Answer everybody who asks now. `take` is called when somebody does: nobody is told what was before."""
        self._engine.completions()
        while misses := self._engine.misses():
            snapshot = take()
            for miss in misses:
                try:
                    self._engine.answer(miss, self.admin.answer(miss, time.time(), snapshot))
                except EngineError:
                    log.exception("an answer of an admin listener was refused; its connection is closed")
                    self._engine.answer(miss, None)

    def close(self) -> None:
        """Any number of times."""
        self._engine.close()
