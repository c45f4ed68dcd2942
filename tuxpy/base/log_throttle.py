"""What could be said a thousand times a second is said once in a while, with the number of the times between."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

EVERY_S: Final = 5.0  # between two lines of one kind
_KINDS_MAX: Final = 64


class LogThrottle:
    """Lines of a log, each kind of them at most once in EVERY_S. For one thread."""

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._clock = log, clock
        self._due: dict[str, float] = {}
        self._untold: dict[str, int] = {}

    def say(self, level: int, kind: str, words: str, *values: object, failure: BaseException | None = None) -> None:
        """One line, unless one of this kind was said a moment ago. failure: its traceback goes along.

        Raises nothing: where there is no memory left for a line, none is written.
        """
        try:
            now = self._clock()
            if now < self._due.get(kind, now):
                self._untold[kind] = self._untold.get(kind, 0) + 1
                return
            if len(self._due) >= _KINDS_MAX:
                self._due.clear()
                self._untold.clear()
            self._due[kind] = now + EVERY_S
            untold = self._untold.pop(kind, 0)
            more = f" ({untold} more like this since the last such line)" if untold else ""
            self._log.log(level, words + "%s", *values, more, exc_info=failure)
        except Exception:  # the log itself has failed
            pass
