"""What happened between two reports (report.py): rates, shares and quantiles. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..values import value_class

Report = Mapping[str, Any]


@value_class(frozen=True, slots=True)
class Rates:
    """A second's worth; None where nothing happened of which it could be said."""

    requests: float
    errors: float  # 4xx and 5xx
    sent_bytes: float
    accepted: float
    judged: float
    cold: float
    hit_share: float | None
    judge_busy: float  # share of the judge's thread
    median_s: float | None
    p99_s: float | None


def between(before: Report, after: Report) -> Rates:
    """From one report to a later one of the same server; after a restart, since its start."""
    if before["started_s"] != after["started_s"]:
        before = {"now_s": after["started_s"], "totals": {}, "statuses": {}, "response": {}, "judge": {}}
    seconds = max(after["now_s"] - before["now_s"], 1e-3)

    def grown(name: str) -> int:
        return max(0, int(after["totals"].get(name, 0)) - int(before["totals"].get(name, 0)))

    def ended(name: str) -> int:
        return max(0, int(after["statuses"][name]) - int(before["statuses"].get(name, 0)))

    decided = grown("hits") + grown("judged")
    took = _grown(before["response"].get("counts", ()), after["response"]["counts"])
    judging = max(0.0, after["judge"]["seconds"] - before["judge"].get("seconds", 0.0))
    return Rates(
        requests=sum(map(ended, after["statuses"])) / seconds,
        errors=(ended("4xx") + ended("5xx")) / seconds,
        sent_bytes=grown("sent_bytes") / seconds,
        accepted=grown("accepted") / seconds,
        judged=grown("judged") / seconds,
        cold=grown("cold") / seconds,
        hit_share=grown("hits") / decided if decided else None,
        judge_busy=min(1.0, judging / seconds),
        median_s=quantile(after["bounds_s"], took, 0.5),
        p99_s=quantile(after["bounds_s"], took, 0.99),
    )


def _grown(before: Sequence[int], after: Sequence[int]) -> list[int]:
    return [max(0, now - (before[place] if place < len(before) else 0)) for place, now in enumerate(after)]


def quantile(bounds_s: Sequence[float], counts: Sequence[int], share: float) -> float | None:
    """So many of the counted took no longer. Within a bucket all durations are taken to be equally frequent."""
    rest = share * sum(counts)
    if not rest:
        return None
    for place, count in enumerate(counts):
        if count and rest <= count:
            low = bounds_s[place - 1] if place else 0.0
            high = bounds_s[min(place, len(bounds_s) - 1)]
            return low + (high - low) * rest / count
        rest -= count
    return bounds_s[-1]
