"""An engine for any Python program: system calls and chains that do not make their caller wait.

A run begins on the thread that submits it, where nothing may block: whatever does not miss is done when `submit` or
`call` returns. What would block goes on elsewhere, from where it stands: on the engine's thread as soon as its event
has come, or on a worker that may block. So one thread of a program can have thousands of files, sockets and timers
under way, and its own identity never changes: no thread of ours ever runs Python.

Threads: every method may be called from any thread, except close(), which must be the last. A completion is given to
one taker: `call`, `run` and the coroutines take their own, `wait` takes all others.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from errno import ECANCELED, ENOBUFS
from typing import Any, Final

from ..atoms import Frozen, Reason
from ..engine import Engine as Lower
from ..engine import Limits
from ..native import ffi, lib
from .completion import Completion, Shape, Step
from .given import Given, broadcast, columns_of, single
from .loaded import NO_HTTP, SEQUENCE_BITS, Chains, told
from .many import all_of, mapped
from .onecall import known, made, one_call, result_of
from .waiting import Waiter, Waiting

_BATCH: Final = 256
_KEEP: Final = 1
_TRACE: Final = 2
_AWAY: Final = 4
_SHARE: Final = 8
_TELL: Final = 16  # enum tux_exec_flags
_MEND: Final = {ENOBUFS: ": take some completions first, or open the engine with more slots"}


class Engine:
    """One thread, one ring, its workers. Use it in `with`, or close() it.

    slots: runs alive or untaken at once; one more is refused with OSError ENOBUFS, never lost. workers: threads that
    may block. backend: "uring", "epoll", or "auto" for what this kernel allows; `engine.backend` says which it is and
    `engine.why` why. Raises EngineError when this machine refuses an engine.
    """

    def __init__(self, slots: int = 4096, workers: int = 8, backend: str = "auto") -> None:
        self._waiting = Waiting(self._take)
        limits = Limits(slots=slots, workers=workers, **NO_HTTP)
        try:
            self._lower = Lower(limits, self._waiting.notify, backend, significant=())
        except BaseException:
            self._waiting.close()
            raise
        self.backend, self.why, self.slots, self.workers = self._lower.backend, self._lower.why, slots, workers
        self._engine: Any = self._lower.handle
        self._chains = Chains(self._waiting.lock)
        self._next = 1  # sequence number of a run
        self._out = ffi.new("struct tux_completion[]", _BATCH)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every run, close what they own, join the threads. Any number of times, but by one thread alone."""
        if self._engine is not None:
            self._waiting.shut()
            self._engine = None
            self._lower.close()
            self._chains.close()
            self._waiting.close()

    def fileno(self) -> int:
        """A descriptor that is readable while completions wait for wait(); for selectors, poll and event loops."""
        return self._waiting.fileno()

    def metrics(self) -> dict[str, int]:
        """All counters by name. `visits` are runs that never left their submitter's thread."""
        return self._lower.metrics()

    def shared(self, index: int) -> int:
        """Shared number `index` now; SHARED cells of all chains of this engine are these 16 numbers."""
        return self._lower.shared(index)

    def set_shared(self, index: int, value: int) -> None:
        """Give it another value."""
        self._lower.set_shared(index, value)

    # One call.

    def call(self, name: str, *args: Any, timeout: float | None = None) -> Any:
        """Make one system call of the white list, and wait for its result where it has to wait.

        Paths are str, bytes or path objects; memory to read is bytes, memory to write is how many bytes are wanted,
        and those then are the result, a list of two from readv; descriptors are numbers or have fileno(); lengths are
        never given. openat2 takes its flags, or (flags, mode), or (flags, mode, resolve), always with O_CLOEXEC. A
        descriptor that a call makes is yours; the one given to close is gone, whatever comes of it.

        timeout: seconds, then TimeoutError. Raises OSError for what the kernel refuses, and ChainError for a call
        that is not on the white list, with the reason. Sources: the manual page of each call, section 2.
        """
        frozen, values = one_call(known(name), args)
        return result_of(self._run(frozen, values, timeout, made(frozen)), args)

    async def acall(self, name: str, *args: Any, timeout: float | None = None) -> Any:
        """The same for coroutines: the event loop goes on while the call waits."""
        frozen, values = one_call(known(name), args)
        return result_of(await self._arun(frozen, values, timeout, made(frozen)), args)

    # Chains.

    def run(
        self, frozen: Frozen, /, *, timeout: float | None = None, fd: str | None = None, **params: Given
    ) -> Completion:
        """Run a chain and wait for its end; the completion says how that was. See submit."""
        return self._run(frozen, params, timeout, fd)

    async def arun(
        self, frozen: Frozen, /, *, timeout: float | None = None, fd: str | None = None, **params: Given
    ) -> Completion:
        """The same for coroutines. A coroutine that is cancelled cancels its run."""
        return await self._arun(frozen, params, timeout, fd)

    def submit(
        self,
        frozen: Frozen,
        /,
        *,
        deadline: float | None = None,
        keep: bool = True,
        fd: str | None = None,
        away: bool = False,
        **params: Given,
    ) -> int:
        """Start one run; its cookie, by which it can be cancelled and its completion be known.

        params: a value for every param cell, by name, and, where they shall differ from the chain's own, the contents
        of data cells: bytes or a path, copied, at most of the cell's size. deadline: seconds. keep: whether the
        completion has the cells. fd: an FD cell whose descriptor shall outlive the run, see Completion.take_fd.
        away: do not begin here, where nothing may block but everything takes its time.

        Raises OSError ENOBUFS when as many runs as there are slots are alive or untaken: nothing has begun then.
        """
        return self._begin(frozen, single(params), 1, deadline, keep, fd, _AWAY if away else 0)[0]

    def submit_many(
        self,
        frozen: Frozen,
        rows: Iterable[Mapping[str, Given]] | None = None,
        /,
        *,
        deadline: float | None = None,
        keep: bool = True,
        fd: str | None = None,
        away: bool = False,
        **columns: Sequence[Given] | Given,
    ) -> range:
        """Start a run for each row of params, or for each value of the lists given by name. Their cookies.

        Independent work, in any order, at both ends at once: submit_many(chain, path=paths, size=4096).
        The engine's thread takes runs from one end while the caller works at the other. All of them or none: OSError
        ENOBUFS when there is no room for so many.
        """
        values, runs = columns_of(rows) if rows is not None else broadcast(columns)
        return self._begin(frozen, values, runs, deadline, keep, fd, _AWAY if away else _SHARE) if runs else range(0)

    def run_many(
        self, frozen: Frozen, /, *, keep: bool = True, fd: str | None = None, **columns: Sequence[Given] | Given
    ) -> list[Completion]:
        """Run a chain for each value of the lists given by name, any number of them; the completions in this order."""
        values, runs = broadcast(columns)

        def begin(values: Mapping[str, Sequence[Given]], runs: int, waiter: Waiter) -> range:
            return self._begin(frozen, values, runs, None, keep, fd, _SHARE, waiter)

        return all_of(begin, self.cancel, self._waiting, values, runs, self.slots)

    def map(
        self, frozen: Frozen, rows: Iterable[Mapping[str, Given]], /, *, ahead: int = 256, fd: str | None = None
    ) -> Iterator[Completion]:
        """A completion for each row, as they come, with at most `ahead` runs begun and untaken. For many rows.

        Completions of other submissions must be taken by somebody else meanwhile, or wait.
        """
        return mapped(self, self._waiting, frozen, rows, ahead, fd)

    def cancel(self, cookie: int) -> None:
        """End a run, with reason CANCELLED, if it has not ended; it leaves its completion like any other."""
        lib.tux_engine_cancel(self._engine, cookie)

    def wait(self, min: int = 1, timeout: float | None = None) -> list[Completion]:  # noqa: A002, the announcement's
        """All completions there are, once there are `min` of them or `timeout` seconds have passed; 0: at once.

        Those of call, run and coroutines go to their own callers.
        """
        return self._waiting.wait(min, timeout)

    def trace(self, frozen: Frozen, /, **params: Given) -> list[Step]:
        """Run a chain to its end, and say of each atom its result, its time and where it ran."""
        return self._run(frozen, params, None, None, _TRACE).trace

    # Beginning and taking.

    def _begin(
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
        with self._waiting.inside():
            loaded = self._chains.begin(frozen, runs)
            try:
                packed = loaded.layout.pack(columns, runs)
                with self._waiting.lock:
                    first = loaded.number << SEQUENCE_BITS | self._next
                    self._next += runs
                s = loaded.submission(packed, first)
                s.pointer.deadline_ms = 0 if deadline is None else max(1, min(round(deadline * 1000), (1 << 32) - 1))
                if fd is not None:
                    s.pointer.keep_cell = loaded.fd_cell[fd]
                s.pointer.flags = flags | _KEEP * keep | _TELL * (waiter is not None)
                out = ffi.new("struct tux_completion[]", runs)
                if waiter is not None:
                    self._waiting.expect(range(first, first + runs), waiter)
                done = lib.tux_engine_exec(self._engine, s.pointer, out)
                if done < 0:
                    self._waiting.forget(range(first, first + runs))
                    raise OSError(-done, os.strerror(-done) + _MEND.get(-done, ""))
            except BaseException:
                with self._waiting.lock:
                    loaded.alive -= runs
                raise
            if done:
                with self._waiting.lock:
                    self._waiting.deliver(loaded.completed(told(out, done)))
            return range(first, first + runs)

    def _take(self) -> list[Completion]:
        """What the engine has told since the last time; the lock is held."""
        found: list[Completion] = []
        while self._engine is not None and (count := lib.tux_engine_completions(self._engine, self._out, _BATCH)):
            found += self._chains.completed(told(self._out, count))
        return found

    def _run(
        self, frozen: Frozen, params: Mapping[str, Given], timeout: float | None, fd: str | None, flags: int = 0
    ) -> Completion:
        done: deque[Completion] = deque()
        cookie = self._begin(frozen, single(params), 1, timeout, True, fd, flags, done.append)[0]
        if done:
            return done[0]
        try:
            self._waiting.until(lambda: bool(done))
        except BaseException:
            self.cancel(cookie)  # its completion finds nobody and goes
            raise
        return done[0] if done else Completion(Shape(frozen), (cookie, -ECANCELED, 0, 0, 0, Reason.CANCELLED))

    async def _arun(
        self, frozen: Frozen, params: Mapping[str, Given], timeout: float | None, fd: str | None
    ) -> Completion:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Completion] = loop.create_future()
        done: deque[Completion] = deque()

        def tell(completion: Completion) -> None:
            done.append(completion)
            if waits:
                loop.call_soon_threadsafe(settle)

        def settle() -> None:
            if not ended.done():
                ended.set_result(done[0])

        waits = False
        cookie = self._begin(frozen, single(params), 1, timeout, True, fd, 0, tell)[0]
        if done:
            return done[0]
        waits = True
        with self._waiting.watched_by(loop):
            if done:  # meanwhile
                return done[0]
            try:
                return await ended
            except asyncio.CancelledError:
                self.cancel(cookie)
                raise
