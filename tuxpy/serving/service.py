"""What serves: the engines, the listeners that they share, and the configurations whose sites judge for them.

It knows nothing of signals or processes; server.py leads it.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ..base.log_throttle import LogThrottle
from ..base.time_limit import in_time
from ..config.settings import Config
from ..engine.access_log import AccessLog, LogFile, open_for
from ..engine.clients import Clients
from ..engine.http_engine import HttpEngine
from ..engine.limits import Limits
from ..engine.transaction import Transaction
from ..errors import ConfigError, EngineError
from ..process.listen import Listener
from ..process.log import colors_at
from ..site.errands import CLOSE_S
from ..site.made import STORE
from ..site.ready import ready_answers
from .answering import Answering
from .fit import limits_of, rules_of
from .generation import Generation, Generations
from .judge_loop import JudgeLoop
from .listeners import Listeners
from .refusal_log import Refusals

if TYPE_CHECKING:
    from .admin_listeners import AdminListeners
    from .preload import Preload

log = logging.getLogger("tuxpy")

_ERRAND_THREADS: Final = max(2, min(4, os.cpu_count() or 1))  # for a kind of slow work and a file system
_SWITCH_S: Final = 0.0005  # that a worker in Python may keep the judge waiting each time it wants to go on


class Service:
    """Nothing runs before open()."""

    def __init__(self) -> None:
        self.engines: list[HttpEngine] = []
        self.listeners = Listeners()
        self.generations = Generations()
        self.limits = Limits()
        self.access_log: AccessLog | None = None
        self._log_file: LogFile | None = None  # opened, and not yet in use
        self.admin: AdminListeners | None = None
        self.clients: Clients | None = None
        self.refusals = Refusals()
        self.preload: Preload | None = None
        self.preloading: Callable[[int, int, bool], object] = lambda *_: None  # told how far it is
        self._throttle, self._ails = LogThrottle(log), False
        self._answering = Answering(self.generations, self._judged)
        self._loop: JudgeLoop[HttpEngine] = JudgeLoop(self._answering, self.listeners.completed)
        self.notify = -1  # an eventfd: engines and errands knock there, and all who want the loop to look around

    def open_log(self, config: Config, owner: tuple[int, int] | None) -> None:
        """What later rights may not suffice for; `owner` is who has those. Raises ConfigError."""
        self._log_file = open_for(config, owner)

    def open(self, config: Config, listeners: Sequence[Listener], admin: Sequence[Listener] = ()) -> None:
        """Start. admin: what the admin listens at. Raises ConfigError when the machine does not allow it."""
        self.notify = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        sys.setswitchinterval(_SWITCH_S)
        first = in_time(lambda: self.generation(config), Generation.close)
        self.generations.adopt(first)
        self.limits = limits_of(config)
        STORE.bytes_max = config.limits.made_bytes
        if config.access_log is not None:
            said, file = config.access_log, self._log_file or open_for(config)
            self._log_file = None
            assert file is not None
            color = colors_at(config.log_color, file.terminal) if file.terminal else config.log_color != "never"
            self.access_log = AccessLog(file, said.format, wait=said.wait, color=color)
        self.clients = Clients(self.limits.slots * config.workers)
        self.listeners.check(listeners, config.workers, self.limits.slots)
        for _ in range(config.workers):
            self.engines.append(self._engine(config, first))
            self._loop.add(self.engines[-1])
        self._make_ready(config)
        self.listeners.start(self.engines, listeners)
        self.listeners.pace(config.limits.bandwidth)
        if admin:
            from .admin_listeners import AdminListeners  # a tenth of the time that a server takes to start

            self.admin = AdminListeners(config, admin, self.notify)
        self._begin_preload(config, first)

    def generation(self, config: Config) -> Generation:
        """The next one, with everything opened that it needs. Raises ConfigError. On any thread; it may block."""
        return Generation(self.generations.next_number, config, _ERRAND_THREADS, self.knock)

    def _engine(self, config: Config, first: Generation) -> HttpEngine:
        rules = rules_of(config, first.number, first.sites.significant, first.sites.classes)
        try:
            return HttpEngine(self.limits, self.notify, config.backend, rules, self.access_log, self.clients)
        except EngineError as error:
            raise ConfigError(f"the engine cannot start: {error}; choose another with --backend") from error

    def _make_ready(self, config: Config) -> None:
        """What the engines tell clients that run into a limit."""
        for engine in self.engines:
            for limit, form, answer in ready_answers(config.limits.interval_s, time.time()):
                engine.ready(limit, form, answer)

    def knock(self) -> None:
        """Let the loop look around. From any thread."""
        if self.notify >= 0:
            os.eventfd_write(self.notify, 1)

    # Judging.

    def judge(self) -> bool:
        """One turn for the clients of sites and one for those of the admin; whether more wait. Raises nothing."""
        more = self._loop.turn(self.generations.next_back)
        with self.going_on("those who wait for slow work could not be looked after"):
            self._answering.let_go()
        with self.going_on("the rules could not be put in force"):
            self._take_rules()
        if self.admin is not None:
            more |= self.admin.answer(self)
        if STORE.was_full:
            STORE.was_full = False
            for engine in self.engines:
                engine.forget(only_made=True)
        with self.going_on("the runs could not be shared among the listeners"):
            self.listeners.settle()
            self.generations.retire(self.engines)
        return more

    @property
    def due(self) -> float:
        """When the loop has to look around, even without a knock (time.monotonic)."""
        return self._answering.look_at if self.generations.pending else math.inf

    @contextmanager
    def going_on(self, what: str) -> Iterator[None]:
        """What fails in here is said, and that is all."""
        try:
            yield
        except Exception as failure:
            self._ails = True
            self._throttle.say(logging.ERROR, what, "%s: %r", what, failure, failure=failure)

    def ails(self) -> bool:
        """Whether anything has failed since the last call."""
        failed = self._ails or self._loop.ails
        self._ails = self._loop.ails = False
        return failed

    def _judged(self, head: bytes, took_s: float) -> None:
        if self.admin is not None:
            self.admin.judged(head, took_s)

    # Judging ahead.

    def _begin_preload(self, config: Config, generation: Generation) -> None:
        if self.preload is not None:
            self.preload.close()
            self.preload = None
        if config.preload:
            from .preload import Preload  # most servers never need it

            sockets, number = list(self.listeners.sockets), generation.number
            self.preload = Preload(generation.sites, number, sockets, self.limits, self.knock)

    def judge_ahead(self, seconds: float) -> bool:
        """A slice of the preload; whether there is more of it to do at once."""
        if self.preload is None:
            return False
        self.preload.work(time.monotonic() + seconds)
        self.preloading(self.preload.done, self.preload.total, self.preload.over)
        if not self.preload.over:
            return not self.preload.idle
        log.info("%s", self.preload.summary())
        self.preload.close()
        self.preload = None
        return False

    # Changing.

    def glance(self) -> None:
        """Begin to look at roots and rules if they seem to have changed."""
        assert self.generations.current is not None
        self.generations.current.looks.glance()

    def renew(self) -> None:
        """Begin to look at roots and rules, and look at all else that has no knock."""
        assert self.generations.current is not None
        self.generations.current.looks.begin()
        self.listeners.renew()
        if self.access_log is not None:
            self.access_log.look()
        if self.clients is not None:
            self.refusals.look(self.metrics(), self.clients.refused, time.monotonic())
        if self.admin is not None:
            self.admin.look(self.engines)

    def _take_rules(self) -> None:
        """Follow roots and rules that have changed; what was decided by the old ones is forgotten."""
        if self.generations.current is not None and self.generations.current.looks.collect():
            for engine in self.engines:
                engine.forget()

    def reopen_log(self) -> None:
        """Go on in the file that has the name of the access log now."""
        if self.access_log is not None:
            self.access_log.reopen()

    def change(self, after: Generation, listeners: Sequence[Listener], idle_ms: int) -> None:
        """Another configuration, and these listeners. Raises ConfigError, OSError, MemoryError: all is as it was, then,
        and `after` is closed.

        Whatever can fail is done before anything takes effect, and the engines keep back what they are told until then.
        """
        config = after.config
        try:
            self.listeners.check(listeners, len(self.engines), self.limits.slots)
            rules = rules_of(config, after.number, after.sites.significant, after.sites.classes)
            self.generations.expect(after)
            with self.listeners.restored_on_failure(), Transaction(self.engines):
                for engine in self.engines:
                    engine.set_rules(rules)
                self._make_ready(config)
                self.listeners.change(listeners, idle_ms)
        except BaseException as error:
            self.generations.reject(after)
            if isinstance(error, EngineError):
                raise ConfigError(f"the engines refuse it: {error}") from error
            raise
        STORE.bytes_max = config.limits.made_bytes
        self.generations.current = after
        with self.going_on("the bandwidth could not be changed"):
            self.listeners.pace(config.limits.bandwidth)
        with self.going_on("nothing is preloaded"):
            self._begin_preload(config, after)

    # Looking in, and the end.

    def reloaded(self, fault: str) -> None:
        """For those who look inside: a reload was done, or refused because of this."""
        if self.admin is not None:
            self.admin.reloads = self.admin.reloads.noted(time.time(), fault)

    def metrics(self) -> dict[str, int]:
        """The counters of all engines, added up."""
        total: dict[str, int] = {}
        for engine in self.engines:
            for name, value in engine.metrics().items():
                total[name] = total.get(name, 0) + value
        return total

    def close(self) -> None:
        """End what is left, close everything. Any number of times."""
        if self.preload is not None:
            self.preload.close()
            self.preload = None
        for generation in self.generations:
            generation.errands.close(CLOSE_S)
        for engine in self.engines:
            engine.close()
        self.engines.clear()
        if self.clients is not None:
            self.clients.close()
            self.clients = None
        if self._log_file is not None:
            os.close(self._log_file.fd)
            self._log_file = None
        if self.access_log is not None:  # behind the engines, which write to it to their end
            self.access_log.close()
            self.access_log = None
        if self.admin is not None:
            self.admin.close()
            self.admin = None
        STORE.clear()
        self.listeners.close()
        self.generations.close()
        if self.notify >= 0:
            os.close(self.notify)
            self.notify = -1
