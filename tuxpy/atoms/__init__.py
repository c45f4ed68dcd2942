"""Chains: programs of system calls as Python values.

Reading order: flags, cells, calls (what a chain is made of) · encode, check (what it must be) · chain (how one is
written) · reference (what it means) · text (how it looks) · lifecycle (the one the server runs). Nothing here knows
HTTP or the C engine.
"""

from __future__ import annotations

from . import flags
from .calls import CALLS, Atom, Call
from .cells import Cell, Kind
from .chain import END, Chain
from .check import ChainError, Frozen, check
from .flags import ASYNC, NO_COMPLETE, SYNC, Reason, Stop
from .lifecycle import COUNTER, connections, lifecycle
from .result import ChainResult

__all__ = [
    "ASYNC",
    "CALLS",
    "COUNTER",
    "END",
    "NO_COMPLETE",
    "SYNC",
    "Atom",
    "Call",
    "Cell",
    "Chain",
    "ChainError",
    "ChainResult",
    "Frozen",
    "Kind",
    "Reason",
    "Stop",
    "check",
    "connections",
    "flags",
    "lifecycle",
]
