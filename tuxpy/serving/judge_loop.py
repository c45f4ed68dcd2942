"""The loop that judges, one turn at a time, so that no engine waits for another's flood, and no duty for any of them.

    a turn      what slow work has brought back, then one batch at most of each engine's questions
    its end     when all engines had their batch, or when TURN_S are over; the rest waits for the next turn
    in between  the caller looks at signals, rules, the watchdog, requests to the admin listeners

The engine that comes first is another one in each turn. A question that was taken and not answered stays where it is:
neither the end of a turn nor an exception loses one.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from ..atoms import ChainResult
from ..base.log_throttle import LogThrottle
from ..engine.http_engine import BATCH, Miss

log = logging.getLogger("tuxpy")

TURN_S: Final = 0.010  # after so long a turn ends; a judgement that has begun ends first
COUNT_S: Final = 0.002  # for each engine's runs that have ended
_KNOCK_EVERY: Final = 8  # answers
_TRIES_MAX: Final = 100  # turns in which a question is tried that only raises


class Asks(Protocol):
    """As much of an engine as is needed here."""

    def misses(self) -> Sequence[Miss]:
        """Up to BATCH."""

    def completions(self) -> Sequence[ChainResult]:
        """Up to BATCH."""

    def knock(self) -> None:
        """Have it take its answers."""


E = TypeVar("E", bound=Asks)
Back: TypeAlias = "tuple[tuple[E, Miss, int], AbstractContextManager[None]]"


class _Desk(Generic[E]):
    """An engine, and the questions of it that have been taken."""

    def __init__(self, engine: E) -> None:
        self.engine = engine
        self.batch: Sequence[Miss] = ()
        self.at = 0  # of the batch: the first that is not answered
        self.tries = 0

    def fill(self) -> bool:
        """Take a batch when the one before is done; whether there is anything."""
        if self.at >= len(self.batch):
            self.batch, self.at = (), 0
            self.batch = self.engine.misses()
        return len(self.batch) > 0

    @property
    def has_more(self) -> bool:
        """Whether something is waiting, as far as one can tell without looking."""
        return self.at < len(self.batch) or len(self.batch) >= BATCH


class JudgeLoop(Generic[E]):
    """All engines of a server and their questions. For one thread.

    answer     (engine, miss, how often it was put off) -> None: judge and answer it, without a knock
    completed  (completion) -> None: a run has ended
    """

    def __init__(
        self,
        answer: Callable[[E, Miss, int], None],
        completed: Callable[[ChainResult], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._answer, self._completed, self._clock = answer, completed, clock
        self._desks: list[_Desk[E]] = []
        self._first = 0
        self._back: Back[E] | None = None  # is back and not answered
        self._back_tries = 0
        self._throttle = LogThrottle(log, clock)
        self.ails = False  # something has failed; for the caller to take back

    def add(self, engine: E) -> None:
        """One engine more."""
        self._desks.append(_Desk(engine))

    def turn(self, next_back: Callable[[], Back[E] | None]) -> bool:
        """One turn; whether more is waiting. Raises nothing.

        next_back: a question whose slow work is done, how often it was put off, and in which its result is at hand.
        """
        more = self._take_back(next_back, self._clock() + TURN_S / 2)
        until = self._clock() + TURN_S
        for number in range(len(self._desks)):
            if number > 0 and self._clock() >= until:
                more = True
                break
            desk = self._desks[self._first]
            self._first = (self._first + 1) % len(self._desks)
            more |= self._serve(desk, until)
        for desk in self._desks:
            more |= self._count(desk.engine)
        return more

    def _take_back(self, next_back: Callable[[], Back[E] | None], until: float) -> bool:
        """Answer what slow work was done for; whether there may be more."""
        while True:
            try:
                if self._back is None:
                    self._back, self._back_tries = next_back(), 0
                if self._back is None:
                    return False
                self._back_tries += 1
                (engine, miss, rounds), result = self._back
                with result if self._back_tries == 1 else nullcontext():
                    self._answer(engine, miss, rounds + 1)
                self._back = None
                engine.knock()
            except Exception as failure:
                self._failed(failure)
                if self._back_tries > _TRIES_MAX:
                    self._back = None
                return True
            if self._clock() >= until:
                return True

    def _serve(self, desk: _Desk[E], until: float) -> bool:
        """A batch, or as much of it as there is time for; whether there is more."""
        answered, failed = 0, False
        try:
            if not desk.fill():
                return False
            while desk.at < len(desk.batch):
                self._answer(desk.engine, desk.batch[desk.at], 0)
                desk.at, desk.tries = desk.at + 1, 0
                answered += 1
                if answered % _KNOCK_EVERY == 0:
                    desk.engine.knock()
                # An engine on the same processor goes first: beside a flood of new targets that makes the 99th
                # percentile of hits 175 µs in place of 750, as long as the scheduler lets one thread run.
                os.sched_yield()
                if self._clock() >= until:
                    break
        except Exception as failure:  # the question stays, and is tried again in the next turn
            failed = True
            self._failed(failure)
            desk.tries += 1
            if desk.tries > _TRIES_MAX:
                desk.at, desk.tries = desk.at + 1, 0
        if answered % _KNOCK_EVERY or failed:
            desk.engine.knock()
        return failed or desk.has_more

    def _count(self, engine: E) -> bool:
        """Count runs that have ended, for COUNT_S at most: a reload ends thousands. Whether there may be more."""
        until = self._clock() + COUNT_S
        while True:
            try:
                done = engine.completions()
                for one in done:
                    self._completed(one)
            except Exception as failure:
                self._failed(failure)
                return True
            if len(done) < BATCH:
                return False
            if self._clock() >= until:
                return True

    def _failed(self, failure: Exception) -> None:
        self.ails = True
        kind = type(failure).__name__
        self._throttle.say(logging.ERROR, kind, "the judge failed and goes on: %r", failure, failure=failure)
