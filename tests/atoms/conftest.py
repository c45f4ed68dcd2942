"""What every test here is held to: it closes the descriptors that it opens, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

OPEN = Path("/proc/self/fd")


@pytest.fixture(autouse=True)
def no_descriptor_leaks() -> Iterator[None]:
    before = sorted(fd.name for fd in OPEN.iterdir())
    yield
    assert sorted(fd.name for fd in OPEN.iterdir()) == before, "a descriptor was left open, or one too many was closed"
