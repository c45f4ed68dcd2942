"""What every engine is to Python, whether it serves HTTP or not: runs begin, end, are cancelled and counted.

Every call goes down into C and comes back at once; engines run on their own threads, without the GIL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from ..atoms import ChainResult, Frozen, Reason
from ..base.forked import CHILD, watch
from ..errors import EngineError
from .misses import BATCH
from .native import ERROR_BYTES, ffi, lib, load, must, param_values, text

Self = TypeVar("Self", bound="CoreEngine")

METRICS: Final[tuple[tuple[str, str, bool], ...]] = tuple(
    (
        text(lib.tux_metric_name(i)) + (f"_{lib.tux_metric_place(i)}" if lib.tux_metric_place(i) >= 0 else ""),
        text(lib.tux_metric_help(i)),
        bool(lib.tux_metric_is_gauge(i)),
    )
    for i in range(lib.tux_metric_count())
)
"""(name, help, is it a gauge) of every counter of an engine, in the order of CoreEngine.metrics().

What has several values has as many names: statuses_0, statuses_1 and so on."""


class CoreEngine:
    """One thread with one ring and all its runs. It runs plain chains; HttpEngine serves. Use in `with`, or close()."""

    _http = False  # the calls of a connection are allowed in its chains

    def __init__(self, slots: int, workers: int, notify_fd: int, backend: str = "auto", http: Any = None) -> None:
        """Opens and starts it. notify_fd: an eventfd that becomes readable when completions (or misses) wait.

        http: a struct tux_http_options for an engine that serves.

        Raises EngineError, whose message says what this machine refuses.
        """
        # What options point to must live until the call has returned.
        word = ffi.new("char[]", backend.encode())
        options = ffi.new("struct tux_options *", {"slots": slots, "workers": workers, "notify_fd": notify_fd})
        options.backend = word
        options.http = ffi.NULL if http is None else http
        out, why = ffi.new("struct tux_engine **"), ffi.new("char[]", ERROR_BYTES)
        failed = lib.tux_engine_open(options, out, why)
        self.why: str = text(why)
        if failed:
            raise EngineError(self.why or "no engine", -failed)
        self._engine: Any = out[0]
        self._gone = "the engine is closed"
        watch(self)
        self.backend: str = text(lib.tux_engine_backend(self._engine))
        self.slots, self.workers = slots, workers
        self._chains: list[tuple[Frozen, Any]] = []
        self._completions = ffi.new("struct tux_completion[]", BATCH)
        self._ended = 0  # of those, what was taken and not yet handed out

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every run, close every connection, join the threads. Any number of times."""
        if self._engine is None:
            return
        lib.tux_engine_close(self._engine)
        self._engine = None
        for _, chain in self._chains:
            lib.tux_chain_close(chain)
        self._chains.clear()

    def submit(
        self,
        frozen: Frozen,
        params: Mapping[str, int] | None = None,
        cookie: int = 0,
        copies: int = 1,
        deadline_ms: int = 0,
    ) -> None:
        """Start `copies` runs. Each leaves one completion; EngineError (ENOBUFS) when that cannot be promised."""
        chain = self._loaded(frozen)
        values = param_values(frozen, params or {})
        failed = lib.tux_engine_submit(self.handle, chain, values, len(values), cookie, copies, deadline_ms)
        if failed:
            raise EngineError(f"chain {frozen.name} could not be submitted", -failed)

    def _loaded(self, frozen: Frozen) -> Any:
        for known, chain in self._chains:
            if known is frozen:
                return chain
        chain = load(frozen, self._http)
        self._chains.append((frozen, chain))
        return chain

    @property
    def handle(self) -> Any:
        """The engine for C. EngineError: it is closed, or a parent process has it."""
        if self._engine is None:
            raise EngineError(self._gone)
        return self._engine

    def forked(self) -> None:
        """In a child: there is no engine."""
        self._engine, self._gone = None, CHILD

    def cancel(self, cookie: int) -> None:
        """End every run submitted with this cookie, with reason CANCELLED."""
        must(lib.tux_engine_cancel(self.handle, cookie), "cancel")

    def completions(self) -> list[ChainResult]:
        """The runs that have ended since the last call, up to BATCH; their cells are gone. None is lost by an error."""
        if self._ended == 0:
            self._ended = lib.tux_engine_completions(self.handle, self._completions, BATCH)
        found = [
            ChainResult(c.cookie, c.last_atom, c.result, Reason(c.reason), c.steps, ())
            for c in self._completions[0 : self._ended]
        ]
        self._ended = 0
        return found

    def shared(self, index: int) -> int:
        """Shared number `index` now."""
        return int(lib.tux_engine_shared_get(self.handle, index))

    def set_shared(self, index: int, value: int) -> None:
        """Give shared number `index` another value."""
        lib.tux_engine_shared_set(self.handle, index, value)

    def metrics(self) -> dict[str, int]:
        """All counters by name."""
        values = ffi.new("uint64_t[]", len(METRICS))
        lib.tux_engine_metrics(self.handle, values)
        return {name: value for (name, _, _), value in zip(METRICS, values, strict=True)}

    def trace(self) -> None:
        """Record every atom from now on; for tests and tools. Call it before the first submit."""
        must(lib.tux_engine_trace(self.handle), "trace")

    def traced(self) -> list[tuple[int, int, int, int]]:
        """(slot, depth, atom, result) of the atoms recorded since the last call; depth 1 is inside a response."""
        entries, found = ffi.new("struct tux_trace_entry[]", BATCH), []
        while count := lib.tux_engine_trace_take(self.handle, entries, BATCH):
            found += [(e.slot, e.depth, e.atom, e.result) for e in entries[0:count]]
        return found
