"""Work that may wait for a file system, on a thread of its own: one that does not answer holds up no other work.

A call into a file system that hangs cannot be taken back: its thread stays in the kernel until the file system goes on.
So the thread is a daemon, which keeps no process from ending, and the result of one that was given up is thrown away.
The work says what it looks at (`looking_at`), so that it can be told which file system does not answer, and so that
work which only takes its time is never given up.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

from ..errors import ConfigError

T = TypeVar("T")

START_S: Final = 20.0  # for one look, at a start or a check: a disk may have to wake up
_SLICE_S: Final = 0.05

_places: dict[int, tuple[str, float]] = {}  # by thread: what it looks at, and since when (time.monotonic)


@contextmanager
def looking_at(path: str) -> Iterator[None]:
    """While this lasts, this thread waits for nothing but the file system of `path`."""
    me = threading.get_ident()
    before = _places.get(me)
    _places[me] = (path, time.monotonic())
    try:
        yield
    finally:
        if before is None:
            del _places[me]
        else:
            _places[me] = (before[0], time.monotonic())


def unanswered(path: str) -> ConfigError:
    """What is told of it."""
    return ConfigError(f"the file system of {path!r} does not answer: mend or unmount it, or name another place")


class Attempt(Generic[T]):
    """Work that has been begun. All methods are for the thread that has begun it, and none of them waits."""

    def __init__(self, work: Callable[[], T], done: Callable[[], object], unwanted: Callable[[T], object]) -> None:
        """Raises OSError when the machine has no thread left.

        done: called from the other thread. unwanted: called with the result of what was given up, on either thread."""
        self._work, self._done, self._unwanted = work, done, unwanted
        self._lock = threading.Lock()
        self._results: list[T] = []
        self._failure: BaseException | None = None
        self._given_up = False
        self.is_over = False
        self._thread = threading.Thread(target=self._run, name="attempt", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            raise OSError(errno.EAGAIN, "the machine has no thread left") from error

    def _run(self) -> None:
        results, failure = list[T](), None
        try:
            results.append(self._work())
        except BaseException as error:
            failure = error
        with self._lock:
            self._results, self._failure, self.is_over = results, failure, True
            if not self._given_up:
                self._done()
                return
        self._throw_away()

    def _throw_away(self) -> None:
        while self._results:
            self._unwanted(self._results.pop())
        self._failure = None

    def hangs_at(self, limit_s: float) -> str | None:
        """The place that it has been looking at for longer than that."""
        path, since = _places.get(self._thread.ident or 0, ("", 0.0))
        return path if path and not self.is_over and time.monotonic() - since > limit_s else None

    def give_up(self) -> None:
        """The result is not wanted any more, whenever it comes. Any number of times."""
        with self._lock:
            ours, self._given_up = self.is_over and not self._given_up, True
        if ours:
            self._throw_away()

    def result(self) -> T:
        """What the work has returned, or raises what it has raised. Once, when it is over."""
        if self._failure is not None:
            raise self._failure
        return self._results.pop()


def in_time(work: Callable[[], T], unwanted: Callable[[T], object] = lambda _: None) -> T:
    """What `work` returns or raises. Raises ConfigError when one look at a file system takes too long."""
    over = threading.Event()
    attempt = Attempt(work, over.set, unwanted)
    try:
        while not over.wait(_SLICE_S):
            path = attempt.hangs_at(START_S)
            if path is not None:
                raise unanswered(path)
        return attempt.result()
    finally:
        attempt.give_up()
