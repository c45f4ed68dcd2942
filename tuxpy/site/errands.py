"""Slow work on behalf of judgements: hashing a password, reading a directory, compressing, reading all of a file.

The judge is one thread for everybody, so it waits for nothing. A judgement that needs slow work asks for its result
with `fetch`; when it is not there yet, Later goes up, the work is done on another thread, and the request is judged
again, from the beginning, with the result at hand. What is wanted by several requests is worked out once.

Each kind of work has a queue and workers of its own, so that no kind waits for another; addresses share a queue fairly
(queues.py), and file systems share the workers, so that one that hangs leaves workers to the others. Work that nobody
waits for any more is dropped before it begins.

Whoever judges alone (tuxpy explain, a test) has Errands without workers: there the work is done at once. So it is for
a judgement that is on a worker itself (`on_worker`).
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Final, Generic, Literal, TypeVar

from .queues import Errand, FairQueue
from .root import FileChanged
from .workers import Workers

T = TypeVar("T")
Who = TypeVar("Who")

Kind = Literal["password", "listing", "coding", "digest", "judgement"]

QUEUE_MAX: Final = 256  # errands of one kind that have not begun
_AT_ONCE_BYTES: Final = 4096  # of a file are hashed or coded in less time than another thread needs to wake
_HURRIED_BYTES: Final = 1 << 18  # when need be: some milliseconds in which no other request is judged
_ALONE: Final[dict[str, int]] = {"listing": 1}  # keeps Python itself busy, so that two take as long as one by one
_PLACES: Final = 8  # file systems that have a worker each, whatever the others do
CLOSE_S: Final = 1.0  # for work that is being done when all ends


class Judgement:
    """The key of an errand that is a whole judgement: there is no other like it."""


class Later(Exception):
    """Judge again when `work` has been done. Work owns whatever it uses: the judgement's descriptors are closed.

    place: the file system that the work reads, by any name; None: it reads none."""

    def __init__(self, key: Hashable, work: Callable[[], object], kind: Kind = "judgement", place: Hashable = None):
        super().__init__("this needs work that is done elsewhere")
        self.key, self.work, self.kind, self.place = key, work, kind, place


class Elsewhere(Exception):
    """Not to be judged on the judge's thread: what has to be looked at is on a file system that may not answer.

    place: that file system, by any name."""

    def __init__(self, place: Hashable) -> None:
        super().__init__("this is on a file system that may not answer")
        self.place = place


_HERE = threading.local()


@contextmanager
def on_worker() -> Iterator[None]:
    """While this lasts, this thread may block, so it does itself whatever it needs."""
    before, _HERE.may_block = getattr(_HERE, "may_block", False), True
    try:
        yield
    finally:
        _HERE.may_block = before


class Errands(Generic[Who]):
    """Who: whatever the server needs to judge a request again. All methods but fetch are for the judge's thread."""

    def __init__(
        self,
        workers: int = 0,
        knock: Callable[[], None] = lambda: None,
        gone: Callable[[Sequence[Who], bool], Sequence[bool]] = lambda whos, _: [False] * len(whos),
        unwanted: Callable[[Any], object] = lambda _: None,
    ) -> None:
        """workers: for one kind of work on one file system; a kind has twice as many, and always one for each further
        file system, up to a bound. knock: called from a worker when something has come back.
        gone: for each of these, whether no client waits for the answer any more; and whether the work has begun.
        unwanted: called from a worker with a judgement that no client waits for any more.
        """
        self._each, self._knock, self._gone = workers, knock, gone
        self._unwanted = unwanted
        self._workers = Workers("errand")
        self._queues: dict[str, FairQueue[Who]] = {}
        self._running: dict[Hashable, Errand[Who]] = {}
        self._counts: dict[str, Counter[Hashable]] = {}  # of those, by kind and place
        self._done: deque[tuple[Errand[Who], Future[Any]]] = deque()  # written by workers
        self._back: deque[tuple[Errand[Who], Future[Any]]] = deque()
        self._left: list[Who] = []
        self._at_hand: tuple[Hashable, Future[Any]] | None = None
        self.at_once_bytes = _AT_ONCE_BYTES  # of a file, which the judging thread reads itself

    @property
    def may_block(self) -> bool:
        """Whether what is done now may wait for anything."""
        return self._each == 0 or getattr(_HERE, "may_block", False)

    def fetch(self, kind: Kind, key: Hashable, work: Callable[[], T], place: Hashable = None) -> T:
        """What `work` returns or raises. Raises Later when it has to be done first."""
        if self.may_block:
            return work()
        if self._at_hand is None or self._at_hand[0] != key:
            raise Later(key, work, kind, place)
        done = self._at_hand[1]
        if isinstance(done.exception(), FileChanged):
            self._at_hand = None  # the next try is about what is there now
        result: T = done.result()
        return result

    def judgement(self) -> Any:
        """The result that is at hand, when it is a whole judgement; None: it is not."""
        if self._at_hand is None or not isinstance(self._at_hand[0], Judgement):
            return None
        return self._at_hand[1].result()

    def put_off(self, later: Later, who: Who, address: int = 0) -> list[Who]:
        """Have the work done; `who` is in `returned` afterwards. Those who are turned away for it, `who` perhaps.

        address: a number for the client's address, which has its share of the queue.
        """
        if later.key in self._running:
            self._running[later.key].askers.append((address, who))
            return []
        queue = self._queues.setdefault(later.kind, FairQueue(QUEUE_MAX))
        known = queue.get(later.key)
        if known is not None:
            queue.join(known, address, who)
            return []
        errand: Errand[Who] = Errand(later.kind, later.key, later.work, later.place)
        if self._may_begin(errand) and not len(queue):
            errand.askers.append((address, who))
            return [] if self._begin(errand) else [who]
        turned_away = queue.add(errand, address, who)
        self._go_on(later.kind)
        return turned_away

    def _may_begin(self, errand: Errand[Who]) -> bool:
        running = self._counts.get(errand.kind)
        if running is None:
            return True
        here, everywhere = running[errand.place], running.total()
        if here == 0:
            return everywhere < _PLACES * self._each
        return here < (_ALONE.get(errand.kind) or self._each) and everywhere < 2 * self._each

    def _begin(self, errand: Errand[Who]) -> bool:
        """False: the machine has no thread left for it."""

        def back(done: Future[Any]) -> None:
            self._done.append((errand, done))
            self._knock()

        if not self._workers.begin(errand.work, back):
            return False
        self._running[errand.key] = errand
        self._counts.setdefault(errand.kind, Counter())[errand.place] += 1
        return True

    def _go_on(self, kind: str) -> None:
        """Begin what may begin, and what somebody still waits for."""
        queue = self._queues.get(kind)
        while queue and (errand := queue.take(self._may_begin)) is not None:
            self._left += self._forsaken(errand, begun=False)
            if not errand.askers:
                continue
            if not self._begin(errand):  # it waits for a thread that others will have done with
                self._left += [who for _, who in errand.askers]

    def _forsaken(self, errand: Errand[Who], begun: bool) -> list[Who]:
        """Take out of it those who are gone."""
        askers = list(errand.askers)
        gone = self._gone([who for _, who in askers], begun)
        errand.askers = deque(asker for asker, away in zip(askers, gone, strict=True) if not away)
        return [who for (_, who), away in zip(askers, gone, strict=True) if away]

    @property
    def pending(self) -> int:
        """Pieces of work that wait, are being done, or have just come back."""
        return sum(map(len, self._queues.values())) + len(self._running) + len(self._back)

    def next_back(self) -> tuple[Who, AbstractContextManager[None]] | None:
        """One of those whose work is done, and in which its result can be fetched; None: none is back now."""
        self._collect()
        while self._back:
            errand, done = self._back[0]
            if errand.askers:
                found = errand.askers[0][1], self.lent(errand.key, done)
                errand.askers.popleft()  # only now: when memory ends no client is lost
                return found
            self._back.popleft()
        return None

    def returned(self) -> Iterator[Who]:
        """Everybody whose work is done; while one is dealt with, its result can be fetched."""
        while (found := self.next_back()) is not None:
            with found[1]:
                yield found[0]

    def _collect(self) -> None:
        """What has come back makes room for what waits."""
        while self._done:
            errand, future = self._done.popleft()
            del self._running[errand.key]
            running = self._counts[errand.kind]
            running[errand.place] -= 1
            running += Counter()  # without those that are nothing now
            self._left += self._forsaken(errand, begun=True)
            if errand.askers:
                self._back.append((errand, future))
            elif isinstance(errand.key, Judgement):
                self._workers.begin(partial(self._throw_away, future), lambda _: None)
            self._go_on(errand.kind)

    def _throw_away(self, judged: Future[Any]) -> None:
        if judged.exception() is None:
            self._unwanted(judged.result())

    def look(self, patience_s: float) -> None:
        """Let go those who are gone, and those whose judgement has taken longer: `left` has them. Not too often: it
        asks the kernel about each of them."""
        for queue in self._queues.values():
            for errand in queue:
                self._left += queue.forsake(errand, self._gone([who for _, who in errand.askers], False))
        for errand in self._running.values():
            self._left += self._forsaken(errand, begun=True)
        self._give_up(time.monotonic() - patience_s)

    def _give_up(self, before: float) -> None:
        """On judgements that were asked for before this time: their file system hangs, or may as well."""
        for errand in self._queues.get("judgement", ()):
            if errand.since < before:
                self._queues["judgement"].drop(errand)
                self._left += [who for _, who in errand.askers]
        for errand in self._running.values():
            if errand.kind == "judgement" and errand.since < before:
                self._left += [who for _, who in errand.askers]
                errand.askers.clear()

    def left(self) -> list[Who]:
        """Those who do not wait any more, or shall not, since the last call: they are owed an answer all the same."""
        left, self._left = self._left, []
        return left

    @contextmanager
    def lent(self, key: Hashable, done: Future[Any]) -> Iterator[None]:
        """While this lasts, the result of work that was done elsewhere can be fetched."""
        before, self._at_hand = self._at_hand, (key, done)
        try:
            yield
        finally:
            self._at_hand = before

    @property
    def in_a_hurry(self) -> bool:
        """Whether this is the last try: what cannot be made at once must be done without."""
        return self.at_once_bytes > _AT_ONCE_BYTES

    @contextmanager
    def hurried(self) -> Iterator[None]:
        """While this lasts, more is read at once: for a file that somebody has changed, each time, before the request
        was judged again."""
        self.at_once_bytes = _HURRIED_BYTES
        try:
            yield
        finally:
            self.at_once_bytes = _AT_ONCE_BYTES

    def close(self, wait_s: float = CLOSE_S) -> None:
        """Drop what has not begun; wait so long for what is being done. Any number of times."""
        for queue in self._queues.values():
            for errand in queue:
                dropped: Future[Any] = Future()
                dropped.set_exception(CancelledError())
                self._back.append((errand, dropped))
            queue.clear()
        self._workers.close(wait_s)
