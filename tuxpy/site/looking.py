"""Looking at roots and files of rules, again and again, on a thread of its own: a file system may hang.

    a round   one site after the other; what was seen is put in force on the judge's thread
    a site that does not answer for LATE_S keeps its thread, and the others go on without it. What was read of it
              before stays in force. It is looked at again when that thread has come back.
    SAID_S    so long it must not have answered to be told of in the log: a machine that is busy, or stood still, may
              keep a thread from a file system that is well

A site's fault is said once, and said again when it is another one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final, Protocol

from .errands import on_worker
from .workers import Workers

log = logging.getLogger("tuxpy")

LATE_S: Final = 1.0
SAID_S: Final = 3.0
GLANCES_MAX: Final = 16


class Looked(Protocol):
    """As much of a site as is needed here."""

    @property
    def root(self) -> str:
        """The directory that it serves."""

    def signs(self) -> object:
        """Other ones mean that `look` may see something new. Does not block."""

    def look(self) -> Any:
        """See what is there now. On any thread; it may block."""

    def take(self, seen: Any) -> bool:
        """Put in force what `look` has seen; whether anything is not as it was."""


class _Place:
    """A site, and how looking at it goes."""

    def __init__(self, site: Looked) -> None:
        self.site = site
        self.hangs = False
        self.is_told = False  # that it hangs
        self.since = 0.0  # when the look began
        self.fault: str | None = None
        self.signs: object = None


class _Round:
    """One walk along the sites. `at` is the one that is looked at; `left_alone`: somebody else goes on behind it."""

    def __init__(self, places: Sequence[_Place]) -> None:
        self.places = deque(places)
        self.lock = threading.Lock()
        self.at: _Place | None = None
        self.left_alone = False

    def step(self) -> _Place | None:
        with self.lock:
            self.at = None if self.left_alone or not self.places else self.places.popleft()
            if self.at is not None:
                self.at.since = time.monotonic()
            return self.at


class Looks:
    """The sites of one configuration. For the judge's thread."""

    def __init__(self, sites: Sequence[Looked], knock: Callable[[], None]) -> None:
        """knock: called from another thread when something was seen."""
        self._places = [_Place(site) for site in sites]
        self._knock = knock
        self._workers = Workers("look")
        self._seen: deque[tuple[_Place, Future[Any]]] = deque()  # written by the workers
        self._round: _Round | None = None
        self._signed = False

    def glance(self) -> None:
        """Begin a round if there are signs that one would see something new. A tenth of the work of a round, on this
        thread; sites behind the first few are left to the rounds."""
        differ, self._signed = self._signed, False
        for place in self._places[:GLANCES_MAX]:
            before, place.signs = place.signs, place.site.signs()
            differ |= before != place.signs
        if differ and self._round is not None:
            self._signed = True  # the round may have passed it already: once more
        elif differ:
            self.begin()

    def begin(self) -> None:
        """The next round, unless one is under way. One that is late leaves behind where it hangs."""
        self._tell()
        places = [place for place in self._places if not place.hangs]
        under_way = self._round
        if under_way is not None:
            with under_way.lock:
                hung = under_way.at
                if hung is None or time.monotonic() - hung.since < LATE_S:
                    return
                under_way.left_alone, hung.hangs = True, True
                places = list(under_way.places)
        self._round = _Round(places)
        if not places or not self._workers.begin(self._walk(self._round), lambda _: self._knock()):
            self._round = None

    def _tell(self) -> None:
        for place in self._places:
            if place.hangs and not place.is_told and time.monotonic() - place.since >= SAID_S:
                place.is_told = True
                words = "%s: its file system does not answer; what was read there before stays in force"
                log.error(words, place.site.root)

    def _walk(self, round_: _Round) -> Callable[[], None]:
        def walk() -> None:
            while (place := round_.step()) is not None:
                seen: Future[Any] = Future()
                try:
                    with on_worker():
                        seen.set_result(place.site.look())
                except Exception as error:
                    seen.set_exception(error)
                self._seen.append((place, seen))

        return walk

    def collect(self) -> bool:
        """Put in force what was seen since the last call; whether anything is not as it was."""
        changed = False
        while self._seen:
            place, seen = self._seen.popleft()
            if place.is_told:
                log.warning("%s: its file system answers again", place.site.root)
            place.hangs = place.is_told = False
            changed |= self._take(place, seen)
        if self._round is not None and self._round.at is None and not self._round.places:
            self._round = None
        return changed

    def _take(self, place: _Place, seen: Future[Any]) -> bool:
        fault: str | None = None
        changed = False
        try:
            changed = place.site.take(seen.result())
        except Exception as error:
            fault = str(error) or repr(error)
            if fault != place.fault:
                known = isinstance(error, OSError)
                words = "%s: the rules could not be read again: %s; those that were read before stay in force"
                log.error(words, place.site.root, fault, exc_info=None if known else error)
        place.fault = fault
        return changed

    def close(self) -> None:
        """Any number of times. A thread that hangs is left behind."""
        self._workers.close(LATE_S / 2)
        while self._seen:
            place, seen = self._seen.popleft()
            if seen.exception() is None:
                place.site.take(seen.result())  # which may hold a descriptor
