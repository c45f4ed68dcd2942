"""Who waits for completions, and how each gets his own.

Completions come up in one ring, and one thread at a time takes them. Of the threads that wait, one sleeps on the
engine's descriptor, the leader; the others sleep until he, or anybody else who has taken something, calls them.

Nobody sleeps with the lock held. The lock can be taken twice by one thread, so that a signal handler or a finalizer may
submit and cancel; one that would have to sleep inside its own thread's step is refused.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from ..base.forked import CHILD
from ..errors import EngineError
from .completion import Completion

Waiter = Callable[[Completion], object]

log = logging.getLogger("tuxpy")

_FLAGS: Final = os.EFD_NONBLOCK | os.EFD_CLOEXEC


class Waiting:
    """The completions of one engine that were not taken, and those who wait for them."""

    def __init__(self, take: Callable[[], list[Completion]]) -> None:
        self._take = take
        self._lay_down_locks()
        self._expected: dict[int, Waiter] = {}
        self._arrived: deque[Completion] = deque()  # taken, and not given yet
        self._ended: deque[Completion] = deque()
        self._shut = self._closed = self._child = False
        self._closer = 0
        self.notify = os.eventfd(0, _FLAGS)  # the engine writes: there is something in the ring
        self._held = os.eventfd(0, _FLAGS)  # readable while there is something in _ended
        self._wake = os.eventfd(0, _FLAGS)  # for the leader, when somebody else has taken what he waits for
        self._either = select.epoll()
        self._either.register(self.notify, select.EPOLLIN)
        self._either.register(self._held, select.EPOLLIN)

    def _lay_down_locks(self) -> None:
        self.lock = threading.RLock()
        self._called = threading.Condition(self.lock)
        self._leader = 0  # a thread
        self._within: list[int] = []  # threads that are in C, and may be so several times

    def fileno(self) -> int:
        self.must_be_open()
        return self._either.fileno()

    # Coming in and closing.

    @property
    def is_open(self) -> bool:
        return not self._shut

    def must_be_open(self) -> None:
        """Raise when the engine is closed, or belongs to a parent process."""
        if self._child:
            raise EngineError(CHILD)
        if self._shut:
            raise ValueError("the engine is closed")

    def enter(self) -> None:
        """From now on this thread is in C, and the engine must not be closed. The lock is held."""
        self.must_be_open()
        self._within.append(threading.get_ident())

    def leave(self) -> None:
        """The lock is held."""
        if not self._child:
            self._within.remove(threading.get_ident())
            if self._shut and not self._within:
                self._called.notify_all()

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """While a thread is in C, the engine must not be closed."""
        with self.lock:
            self.enter()
        try:
            yield
        finally:
            with self.lock:
                self.leave()

    def shut(self) -> bool:
        """No thread comes in any more; those inside have gone when this returns. False: another has closed it."""
        me = threading.get_ident()
        with self.lock:
            if self._shut:
                if not self._child and self._closer != me:
                    self._called.wait_for(lambda: self._closed)
                return False
            self._shut, self._closer = True, me
            os.eventfd_write(self._wake, 1)
            self._called.notify_all()
            # This thread may itself be on its way in or out: this is its signal handler then.
            self._called.wait_for(lambda: self._leader in (0, me) and all(one == me for one in self._within))
        return True

    def close(self, orphan: Callable[[int], Completion]) -> None:
        """Behind shut(). orphan: the completion of a run, by its cookie, that has come to no end that is known."""
        with self.lock:
            self._give_all()
            for cookie, waiter in list(self._expected.items()):
                self._give(waiter, orphan(cookie))
            self._expected.clear()
            self._closed = True
            self._called.notify_all()
            if not self._leader:
                self._close_descriptors()

    def until_closed(self) -> None:
        """Sleep until close() has returned. EngineError in a child."""
        with self.lock:
            self._called.wait_for(lambda: self._closed)
            if self._child:
                raise EngineError(CHILD)

    def _close_descriptors(self) -> None:
        self._either.close()
        for fd in (self.notify, self._held, self._wake):
            os.close(fd)

    def forked(self) -> None:
        """In a child: everything is over, and no thread holds the lock."""
        self._child = self._shut = self._closed = True
        self._lay_down_locks()

    # Giving. Whatever has been taken is kept in _arrived until its waiter has it.

    def expect(self, cookies: range, waiter: Waiter) -> None:
        """The completions of these runs go to `waiter`, on whatever thread takes them. It must not raise."""
        with self.lock:
            self._expected.update(dict.fromkeys(cookies, waiter))

    def forget(self, cookies: Iterable[int]) -> None:
        with self.lock:
            for cookie in cookies:
                self._expected.pop(cookie, None)

    def leave_to_all(self, cookies: Iterable[int], completions: Iterable[Completion]) -> None:
        """Who expected these runs does so no more: they, and those that had come, are for wait()."""
        with self.lock:
            self.forget(cookies)
            if left := list(completions):
                self._keep(left)

    def deliver(self, completions: list[Completion]) -> None:
        """Give each to its waiter, or keep it for wait(). The lock is held."""
        if self._expected or self._arrived:
            self._arrived.extend(completions)
            self._give_all()
        else:
            self._keep(completions)

    def _give_all(self) -> None:
        while self._arrived:
            completion = self._arrived[0]
            waiter = self._expected.pop(completion.cookie, None)
            if waiter is None:
                self._keep((completion,))
            else:
                self._give(waiter, completion)
            self._arrived.popleft()

    def _give(self, waiter: Waiter, completion: Completion) -> None:
        """The fault of one waiter does not reach another."""
        try:
            waiter(completion)
        except Exception:
            log.exception("who waited for %r could not take it", completion)

    def _keep(self, completions: list[Completion] | tuple[Completion]) -> None:
        if not self._ended and not self._closed:
            os.eventfd_write(self._held, 1)
        self._ended.extend(completions)
        if self._leader:
            self._call()

    def gather(self) -> None:
        """Take what has ended and deliver it; wake those who may wait for it."""
        with self.lock:
            if self._shut:
                return
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self.notify)  # first: what comes later is announced again
            found = self._take()
            if found or self._arrived:
                self.deliver(found)
                self._call()

    def _call(self) -> None:
        """Those who wait look again."""
        self._called.notify_all()
        if self._leader and not self._closed:
            os.eventfd_write(self._wake, 1)

    # Waiting.

    def until(self, there: Callable[[], bool], timeout: float | None = None) -> None:
        """Sleep until `there()` says so, which is asked with the lock held; or for `timeout` seconds.

        RuntimeError: this thread has the lock, so it was interrupted by whoever calls, and all others would sleep too.
        """
        if self.lock._is_owned():  # type: ignore[attr-defined]
            raise RuntimeError("a signal handler or finalizer has interrupted a call of this engine, so it cannot wait")
        end = None if timeout is None else time.monotonic() + timeout
        self.gather()
        while self._sleeps(there, end):
            pass

    def _sleeps(self, there: Callable[[], bool], end: float | None) -> bool:
        """Once, unless there is no reason to."""
        me, leads, before = threading.get_ident(), False, 0
        try:
            with self.lock:
                if there() or self._shut:
                    return False
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    return False
                before = self._leader  # this very thread, if a signal handler has interrupted its sleep
                if before not in (0, me):
                    self._called.wait(left)
                    return True
                leads, self._leader = True, me
            sleep = select.poll()  # anew, since a signal handler may sleep inside
            sleep.register(self.notify, select.POLLIN)
            sleep.register(self._wake, select.POLLIN)
            sleep.poll(None if left is None else left * 1000)
        finally:
            if leads:
                self._lead_no_more(before)
        return True

    def _lead_no_more(self, before: int) -> None:
        with self.lock:
            self._leader = before
            if self._closed and not before:
                self._close_descriptors()  # closed by a signal handler of this thread
            elif not self._closed:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._wake)
                self.gather()
            self._called.notify_all()  # one of the others leads now

    def wait(self, least: int, timeout: float | None) -> list[Completion]:
        found: list[Completion] = []

        def take() -> bool:
            if len(self._ended) < least:
                return False
            found.extend(self._ended)
            self._ended.clear()
            self._quiet()
            return True

        self.must_be_open()
        self.until(take, 0 if least <= 0 else timeout)
        if not found:  # too few of them in that time
            with self.lock:
                self.must_be_open()
                least = 0
                take()
        return found

    def _quiet(self) -> None:
        if not self._closed:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._held)
