"""What goes to standard error, which may be gone or full: that changes no exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

import click

from ..config.problems import Problem
from ..errors import one_line


def drop_unwritable() -> None:
    """Forget what standard error did not take: Python tries once more at its end, and makes any exit code 120."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), sys.stderr.fileno())


def say(lines: str, colored: bool = False) -> None:
    """To standard error, if somebody is there: a server must not die of a closed terminal."""
    with contextlib.suppress(OSError):
        click.echo(lines, err=True, color=colored)


def fail(sentence: str, status: int) -> int:
    say(f"tuxpy: {one_line(' '.join(sentence.split()))}")
    return status


def tell(problems: Sequence[Problem]) -> int:
    """A line for each; those with a place in a file begin with it, as editors understand it."""
    for problem in problems:
        say(_line(problem))
    return 2


def warn(doubts: Sequence[Problem]) -> None:
    """The same of what keeps nothing from starting."""
    for doubt in doubts:
        say(f"{_line(doubt)} (a warning)")


def _line(problem: Problem) -> str:
    said = one_line(" ".join(str(problem).split()))
    return said if problem.line else f"tuxpy: {said}"
