"""What each engine may take, fitted to the machine; and the rules of an engine, by the configuration."""

from __future__ import annotations

import logging
import resource
from collections.abc import Sequence
from typing import Final

from ..config.settings import Config
from ..engine.limits import Bounds, Limits, Rules, Table
from ..rules.networks import networks

log = logging.getLogger("tuxpy")

_SPARE_FILES: Final = 64  # descriptors for everything that is neither connection nor cached file


def limits_of(config: Config) -> Limits:
    """Fitted to the descriptors that this process may open, as many as it is allowed to allow itself."""
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
    )


def rules_of(config: Config, number: int, significant: Sequence[bytes], classes: Table) -> Rules:
    """What a reload may change. number, significant, classes: those of the sites that judge by this configuration."""
    return Rules(
        number=number,
        significant=significant,
        classes=classes,
        networks=networks(config.proxies.trusted, config.limits.exempt),
        bounds=_bounds_of(config),
        head_bytes_max=config.limits.head_bytes,
        head_ms=int(config.head_timeout_s * 1000),
        idle_ms=int(config.idle_timeout_s * 1000),
        send_ms=int(config.send_timeout_s * 1000),
        look_ms=int(config.look_after_s * 1000),
    )


def _bounds_of(config: Config) -> Bounds:
    """What clients may take."""
    limits = config.limits
    return Bounds(
        requests_max=limits.requests_per_connection,
        connections_max=limits.connections_per_address,
        interval_ns=round(limits.interval_s * 10**9),
        burst=limits.burst,
        forwarded=forwarded_of(config),
        refuse=limits.when_full == "refuse",
    )


def forwarded_of(config: Config) -> int:
    """enum tux_forwarded."""
    return {"off": 0, "x-forwarded-for": 1, "forwarded": 2}[config.proxies.field]
