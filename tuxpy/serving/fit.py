"""What each engine may take, fitted to the machine."""

from __future__ import annotations

import logging
import resource
from dataclasses import replace
from typing import Final

from ..config.settings import Config
from ..engine.limits import Bounds, Limits
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
        head_bytes_max=config.limits.head_bytes,
        head_ms=int(config.head_timeout_s * 1000),
        idle_ms=int(config.idle_timeout_s * 1000),
        send_ms=int(config.send_timeout_s * 1000),
        look_ms=int(config.look_after_s * 1000),
    )


def with_times_of(limits: Limits, config: Config) -> Limits:
    """The same for another configuration, of which memory is taken only once."""
    return replace(
        limits,
        head_bytes_max=config.limits.head_bytes,
        head_ms=int(config.head_timeout_s * 1000),
        idle_ms=int(config.idle_timeout_s * 1000),
        send_ms=int(config.send_timeout_s * 1000),
        look_ms=int(config.look_after_s * 1000),
    )


def bounds_of(config: Config) -> Bounds:
    """What clients may take, by the configuration."""
    limits = config.limits
    return Bounds(
        requests_max=limits.requests_per_connection,
        connections_max=limits.connections_per_address,
        interval_ns=round(limits.interval_s * 10**9),
        burst=limits.burst,
        forwarded=forwarded_of(config),
        refuse=limits.when_full == "refuse",
    )


def networks_of(config: Config) -> list[tuple[int, int]]:
    """The networks that it names, with what they are."""
    return networks(config.proxies.trusted, config.limits.exempt)


def forwarded_of(config: Config) -> int:
    """enum tux_forwarded."""
    return {"off": 0, "x-forwarded-for": 1, "forwarded": 2}[config.proxies.field]
