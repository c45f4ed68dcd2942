"""Who waits for completions, and how each gets his own.

Completions come up in one ring, and one thread at a time takes them. Of the threads that wait, one sleeps on the
engine's descriptor, the leader; the others sleep until he, or anybody else who has taken something, calls them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from .completion import Completion

Waiter = Callable[[Completion], object]

_FLAGS: Final = os.EFD_NONBLOCK | os.EFD_CLOEXEC


class Waiting:
    """The completions of one engine that nobody has taken, and whoever waits for them."""

    def __init__(self, take: Callable[[], list[Completion]]) -> None:
        self._take = take
        self.lock = threading.RLock()
        self._called = threading.Condition(self.lock)
        self._expected: dict[int, Waiter] = {}
        self._ended: deque[Completion] = deque()
        self._leading = False
        self._shut = False
        self._within = 0
        self._loops: dict[asyncio.AbstractEventLoop, int] = {}
        self.notify = os.eventfd(0, _FLAGS)  # the engine writes: there is something in the ring
        self._held = os.eventfd(0, _FLAGS)  # readable while there is something in _ended
        self._wake = os.eventfd(0, _FLAGS)  # for the leader, when somebody else has taken what he waits for
        self._either = select.epoll()
        self._either.register(self.notify, select.EPOLLIN)
        self._either.register(self._held, select.EPOLLIN)
        self._sleep = select.poll()
        self._sleep.register(self.notify, select.POLLIN)
        self._sleep.register(self._wake, select.POLLIN)

    def fileno(self) -> int:
        return self._either.fileno()

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """While a thread is in C, the engine must not be closed."""
        with self.lock:
            if self._shut:
                raise ValueError("the engine is closed")
            self._within += 1
        try:
            yield
        finally:
            with self.lock:
                self._within -= 1
                if self._within == 0:
                    self._called.notify_all()

    def shut(self) -> None:
        """Nobody comes in any more; those who are in have gone when this returns."""
        with self.lock:
            self._shut = True
            os.eventfd_write(self._wake, 1)
            self._called.notify_all()
            self._called.wait_for(lambda: not self._within and not self._leading)

    def close(self) -> None:
        self._either.close()
        for fd in (self.notify, self._held, self._wake):
            os.close(fd)

    # Giving.

    def expect(self, cookies: range, waiter: Waiter) -> None:
        """The completions of these runs go to `waiter`, on whatever thread takes them."""
        with self.lock:
            self._expected.update(dict.fromkeys(cookies, waiter))

    def forget(self, cookies: range) -> None:
        with self.lock:
            for cookie in cookies:
                self._expected.pop(cookie, None)

    def deliver(self, completions: list[Completion]) -> None:
        """Give each to whoever expects it, or keep it for wait()."""
        with self.lock:
            before = bool(self._ended)
            if self._expected:
                for completion in completions:
                    waiter = self._expected.pop(completion.cookie, None)
                    if waiter is None:
                        self._ended.append(completion)
                    else:
                        waiter(completion)
            else:
                self._ended.extend(completions)
            if self._ended and not before:
                os.eventfd_write(self._held, 1)

    def gather(self) -> None:
        """Take what has ended and deliver it; wake whoever may wait for it."""
        with self.lock:
            if self._shut:
                return
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self.notify)  # first: what comes later is announced again
            if found := self._take():
                self.deliver(found)
                self._called.notify_all()
                if self._leading:
                    os.eventfd_write(self._wake, 1)

    # Waiting.

    def until(self, there: Callable[[], bool], timeout: float | None = None) -> None:
        """Sleep until `there()` says so, which is asked with the lock held; or for `timeout` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        with self.lock:
            self.gather()
            while not there() and not self._shut:
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    return
                if self._leading:
                    self._called.wait(left)
                else:
                    self._lead(left)

    def _lead(self, left: float | None) -> None:
        """Sleep on the engine's descriptor, without the lock."""
        self._leading = True
        self.lock.release()
        try:
            self._sleep.poll(None if left is None else left * 1000)
        finally:
            self.lock.acquire()
            self._leading = False
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._wake)
            self.gather()
            self._called.notify_all()  # one of the others leads now

    def wait(self, least: int, timeout: float | None) -> list[Completion]:
        with self.lock:
            if self._shut:
                raise ValueError("the engine is closed")
            if timeout == 0 or least <= len(self._ended):
                self.gather()
            else:
                self.until(lambda: len(self._ended) >= least, timeout)
            found = list(self._ended)
            self._ended.clear()
            if not self._shut:
                self._quiet()
            return found

    def wait_for(self, cookies: set[int]) -> list[Completion]:
        """Those of these runs that have ended, at least one; all others stay for wait()."""
        with self.lock:
            self.until(lambda: any(one.cookie in cookies for one in self._ended))
            if self._shut:
                raise ValueError("the engine is closed")
            found = [one for one in self._ended if one.cookie in cookies]
            self._ended = deque(one for one in self._ended if one.cookie not in cookies)
            if not self._ended:
                self._quiet()
            return found

    def _quiet(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._held)

    @contextlib.contextmanager
    def watched_by(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """While coroutines of this loop wait, it looks at the engine's descriptor."""
        with self.lock:
            self._loops[loop] = self._loops.get(loop, 0) + 1
            if self._loops[loop] == 1:
                loop.add_reader(self.notify, self.gather)
        self.gather()
        try:
            yield
        finally:
            with self.lock:
                self._loops[loop] -= 1
                if self._loops[loop] == 0:
                    del self._loops[loop]
                    loop.remove_reader(self.notify)

