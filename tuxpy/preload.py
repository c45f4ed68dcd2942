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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

from .engine import Engine, Limits
from .errors import EngineError
from .judge import judge_head
from .listen import Listener
from .model import Answer
from .rules.hosts import DEFAULT
from .site.census import targets
from .site.errands import Later
from .site.root import FileChanged
from .site.sites import Sites

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

Place = tuple[Engine, int]  # an engine, and the line at which it accepts
Asked = tuple[bytes, bytes, list[Place]]  # a target, the value of Host, and where both may arrive


class Preload:
    """The work of one start or reload. `work` and `close` are for the judge's thread."""

    def __init__(
        self,
        sites: Sites,
        number: int,
        sockets: Sequence[tuple[Listener, Engine, int]],
        limits: Limits,
        knock: Callable[[], None],
    ) -> None:
        """number: of the rules that `sites` are. knock: called when there is something to do again."""
        self._sites, self._number, self._limits, self._knock = sites, number, limits, knock
        self._client = sites.class_of(_SOMEBODY)
        self._engines = list({id(engine): engine for _, engine, _ in sockets}.values())
        self._audiences = [(site, _audience(host, sockets)) for host, site in sites.named]
        self._found: deque[Asked] = deque()
        self._waiting: deque[tuple[Asked, Later, Future[Any]]] = deque()
        self._pool = ThreadPoolExecutor(_WORKERS, "preload")
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
        if self._waiting and self._waiting[0][2].done():
            return False
        return not self._found or len(self._waiting) >= _WAITING_MAX

    def work(self, until: float) -> None:
        """Until that time (time.monotonic), or until it is over or idle."""
        while not self.over and not self.idle and time.monotonic() < until:
            if self._waiting and self._waiting[0][2].done():
                asked, later, future = self._waiting.popleft()
                with self._sites.errands.lent(later.key, future):
                    self._prepare(*asked)
            else:
                self.done += 1
                self._prepare(*self._found.popleft())
            if self.done % 16 == 0:
                self._full = self._full or self._is_full()
            os.sched_yield()  # engines first, as everywhere

    def _prepare(self, target: bytes, authority: bytes, places: list[Place]) -> None:
        """Have the answers to all clients who ask for this kept; those that are the same are kept once."""
        answers: dict[bytes, tuple[Answer, list[bytes]]] = {}
        now = time.time()
        try:
            for client in CLIENTS:
                head = b"GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (target, authority, client)
                answer = self._judged(head, now)
                if answer is None:
                    return
                same = answers.setdefault(answer.chain.encode(), (answer, []))
                same[1].append(head)
                if same[0] is not answer:
                    _close(answer)
            for answer, heads in answers.values():
                self._keep(answer, heads, places)
            self.kept += 1
        except Later as later:
            self._put_off((target, authority, places), later)
        except Exception as error:  # a file that cannot be read, a fault of ours: whoever asks for it learns of it
            self._leave_out(str(error))
        finally:
            for answer, _ in answers.values():
                _close(answer)

    def _judged(self, head: bytes, now: float) -> Answer | None:
        """What is worth to be kept. Raises Later."""
        _, decision, answer = judge_head(self._sites, head, now, self._client)
        if decision.status == 200 and answer.cacheable and (answer.file < 0 or self._has_descriptors()):
            return answer
        _close(answer)
        if decision.status == 200 and answer.cacheable:
            self._leave_out("no more descriptors are to be held open")
        elif decision.status != 200:
            self._leave_out(f"the answer is {decision.status}")
        else:
            self._leave_out(answer.why[-1])
        return None

    def _keep(self, answer: Answer, heads: list[bytes], places: list[Place]) -> None:
        for engine, line in places:
            file = os.dup(answer.file) if answer.file >= 0 else -1
            self._files += file >= 0
            try:
                engine.preload(line, self._client, self._number, heads, replace(answer, file=file))
            except EngineError as error:
                self._leave_out(str(error))

    def _put_off(self, asked: Asked, later: Later) -> None:
        future = self._pool.submit(later.work)
        self._waiting.append((asked, later, future))
        future.add_done_callback(lambda _: self._knock())

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
        self._closed = True
        self._found.clear()
        self._waiting.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _close(answer: Answer) -> None:
    if answer.file >= 0:
        os.close(answer.file)


def _audience(host: str, sockets: Sequence[tuple[Listener, Engine, int]]) -> dict[bytes, list[Place]]:
    """The values of Host by which clients mean a site, and where each of them may arrive."""
    found: dict[bytes, list[Place]] = {}
    for listener, engine, line in sockets:
        for authority in _authorities(host, listener):
            found.setdefault(authority, []).append((engine, line))
    return found


def _authorities(host: str, listener: Listener) -> Iterator[bytes]:
    """A name as it is, since a proxy may stand in front, and with our port; without a name, the listener's address."""
    if host != DEFAULT:
        if "*" in host:
            return
        yield host.encode()
        if listener.port not in (0, 80):
            yield f"{host}:{listener.port}".encode()
        return
    authority = listener.url.removeprefix("http://").removeprefix("proxy:").rstrip("/")
    name, _, port = authority.partition(":")
    if listener.is_unix or name == "0.0.0.0" or authority.startswith("[::]"):
        yield f"localhost{':' + str(listener.port) if listener.port not in (0, 80) else ''}".encode()
        return
    yield authority.encode()
    if name.startswith("127."):
        yield f"localhost:{port}".encode() if port else b"localhost"
