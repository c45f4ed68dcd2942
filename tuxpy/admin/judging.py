"""How long the judge takes, over what, and what is asked for most. For the judge's thread alone.

The judge notes every judgement; the engines hand up the first line of a hit each hundredth of a second. Of a target
only the path is kept: a query may hold something private.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Final

from ..model import text
from .snapshot import BUCKETS, Hot, JudgeFigures, Slow

SLOW_S: Final = 300.0  # how long a slow judgement is remembered
HOT_S: Final = 60.0
SHOWN: Final = 10
_TARGET_BYTES: Final = 200
_SLOW_MAX: Final = 512  # targets remembered until only the slowest are kept
_HOT_MAX: Final = 8192


class Judging:
    """Counts. `clock` for tests."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._took = [0] * BUCKETS
        self._seconds = 0.0
        self._slow: dict[bytes, tuple[float, float]] = {}  # target: how long, and when
        self._hot: deque[tuple[float, bytes]] = deque(maxlen=_HOT_MAX)

    def note(self, head: bytes, seconds: float) -> None:
        """One judgement."""
        self._took[bucket_of(seconds)] += 1
        self._seconds += seconds
        now, target = self._clock(), target_of(head)
        before = self._slow.get(target)
        if before is None or before[0] <= seconds or now - before[1] > SLOW_S:
            self._slow[target] = (seconds, now)
            if len(self._slow) > _SLOW_MAX:
                self._slow = dict(self._slowest(now))

    def look(self, first_lines: Iterable[bytes]) -> None:
        """Some of the hits since the last call."""
        now = self._clock()
        self._hot.extend((now, target_of(line)) for line in first_lines)

    def figures(self) -> JudgeFigures:
        now = self._clock()
        while self._hot and now - self._hot[0][0] > HOT_S:
            self._hot.popleft()
        counts = Counter(target for _, target in self._hot).most_common(SHOWN)
        return JudgeFigures(
            took=tuple(self._took),
            seconds=self._seconds,
            slowest=tuple(Slow(text(target), seconds) for target, (seconds, _) in self._slowest(now)),
            hottest=tuple(Hot(text(target), count) for target, count in counts),
            looked_at=len(self._hot),
        )

    def _slowest(self, now: float) -> list[tuple[bytes, tuple[float, float]]]:
        recent = [(target, seen) for target, seen in self._slow.items() if now - seen[1] <= SLOW_S]
        return sorted(recent, key=lambda one: (-one[1][0], one[0]))[:SHOWN]


def bucket_of(seconds: float) -> int:
    """As csrc/http/measure.c counts."""
    return min((int(seconds * 10**6) >> 3).bit_length(), BUCKETS - 1)


def target_of(head: bytes) -> bytes:
    """The path of a request line, as it was sent."""
    line = head[:_TARGET_BYTES].lstrip(b"\r\n").partition(b"\r")[0]
    words = line.split(b" ")
    return words[1].partition(b"?")[0] if len(words) > 1 else b"(no request line)"
