"""Signals while a server is theirs, and the children that the first process of a container is left with."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

ENDS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
OPERATING: Final = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


@contextmanager
def caught(numbers: Sequence[int], handler: Callable[[int], None]) -> Iterator[None]:
    """These go to `handler` meanwhile. For the main thread, which is where Python handles signals."""
    before = [(number, signal.signal(number, lambda number, _frame: handler(number))) for number in numbers]
    try:
        yield
    finally:
        for number, former in before:
            if former is not None:
                signal.signal(number, former)


def bury_orphans() -> None:
    """The first process inherits orphans, and must ask for them when they have ended (wait(2))."""
    if os.getpid() != 1:
        return
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def draining(connections: int, interactive: bool) -> str:
    """What is said when a signal begins the end; interactive: it came from a terminal."""
    if connections == 0:
        return "draining: no connection is open"
    may = f"draining: {connections} connection{'s' * (connections != 1)} may finish"
    return f"{may}; press Ctrl-C again to end at once" if interactive else may
