"""How many processors there are for us: what this process may use of them, and what its control group allows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from ..errors import ConfigError

WORKERS_MAX: Final = 1024



def parse_workers(text: str) -> int:
    """A number, or auto."""
    if text == "auto":
        return workers_auto()
    if text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= WORKERS_MAX:
        return int(text)
    raise ConfigError(f"{text!r} is not a number of engines: give 1 to {WORKERS_MAX}, or auto")


def workers_auto() -> int:
    """As many engines as there are processors for this process, at least one.

    The affinity says which processors it may use, the control group how much of them. A fraction is rounded down: the
    judge lives on it, and engines beyond the quota would only be stopped in the middle of their turn.
    """
    quotas = (quota_cpus(_content(f"/sys/fs/cgroup{group}/cpu.max")) for group in _groups())
    return max(1, min([len(os.sched_getaffinity(0)), *(cpus for cpus in quotas if cpus is not None)]))


def quota_cpus(cpu_max: str) -> int | None:
    """Whole processors that a cpu.max of control groups v2 grants ("QUOTA PERIOD"); None when it sets no limit."""
    words = cpu_max.split()
    if len(words) != 2 or not (words[0].isdecimal() and words[1].isdecimal() and int(words[1])):
        return None
    return int(words[0]) // int(words[1])


def _groups() -> Iterator[str]:
    """The control group of this process and all above it; "" is the topmost we see."""
    yield ""
    for line in _content("/proc/self/cgroup").splitlines():
        if line.startswith("0::/") and "/.." not in line:
            path = line[len("0::") :].rstrip("/")
            while path:
                yield path
                path = path.rpartition("/")[0]


def _content(path: str) -> str:
    """The first page of a small file; nothing when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(4096)
    except OSError:
        return ""
