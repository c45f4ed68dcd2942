"""What the fixtures of conftest.py give, for annotations."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .relay import Relay


class Done(NamedTuple):
    """A program that has ended."""

    status: int
    out: str
    err: str


Publish = Callable[..., Relay]
"""publish(root, *words of the command line): a server over that directory, and a relay in front of it"""
Run = Callable[..., Done]
"""run(program, *words, cwd=..., env=..., status=0, within_s=...): to its end, with this status, or one of several"""
