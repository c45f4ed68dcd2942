"""A Snapshot as plain data, for /status.json, for the page's script and for `tuxpy top`. Names only ever get added."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .snapshot import BOUNDS_S, BUCKETS, PARKED, RUNNING, SITES_SHOWN, SiteFigures, Snapshot


def report(snap: Snapshot) -> dict[str, Any]:
    """Everything; times in seconds, counters since the start."""
    names = list(snap.engines[0].counters) if snap.engines else []
    plain = [name for name in names if not name.rpartition("_")[2].isdigit()]
    states = [*PARKED.values(), RUNNING]
    counts = dict(snap.parked())
    reloads = snap.reloads
    return {
        "version": snap.version,
        "state": snap.state,
        "now_s": round(snap.now_s, 3),
        "started_s": round(snap.started_s, 3),
        "backend": {"name": snap.backend, "why": snap.why},
        "configuration": snap.origin,
        "urls": snap.urls,
        "totals": {name: snap.total(name) for name in plain},
        "statuses": {f"{number}xx": snap.total(f"statuses_{number}") for number in range(1, 6)},
        "slots": sum(engine.slots for engine in snap.engines),
        "workers": sum(engine.workers for engine in snap.engines),
        "parked": [{**kind._asdict(), "count": counts[kind]} for kind in states],
        "bounds_s": BOUNDS_S,
        "response": {"counts": snap.totals("took", BUCKETS), "seconds": snap.total("took_us") / 10**6},
        "judge": {"counts": snap.judge.took, "seconds": round(snap.judge.seconds, 6)},
        "errands": snap.errands,
        "engines": [_engine(engine.counters, plain) for engine in snap.engines],
        "hottest": [{"target": one.target, "count": one.count} for one in snap.judge.hottest],
        "looked_at": snap.judge.looked_at,
        "slowest": [{"target": one.target, "seconds": round(one.seconds, 6)} for one in snap.judge.slowest],
        "sites": [_site(site) for site in snap.sites[:SITES_SHOWN]],
        "site_count": len(snap.sites),
        "access_log": None if snap.access_log is None else dict(snap.access_log),
        "reloads": {"done": reloads.done, "refused": reloads.refused, "at_s": reloads.at_s, "fault": reloads.fault},
    }


def _engine(counters: Mapping[str, int], names: list[str]) -> dict[str, int]:
    return {name: counters[name] for name in names}


def _site(site: SiteFigures) -> dict[str, object]:
    return {"root": site.root, "hosts": site.hosts, "problems": site.problems}


def as_json(snap: Snapshot) -> bytes:
    return json.dumps(report(snap), ensure_ascii=False, separators=(",", ":")).encode()
