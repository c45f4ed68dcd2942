"""A server at rest: how soon it is there, what memory it takes, and what an idle connection does."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import meter
from contenders import Contender, job_for, start

_IDLE_CONNECTIONS = 1000
_STARTS = 5


def facts_of(contender: Contender, root: Path, runs: Path, path: str, body: int, cpus: str) -> dict[str, float]:
    """Start time (median of some starts), memory at rest, memory of an idle connection; `path` has `body` bytes."""
    starts: list[float] = []
    facts: dict[str, float] = {}
    for number in range(_STARTS):
        with start(contender, job_for(contender, root, runs, body), path, cpus) as running:
            starts.append(running.first_byte_ms)
            if number < _STARTS - 1:
                continue
            time.sleep(0.3)
            facts["resident_mb"] = meter.memory_kib(running.pid, "Rss") * 1024 / 1e6
            facts["private_mb"] = meter.private_kib(running.pid) * 1024 / 1e6
            facts["idle_kib"] = meter.idle_connection_kib(running.pid, running.port, path, _IDLE_CONNECTIONS)
    facts["first_byte_ms"] = statistics.median(starts)
    return {name: round(value, 3) for name, value in facts.items()}
