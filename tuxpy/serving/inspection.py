"""What can be seen of a server from outside, while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..engine.http_engine import HttpEngine
from ..process.listen import Listener
from ..site.errands import Errands
from ..site.sites import Sites
from .service import Service


class Inspection:
    """The part of a Server that only looks."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def listeners(self) -> list[Listener]:
        """Those that accept."""
        return list(self._service.listeners)

    def show_preload(self, show: Callable[[int, int, bool], object]) -> None:
        """Called meanwhile with how many URLs are judged, of how many, and whether it is over."""
        self._service.preloading = show

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(one.url for one in self._service.listeners)

    @property
    def engines(self) -> int:
        return len(self._engines)

    @property
    def admin_urls(self) -> tuple[str, ...]:
        return () if self._service.admin is None else self._service.admin.urls

    def metrics(self) -> dict[str, int]:
        """The counters of all engines, added up."""
        return self._service.metrics()

    @property
    def _engines(self) -> list[HttpEngine]:
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
        return self._service.listeners.alive

    def _open_connections(self) -> int:
        return self.metrics().get("connections", 0)
