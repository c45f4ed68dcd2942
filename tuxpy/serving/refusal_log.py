"""Refusals by limits in the log: how many, and whose the last was. No line for each, or a flood becomes another."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final

from ..engine.clients import CONNECTIONS, RATE

log = logging.getLogger("tuxpy")

EVERY_S: Final = 10.0  # between two lines of one kind

# counter, the limit by whose table the last one is known (None: by none), and what is said.
_KINDS: Final[tuple[tuple[str, int | None, str], ...]] = (
    ("limited_0", None, "%d connections were told that the server is busy (503): raise server.max_connections"),
    ("made_room", None, "%d idle or unfinished connections were closed to make room: raise server.max_connections"),
    ("limited_1", CONNECTIONS, "%d connections were refused (429) by limits.connections_per_address"),
    ("dropped", CONNECTIONS, "%d connections were closed in silence, far beyond limits.connections_per_address"),
    ("limited_2", RATE, "%d requests were refused (429) by limits.requests_per_address"),
    ("proxy_faults", None, "%d connections were closed without a PROXY header that can be trusted"),
)


class Refusals:
    """Call look() now and then."""

    def __init__(self) -> None:
        self._told: dict[str, int] = {}
        self._due: dict[str, float] = {}

    def look(self, counters: Mapping[str, int], last: Callable[[int], str], now_s: float) -> None:
        """last: who ran into a limit last, "" for none. now_s: of a clock that only goes forward."""
        for name, limit, words in _KINDS:
            more = counters.get(name, 0) - self._told.get(name, 0)
            if more <= 0 or now_s < self._due.get(name, now_s):
                continue
            self._told[name], self._due[name] = counters[name], now_s + EVERY_S
            who = "" if limit is None else last(limit)
            log.warning(words + "%s", more, f", the last one of {who}" if who else "")
