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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final

from .config.places import at
from .config.settings import Config
from .process.inherited import Inherited
from .process.listen import Listener
from .process.pidfile import PidFile
from .process.privileges import give_up, identity_of
from .process.signals import ENDS, OPERATING, bury_orphans, caught, draining
from .process.systemd import Notifier
from .process.upgrade import Upgrades
from .serving.inspection import Inspection
from .serving.reload import Reloads, admin_listeners_for, listeners_for
from .serving.service import Service

log = logging.getLogger("tuxpy")

_RENEW_S: Final = 0.5  # between two looks at roots and files of rules: what changes there is seen within one second
_GLANCE_S: Final = 0.1  # ... for signs of a change, where files are looked at for each request, as on loopback
_SOON: Final = 0.02  # seconds of look_after below which that is so
_LEAVE_MS: Final = 500  # for connections of a listener that goes: one more request, which is told to be the last
_SLICE_S: Final = 0.005  # of judging ahead, before those who ask now
_BREATH_MS: Final = 10  # after a failure
_LOOK_MS: Final = 20  # between two looks whether our successor serves


class Server(Inspection):
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
        super().__init__(Service())
        self._reloads = Reloads(self._service, load, self._inherited, self._notifier)
        self._pid_file: PidFile | None = None
        self._renew_at, self._glance_at, self._process = 0.0, 0.0, os.getpid()
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
            asked, listeners = listeners_for(config, (), self._inherited)
            admin = admin_listeners_for(config, self._inherited)
            listeners += admin
            if config.pid_file:
                with at(config, "server.pid_file"):
                    self._pid_file = PidFile(config.pid_file, identity.owner if identity else None)
            if self._load is not None:
                self._reloads.open()
            self._service.open_log(config, identity.owner if identity else None)
            give_up(identity, config.chroot)
            self._service.open(config, [one for one, _ in asked], admin)
        except BaseException:
            self.close()
            for one in listeners:
                one.close()
            raise
        self.backend, self.why = self._engines[0].backend, self._engines[0].why

    # Signals.

    def run(self) -> int:
        """Judge until SIGTERM or SIGINT has drained it; 0 then. A second signal ends it at once: 128 + its number.

        For the main thread, which is where Python handles signals; elsewhere use loop() and stop().
        """
        with self.signals():
            return self.loop()

    @contextmanager
    def signals(self) -> Iterator[None]:
        """In this, they are ours; and so is the pid file, which says whom to signal. Raises ConfigError."""
        with caught((*ENDS, *(OPERATING if self._load else ())), self._on_signal):
            self._take_pid_file()
            yield

    def _take_pid_file(self) -> None:
        if self._pid_file is not None:
            with at(self.config, "server.pid_file"):
                self._pid_file.take()

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

    def _put_in_force(self) -> None:
        """The configuration that a reload has read, when there is one."""
        before, self.config = self.config, self._reloads.look(self.config, _LEAVE_MS, self._status)
        if self.config is not before:
            self.reloaded(self.config)

    # The loop.

    def loop(self) -> int:
        """Judge until stop() has been called and every connection is done; each duty has its turn between turns.

        One that fails is said and tried again: neither memory that is short nor a fault of ours ends a server."""
        service, poll = self._service, select.poll()
        poll.register(service.notify, select.POLLIN)
        self._take_pid_file()
        self._inherited.tell_ready()
        self._notifier.ready(self._status())
        more = False
        while True:
            if self._signals > 1:
                log.warning("a second signal ended the server and cut off %d connections", self._open_connections())
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
        if self._drain_until is not None:
            return
        successor = self._upgrades.look(self._no_successor)
        if successor:
            self._hand_over(successor)
        elif self._signals:
            self._notifier.stopping("lets connections finish")
            self.drain()
        else:
            self._obey()

    def _obey(self) -> None:
        """One thing at a time: while another server is on its way, it is not known yet whose a reload is, and while one
        is under way, it is not known yet what another server has to inherit."""
        self._put_in_force()
        if signal.SIGUSR1 in self._asked:
            self._asked.discard(signal.SIGUSR1)
            self._service.reopen_log()
        if signal.SIGUSR2 in self._asked and not self._reloads.under_way:
            self._asked.discard(signal.SIGUSR2)
            inside = self._service.admin
            admin = [] if inside is None else inside.listeners
            will = partial(self._inherited.will, listeners=list(self._service.listeners), admin=admin)
            self._upgrades.begin(will, bool(self.config.chroot))
        if signal.SIGHUP in self._asked and not self._upgrades.under_way and not self._reloads.under_way:
            self._asked.discard(signal.SIGHUP)
            self._reloads.begin(self.config, self._status)

    def _no_successor(self, pid: int) -> None:
        """A process that was to come after us has come to nothing."""
        if self._pid_file is not None:
            self._pid_file.take_back(pid)

    def _hand_over(self, successor: int) -> None:
        """Another process is the server now."""
        self._notifier.hand_over(successor)
        if signal.SIGHUP in self._asked:
            with suppress(ProcessLookupError):
                os.kill(successor, signal.SIGHUP)
        self._reloads.moved(successor)
        self.drain(shut=False)

    def _renew(self) -> None:
        now = time.monotonic()
        if now >= self._glance_at:
            soon = self.config.look_after_s < _SOON
            self._glance_at = now + (_GLANCE_S if soon else _RENEW_S)
            if soon:
                self._service.glance()
        if now >= self._renew_at:
            self._renew_at = now + _RENEW_S
            self._reloads.outcomes.look()
            self._service.renew()
            bury_orphans()

    def _patience_ms(self, more: bool) -> float:
        if more:
            return _BREATH_MS if self._service.ails() else 0
        soon = min(self._renew_at, self._glance_at)
        until = min(soon, self._notifier.due, self._service.due, self._drain_until or soon)
        left_ms = max(0.0, until - time.monotonic()) * 1000 + 1
        return min(left_ms, _LOOK_MS) if self._upgrades.under_way else left_ms

    def _status(self) -> str:
        return f"serves at {' and '.join(self.urls)}"

    # The end.

    def drain(self, shut: bool = True) -> None:
        """Every run ends after the connection it has, parked ones at once. shut: nobody else accepts where we did."""
        interactive = self._last_signal == signal.SIGINT  # somebody waits at a terminal
        log.info("%s", draining(self._open_connections(), interactive))
        self._upgrades.close()
        self._reloads.abandon()
        if self._service.admin is not None:
            self._service.admin.draining = True
            if not shut:
                self._service.admin.hand_over(_LEAVE_MS)
        self._service.listeners.drain(shut, 0 if interactive else _LEAVE_MS)
        self._drain_until = time.monotonic() + self.config.drain_timeout_s  # now: what fails before is tried again

    def _drained(self) -> bool:
        if self._drain_until is None:
            return False
        if self._alive == 0:
            return True
        late = time.monotonic() >= (self._drain_until or 0.0)
        if late:
            log.warning("the server cuts off %d connections that did not finish in time", self._open_connections())
        return late

    def close(self) -> None:
        """End what is left, close everything. Any number of times. In a child of fork(2) nothing is ours."""
        if os.getpid() == self._process:
            for part in (self._upgrades, self._service, self._inherited, self._notifier, self._pid_file, self._reloads):
                if part is not None:
                    part.close()
