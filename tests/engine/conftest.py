"""Every test of engines gives back what it took: descriptors and threads, whichever way its runs ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from support.poll import until
from support.running import BACKENDS, refusal, taken

from tuxpy.config.settings import Backend

from .rig import Rig

Make = Callable[..., Rig]


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    for name in BACKENDS:
        refusal(name)  # asks once, and only then counts
    before = taken()

    def more() -> set[str]:
        return {one for one in taken() - before if "iou-wrk" not in one}

    def fewer() -> set[str]:
        return {one for one in before - taken() if one.startswith("descriptor")}

    yield
    until(lambda: not more(), within_s=2)
    assert not more(), "left behind"
    assert not fewer(), "closed though others own it"


@pytest.fixture
def make(backend: Backend) -> Iterator[Make]:
    """Engines on the back-end at hand, closed at the end of the test."""
    with ExitStack() as ends:
        yield lambda **limits: ends.enter_context(Rig(backend, **limits))


@pytest.fixture
def rig(make: Make) -> Rig:
    """One of them."""
    return make()
