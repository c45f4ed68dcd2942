"""From a miss to its answer, whatever fails on the way: a client is never left without one.

    what is judged          goes down to the engine, or waits for slow work and is judged again
    the engine refuses it   500, and the log says what was refused; 503 when only memory is short
    no memory for that      the 503 that lies ready in the engine (site/ready.py); nothing has to be made for it

Only what fails even then is raised; the caller tries again (judge_loop.py).
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from ..base.log_throttle import LogThrottle
from ..engine.http_engine import HttpEngine, Miss
from ..errors import EngineError
from ..model import Answer
from ..site.errands import Elsewhere, Judgement, Later
from ..site.judge import failed, first_line_of, judge_elsewhere, judge_miss, too_busy
from .generation import Generation, Generations
from .presence import Asker

log = logging.getLogger("tuxpy")

_LOOK_S: Final = 0.2  # between two looks whether those who wait for slow work are still there
_PATIENCE_S: Final = 10.0  # with a file system that does not answer
_ROUNDS_MAX: Final = 8  # a password, a digest and a coding make three


class Answering:
    """Call it with every miss. For the judge's thread."""

    def __init__(self, generations: Generations, judged: Callable[[bytes, float], None]) -> None:
        """judged: told of each judgement, its head and the seconds it took."""
        self._generations, self._judged = generations, judged
        self._throttle, self.look_at = LogThrottle(log), 0.0

    def __call__(self, engine: HttpEngine, miss: Miss, rounds: int = 0) -> None:
        """Without a knock. rounds: how often it was put off; a file that never rests must not keep us busy for ever."""
        began = time.perf_counter()
        try:
            answer = self._answer_to(engine, miss, rounds)
            if answer is not None:
                engine.answer(miss, answer, knock=False)
        except Exception as failure:
            self._answer_failure(engine, miss, failure)
        try:
            self._judged(miss.head, time.perf_counter() - began)
        except Exception as failure:  # it is answered; only the figures miss it
            self._throttle.say(logging.WARNING, "figures", "a judgement is not in the figures: %s", failure)

    def _answer_to(self, engine: HttpEngine, miss: Miss, rounds: int) -> Answer | None:
        """None: it has been put off."""
        asked, now = self._generations.of(miss), time.time()
        judged: Answer | None = asked.errands.judgement() if rounds else None
        if judged is not None:
            return judged
        try:
            if rounds < _ROUNDS_MAX:
                return judge_miss(asked.sites, miss, now, self._throttle)
            with asked.errands.hurried():
                return judge_miss(asked.sites, miss, now, self._throttle)
        except Later as later:
            if rounds >= _ROUNDS_MAX:
                return too_busy(miss, now)
            self._put_off(asked, later, Asker(engine, miss, rounds))
        except Elsewhere as elsewhere:
            work = partial(judge_elsewhere, asked.sites, miss, now, self._throttle)
            self._put_off(asked, Later(Judgement(), work, "judgement", elsewhere.place), Asker(engine, miss, rounds))
        return None

    def _put_off(self, asked: Generation, later: Later, asker: Asker) -> None:
        for one in asked.errands.put_off(later, asker, asker.miss.client):
            self._turn_away(one)

    def let_go(self) -> None:
        """Answer those whose slow work is not going to be done: they have left, or it takes too long."""
        if time.monotonic() >= self.look_at:
            self.look_at = time.monotonic() + _LOOK_S
            for generation in self._generations:
                generation.errands.look(_PATIENCE_S)
        for asker in self._generations.left():
            self._turn_away(asker)

    def _turn_away(self, asker: Asker) -> None:
        """A client that has gone is answered, too, so that the connection ends."""
        try:
            asker.engine.answer(asker.miss, too_busy(asker.miss, time.time()), knock=False)
        except Exception as failure:
            self._answer_failure(asker.engine, asker.miss, failure)
        asker.engine.knock()

    def _answer_failure(self, engine: HttpEngine, miss: Miss, failure: Exception) -> None:
        """It could not be answered as it should."""
        short = isinstance(failure, MemoryError) or getattr(failure, "errno", 0) == errno.ENOMEM
        self._say(miss, failure, short)
        if not short:
            try:
                engine.answer(miss, failed(miss, time.time()), knock=False)
                return
            except Exception:  # what lies ready is next
                pass
        engine.answer(miss, None, knock=False)

    def _say(self, miss: Miss, failure: Exception, short: bool) -> None:
        if short:
            words = "no memory is left, so requests are answered 503: raise the limit (ulimit -v, MemoryMax=)"
            self._throttle.say(logging.ERROR, "memory", words)
        elif isinstance(failure, EngineError):
            words = "the answer to %s cannot be sent, so its client gets 500: %s; this is a fault of tuxpy: report it"
            self._throttle.say(logging.ERROR, "refused", words, first_line_of(miss), failure)
        else:
            words = "a request could not be answered: %s"
            self._throttle.say(logging.ERROR, type(failure).__name__, words, first_line_of(miss), failure=failure)
