"""The record of a finished run, as the engine and the reference interpreter write it."""

from __future__ import annotations

from typing import TypeAlias

from ..values import value_class
from .flags import Reason

Value: TypeAlias = "int | bytes"


@value_class(frozen=True, slots=True)
class ChainResult:
    """The record of a finished run. `cells` holds what each cell held last: a number, or the bytes of memory.

    FD cells hold -1: what the run owned is closed.
    """

    cookie: int
    last_atom: int
    result: int
    reason: Reason
    steps: int
    cells: tuple[Value, ...]
