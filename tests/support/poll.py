"""Waiting for what another thread, or the kernel, is about to do: look again and again until a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

DEADLINE_S: Final = 10.0
_PAUSE_S: Final = 0.002

T = TypeVar("T")


def until(look: Callable[[], T], within_s: float = DEADLINE_S) -> T:
    """The first thing that `look` finds, anything true; after the deadline whatever it finds then, so assert on it."""
    end = time.monotonic() + within_s
    while not (found := look()) and time.monotonic() < end:
        time.sleep(_PAUSE_S)
    return found
