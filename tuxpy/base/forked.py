"""After fork(2) a child has the memory of its parent's engines, but none of their threads.

So in the child they are gone: whatever is asked of them raises EngineError, and closing them does nothing. What lives
in C, or owns what the parent still needs, is watched here and told in the child, before anything else runs there.
"""

from __future__ import annotations

import os
from typing import Final, Protocol
from weakref import WeakSet

CHILD: Final = "an engine does not survive fork: make one in the child"


class Watched(Protocol):
    """What must know that it is in a child now."""

    def forked(self) -> None:
        """Forget what belongs to the parent. No lock may be waited for: its owner does not exist here."""


_living: WeakSet[Watched] = WeakSet()


def watch(one: Watched) -> None:
    """Tell it in every child that is forked while it lives."""
    _living.add(one)


def _in_child() -> None:
    for one in list(_living):
        one.forked()
    _living.clear()


os.register_at_fork(after_in_child=_in_child)
