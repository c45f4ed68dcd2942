"""Families in the formats of Prometheus: the only importer of its client library, which is an extra.

What format it is, the library finds out from the field Accept, as for all servers that use it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigError
from .families import Family, Histogram, bounds

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

MISSING: Final = "metrics need the library prometheus_client: install tuxpy-server[metrics]"


class Exposition:
    """The exposition of families, and figures of this process beside them."""

    def __init__(self) -> None:
        """Raises ConfigError when the library is not installed."""
        try:
            from prometheus_client import CollectorRegistry, ProcessCollector
            from prometheus_client.exposition import choose_encoder
        except ImportError as error:
            raise ConfigError(MISSING) from error
        self._choose = choose_encoder
        self._registry = CollectorRegistry(auto_describe=False)
        self._families: tuple[Family, ...] = ()
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    def write(self, families: Iterable[Family], accept: str) -> tuple[bytes, str]:
        """The text, and its media type."""
        encoder, media_type = self._choose(accept)
        self._families = tuple(families)
        return encoder(self._registry), media_type

    def collect(self) -> Iterable[Metric]:
        """For the registry."""
        return [metric_of(family) for family in self._families]


def metric_of(family: Family) -> Metric:
    """One family as the library has it."""
    from prometheus_client.metrics_core import Metric

    made = Metric(family.name, family.help, family.kind, family.unit)
    for labels, value in family.samples:
        named: dict[str, Any] = dict(labels)
        if isinstance(value, Histogram):
            _add_histogram(made, named, value)
        else:
            suffix = {"counter": "_total", "info": "_info"}.get(family.kind, "")
            made.add_sample(family.name + suffix, named, value)
    return made


def _add_histogram(made: Metric, labels: dict[str, Any], value: Histogram) -> None:
    """Buckets are cumulative here."""
    so_far = 0
    for bound, count in zip(bounds(), value.counts, strict=True):
        so_far += count
        made.add_sample(f"{made.name}_bucket", {**labels, "le": bound}, so_far)
    made.add_sample(f"{made.name}_count", labels, so_far)
    made.add_sample(f"{made.name}_sum", labels, value.total)
