"""The server: the loop in which Python judges what the engines have not seen, and what signals do to it.

    open    listeners bound, rights given up, then roots and engines
    run     wait for misses and completions; judge, answer; until drained
    drain   the counters go to zero, so every run ends by itself after its connection
    close   what is left ends at once

    SIGTERM, SIGQUIT, SIGINT   drain; a second one ends at once
    SIGHUP                     reload: the configuration is read again
    SIGUSR1                    the access log is opened again
    SIGUSR2                    upgrade: the program is started anew and takes over

One thread judges, the main one; signals only raise a number and knock on the loop.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any, Final

from .config.places import at
from .config.settings import Config
from .engine import Engine
from .errors import ConfigError
from .handover import Upgrades
from .inherit import Inherited
from .listen import Listener
from .notify import Notifier
from .pidfile import PidFile
from .privileges import give_up, identity_of
from .reload import changed, listeners_for
from .service import Service
from .signals import ENDS, OPERATING, bury_orphans, caught, draining
from .site.errands import Errands
from .site.sites import Sites

log = logging.getLogger("tuxpy")

_RENEW_S: Final = 0.5  # between two looks at roots and files of rules: what changes there is seen within one second
_LEAVE_MS: Final = 500  # for connections of a listener that goes: one more request, which is told to be the last
_SLICE_S: Final = 0.005  # of judging ahead, before those who ask now
_BREATH_MS: Final = 10  # after a failure
_LOOK_MS: Final = 20  # between two looks whether our successor serves


class Server:
    """One server. `with Server(config) as server: server.run()`."""

    def __init__(
        self,
        config: Config,
        load: Callable[[], Config] | None = None,
        inherited: Inherited | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        """load: the configuration as it is now; raises ConfigError. Without it SIGHUP and SIGUSR2 are not ours."""
        self.config = config
        self.backend = self.why = ""
        self.reloaded: Callable[[Config], object] = lambda _: None  # told of what has come into force
        self._load = load
        self._inherited = inherited or Inherited()
        self._notifier = notifier or Notifier()
        self._service = Service()
        self._pid_file: PidFile | None = None
        self._renew_at, self._process = 0.0, os.getpid()
        self._signals = self._last_signal = 0
        self._asked: set[int] = set()  # signals that are to be obeyed
        self._upgrades = Upgrades()
        self._drain_until: float | None = None

    def __enter__(self) -> Server:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Bind and start. Raises ConfigError when the machine or the configuration does not allow it."""
        config, listeners = self.config, list[Listener]()
        try:
            identity = identity_of(config)
            listeners, _ = listeners_for(config, (), self._inherited)
            if config.pid_file:
                with at(config, "server.pid_file"):
                    self._pid_file = PidFile(config.pid_file, identity.owner if identity else None)
            give_up(identity, config.chroot)
            self._service.open(config, listeners)
        except BaseException:
            self.close()
            for one in listeners:
                one.close()
            raise
        self.backend, self.why = self._engines[0].backend, self._engines[0].why

    # Looking in.

    @property
    def listeners(self) -> list[Listener]:
        """Those that accept."""
        return list(self._service.lines)

    def show_preload(self, show: Callable[[int, int, bool], object]) -> None:
        """Called meanwhile with how many URLs are judged, of how many, and whether it is over."""
        self._service.preloading = show

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(one.url for one in self._service.lines)

    @property
    def engines(self) -> int:
        return len(self._engines)

    @property
    def admin_urls(self) -> tuple[str, ...]:
        return () if self._service.inside is None else self._service.inside.urls

    def metrics(self) -> dict[str, int]:
        """The counters of all engines, added up."""
        return self._service.metrics()

    @property
    def _engines(self) -> list[Engine]:
        return self._service.engines

    @property
    def _sites(self) -> Sites:
        assert self._service.generations.current is not None
        return self._service.generations.current.sites

    @property
    def _errands(self) -> Errands[Any]:
        return self._sites.errands

    @property
    def _alive(self) -> int:
        return self._service.lines.alive

    def _open_connections(self) -> int:
        return self.metrics().get("connections", 0)

    # Signals.

    def run(self) -> int:
        """Judge until SIGTERM or SIGINT has drained it; 0 then. A second signal ends it at once: 128 + its number.

        For the main thread, which is where Python handles signals; elsewhere use loop() and stop().
        """
        with self.signals():
            return self.loop()

    def signals(self) -> AbstractContextManager[None]:
        """In this, they are ours."""
        return caught((*ENDS, *(OPERATING if self._load else ())), self._on_signal)

    def _on_signal(self, number: int) -> None:
        if number in ENDS:
            self.stop(number)
        else:
            self.ask(number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Drain; asked a second time, end at once. From any thread, or from a signal handler."""
        self._signals += 1
        self._last_signal = number
        self._service.knock()

    def ask(self, number: int) -> None:
        """What SIGHUP, SIGUSR1 or SIGUSR2 ask for. From any thread, or from a signal handler."""
        self._asked.add(number)
        self._service.knock()

    # The loop.

    def loop(self) -> int:
        """Judge until stop() has been called and every connection is done; each duty has its turn between turns.

        One that fails is said and tried again: neither memory that is short nor a fault of ours ends a server."""
        service, poll = self._service, select.poll()
        poll.register(service.notify, select.POLLIN)
        self._inherited.tell_ready()
        self._notifier.ready(self._status())
        more = False
        while True:
            if self._signals > 1:
                log.warning("ended at once by a second signal; %d connections were cut off", self._open_connections())
                return 128 + self._last_signal
            with service.going_on("what a signal asked for failed"):
                self._operate()
            if self._drained():
                return 0
            with service.going_on("not all is judged ahead"):
                more = service.judge_ahead(_SLICE_S) or more
            poll.poll(self._patience_ms(more))
            with service.going_on("looking after sites and logs failed"):
                self._notifier.live()
                self._renew()
            with suppress(BlockingIOError):  # what is there is looked at all the same: a knock may have been lost
                os.eventfd_read(service.notify)
            more = True
            with service.going_on("the judge failed"):
                more = service.judge()

    def _operate(self) -> None:
        """Do what was asked for from outside."""
        if self._drain_until is None and self._signals:
            self._notifier.stopping("lets connections finish")
            self.drain()
        if self._drain_until is not None:
            return
        asked, self._asked = self._asked, set()
        if signal.SIGUSR1 in asked:
            self._service.reopen_log()
        if signal.SIGHUP in asked:
            self.reload()
        if signal.SIGUSR2 in asked:
            self._upgrades.begin(self._service.lines, bool(self.config.chroot))
        successor = self._upgrades.successor()
        if successor:
            self._notifier.hand_over(successor)
            self.drain(shut=False)

    def _renew(self) -> None:
        if time.monotonic() >= self._renew_at:
            self._renew_at = time.monotonic() + _RENEW_S
            self._service.renew()
            bury_orphans()

    def _patience_ms(self, more: bool) -> float:
        if more:
            return _BREATH_MS if self._service.ails() else 0
        until = min(self._renew_at, self._notifier.due, self._service.due, self._drain_until or self._renew_at)
        left_ms = max(0.0, until - time.monotonic()) * 1000 + 1
        return min(left_ms, _LOOK_MS) if self._upgrades.under_way else left_ms

    def _status(self) -> str:
        return f"serves at {' and '.join(self.urls)}"

    # The end.

    def drain(self, shut: bool = True) -> None:
        """Every run ends after the connection it has, parked ones at once. shut: nobody else accepts where we did."""
        interactive = self._last_signal == signal.SIGINT  # somebody waits at a terminal
        log.info("%s", draining(self._open_connections(), interactive))
        self._drain_until = time.monotonic() + self.config.drain_timeout_s
        if self._service.inside is not None:
            self._service.inside.draining = True
        self._service.lines.drain(shut, 0 if interactive else _LEAVE_MS)
        self._upgrades.abandon()

    def _drained(self) -> bool:
        if self._drain_until is None:
            return False
        if self._alive == 0:
            return True
        late = time.monotonic() >= (self._drain_until or 0.0)
        if late:
            log.warning("%d connections were not done in time and are cut off", self._open_connections())
        return late

    def close(self) -> None:
        """End what is left, close everything. Any number of times. In a child of fork(2) nothing is ours."""
        if os.getpid() == self._process:
            for part in (self._service, self._inherited, self._notifier, self._pid_file):
                if part is not None:
                    part.close()

    # Reload.

    def reload(self) -> None:
        """Put the configuration in force as it is now. One that cannot be is refused, and all stays as it was."""
        self._notifier.reloading()
        try:
            self._reload()
        except ConfigError as error:
            problems = "; ".join(str(error).splitlines())
            self._service.reloaded(problems)
            log.error("the configuration is not reloaded, the one before stays in force: %s", problems)
        except Exception:
            log.exception("the configuration could not be reloaded, the one before stays in force")
            self._service.reloaded("it failed; the log says why")
        finally:
            self._notifier.ready(self._status())

    def _reload(self) -> None:
        config, fixed = changed(self._service, self.config, self._load, self._inherited, _LEAVE_MS)
        self.config = config
        self._service.reloaded("")
        self.reloaded(config)
        if fixed:
            log.warning("%s cannot change while the server runs: restart it for that", ", ".join(fixed))
        log.info("the configuration is reloaded: it %s", self._status())
