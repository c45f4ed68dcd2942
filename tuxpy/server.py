"""The server: listeners, engines, and the loop in which Python judges what the engines have not seen.

    open    root, listeners, engines; the life cycle submitted once for every connection slot
    run     wait for misses and completions; judge, answer; until drained
    drain   the counter goes to zero, so every run ends by itself after its connection
    close   what is left ends at once

One thread judges, the main one; signals only raise a number and knock on the loop.
"""

from __future__ import annotations

import logging
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from .accesslog import AccessLog
from .atoms import COUNTER, Frozen, lifecycle
from .config.settings import Config
from .engine import Engine, Limits, Miss
from .errors import ConfigError, EngineError
from .inline import opener
from .judge import judge_miss, too_busy
from .listen import listen
from .site.errands import Errands, Later
from .site.sites import Sites

log = logging.getLogger("tuxpy")

ENDLESS: Final = 1 << 62  # connections; more than any machine will see
_RENEW_S: Final = 0.5  # between two looks at roots and files of rules: what changes there is seen within one second
_SPARE_FILES: Final = 64  # descriptors for everything that is neither connection nor cached file
_ERRAND_THREADS: Final = 4
_ROUNDS_MAX: Final = 8  # a password, a digest and a coding make three
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

_Handler = Callable[[int, FrameType | None], Any] | int | None


class Server:
    """One server. `with Server(config) as server: server.run()`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.urls: tuple[str, ...] = ()
        self.backend = self.why = ""
        self.engines = 0
        self._sites: Sites | None = None
        self._errands: Errands[tuple[Engine, Miss, int]] = Errands(_ERRAND_THREADS, self._knock)
        self._renew_at = 0.0
        self._access_log: AccessLog | None = None
        self._listeners: list[list[socket.socket]] = []  # by address, then by engine
        self._engines: list[Engine] = []
        self._alive = 0  # runs that have not completed
        self._notify = -1
        self._signals = self._last_signal = 0
        self._drain_until: float | None = None
        self._chain: Frozen = lifecycle()

    def __enter__(self) -> Server:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Bind and start. Raises ConfigError when the machine or the configuration does not allow it."""
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        config = self.config
        self._sites = Sites(config.sites, opener, self._errands)
        alone = all(":" in bind.host for bind in config.binds)
        self._listeners = [listen(bind, config.workers, alone) for bind in config.binds]
        self.urls = tuple(_url(sockets[0]) for sockets in self._listeners)
        self._notify = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        if config.access_log is not None:
            log_ = config.access_log
            self._access_log = AccessLog(log_.path, log_.format, block=log_.wait, trusted=log_.trusted)
        limits = _limits(config)
        for number in range(config.workers):
            self._start_engine(number, limits)
        self.engines = len(self._engines)
        self.backend, self.why = self._engines[0].backend, self._engines[0].why

    def _start_engine(self, number: int, limits: Limits) -> None:
        assert self._sites is not None
        sites = self._sites
        try:
            engine = Engine(
                limits, self._notify, self.config.backend, sites.significant, sites.classes, self._access_log
            )
        except EngineError as error:
            raise ConfigError(f"the engine cannot start: {error}; choose another with --backend") from error
        self._engines.append(engine)
        engine.set_shared(COUNTER, ENDLESS)
        shares = _shares(limits.slots, len(self._listeners))
        for sockets, copies in zip(self._listeners, shares, strict=True):
            engine.submit(self._chain, {"listener": sockets[number].fileno()}, copies=copies)
            self._alive += copies

    # The loop.

    def run(self) -> int:
        """Judge until SIGTERM or SIGINT has drained it; 0 then. A second signal ends it at once: 128 + its number.

        For the main thread, which is where Python handles signals; elsewhere use loop() and stop().
        """
        before = [(number, signal.signal(number, self._on_signal)) for number in _SIGNALS]
        try:
            return self.loop()
        finally:
            for number, handler in before:
                _restore(number, handler)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Drain; asked a second time, end at once. From any thread, or from a signal handler."""
        self._signals += 1
        self._last_signal = number
        self._knock()

    def _knock(self) -> None:
        """Let the loop look around."""
        if self._notify >= 0:
            os.eventfd_write(self._notify, 1)

    def loop(self) -> int:
        """Judge until stop() has been called and every connection is done."""
        poll = select.poll()
        poll.register(self._notify, select.POLLIN)
        while True:
            if self._signals > 1:
                log.warning("ended at once by a second signal; %d connections were cut off", self._open_connections())
                return 128 + self._last_signal
            if self._signals and self._drain_until is None:
                self.drain()
            if self._drain_until is not None and self._drained():
                return 0
            poll.poll(self._patience_ms())
            self._renew()
            try:
                os.eventfd_read(self._notify)
            except BlockingIOError:
                continue
            self.judge()

    def judge(self) -> None:
        """Answer every miss and count every completion that is there now."""
        for engine, miss, rounds in self._errands.returned():
            self._answer(engine, miss, time.time(), rounds + 1)
        for engine in self._engines:
            while misses := engine.misses():
                now = time.time()
                for miss in misses:
                    self._answer(engine, miss, now)
            while done := engine.completions():
                self._alive -= len(done)

    def _answer(self, engine: Engine, miss: Miss, now: float, rounds: int = 0) -> None:
        """rounds: how often it was put off already; a file that never rests must not keep us busy for ever."""
        assert self._sites is not None
        try:
            engine.answer(miss, judge_miss(self._sites, miss, now))
        except Later as later:
            if rounds >= _ROUNDS_MAX or not self._errands.put_off(later, (engine, miss, rounds)):
                engine.answer(miss, too_busy(miss, now))
        except EngineError:  # the engine distrusts what we compiled: a fault of ours, and this client's alone
            log.exception("an answer was refused; its connection is closed")
            engine.answer(miss, None)

    def _renew(self) -> None:
        """Follow roots and read rules that have changed; what was decided by the old ones is forgotten."""
        now = time.monotonic()
        if now < self._renew_at:
            return
        assert self._sites is not None
        try:
            changed = self._sites.renew()
        except Exception:
            log.exception("the rules could not be read again; those that were read before stay")
            changed = False
        if changed:
            for engine in self._engines:
                engine.forget()
        if self._access_log is not None:
            self._access_log.look()
        self._renew_at = time.monotonic() + _RENEW_S

    def drain(self) -> None:
        """Take the counter down to zero: every run ends after the connection it has, parked ones at once."""
        log.info("draining: %d connections may finish", self._open_connections())
        self._drain_until = time.monotonic() + self.config.drain_timeout_s
        for engine in self._engines:
            engine.set_shared(COUNTER, 0)
            engine.drain()

    def _drained(self) -> bool:
        if self._alive == 0:
            return True
        late = time.monotonic() >= (self._drain_until or 0.0)
        if late:
            log.warning("%d connections were not done in time and are cut off", self._open_connections())
        return late

    def _patience_ms(self) -> float:
        until = self._renew_at if self._drain_until is None else min(self._renew_at, self._drain_until)
        return max(0.0, until - time.monotonic()) * 1000 + 1

    def _open_connections(self) -> int:
        return self.metrics().get("connections", 0)

    def metrics(self) -> dict[str, int]:
        """The counters of all engines, added up."""
        total: dict[str, int] = {}
        for engine in self._engines:
            for name, value in engine.metrics().items():
                total[name] = total.get(name, 0) + value
        return total

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.stop(number)

    def close(self) -> None:
        """End what is left, close everything. Any number of times."""
        self._errands.close()
        for engine in self._engines:
            engine.close()
        self._engines.clear()
        if self._access_log is not None:  # behind the engines, which write to it to their end
            self._access_log.close()
            self._access_log = None
        for sockets in self._listeners:
            for one in sockets:
                one.close()
        self._listeners.clear()
        if self._sites is not None:
            self._sites.close()
            self._sites = None
        if self._notify >= 0:
            os.close(self._notify)
            self._notify = -1


def _limits(config: Config) -> Limits:
    """What each engine may take, fitted to the descriptors this process may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    files = min(hard if hard != resource.RLIM_INFINITY else 1 << 20, 1 << 20) - _SPARE_FILES * config.workers
    connections = config.max_connections
    if files < connections + connections // 4:
        connections = max(config.workers, files * 4 // 5)
        log.warning(
            "%d descriptors allow %d connections, not %d: raise the limit (ulimit -n, LimitNOFILE=)",
            hard,
            connections,
            config.max_connections,
        )
    cached = max(16, (files - connections) // 2 // config.workers)
    return Limits(
        slots=-(-connections // config.workers),
        cache_files_max=min(cached, 4096),
        head_ms=int(config.head_timeout_s * 1000),
        idle_ms=int(config.idle_timeout_s * 1000),
        send_ms=int(config.send_timeout_s * 1000),
    )


def _shares(slots: int, parts: int) -> list[int]:
    """`slots` runs over the addresses, as evenly as may be; every address gets at least one."""
    if slots < parts:
        raise ConfigError(f"{slots} connections an engine cannot serve {parts} addresses: raise --max-connections")
    return [slots // parts + (number < slots % parts) for number in range(parts)]


def _url(one: socket.socket) -> str:
    host, port = one.getsockname()[:2]
    where = f"[{host}]" if ":" in host else host
    return f"http://{where}/" if port == 80 else f"http://{where}:{port}/"


def _restore(number: int, handler: _Handler) -> None:
    if handler is not None:
        signal.signal(number, handler)
