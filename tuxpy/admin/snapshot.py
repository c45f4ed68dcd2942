"""What the server knows of itself at one moment, as values. Everything that an admin listener tells is made of these.

The server takes a Snapshot; no code in this folder looks into the server itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final, Literal, NamedTuple

from ..model import text
from ..values import value_class

State = Literal["running", "draining"]

# csrc/base/metrics.h: bucket i is for what took less than 2^(i + 3) microseconds, the last one for all else.
BUCKETS: Final = 23
BOUNDS_S: Final = tuple(2 ** (bucket + 3) / 10**6 for bucket in range(BUCKETS - 1))


class Parked(NamedTuple):
    """Where a run may be parked: what it is called, the atoms that park there, and why."""

    letter: str
    state: str
    atoms: str
    why: str


# csrc/chain/run.h: enum tux_wait. I, W and T are the letters of TUX's own table; it had no others for these.
PARKED: Final[Mapping[int, Parked]] = {
    2: Parked("I", "input", "recv_head", "for a request"),
    6: Parked("J", "judge", "decide", "for the judge"),
    7: Parked("F", "fresh", "decide", "for a check against the file system"),
    8: Parked("C", "cold", "sendfile", "for a cachemiss worker"),
    3: Parked("S", "sent", "send", "for the ring, which sends"),
    4: Parked("W", "writable", "send, sendfile", "for room on the way to the client"),
    5: Parked("P", "ready", "any", "for another descriptor"),
    9: Parked("T", "timer", "close", "for time to pass"),
    10: Parked("L", "log", "respond", "for room in the access log"),
}
RUNNING: Final = Parked("R", "running", "any", "for nothing: it runs")


@value_class(frozen=True, slots=True)
class EngineFigures:
    """One engine: Engine.metrics(), and what it may take."""

    counters: Mapping[str, int]
    slots: int
    workers: int


@value_class(frozen=True, slots=True)
class SiteFigures:
    """One site: where it is, whom it is for, and what is wrong with its files of rules and passwords."""

    root: str
    hosts: tuple[str, ...]
    problems: tuple[str, ...] = ()


def site_figures(root: str, hosts: Sequence[str], problems: Iterable[str] = ()) -> SiteFigures:
    """The same of names as they are, which may hold any bytes; of the problems, those that fit."""
    said = (text(os.fsencode(problem)) for problem in islice(problems, _PROBLEMS_MAX))
    return SiteFigures(text(os.fsencode(root)), tuple(hosts[:_HOSTS_MAX]), tuple(said))


_PROBLEMS_MAX: Final = 20  # of one site
_HOSTS_MAX: Final = 20
SITES_SHOWN: Final = 200  # an answer has a limit, too


@value_class(frozen=True, slots=True)
class Reloads:
    """How often the configuration was read again, and how that went the last time (`at_s` None: never)."""

    done: int = 0
    refused: int = 0
    at_s: float | None = None
    fault: str = ""  # of the last one; empty: it was done

    def noted(self, now: float, fault: str = "") -> Reloads:
        """With one more. fault: why it was refused."""
        return replace(
            self, done=self.done + (not fault), refused=self.refused + bool(fault), at_s=now, fault=fault
        )


@value_class(frozen=True, slots=True)
class Slow:
    """A target and how long the judge took over it at most."""

    target: str
    seconds: float


@value_class(frozen=True, slots=True)
class Hot:
    """A target and how many of the hits that were looked at asked for it."""

    target: str
    count: int


@value_class(frozen=True, slots=True)
class JudgeFigures:
    """The judge's work: how many judgements took how long (by bucket), and what stands out."""

    took: tuple[int, ...] = (0,) * BUCKETS
    seconds: float = 0.0
    slowest: tuple[Slow, ...] = ()
    hottest: tuple[Hot, ...] = ()
    looked_at: int = 0


@value_class(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All of it. Times are unix time."""

    version: str
    state: State
    now_s: float
    started_s: float
    backend: str
    why: str  # it is this back-end
    origin: str  # of the configuration: a file's name, or "the command line"
    urls: tuple[str, ...]
    engines: tuple[EngineFigures, ...]
    sites: tuple[SiteFigures, ...]
    errands: int = 0  # pieces of slow work that wait or are being done
    reloads: Reloads = Reloads()
    access_log: Mapping[str, int] | None = None  # AccessLog.state(); None: there is none
    judge: JudgeFigures = JudgeFigures()

    def total(self, name: str) -> int:
        """A counter of all engines together."""
        return sum(engine.counters.get(name, 0) for engine in self.engines)

    def totals(self, name: str, count: int) -> tuple[int, ...]:
        """One of several values, of all engines together."""
        return tuple(self.total(f"{name}_{place}") for place in range(count))

    def parked(self) -> list[tuple[Parked, int]]:
        """Connections by what they wait for."""
        counts = [(kind, self.total(f"parked_{place}")) for place, kind in PARKED.items()]
        running = self.total("connections") - sum(count for _, count in counts)
        return [*counts, (RUNNING, max(0, running))]  # counters are not read at one instant

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(problem for site in self.sites for problem in site.problems)
