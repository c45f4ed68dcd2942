"""What a chain means: an interpreter of chains in plain blocking Python, the specification of the C engine.

It never parks a run, it waits; it has no deadline, nobody cancels it. In everything else a run here and a run in C end
at the same atom with the same result, reason, steps and cells, and random chains prove it.

    step    one atom: read its cells, make the call, write the result cell, test the conditions
    result  what the call returned, or -errno; a number like any other unless a condition stops on it
    ERROR   a length beyond its memory: the result is -EFAULT, nothing is written, no condition is asked
    BUDGET  found when a step is wanted and none is left
    END, STOP, ERROR, BUDGET alike: what FD cells still hold is closed
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, MutableSequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from . import flags as f
from . import system
from .calls import Atom
from .cells import MEMORY, Cell, Kind
from .check import ChainError, Frozen
from .flags import Reason

Value: TypeAlias = "int | bytes"
Trace: TypeAlias = "list[tuple[str, int]]"
Calls: TypeAlias = Mapping[str, Callable[..., int]]


@dataclass(frozen=True, slots=True)
class Completion:
    """The record of a finished run. `cells` holds what each cell held last: a number, or the bytes of memory."""

    cookie: int
    last_atom: int
    result: int
    reason: Reason
    steps: int
    cells: tuple[Value, ...]


def run(
    frozen: Frozen,
    params: Mapping[str, int],
    calls: Calls | None = None,
    shared: MutableSequence[int] | None = None,
    trace: Trace | None = None,
    cookie: int = 0,
) -> Completion:
    """Run `frozen` to its end.

    params: a value for every param cell, by name. calls: functions for the calls of the HTTP engine. shared: the shared
    numbers, changed in place. trace: receives (label, result) of every step.
    """
    known: Calls = {**system.CALLS, **(calls or {})}
    for atom in frozen.atoms:
        if atom.call.name not in known and atom.call.name != "umem_add" and atom.call.name != "close":
            fault = f"nobody here knows {atom.call.name}"
            raise ChainError(frozen.name, f"atom {atom.label}", fault, "give a function in calls")
    state = _Run(frozen, params, known, [0] * 16 if shared is None else shared)
    try:
        return state.finish(cookie, trace)
    finally:
        state.release()
