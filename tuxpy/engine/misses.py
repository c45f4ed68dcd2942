"""Requests that an engine has not seen before, on their way to the judge; also when no memory is left for them."""

from __future__ import annotations

import os
from typing import Any, Final

from ..values import value_class
from .native import ffi, lib

BATCH: Final = 64  # misses or completions that are taken at a time


@value_class(frozen=True, slots=True)
class Miss:
    """A request that an engine has not seen before; the code that takes it owes an answer."""

    slot: int
    generation: int
    line: int  # of the listener: the cookie with which its runs were submitted
    class_number: int  # of the client's address
    flags: int
    head: bytes
    rules: int = 0  # the number of those that it was asked under
    fd: int = -1  # the connection: open until the answer, and nothing is sent by it
    client: int = 0  # its address as a number (clients.py has the same); 0: none


class Misses:
    """Those of one engine. For the thread that judges."""

    def __init__(self, notify_fd: int) -> None:
        """notify_fd: the eventfd that wakes the thread that judges."""
        self._notify = notify_fd
        self._misses = ffi.new("struct tux_miss[]", BATCH)
        self._asked = self._taken = 0  # what C has handed over, and how much of that was handed on

    def take(self, engine: Any) -> list[Miss]:
        """Oldest first, up to BATCH. MemoryError: there was none for any of them, and they were answered 503.

        The head of a request is copied, and a flood of long ones needs more than there may be. They must not wait: it
        may be they who hold the memory.
        """
        if self._taken >= self._asked:
            self._taken = self._asked = 0
            self._asked = lib.tux_engine_misses(engine, self._misses, BATCH)
        found, refused = list[Miss](), False
        while self._taken < self._asked:
            m = self._misses[self._taken]
            try:
                head = bytes(ffi.buffer(m.head, m.head_bytes))
                found.append(Miss(m.slot, m.generation, m.line, m.class_number, m.flags, head, m.rules, m.fd, m.client))
            except MemoryError:
                if found:  # their turn is now, and when they are done there may be memory for the others
                    os.eventfd_write(self._notify, 1)
                    break
                lib.tux_engine_answer(engine, m.slot, m.generation, ffi.NULL)
                refused = True
            self._taken += 1
        if refused:
            lib.tux_engine_knock(engine)
            if not found:
                raise MemoryError
        return found
