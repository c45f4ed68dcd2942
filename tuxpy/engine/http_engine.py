"""Engines that serve HTTP as Python objects: misses come up, answers go down.

What is handed down (chains, answers and their files) belongs to the engine from then on.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from ..errors import EngineError
from ..model import Answer
from .access_log import AccessLog
from .clients import Clients
from .core_engine import METRICS, CoreEngine
from .limits import Limits, Rules, fill
from .misses import BATCH, Miss, Misses
from .native import ffi, lib, must
from .response import response_of

__all__ = ["BATCH", "HEAD_TIMEOUT", "HEAD_TOO_LONG", "LEAVING", "LISTENERS_MAX", "METRICS"]
__all__ += ["HttpEngine", "Limits", "Miss", "Rules"]

HEAD_TOO_LONG: Final = 1  # enum tux_miss_flags
HEAD_TIMEOUT: Final = 2
LEAVING: Final = 4
LISTENERS_MAX: Final = 16  # limits.h: TUX_LISTENERS_MAX, TUX_SHARED_MAX; those that are being drained count

_EVERY_LINE: Final = (1 << 64) - 1
_HTTP_LIMITS: Final = ("cache_entries_max", "cache_bytes_max", "cache_files_max", "linger_ms")

class HttpEngine(CoreEngine):
    """An engine that serves HTTP: misses come up, answers go down."""

    _http = True

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
        http = ffi.new("struct tux_http_options *")
        for name in _HTTP_LIMITS:
            setattr(http, name, getattr(limits, name))
        kept = fill(http.rules, rules)
        http.clients = ffi.NULL if clients is None else clients.handle
        http.log = ffi.NULL if access_log is None else access_log.handle
        ffi.memmove(http.secret, os.urandom(16), 16)
        super().__init__(limits.slots, limits.workers, notify_fd, backend, http)
        del kept
        self._questions = Misses(notify_fd)

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
        """What a client over this limit (enum tux_limit) is told, in this form (enum tux_ready_form)."""
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

    def samples(self) -> list[bytes]:
        """First lines of heads that were answered from the cache: the first one of every hundredth of a second.

        Take them now and then: there is room for 256."""
        out = ffi.new("struct tux_sample[]", BATCH)
        found: list[bytes] = []
        while count := lib.tux_engine_samples(self.handle, out, BATCH):
            found += [bytes(ffi.buffer(one.line, one.bytes)) for one in out[0:count]]
        return found
