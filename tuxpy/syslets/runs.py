"""The runs of one engine: how they begin, and how each caller gets the completions that are his.

All that an engine is, but for its door (engine.py). So nothing in here refers to what a program holds, and an engine
that a program drops is gone with its last reference.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from errno import ENOBUFS
from typing import Final, TypeVar

from ..atoms import Frozen
from ..base.forked import watch
from ..engine.core_engine import CoreEngine
from ..engine.native import ffi, lib, must
from .chain_cache import SEQUENCE_BITS, Chains, told
from .completion import Completion
from .loops import Loops
from .params import Given, single
from .waiting import Waiter, Waiting

KEEP: Final = 1
TRACE: Final = 2
AWAY: Final = 4
SHARE: Final = 8
TELL: Final = 16  # enum tux_exec_flags
_MEND: Final = {ENOBUFS: ": take some completions first, or open the engine with more slots"}

T = TypeVar("T")


class Runs:
    """Opens the engine. Raises EngineError when this machine refuses one."""

    def __init__(self, slots: int, workers: int, backend: str) -> None:
        self._chains = Chains()
        self.waiting = Waiting(self._chains.take)
        try:
            self.lower = CoreEngine(slots, workers, self.waiting.notify, backend)
        except BaseException:
            self.waiting.shut()
            self.waiting.close(self._chains.orphan)
            raise
        self._chains.engine = self.lower.handle
        self._loops = Loops(self.waiting)
        self._next = 1  # sequence number of a run
        watch(self)

    def close(self) -> None:
        """From any thread, any number of times; it is closed when this returns."""
        if self.waiting.shut():
            self._chains.engine = None
            self.lower.close()
            self.waiting.close(self._chains.orphan)
            self._chains.close()

    def forked(self) -> None:
        self._chains.forked()
        self.waiting.forked()

    def ask(self, question: Callable[[CoreEngine], T]) -> T:
        """An answer of the engine below, which is not closed before it is there."""
        with self.waiting.inside():
            return question(self.lower)

    def begin(
        self,
        frozen: Frozen,
        columns: Mapping[str, Sequence[Given]],
        runs: int,
        deadline: float | None,
        keep: bool,
        fd: str | None,
        flags: int,
        waiter: Waiter | None = None,
    ) -> range:
        """Submit; what is done at once is among the completions, or with its waiter, when this returns."""
        waiting, engine, done, out = self.waiting, self.lower, 0, None
        with waiting.lock:
            waiting.enter()
            try:
                loaded = self._chains.begin(frozen, runs)
            except BaseException:
                waiting.leave()
                raise
            first = loaded.number << SEQUENCE_BITS | self._next
            self._next += runs
        cookies, begun = range(first, first + runs), False
        try:
            s = loaded.submission(loaded.layout.pack(columns, runs), first)
            s.pointer.deadline_ms = 0 if deadline is None else max(1, min(round(deadline * 1000), (1 << 32) - 1))
            if fd is not None:
                s.pointer.keep_cell = loaded.fd_cell[fd]
            s.pointer.flags = flags | KEEP * keep | TELL * (waiter is not None)
            out = ffi.new("struct tux_completion[]", runs)
            if waiter is not None:
                waiting.expect(cookies, waiter)
            done = lib.tux_engine_exec(engine.handle, s.pointer, out)
            begun = done >= 0
            if not begun:
                raise OSError(-done, os.strerror(-done) + _MEND.get(-done, ""))
        finally:
            with waiting.lock:
                if not begun:
                    loaded.alive -= runs
                    if waiter is not None:
                        waiting.forget(cookies)
                elif done:
                    waiting.deliver(loaded.completed(told(out, done)))
                waiting.leave()
        return cookies

    def cancel(self, cookie: int) -> None:
        with self.waiting.inside():
            must(lib.tux_engine_cancel(self.lower.handle, cookie), "cancel")

    def give_up(self, cookies: Sequence[int]) -> None:
        """These are not wanted any more. A closed engine has none."""
        with contextlib.suppress(ValueError):
            for cookie in cookies:
                self.cancel(cookie)

    def run(
        self, frozen: Frozen, params: Mapping[str, Given], timeout: float | None, fd: str | None, flags: int = 0
    ) -> Completion:
        done: deque[Completion] = deque()
        cookies = self.begin(frozen, single(params), 1, timeout, True, fd, flags, done.append)
        if done:
            return done[0]
        try:
            self.waiting.until(lambda: bool(done))
            while not done:  # the engine is closed by another thread: what became of the run is said at the end of that
                self.waiting.until_closed()
        except BaseException:
            self.give_up(cookies)  # its completion finds no waiter and goes
            raise
        return done[0]

    async def arun(
        self, frozen: Frozen, params: Mapping[str, Given], timeout: float | None, fd: str | None
    ) -> Completion:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Completion] = loop.create_future()
        done: deque[Completion] = deque()

        def tell(completion: Completion) -> None:
            done.append(completion)
            if waits:
                with contextlib.suppress(RuntimeError):  # the loop is closed, so no coroutine waits
                    loop.call_soon_threadsafe(settle)

        def settle() -> None:
            if not ended.done():
                ended.set_result(done[0])

        waits = False
        cookies = self.begin(frozen, single(params), 1, timeout, True, fd, 0, tell)
        if done:
            return done[0]
        waits = True
        with self._loops.watched_by(loop):
            if done:  # meanwhile
                return done[0]
            try:
                return await ended
            except BaseException:
                self.give_up(cookies)
                raise


