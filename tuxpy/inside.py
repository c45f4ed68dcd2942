"""What a server shows of itself to its admin listeners: their engine, and how a snapshot of it is taken."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from . import __version__
from .admin.door import Door
from .admin.snapshot import EngineFigures, Reloads, Snapshot, site_figures
from .config.places import at
from .config.settings import Config
from .engine import Engine
from .errors import ConfigError, EngineError
from .listen import Listener, listen

if TYPE_CHECKING:
    from .service import Service


class Inside:
    """The admin listeners of a server. They are closed after the engines, so that /ready is answered to the end.

    draining   /ready says so
    reloads    how reading the configuration again went
    """

    def __init__(self, config: Config, notify_fd: int) -> None:
        """notify_fd: as of an Engine. Raises ConfigError."""
        self.draining = False
        self.reloads = Reloads()
        self._started_s = time.time()
        self._listeners: list[Listener] = []
        alone = all(":" in bind.host for bind in config.admin if bind.host)
        try:
            for bind in config.admin:
                with at(config, "admin.listen"):
                    self._listeners.append(listen(bind, 1, alone, config.socket_mode, config.socket_group))
            sockets = [one for listener in self._listeners for one in listener.sockets]
            self._door = Door(sockets, notify_fd, config.backend, config.admin_hosts)
        except EngineError as error:
            self._close_listeners()
            raise ConfigError(f"the engine of the admin listeners cannot start: {error}") from error
        except BaseException:
            self._close_listeners()
            raise
        self.urls = tuple(listener.url for listener in self._listeners)

    def answer(self, service: Service) -> bool:
        """Answer those who ask; whether more are waiting. Raises nothing."""
        return self._door.answer(lambda: self._snapshot(service))

    def judged(self, head: bytes, took_s: float) -> None:
        """The sites' judge has dealt with this head."""
        self._door.admin.judging.note(head, took_s)

    def look(self, engines: Iterable[Engine]) -> None:
        """Take the samples of hits. To be called now and then."""
        for engine in engines:
            self._door.admin.judging.look(engine.samples())

    def close(self) -> None:
        """Any number of times."""
        self._door.close()
        self._close_listeners()

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

    def _snapshot(self, service: Service) -> Snapshot:
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
            urls=tuple(one.url for one in service.lines),
            engines=tuple(EngineFigures(engine.metrics(), engine.slots, engine.workers) for engine in engines),
            sites=tuple(site_figures(site.root, site.hosts, problems) for site, problems in figures),
            errands=now.errands.pending,
            reloads=self.reloads,
            access_log=None if service.access_log is None else service.access_log.state(),
        )
