"""Slow work on behalf of judgements: hashing a password, reading a directory, compressing, reading all of a file.

The judge is one thread for everybody, so it waits for nothing. A judgement that needs slow work asks for its result
with `fetch`; when it is not there yet, Later goes up, the work is done on another thread, and the request is judged
again, from the beginning, with the result at hand. What is wanted by several requests is worked out once.

Whoever judges alone (tuxpy explain, a test) has Errands without workers: there the work is done at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")
Who = TypeVar("Who")

PENDING_MAX: Final = 256  # pieces of work that wait or are done; whoever asks for more is told to come back
_AT_ONCE_BYTES: Final = 4096  # of a file are hashed or coded in less time than another thread needs to wake
_HURRIED_BYTES: Final = 1 << 18  # when need be: some milliseconds in which nobody is judged


class Later(Exception):
    """Judge again when `work` has been done. Work owns whatever it uses: the judgement's descriptors are closed."""

    def __init__(self, key: Hashable, work: Callable[[], object]) -> None:
        super().__init__("this needs work that is done elsewhere")
        self.key, self.work = key, work


class Errands(Generic[Who]):
    """Who: whatever the server needs to judge a request again. All methods are for the judge's thread."""

    def __init__(self, workers: int = 0, knock: Callable[[], None] = lambda: None) -> None:
        """knock: called from a worker when something has come back."""
        self._workers, self._knock = workers, knock
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: dict[Hashable, list[Who]] = {}
        self._back: deque[tuple[Hashable, Future[Any]]] = deque()  # written by workers
        self._served: deque[tuple[Who, Hashable, Future[Any]]] = deque()  # of what is back: who is yet to be dealt with
        self._at_hand: tuple[Hashable, Future[Any]] | None = None
        self.at_once_bytes = _AT_ONCE_BYTES  # of a file, which whoever judges reads himself

    def fetch(self, key: Hashable, work: Callable[[], T]) -> T:
        """What `work` returns or raises. Raises Later when it has to be done first."""
        if self._workers == 0:
            return work()
        if self._at_hand is None or self._at_hand[0] != key:
            raise Later(key, work)
        result: T = self._at_hand[1].result()
        return result

    def put_off(self, later: Later, who: Who) -> bool:
        """Have the work done; `who` is in `returned` afterwards. False: too much is waiting, or no thread is left."""
        if later.key in self._waiting:
            self._waiting[later.key].append(who)
            return True
        if len(self._waiting) >= PENDING_MAX:
            return False
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor  # most servers never need it

            self._pool = ThreadPoolExecutor(self._workers, "errand")
        try:
            future = self._pool.submit(later.work)
        except RuntimeError:  # the machine has no thread left
            return False
        self._waiting[later.key] = [who]
        future.add_done_callback(lambda done: self._came_back(later.key, done))
        return True

    def _came_back(self, key: Hashable, done: Future[Any]) -> None:
        self._back.append((key, done))
        self._knock()

    @property
    def pending(self) -> int:
        """Pieces of work that wait, are being done, or have just come back."""
        return len(self._waiting)

    def next_back(self) -> tuple[Who, AbstractContextManager[None]] | None:
        """One of those whose work is done, and in which its result can be fetched; None: nobody is back now."""
        while not self._served and self._back:
            key, done = self._back[0]
            self._served = deque([(who, key, done) for who in self._waiting.get(key, ())])
            self._waiting.pop(key, None)
            self._back.popleft()
        if not self._served:
            return None
        who, key, done = self._served[0]
        found = who, self.lent(key, done)
        self._served.popleft()  # only now: memory that ends loses nobody
        return found

    def returned(self) -> Iterator[Who]:
        """Everybody whose work is done; while one is dealt with, its result can be fetched."""
        while (found := self.next_back()) is not None:
            with found[1]:
                yield found[0]

    @contextmanager
    def lent(self, key: Hashable, done: Future[Any]) -> Iterator[None]:
        """While this lasts, the result of work that was done elsewhere can be fetched."""
        before, self._at_hand = self._at_hand, (key, done)
        try:
            yield
        finally:
            self._at_hand = before

    @contextmanager
    def hurried(self) -> Iterator[None]:
        """While this lasts, more is read at once: for a file that somebody has changed, each time, before the request
        was judged again."""
        self.at_once_bytes = _HURRIED_BYTES
        try:
            yield
        finally:
            self.at_once_bytes = _AT_ONCE_BYTES

    def close(self) -> None:
        """Wait for what is being done, drop what is not begun. Any number of times."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
