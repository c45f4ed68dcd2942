"""An engine on the back-end at hand; what a test takes it gives back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from engine.conftest import nothing_is_left_behind

from tuxpy import Engine
from tuxpy.config.settings import Backend

__all__ = ["nothing_is_left_behind"]

Open = Callable[..., Engine]


@pytest.fixture
def open_engine(backend: Backend) -> Iterator[Open]:
    with ExitStack() as ends:
        yield lambda **options: ends.enter_context(Engine(**{"slots": 64, "workers": 2, "backend": backend, **options}))


@pytest.fixture
def engine(open_engine: Open) -> Engine:
    return open_engine()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Twenty files, the last one empty."""
    made = [tmp_path / f"file{n:02}" for n in range(20)]
    for n, path in enumerate(made):
        path.write_bytes(bytes([n]) * (19 - n) * 100)
    return made


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)
