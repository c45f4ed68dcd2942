"""Syslets for any Python program: system calls that do not wait, one at a time or in chains, without any server.

    from tuxpy import Engine

    with Engine() as engine:
        fd = engine.call("openat2", AT_FDCWD, "big.log", os.O_RDONLY)
        head = engine.call("pread", fd, 4096, 0)

Reading order: given, onecall (friendly arguments become cells) · completion (what comes back) · engine (the door) ·
waiting (who gets what).
docs/syslets.md is the reference.
"""

from __future__ import annotations

from .completion import Completion, Step
from .engine import Engine
from .params import chain
from .views import AT_FDCWD, Entry, Stat, entries, stat_of, stating

__all__ = ["AT_FDCWD", "Completion", "Engine", "Entry", "Stat", "Step", "chain", "entries", "stat_of", "stating"]
