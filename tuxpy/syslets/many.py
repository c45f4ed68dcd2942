"""One chain for many values, a bounded number of them at a time."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from ..atoms import Frozen
from .completion import Completion
from .params import Given, columns_of
from .runs import SHARE, Runs
from .waiting import Waiter


def mapped(
    runs: Runs, frozen: Frozen, rows: Iterable[Mapping[str, Given]], ahead: int, fd: str | None
) -> Iterator[Completion]:
    """Completions of the rows as they come. Whoever stops listening cancels the rest."""
    ours: dict[int, tuple[int, Mapping[str, Given]]] = {}  # by cookie: which row it is of
    source, done = enumerate(rows), deque[Completion]()
    try:
        while True:
            if len(ours) <= ahead // 2 and (more := list(itertools.islice(source, max(1, ahead - len(ours))))):
                columns, count = columns_of([row for _, row in more])
                cookies = runs.begin(frozen, columns, count, None, True, fd, SHARE, done.append)
                ours.update(zip(cookies, more, strict=True))
            if not ours:
                return
            runs.waiting.until(lambda: bool(done))
            if not done:
                runs.waiting.must_be_open()
            while done:
                completion = done.popleft()
                yield completion.belongs_to(*ours.pop(completion.cookie))
    finally:
        runs.waiting.leave_to_all(ours, done)
        runs.give_up(list(ours))


Begin: TypeAlias = Callable[[Mapping[str, Sequence[Given]], int, Waiter], range]


def all_of(
    begin: Begin, engine: Runs, columns: Mapping[str, Sequence[Given]], runs: int, most: int
) -> list[Completion]:
    """The completions of all runs, in order, at most so many at a time."""
    found: list[Completion] = []
    for at in range(0, runs, most):
        part = {name: column[at : at + most] for name, column in columns.items()}
        found += _part(begin, engine, part, min(most, runs - at))
    return found


def _part(begin: Begin, engine: Runs, columns: Mapping[str, Sequence[Given]], runs: int) -> Iterable[Completion]:
    """An interrupted caller cancels those that are under way."""
    done: dict[int, Completion] = {}
    cookies = begin(columns, runs, lambda one: done.__setitem__(one.cookie, one))
    try:
        engine.waiting.until(lambda: len(done) == runs)
    except BaseException:
        engine.give_up(cookies)
        raise
    if len(done) < runs:
        raise ValueError("the engine is closed")
    return map(done.__getitem__, cookies)
