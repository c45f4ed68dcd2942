"""Configurations one after another: what is in force, and what still has questions to answer.

A reload opens everything anew, roots and password files and what is remembered of both. The engines change to the new
rules each at its own moment, and a miss says under which rules it was asked: it is judged by the sites of that time,
since its class of address is theirs. Old sites are closed when no engine refers to them any more: until then witnesses
name their roots, and slow work may be under way for them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from ..config.settings import Config
from ..engine.http_engine import HttpEngine, Miss
from ..model import Answer
from ..process.privileges import seen_from_within
from ..site.errands import CLOSE_S, Errands
from ..site.looking import Looks
from ..site.opener import on_one_mount, opener
from ..site.sites import Sites
from .presence import Asker, gone

PutOff = tuple[HttpEngine, Miss, int]  # a miss that waits for slow work, and how often it has


class Generation:
    """One configuration and what was opened for it. Raises ConfigError."""

    def __init__(self, number: int, config: Config, errand_threads: int, knock: Callable[[], None]) -> None:
        self.number, self.config = number, config
        self.errands: Errands[Asker] = Errands(errand_threads, knock, gone, _close)
        self.sites = Sites(seen_from_within(config).sites, opener, self.errands, on_one_mount)
        self.looks = Looks(self.sites.looked_at, knock)

    def close(self, wait_s: float = 0.0) -> None:
        """Wait so long for slow work that is being done. Any number of times."""
        self.errands.close(wait_s)
        self.looks.close()
        self.sites.close()


def _close(answer: Answer) -> None:
    if answer.file >= 0:
        os.close(answer.file)


class Generations:
    """The one in force, and those before it."""

    def __init__(self) -> None:
        self._kept: dict[int, Generation] = {}
        self.current: Generation | None = None

    def __iter__(self) -> Iterator[Generation]:
        return iter(self._kept.values())

    @property
    def next_number(self) -> int:
        return 0 if self.current is None else self.current.number + 1

    def expect(self, generation: Generation) -> None:
        """Engines may ask by its rules soon."""
        self._kept[generation.number] = generation

    def adopt(self, generation: Generation) -> None:
        """It is in force from now on."""
        self.expect(generation)
        self.current = generation

    def reject(self, generation: Generation) -> None:
        """It does not come into force after all."""
        self._kept.pop(generation.number, None)
        generation.close()

    def of(self, miss: Miss) -> Generation:
        """The one whose rules held when this was asked."""
        return self._kept[miss.rules]

    def next_back(self) -> tuple[PutOff, AbstractContextManager[None]] | None:
        """A miss whose slow work is done, and in which its result is at hand; None: there is none now."""
        for generation in self._kept.values():
            found = generation.errands.next_back()
            if found is not None:
                asker, at_hand = found
                return (asker.engine, asker.miss, asker.rounds), at_hand
        return None

    @property
    def pending(self) -> int:
        """Pieces of slow work that are not done with."""
        return sum(generation.errands.pending for generation in self._kept.values())

    def left(self) -> Iterator[Asker]:
        """Misses whose slow work has not been done: nobody waits for it, or it takes too long."""
        for generation in self._kept.values():
            yield from generation.errands.left()

    def retire(self, engines: list[HttpEngine]) -> None:
        """Close what no engine refers to any more."""
        if len(self._kept) < 2:
            return
        oldest = min(engine.settled() for engine in engines)
        for number in [number for number in self._kept if number < oldest]:
            self._kept.pop(number).close()

    def close(self) -> None:
        """Any number of times."""
        for generation in self._kept.values():
            generation.close(CLOSE_S)
        self._kept.clear()
        self.current = None
