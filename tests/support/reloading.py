"""Reloads of a server in this process, whose configuration is what a test gives it."""

from __future__ import annotations

import signal
from typing import Any

from .poll import until
from .running import Running, taken


class Changing:
    """Each call is a reload, on the server's own thread: it does what is put there at its next look."""

    def __init__(self, running: Running, config: Any) -> None:
        self.outcomes: list[str] = []  # why it was refused, or that it is in force
        self._server = running.server
        self._server._reloads.load = lambda: config
        self._server._reloads.outcomes.tell = self._tell  # type: ignore[method-assign]

    def _tell(self, **what: Any) -> None:
        if "fault" in what:
            self.outcomes.append(what["fault"] or "in force")

    def begin(self) -> None:
        self._server.ask(signal.SIGHUP)

    @property
    def under_way(self) -> bool:
        return self._server._reloads.under_way

    def __call__(self) -> str:
        before = len(self.outcomes)
        self.begin()
        assert until(lambda: len(self.outcomes) > before)
        return self.outcomes[-1]


def descriptors() -> int:
    """That this process holds."""
    return len([one for one in taken() if one.startswith("descriptor")])
