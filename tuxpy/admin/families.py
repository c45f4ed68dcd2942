"""The metrics that are told to Prometheus: names, units, help and values, without any library.

Names follow its conventions (prometheus.io/docs/practices/naming): base units, counters end in _total once they are
written, and what is added up over a label makes sense.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from typing import Literal

from ..values import value_class
from .snapshot import BOUNDS_S, BUCKETS, Snapshot

Kind = Literal["counter", "gauge", "histogram", "info"]
Labels = tuple[tuple[str, str], ...]


@value_class(frozen=True, slots=True)
class Histogram:
    """Counts by bucket, the last one for all above the bounds, and the sum of what was counted."""

    counts: tuple[int, ...]
    total: float


@value_class(frozen=True, slots=True)
class Family:
    """One metric. `name` ends in its unit; a counter's samples have _total behind it."""

    name: str
    kind: Kind
    help: str
    samples: tuple[tuple[Labels, float | Histogram], ...]
    unit: str = ""


def families(snap: Snapshot) -> list[Family]:
    """All of them, in their order."""
    return [*_requests(snap), *_cache(snap), *_connections(snap), *_judge(snap), *_engines(snap), *_server(snap)]


def _by(label: str, **values: float) -> tuple[tuple[Labels, float], ...]:
    return tuple((((label, name),), value) for name, value in values.items())


def _one(value: float | Histogram) -> tuple[tuple[Labels, float | Histogram], ...]:
    return (((), value),)


def _requests(snap: Snapshot) -> Iterator[Family]:
    total = snap.total
    classes = {f"{number}xx": total(f"statuses_{number}") for number in range(1, 6)}
    kept = total("hits") - total("repeats") - total("ranged")
    took = Histogram(snap.totals("took", BUCKETS), total("took_us") / 10**6)
    yield Family("tuxpy_requests", "counter", "Responses ended, by class of status.", _by("class", **classes))
    yield Family(
        "tuxpy_response_duration_seconds", "histogram",
        "From a whole head to the end of its response, as the engine sees it.", _one(took), "seconds",
    )  # fmt: skip
    yield Family(
        "tuxpy_sent_bytes", "counter", "Bytes of responses that the kernel has taken, heads included.",
        _one(total("sent_bytes")), "bytes",
    )  # fmt: skip
    yield Family(
        "tuxpy_failed_responses", "counter", "Responses that ended before their last byte.",
        _one(total("failed_responses")),
    )  # fmt: skip
    yield Family(
        "tuxpy_hits", "counter", "Requests answered from the decision cache: the connection's previous head repeated,"
        " a key that was kept, or a range of a file of which another was.",
        _by("kind", repeat=total("repeats"), kept=kept, range=total("ranged")),
    )  # fmt: skip


def _cache(snap: Snapshot) -> Iterator[Family]:
    total = snap.total
    yield Family("tuxpy_cache_entries", "gauge", "Decisions kept.", _one(total("entries")))
    yield Family("tuxpy_cache_bytes", "gauge", "Bytes of these.", _one(total("cache_bytes")), "bytes")
    yield Family(
        "tuxpy_range_copies_bytes", "gauge", "Bytes of ranges copied from files, on their way.",
        _one(total("copied_bytes")), "bytes",
    )  # fmt: skip
    yield Family("tuxpy_cache_evictions", "counter", "Decisions taken out to make room.", _one(total("evictions")))
    yield Family(
        "tuxpy_cache_passed_over", "counter", "Decisions not kept, as the cache was full and their key new.",
        _one(total("passed_over")),
    )  # fmt: skip
    yield Family(
        "tuxpy_cache_preloaded", "counter", "Keys answered before anybody asked.", _one(total("preloaded"))
    )
    looked = _one(total("checks") + total("looks"))
    yield Family("tuxpy_cache_checks", "counter", "Decisions held against the file system.", looked)
    yield Family("tuxpy_cache_stale", "counter", "Decisions dropped as a file had changed.", _one(total("stale")))


def _connections(snap: Snapshot) -> Iterator[Family]:
    total = snap.total
    states = {kind.state: count for kind, count in snap.parked()}
    timeouts = {kind: total(f"{kind}_timeouts") for kind in ("head", "idle", "send")}
    yield Family("tuxpy_connections", "gauge", "Connections open, by what they wait for.", _by("state", **states))
    yield Family(
        "tuxpy_connections_max", "gauge", "Connections that may be open.", _one(sum(e.slots for e in snap.engines))
    )
    yield Family("tuxpy_accepted_connections", "counter", "Connections accepted.", _one(total("accepted")))
    yield Family(
        "tuxpy_accept_errors", "counter", "Failures to accept: no descriptor or no memory was left.",
        _one(total("accept_errors")),
    )  # fmt: skip
    yield Family(
        "tuxpy_timeouts", "counter", "Limits of time that have passed: for a head, between requests, for a client that"
        " takes nothing.", _by("kind", **timeouts),
    )  # fmt: skip
    yield from _limits(snap)


def _limits(snap: Snapshot) -> Iterator[Family]:
    total = snap.total
    limited = {name: total(f"limited_{number}") for number, name in enumerate(("busy", "connections", "requests"))}
    yield Family(
        "tuxpy_limited", "counter", "Refusals by limits: the server is busy (503), an address has too many connections"
        " or asks too often (429).", _by("limit", **limited),
    )  # fmt: skip
    yield Family(
        "tuxpy_dropped_connections", "counter", "Connections closed in silence, their address far beyond its limit.",
        _one(total("dropped")),
    )  # fmt: skip
    yield Family(
        "tuxpy_made_room_connections", "counter", "Idle or unfinished connections closed to make room for others.",
        _one(total("made_room")),
    )  # fmt: skip
    yield Family(
        "tuxpy_used_up_connections", "counter", "Connections closed as they have had all requests they may.",
        _one(total("used_up")),
    )  # fmt: skip
    yield Family(
        "tuxpy_proxy_faults", "counter", "Connections closed without a PROXY header that can be trusted.",
        _one(total("proxy_faults")),
    )  # fmt: skip


def _judge(snap: Snapshot) -> Iterator[Family]:
    total, judge = snap.total, snap.judge
    yield Family("tuxpy_judged", "counter", "Requests that went up to the judge.", _one(total("judged")))
    yield Family(
        "tuxpy_joined", "counter", "Requests that waited for a judgement already under way.", _one(total("joined"))
    )
    yield Family(
        "tuxpy_keyless", "counter", "Heads outside the strict form, which are judged every time.",
        _one(total("keyless")),
    )  # fmt: skip
    yield Family(
        "tuxpy_judge_duration_seconds", "histogram", "What a judgement takes on the judge's thread.",
        _one(Histogram(judge.took, judge.seconds)), "seconds",
    )  # fmt: skip
    yield Family("tuxpy_judge_queue", "gauge", "Requests that the judge has not taken.", _one(total("judge_queue")))
    yield Family("tuxpy_errands_pending", "gauge", "Slow work for judgements, not done yet.", _one(snap.errands))


def _engines(snap: Snapshot) -> Iterator[Family]:
    total = snap.total

    def each(name: str) -> tuple[tuple[Labels, float], ...]:
        return tuple(((("engine", str(i)),), engine.counters[name]) for i, engine in enumerate(snap.engines))

    yield Family("tuxpy_engine_requests", "counter", "Responses begun, by engine.", each("requests"))
    yield Family("tuxpy_engine_connections", "gauge", "Connections open, by engine.", each("connections"))
    yield Family("tuxpy_engine_turns", "counter", "Turns of an engine's loop.", each("turns"))
    yield Family("tuxpy_engine_runs", "gauge", "Runs of an engine that are alive.", each("runs"))
    yield Family("tuxpy_completions", "counter", "Runs that have ended.", _one(total("completions")))
    yield Family(
        "tuxpy_refused_runs", "counter", "Runs refused, as no completion could be promised.", _one(total("refused"))
    )
    yield Family(
        "tuxpy_cold_reads", "counter", "Atoms that waited for a cachemiss worker, as what they need was not in memory.",
        _one(total("cold")),
    )  # fmt: skip
    yield Family("tuxpy_fetches", "counter", "Windows of files read in by workers.", _one(total("fetches")))
    yield Family(
        "tuxpy_fetches_ahead", "counter", "Those of them that nobody waited for yet.", _one(total("fetched_ahead"))
    )
    yield Family(
        "tuxpy_cachemiss_queue", "gauge", "Jobs that no cachemiss worker has taken.", _one(total("cachemiss_queue"))
    )
    yield Family(
        "tuxpy_cachemiss_busy_workers", "gauge", "Cachemiss workers at work.", _one(total("cachemiss_busy"))
    )
    ahead = total("fetched_ahead")
    yield Family(
        "tuxpy_file_windows", "counter", "Windows of cold files read in, for those who waited or before anybody did.",
        _by("kind", wanted=total("fetches") - ahead, ahead=ahead),
    )  # fmt: skip
    yield Family("tuxpy_cachemiss_workers", "gauge", "Cachemiss workers.", _one(sum(e.workers for e in snap.engines)))


def _server(snap: Snapshot) -> Iterator[Family]:
    reloads = snap.reloads
    if snap.access_log is not None:
        lines, lost, failures = (snap.access_log.get(name, 0) for name in ("lines", "lost", "failed_writes"))
        yield Family("tuxpy_log_lines", "counter", "Lines of the access log that were written.", _one(lines))
        yield Family("tuxpy_log_lost_lines", "counter", "Lines of the access log that were never written.", _one(lost))
        yield Family("tuxpy_log_failed_writes", "counter", "Failures to write the access log.", _one(failures))
    info = {"version": snap.version, "backend": snap.backend, "python": platform.python_version()}
    yield Family("tuxpy_build", "info", "What this is.", ((tuple(info.items()), 1),))
    yield Family("tuxpy_start_time_seconds", "gauge", "When the server began.", _one(snap.started_s), "seconds")
    yield Family("tuxpy_draining", "gauge", "1 from the signal to end until the end.", _one(snap.state == "draining"))
    yield Family("tuxpy_sites", "gauge", "Sites served.", _one(len(snap.sites)))
    yield Family(
        "tuxpy_rules_problems", "gauge", "Faults in files of rules and passwords that are left aside.",
        _one(len(snap.problems)),
    )  # fmt: skip
    yield Family(
        "tuxpy_reloads", "counter", "Times the configuration was read again.",
        _by("result", done=reloads.done, refused=reloads.refused),
    )  # fmt: skip
    yield Family(
        "tuxpy_last_reload_successful", "gauge", "0 when the last reload was refused.", _one(not reloads.fault)
    )
    yield Family(
        "tuxpy_last_reload_time_seconds", "gauge", "When that was; before the first one, when the server began.",
        _one(reloads.at_s or snap.started_s), "seconds",
    )  # fmt: skip


def sample_names(family: Family) -> set[str]:
    """The names under which Prometheus knows it."""
    if family.kind == "counter":
        return {f"{family.name}_total"}
    if family.kind == "histogram":
        return {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
    return {f"{family.name}_info"} if family.kind == "info" else {family.name}


def bounds() -> Iterator[str]:
    """The upper bounds of buckets, as they are written."""
    yield from map(repr, BOUNDS_S)
    yield "+Inf"
