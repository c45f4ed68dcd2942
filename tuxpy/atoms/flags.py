"""The flags of an atom and the reasons a run ends.

Names and values are those of `struct syslet_uatom` in 2007, less the prefix SYSLET_. The conditions test the result of
the atom just executed: none holds -> the run goes on at `next`; one holds -> the run stops, or, with
SKIP_TO_NEXT_ON_STOP, goes on at the linearly next atom. Branches and loops are made of nothing else.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, Literal

ASYNC: Final = 0x01  # do not try at once: straight to a cachemiss worker
SYNC: Final = 0x02  # never leave the engine: an atom that would block fails with -EAGAIN
NO_COMPLETE: Final = 0x04  # a success of this atom, being the last, leaves no completion
STOP_ON_NONZERO: Final = 0x08
STOP_ON_ZERO: Final = 0x10
STOP_ON_NEGATIVE: Final = 0x20
STOP_ON_NON_POSITIVE: Final = 0x40
SKIP_TO_NEXT_ON_STOP: Final = 0x80

STOP_ON_ANY: Final = STOP_ON_NONZERO | STOP_ON_ZERO | STOP_ON_NEGATIVE | STOP_ON_NON_POSITIVE
ALL: Final = 0xFF

Stop = Literal["negative", "non_positive", "zero", "nonzero"]

STOP_ON: Final[dict[Stop, int]] = {
    "negative": STOP_ON_NEGATIVE,
    "non_positive": STOP_ON_NON_POSITIVE,
    "zero": STOP_ON_ZERO,
    "nonzero": STOP_ON_NONZERO,
}

# How an atom is carried out, as opposed to where the run goes after it.
MANNER: Final = {"ASYNC": ASYNC, "SYNC": SYNC, "NO_COMPLETE": NO_COMPLETE}


def stops(flags: int, result: int) -> bool:
    """Does any stop condition among `flags` hold for `result`?"""
    return bool(
        (flags & STOP_ON_NONZERO and result != 0)
        or (flags & STOP_ON_ZERO and result == 0)
        or (flags & STOP_ON_NEGATIVE and result < 0)
        or (flags & STOP_ON_NON_POSITIVE and result <= 0)
    )


class Reason(IntEnum):
    """Why a run ended; the numbers are those of the completion record."""

    END = 0  # the last atom had no next
    STOP = 1  # a stop condition held
    ERROR = 2  # the engine's own checks failed, for instance memory out of bounds
    CANCELLED = 3
    DEADLINE = 4
    BUDGET = 5  # more steps were wanted than the chain may take
