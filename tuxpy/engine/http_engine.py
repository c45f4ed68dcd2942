"""Engines as Python objects: chains are submitted, misses and completions come up, answers go down.

Every call goes down into C and comes back at once; engines run on their own threads, without the GIL. What is handed
down (chains, answers and their files) belongs to the engine from then on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..atoms import ChainResult, Frozen, Reason
from ..base.forked import CHILD, watch
from ..errors import EngineError
from ..model import Answer
from .access_log import AccessLog
from .clients import Clients
from .limits import Limits, Rules, fill
from .misses import BATCH, Miss, Misses
from .native import ERROR_BYTES, ffi, lib, load, must, param_values, text
from .response import response_of

__all__ = ["BATCH", "HEAD_TIMEOUT", "HEAD_TOO_LONG", "LEAVING", "LISTENERS_MAX", "METRICS"]
__all__ += ["HttpEngine", "Limits", "Miss", "Rules"]

HEAD_TOO_LONG: Final = 1  # enum tux_miss_flags
HEAD_TIMEOUT: Final = 2
LEAVING: Final = 4
LISTENERS_MAX: Final = 16  # csrc/limits.h: TUX_PORTS_MAX, TUX_SHARED_MAX; those that are being drained count too

_EVERY_LINE: Final = (1 << 64) - 1

METRICS: Final[tuple[tuple[str, str, bool], ...]] = tuple(
    (
        text(lib.tux_metric_name(i)) + (f"_{lib.tux_metric_place(i)}" if lib.tux_metric_place(i) >= 0 else ""),
        text(lib.tux_metric_help(i)),
        bool(lib.tux_metric_is_gauge(i)),
    )
    for i in range(lib.tux_metric_count())
)
"""(name, help, is it a gauge) of every counter of an engine, in the order of HttpEngine.metrics().

What has several values has as many names: statuses_0, statuses_1 and so on."""


class HttpEngine:
    """One thread with one ring and all its runs. Use in `with`, or close()."""

    def __init__(
        self,
        limits: Limits,
        notify_fd: int,
        backend: str = "auto",
        rules: Rules = Rules(),  # noqa: B008 (it is frozen)
        access_log: AccessLog | None = None,
        clients: Clients | None = None,
    ) -> None:
        """Opens and starts it. notify_fd: an eventfd that becomes readable when misses or completions wait.

        rules: the first ones; set_rules changes them.
        clients: where all engines count by address; it must live longer than they do.

        Raises EngineError, whose message says what this machine refuses.
        """
        options = ffi.new("struct tux_options *")
        for name in Limits.__slots__:
            setattr(options, name, getattr(limits, name))
        options.notify_fd = notify_fd
        # What options point to must live until the call has returned.
        options.backend = word = ffi.new("char[]", backend.encode())
        kept = (word, fill(options.rules, rules))
        options.clients = ffi.NULL if clients is None else clients.handle
        options.log = ffi.NULL if access_log is None else access_log.handle
        ffi.memmove(options.secret, os.urandom(16), 16)
        out, why = ffi.new("struct tux_engine **"), ffi.new("char[]", ERROR_BYTES)
        failed = lib.tux_engine_open(options, out, why)
        del kept
        self.why: str = text(why)
        if failed:
            raise EngineError(self.why or "no engine", -failed)
        self._engine: Any = out[0]
        self._gone = "the engine is closed"
        watch(self)
        self.backend: str = text(lib.tux_engine_backend(self._engine))
        self.slots, self.workers = limits.slots, limits.workers
        self._chains: list[tuple[Frozen, Any]] = []
        self._questions = Misses(notify_fd)
        self._completions = ffi.new("struct tux_completion[]", BATCH)
        self._ended = 0  # of those, what was taken and not yet handed out

    def __enter__(self) -> HttpEngine:
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
        chain = load(frozen, http=True)
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

    def misses(self) -> list[Miss]:
        """Requests for the judge, oldest first, up to BATCH. None is lost by an error: the next call has them again.

        Those whose heads find no memory get the 503 that lies ready. MemoryError: none had any.
        """
        return self._questions.take(self.handle)

    def answer(self, miss: Miss, answer: Answer | None, knock: bool = True) -> None:
        """Hand down the answer to a miss; None: there is none, so the client gets the 503 that lies ready, if any.

        Takes over answer.file in any case. knock: have it taken at once. Who has several may knock behind them. After
        an exception the miss still wants an answer.
        """
        response = ffi.NULL if answer is None else response_of(answer)
        try:
            must(lib.tux_engine_answer(self.handle, miss.slot, miss.generation, response), "answer")
        except BaseException:
            if answer is not None:
                lib.tux_response_close(response)
            raise
        if knock:
            self.knock()

    def knock(self) -> None:
        """Have the engine take the answers that it was given."""
        lib.tux_engine_knock(self.handle)

    def preload(self, line: int, class_number: int, rules: int, heads: Sequence[bytes], answer: Answer) -> None:
        """Keep an answer for these heads before anybody has sent them. Takes over answer.file in any case.

        line: of the listener that would accept them. class_number: of the address they would come from. rules: the
        number of those that it was judged by; once others are in force it is dropped. Raises EngineError.
        """
        response, joined = response_of(answer), b"".join(heads)
        failed = lib.tux_engine_preload(self.handle, line, class_number, rules, joined, len(joined), response)
        if failed:
            lib.tux_response_close(response)
            raise EngineError("an answer could not be kept ahead", -failed)

    def ready(self, limit: int, form: int, answer: Answer) -> None:
        """What whoever runs into this limit (enum tux_limit) is told, in this form (enum tux_ready_form)."""
        must(lib.tux_engine_ready(self.handle, limit, form, response_of(answer)), "a ready answer")

    def drain(self, line: int = _EVERY_LINE, shut: bool = True, idle_ms: int = 0) -> None:
        """End accepting at the listener of a line, which is the cookie of its runs; at each by default. Take its
        counter down first.

        shut: serve what its backlog holds, then shut it down; else its backlog is left to others who accept there.
        idle_ms: so long a connection may ask once more, and is told that this was the last answer.
        """
        must(lib.tux_engine_drain(self.handle, line, shut, idle_ms), "a listener cannot be drained")

    def shed(self, line: int, count: int, idle_ms: int = 0) -> None:
        """Have `count` runs end in place of accepting at the listener of this line again. Connections that stand in the
        way may ask once more within idle_ms, and are told that this was the last answer."""
        must(lib.tux_engine_shed(self.handle, line, count, idle_ms), "runs cannot be taken back")

    def forget(self, only_made: bool = False) -> None:
        """Drop every decision, or only those whose bodies take memory that is wanted for others (site/made.py)."""
        (lib.tux_engine_forget_made if only_made else lib.tux_engine_forget)(self.handle)

    def set_rules(self, rules: Rules) -> None:
        """Change all rules at one moment, and drop every decision. Their number must be larger than that before."""
        changed = ffi.new("struct tux_rules *")
        kept = fill(changed, rules)
        must(lib.tux_engine_rules(self.handle, changed), "the rules cannot be changed")
        del kept

    def settled(self) -> int:
        """The number of the oldest rules that anything in the engine still refers to."""
        return int(lib.tux_engine_rules_settled(self.handle))

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

    def samples(self) -> list[bytes]:
        """First lines of heads that were answered from the cache: the first one of every hundredth of a second.

        Take them now and then: there is room for 256."""
        out = ffi.new("struct tux_sample[]", BATCH)
        found: list[bytes] = []
        while count := lib.tux_engine_samples(self.handle, out, BATCH):
            found += [bytes(ffi.buffer(one.line, one.bytes)) for one in out[0:count]]
        return found

    def trace(self) -> None:
        """Record every atom from now on; for tests and tools. Call it before the first submit."""
        must(lib.tux_engine_trace(self.handle), "trace")

    def traced(self) -> list[tuple[int, int, int, int]]:
        """(slot, depth, atom, result) of the atoms recorded since the last call; depth 1 is inside a response."""
        entries, found = ffi.new("struct tux_trace_entry[]", BATCH), []
        while count := lib.tux_engine_trace_take(self.handle, entries, BATCH):
            found += [(e.slot, e.depth, e.atom, e.result) for e in entries[0:count]]
        return found
