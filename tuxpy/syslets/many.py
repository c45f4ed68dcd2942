"""One chain for many values, a bounded number of them at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ..atoms import Frozen
from .completion import Completion
from .given import Given
from .waiting import Waiter, Waiting

if TYPE_CHECKING:
    from .engine import Engine


def mapped(
    engine: Engine, waiting: Waiting, frozen: Frozen, rows: Iterable[Mapping[str, Given]], ahead: int, fd: str | None
) -> Iterator[Completion]:
    """Completions of the rows as they come. Whoever stops listening cancels the rest."""
    ours: set[int] = set()
    source = iter(rows)
    try:
        while True:
            if len(ours) <= ahead // 2 and (more := list(itertools.islice(source, max(1, ahead - len(ours))))):
                ours.update(engine.submit_many(frozen, more, fd=fd))
            if not ours:
                return
            for completion in waiting.wait_for(ours):
                ours.discard(completion.cookie)
                yield completion
    finally:
        for cookie in ours:
            engine.cancel(cookie)


Begin: TypeAlias = Callable[[Mapping[str, Sequence[Given]], int, Waiter], range]
Cancel: TypeAlias = Callable[[int], None]


def all_of(
    begin: Begin, cancel: Cancel, waiting: Waiting, columns: Mapping[str, Sequence[Given]], runs: int, most: int
) -> list[Completion]:
    """The completions of all runs, in order, at most so many at a time."""
    found: list[Completion] = []
    for at in range(0, runs, most):
        part = {name: column[at : at + most] for name, column in columns.items()}
        found += _part(begin, cancel, waiting, part, min(most, runs - at))
    return found


def _part(
    begin: Begin, cancel: Cancel, waiting: Waiting, columns: Mapping[str, Sequence[Given]], runs: int
) -> Iterable[Completion]:
    """Whoever is interrupted cancels those that are under way."""
    done: dict[int, Completion] = {}
    cookies = begin(columns, runs, lambda one: done.__setitem__(one.cookie, one))
    try:
        waiting.until(lambda: len(done) == runs)
    except BaseException:
        for cookie in cookies:
            cancel(cookie)
        raise
    if len(done) < runs:
        raise ValueError("the engine is closed")
    return map(done.__getitem__, cookies)
