"""Decisions before anybody asks: what a site holds is judged at start, and the engines keep the answers.

The judge is asked what clients would ask it, head by head, so what is kept ahead cannot differ from what is answered
otherwise. It is done in slices between the questions of real clients, and where the cache is full it ends. The heads
are those of CLIENTS: an engine's key has the significant fields with their values, in their order, so a client that
says something else is judged once, as ever.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any, Final

from ..engine.http_engine import HttpEngine, Limits
from ..errors import EngineError
from ..model import Answer
from ..process.listen import Listener
from ..site.census import targets
from ..site.errands import Elsewhere, Judgement, Later, on_worker
from ..site.judge import judge_head
from ..site.root import FileChanged
from ..site.sites import Sites
from ..site.workers import Workers
from .audience import Place, audience

log = logging.getLogger("tuxpy")

_COMPRESSED: Final = (b"gzip, deflate, br, zstd", b"gzip, deflate, br", b"gzip, deflate")
CLIENTS: Final[tuple[bytes, ...]] = (
    *(b"Connection: keep-alive\r\nAccept-Encoding: %s\r\n" % codings for codings in _COMPRESSED),  # Chromium
    *(b"Accept-Encoding: %s\r\nConnection: keep-alive\r\n" % codings for codings in _COMPRESSED),  # Firefox, Safari
    b"",  # curl, and most programs
)
"""The significant fields that clients send beside Host."""

_SOMEBODY: Final = "198.51.100.1"  # an address that no rule names: RFC 5737 keeps it for documentation
_WORKERS: Final = 2  # threads for slow work
_WAITING_MAX: Final = 16  # pieces of it at a time
_FULL: Final = 0.9  # of the cache: the rest is for what clients ask for

Asked = tuple[bytes, bytes, list[Place]]  # a target, the value of Host, and where both may arrive
Answers = list[tuple[Answer, list[bytes]]]  # each with the heads that get it


class _LeftOut(Exception):
    """It is not worth to be kept, for the reason that is given."""


class _Errand:
    """Work that takes long, for one target. `done` and `future` are written by its worker."""

    def __init__(self, asked: Asked, later: Later) -> None:
        self.asked, self.later, self.done = asked, later, False
        self.future: Future[Any] = Future()

    def throw_away(self) -> None:
        """What has come of it is not wanted."""
        if isinstance(self.later.key, Judgement) and self.future.exception() is None:
            _close_all(self.future.result())


class Preload:
    """The work of one start or reload. `work` and `close` are for the judge's thread."""

    def __init__(
        self,
        sites: Sites,
        number: int,
        sockets: Sequence[tuple[Listener, HttpEngine, int]],
        limits: Limits,
        knock: Callable[[], None],
    ) -> None:
        """number: of the rules that `sites` are. knock: called when there is something to do again."""
        self._sites, self._number, self._limits, self._knock = sites, number, limits, knock
        self._client = sites.class_of(_SOMEBODY)
        self._engines = list({id(engine): engine for _, engine, _ in sockets}.values())
        self._audiences = [(site, audience(host, sockets)) for host, site in sites.named]
        self._found: deque[Asked] = deque()
        self._waiting: deque[_Errand] = deque()  # the first _WORKERS of them are being done
        self._workers = Workers("preload")
        self._lock = threading.Lock()
        self._walked = self._closed = self._full = False
        self._files = 0
        self._left_out: dict[str, int] = {}
        self._began = time.monotonic()
        self.total = self.done = self.kept = 0
        threading.Thread(target=self._walk, name="census", daemon=True).start()

    # The census, on its thread.

    def _walk(self) -> None:
        try:
            for site, audience in self._audiences:
                for target in targets(site):
                    if self._closed:
                        return
                    for authority, places in audience.items():
                        self._found.append((target, authority, places))
                        self.total += 1
        except (OSError, FileChanged) as error:
            log.warning("not all of the site is preloaded: %s", error)
        finally:
            self._walked = True
            self._knock()

    # The judge's thread.

    @property
    def over(self) -> bool:
        """Nothing is left to do."""
        return self._full or (self._walked and not self._found and not self._waiting)

    @property
    def idle(self) -> bool:
        """There is nothing to do before the next knock."""
        if self._waiting and self._waiting[0].done:
            return False
        return not self._found or len(self._waiting) >= _WAITING_MAX

    def work(self, until: float) -> None:
        """Until that time (time.monotonic), or until it is over or idle."""
        while not self.over and not self.idle and time.monotonic() < until:
            if self._waiting and self._waiting[0].done:
                self._go_on(self._waiting.popleft())
            else:
                self.done += 1
                self._prepare(self._found.popleft())
            if self.done % 16 == 0:
                self._full = self._full or self._is_full()
            os.sched_yield()  # engines first, as everywhere

    def _prepare(self, asked: Asked) -> None:
        """Have the answers to all clients who ask for this kept, or put off what takes long."""
        try:
            self._keep(asked, self._judged(asked))
        except Later as later:
            self._put_off(_Errand(asked, later))
        except Elsewhere:
            self._put_off(_Errand(asked, Later(Judgement(), partial(self._judged_elsewhere, asked))))
        except Exception as error:  # a file that cannot be read, a fault of ours: whoever asks for it learns of it
            self._leave_out(str(error))

    def _go_on(self, errand: _Errand) -> None:
        """Its work is done."""
        self._begin_next()
        if not isinstance(errand.later.key, Judgement):
            with self._sites.errands.lent(errand.later.key, errand.future):
                self._prepare(errand.asked)
            return
        try:
            self._keep(errand.asked, errand.future.result())
        except Exception as error:
            self._leave_out(str(error))

    def _judged_elsewhere(self, asked: Asked) -> Answers:
        """On a worker, which waits for whatever there is to wait for."""
        with on_worker():
            return [(replace(answer, far=True), heads) for answer, heads in self._judged(asked)]

    def _judged(self, asked: Asked) -> Answers:
        """The answers to all clients who ask for this; those that are the same once. Raises Later, Elsewhere, _LeftOut,
        and what cannot be judged."""
        target, authority, _ = asked
        answers: dict[bytes, tuple[Answer, list[bytes]]] = {}
        now = time.time()
        try:
            for client in CLIENTS:
                head = b"GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (target, authority, client)
                answer = self._worth_keeping(head, now)
                same = answers.setdefault(answer.chain.encode(), (answer, []))
                same[1].append(head)
                if same[0] is not answer:
                    _close(answer)
        except BaseException:
            _close_all(list(answers.values()))
            raise
        return list(answers.values())

    def _worth_keeping(self, head: bytes, now: float) -> Answer:
        _, decision, answer = judge_head(self._sites, head, now, self._client)
        if decision.status == 200 and answer.cacheable and (answer.file < 0 or self._has_descriptors()):
            return answer
        _close(answer)
        if decision.status == 200 and answer.cacheable:
            raise _LeftOut("no more descriptors are to be held open")
        raise _LeftOut(f"the answer is {decision.status}" if decision.status != 200 else answer.why[-1])

    def _keep(self, asked: Asked, answers: Answers) -> None:
        try:
            for answer, heads in answers:
                for engine, line in asked[2]:
                    self._keep_at(engine, line, heads, answer)
            self.kept += 1
        finally:
            _close_all(answers)

    def _keep_at(self, engine: HttpEngine, line: int, heads: list[bytes], answer: Answer) -> None:
        file = os.dup(answer.file) if answer.file >= 0 else -1
        self._files += file >= 0
        try:
            engine.preload(line, self._client, self._number, heads, replace(answer, file=file))
        except EngineError as error:
            self._leave_out(str(error))

    def _put_off(self, errand: _Errand) -> None:
        self._waiting.append(errand)
        if len(self._waiting) <= _WORKERS:
            self._begin(errand)

    def _begin_next(self) -> None:
        """The first has been taken out, so the last of those that may be done now has not begun."""
        if len(self._waiting) >= _WORKERS:
            self._begin(self._waiting[_WORKERS - 1])

    def _begin(self, errand: _Errand) -> None:
        def back(done: Future[Any]) -> None:
            with self._lock:
                errand.future, errand.done = done, True
                closed = self._closed
            if closed:
                errand.throw_away()
            else:
                self._knock()

        if not self._workers.begin(errand.later.work, back):
            errand.future.set_exception(_LeftOut("the machine has no thread left"))
            errand.done = True

    def _has_descriptors(self) -> bool:
        """Half of what the cache may hold open is for others."""
        return self._files < self._limits.cache_files_max // 2 * len(self._engines)

    def _is_full(self) -> bool:
        for engine in self._engines:
            now = engine.metrics()
            if now["entries"] > _FULL * self._limits.cache_entries_max:
                return True
            if now["cache_bytes"] > _FULL * self._limits.cache_bytes_max:
                return True
        return False

    def _leave_out(self, why: str) -> None:
        self._left_out[why] = self._left_out.get(why, 0) + 1

    # The end.

    def summary(self) -> str:
        """What became of it, in a sentence."""
        took = time.monotonic() - self._began
        megabytes = sum(engine.metrics()["cache_bytes"] for engine in self._engines) / 1e6
        said = f"preloaded {self.kept:,} of {self.total:,} URLs in {took:.1f} s; the cache holds {megabytes:.1f} MB"
        if self._full:
            said += "; it is full, the others are judged when they are asked for"
        reasons = sorted(self._left_out.items(), key=lambda item: -item[1])
        return "; ".join([said, *(f"{count:,} left out: {why}" for why, count in reasons[:3])])

    def close(self) -> None:
        """Any number of times."""
        with self._lock:
            done, self._closed = [errand for errand in self._waiting if errand.done], True
        for errand in done:
            errand.throw_away()
        self._found.clear()
        self._waiting.clear()
        self._workers.close()


def _close(answer: Answer) -> None:
    if answer.file >= 0:
        os.close(answer.file)


def _close_all(answers: Answers) -> None:
    for answer, _ in answers:
        _close(answer)
