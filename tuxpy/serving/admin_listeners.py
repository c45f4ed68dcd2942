"""What a server shows of itself to its admin listeners: their engine, and how a snapshot of it is taken."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Protocol

from .. import __version__
from ..admin.door import Door
from ..admin.snapshot import EngineFigures, Reloads, Snapshot, site_figures
from ..config.settings import Config
from ..engine.access_log import AccessLog
from ..engine.http_engine import HttpEngine
from ..errors import ConfigError, EngineError
from ..process.listen import Listener
from .generation import Generations
from .listeners import Listeners


class Shown(Protocol):
    """The part of a Service that a snapshot is taken of."""

    @property
    def generations(self) -> Generations: ...

    @property
    def engines(self) -> Sequence[HttpEngine]: ...

    @property
    def listeners(self) -> Listeners: ...

    @property
    def access_log(self) -> AccessLog | None: ...


class AdminListeners:
    """The admin listeners of a server. They are closed after the engines, so that /ready is answered to the end.

    draining   /ready says so
    reloads    how reading the configuration again went
    """

    def __init__(self, config: Config, listeners: Sequence[Listener], notify_fd: int) -> None:
        """notify_fd: as of an HttpEngine. The listeners are closed with it; if it raises ConfigError, they are not."""
        self.draining = False
        self.reloads = Reloads()
        self._started_s = time.time()
        try:
            sockets = [one for listener in listeners for one in listener.sockets]
            self._door = Door(sockets, notify_fd, config.backend, config.admin_hosts)
        except EngineError as error:
            raise ConfigError(f"the engine of the admin listeners cannot start: {error}") from error
        self.listeners = list(listeners)
        self.urls = tuple(listener.url for listener in listeners)

    def hand_over(self, idle_ms: int) -> None:
        """Another process answers at our listeners from now on. Connections may ask once more within idle_ms."""
        for listener in self.listeners:
            listener.lent = True
        self._door.hand_over(idle_ms)

    def answer(self, service: Shown) -> bool:
        """Answer those who ask; whether more are waiting. Raises nothing."""
        return self._door.answer(lambda: self._snapshot(service))

    def judged(self, head: bytes, took_s: float) -> None:
        """The sites' judge has dealt with this head."""
        self._door.admin.judging.note(head, took_s)

    def look(self, engines: Iterable[HttpEngine]) -> None:
        """Take the samples of hits. To be called now and then."""
        for engine in engines:
            self._door.admin.judging.look(engine.samples())

    def close(self) -> None:
        """Any number of times."""
        self._door.close()
        for listener in self.listeners:
            listener.close()
        self.listeners.clear()

    def _snapshot(self, service: Shown) -> Snapshot:
        now = service.generations.current
        assert now is not None
        figures = zip(now.config.sites, now.sites.problems(), strict=True)
        engines = service.engines
        return Snapshot(
            version=__version__,
            state="draining" if self.draining else "running",
            now_s=time.time(),
            started_s=self._started_s,
            backend=engines[0].backend,
            why=engines[0].why,
            origin=now.config.origin,
            urls=tuple(one.url for one in service.listeners),
            engines=tuple(EngineFigures(engine.metrics(), engine.slots, engine.workers) for engine in engines),
            sites=tuple(site_figures(site.root, site.hosts, problems) for site, problems in figures),
            errands=now.errands.pending,
            reloads=self.reloads,
            access_log=None if service.access_log is None else service.access_log.state(),
        )
