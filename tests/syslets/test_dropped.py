"""An engine that a program drops gives back its threads and its descriptors, and says that it was not closed."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from tuxpy import Chain, Engine, chain
from tuxpy.config.settings import Backend


@chain
def dozing(c: Chain) -> None:
    c.nanosleep(c.param("ns"))


def dropped(engine: Engine) -> None:
    """As it is."""


def with_runs(engine: Engine) -> None:
    """Runs are alive, and completions wait for somebody."""
    engine.submit_many(dozing, ns=[10**13] * 10)
    engine.submit(dozing, ns=0)


def with_a_map(engine: Engine) -> None:
    """An iterator was left in the middle."""
    next(iter(engine.map(dozing, [{"ns": 0}] * 10)))


def in_a_cycle(engine: Engine) -> None:
    """Something that it knows knows it."""
    engine.myself = [engine]  # type: ignore[attr-defined]


def held() -> tuple[int, int]:
    """Threads and descriptors of this process."""
    return len(list(Path("/proc/self/task").iterdir())), len(list(Path("/proc/self/fd").iterdir()))


def comes_back_to(before: tuple[int, int]) -> bool:
    """A thread that has been joined stays in /proc for a moment."""
    until = time.monotonic() + 30
    while held() != before and time.monotonic() < until:
        time.sleep(0.001)
    return held() == before


@pytest.mark.parametrize("use", [dropped, with_runs, with_a_map, in_a_cycle])
def test_a_dropped_engine_gives_everything_back(backend: Backend, use: Callable[[Engine], None]) -> None:
    gc.collect()
    before = held()
    with pytest.warns(ResourceWarning, match=rf"^<Engine {backend}, 64 slots, 2 workers> was not closed"):
        for _ in range(3):
            use(Engine(slots=64, workers=2, backend=backend))
        if use is in_a_cycle:
            gc.collect()
    assert comes_back_to(before)


def test_without_a_cycle_the_last_reference_is_enough(backend: Backend) -> None:
    gc.disable()
    try:
        before = held()
        with pytest.warns(ResourceWarning):
            engine = Engine(slots=64, workers=2, backend=backend)
            assert engine.call("getpid") == os.getpid()
            del engine
        assert comes_back_to(before)
    finally:
        gc.enable()


def test_a_closed_engine_is_dropped_in_silence(backend: Backend) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Engine(slots=64, workers=2, backend=backend).close()
        gc.collect()


def test_what_never_opened_has_nothing_to_say() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(Exception, match="slots"):
            Engine(slots=0)
        gc.collect()


def test_an_engine_cannot_be_pickled(backend: Backend) -> None:
    with Engine(slots=64, workers=2, backend=backend) as engine:
        for way in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="an engine is threads of this process"):
                way(engine)
