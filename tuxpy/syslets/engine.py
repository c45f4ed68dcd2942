"""An engine for any Python program: system calls and chains that do not make their caller wait.

A run begins on the thread that submits it, where nothing may block: whatever does not miss is done when `submit` or
`call` returns. What would block goes on elsewhere, from where it stands: on the engine's thread as soon as its event
has come, or on a worker that may block. So one thread of a program can have thousands of files, sockets and timers
under way, and its own identity never changes: no thread of ours ever runs Python.

Threads: every method may be called from any thread, close() too. A completion is given to one taker: `call`, `run` and
the coroutines take their own, `wait` takes all others. In a child of fork(2) every method raises EngineError.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, overload

from ..atoms import Frozen
from .calls import known, made, one_call, result_of
from .completion import Completion, Step
from .many import all_of, mapped
from .names import GivesBytes, GivesNumber, GivesPieces
from .params import Given, broadcast, columns_of, single
from .runs import AWAY, SHARE, TRACE, Runs
from .waiting import Waiter


class Engine:
    """One thread, one ring, its workers. Use it in `with`, or close() it.

    slots: runs alive or untaken at once; one more is refused with OSError ENOBUFS, never lost. workers: threads that
    may block. backend: "uring", "epoll", or "auto" for what this kernel allows; `engine.backend` says which it is and
    `engine.why` why. Raises EngineError when this machine refuses an engine. One that is dropped without close() gives
    everything back, with a ResourceWarning.
    """

    def __init__(self, slots: int = 4096, workers: int = 8, backend: str = "auto") -> None:
        self._runs = Runs(slots, workers, backend)
        lower = self._runs.lower
        self.backend, self.why, self.slots, self.workers = lower.backend, lower.why, slots, workers

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if "_runs" in self.__dict__ and self._runs.waiting.is_open and not sys.is_finalizing():
            warnings.warn(f"{self!r} was not closed: use it in with, or close() it", ResourceWarning, 2, source=self)
            self.close()

    def __repr__(self) -> str:
        return f"<Engine {self.backend}, {self.slots} slots, {self.workers} workers>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an engine is threads of this process and cannot be pickled: open one where it is needed")

    def close(self) -> None:
        """End every run, close what they own, join the threads. Any number of times, from any thread.

        Those who wait are told: call, run and coroutines by a run that was CANCELLED, all others by ValueError.
        """
        self._runs.close()

    def fileno(self) -> int:
        """A descriptor that is readable while completions wait for wait(); for selectors, poll and event loops."""
        return self._runs.waiting.fileno()

    def metrics(self) -> dict[str, int]:
        """All counters by name. `visits` are runs that never left their submitter's thread."""
        return self._runs.ask(lambda engine: engine.metrics())

    def shared(self, index: int) -> int:
        """Shared number `index` now; SHARED cells of all chains of this engine are these 16 numbers."""
        return self._runs.ask(lambda engine: engine.shared(index))

    def set_shared(self, index: int, value: int) -> None:
        """Give it another value."""
        self._runs.ask(lambda engine: engine.set_shared(index, value))

    # One call.

    @overload
    def call(self, name: GivesNumber, *args: Any, timeout: float | None = None) -> int: ...

    @overload
    def call(self, name: GivesBytes, *args: Any, timeout: float | None = None) -> bytes: ...

    @overload
    def call(self, name: GivesPieces, *args: Any, timeout: float | None = None) -> list[bytes]: ...

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
        return result_of(self._runs.run(frozen, values, timeout, made(frozen)), args)

    @overload
    async def acall(self, name: GivesNumber, *args: Any, timeout: float | None = None) -> int: ...

    @overload
    async def acall(self, name: GivesBytes, *args: Any, timeout: float | None = None) -> bytes: ...

    @overload
    async def acall(self, name: GivesPieces, *args: Any, timeout: float | None = None) -> list[bytes]: ...

    async def acall(self, name: str, *args: Any, timeout: float | None = None) -> Any:
        """The same for coroutines: the event loop goes on while the call waits."""
        frozen, values = one_call(known(name), args)
        return result_of(await self._runs.arun(frozen, values, timeout, made(frozen)), args)

    # Chains.

    def run(
        self, frozen: Frozen, /, *, timeout: float | None = None, fd: str | None = None, **params: Given
    ) -> Completion:
        """Run a chain and wait for its end; the completion says how that was. See submit."""
        return self._runs.run(frozen, params, timeout, fd)

    async def arun(
        self, frozen: Frozen, /, *, timeout: float | None = None, fd: str | None = None, **params: Given
    ) -> Completion:
        """The same for coroutines. A coroutine that is cancelled cancels its run."""
        return await self._runs.arun(frozen, params, timeout, fd)

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
        return self._runs.begin(frozen, single(params), 1, deadline, keep, fd, AWAY if away else 0)[0]

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
        return self._runs.begin(frozen, values, runs, deadline, keep, fd, AWAY if away else SHARE) if runs else range(0)

    def run_many(
        self, frozen: Frozen, /, *, keep: bool = True, fd: str | None = None, **columns: Sequence[Given] | Given
    ) -> list[Completion]:
        """Run a chain for each value of the lists given by name, any number of them; the completions in this order."""
        values, runs = broadcast(columns)

        def begin(values: Mapping[str, Sequence[Given]], runs: int, waiter: Waiter) -> range:
            return self._runs.begin(frozen, values, runs, None, keep, fd, SHARE, waiter)

        return all_of(begin, self._runs, values, runs, self.slots)

    def map(
        self, frozen: Frozen, rows: Iterable[Mapping[str, Given]], /, *, ahead: int = 256, fd: str | None = None
    ) -> Iterator[Completion]:
        """A completion for each row, as they come, with at most `ahead` runs begun and untaken. For many rows.

        The completions know their rows: `index` and `row`. Whoever stops listening cancels the rest.
        """
        return mapped(self._runs, frozen, rows, ahead, fd)

    def cancel(self, cookie: int) -> None:
        """End a run, with reason CANCELLED, if it has not ended; it leaves its completion like any other."""
        self._runs.cancel(cookie)

    def wait(self, min: int = 1, timeout: float | None = None) -> list[Completion]:  # noqa: A002, the announcement's
        """All completions there are, once there are `min` of them or `timeout` seconds have passed; 0: at once.

        Those of call, run and coroutines go to their own callers.
        """
        return self._runs.waiting.wait(min, timeout)

    def trace(self, frozen: Frozen, /, **params: Given) -> list[Step]:
        """Run a chain to its end, and say of each atom its result, its time and where it ran."""
        return self._runs.run(frozen, params, None, None, TRACE).trace
