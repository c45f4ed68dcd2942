"""The sizes of all files in a tree: readdir and stat, the case that Linus asked for in 2007.

    python examples/tree_size.py [DIRECTORY]
"""

from __future__ import annotations

import os
import sys
from os.path import join
from timeit import repeat

from tuxpy import Engine
from tuxpy.syslets import stat_of, stating


def before(root: str) -> int:
    total = 0
    for directory, _, names in os.walk(root):
        for name in names:
            total += os.lstat(join(directory, name)).st_size
    return total


def after(engine: Engine, root: str) -> int:
    names = [join(directory, name) for directory, _, names in os.walk(root) for name in names]
    return sum(stat_of(one.check().memory("stat")).size for one in engine.run_many(stating, path=names))


if __name__ == "__main__":
    root = sys.argv[1] if len(sys.argv) > 1 else "."
    with Engine() as engine:
        print(f"{before(root)} bytes, {after(engine, root)} bytes; milliseconds:")
        print(f"before {min(repeat(lambda: before(root), number=1, repeat=5)) * 1000:.2f}")
        print(f"after  {min(repeat(lambda: after(engine, root), number=1, repeat=5)) * 1000:.2f}")
