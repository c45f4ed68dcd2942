"""Engines against the specification: random chains in the same world end alike, on both back-ends.

What cells held last is not told by an engine; instead the numbers that all runs share are compared, and what a run has
done to the world. SYNC is taken out of the chains, since there an engine may say -EAGAIN where the reference waits.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from atoms.strategies import SHARED, chains, params, shared_numbers
from atoms.world import world
from hypothesis import given, note, settings
from hypothesis import strategies as st
from support.running import BACKENDS, refusal

from tuxpy.atoms import Chain, ChainResult, Frozen, Reason, flags, reference
from tuxpy.atoms.text import dump

from .rig import Rig, descriptors

Effects = tuple[dict[str, bytes | None], bytes, bytes, int]


@pytest.fixture(scope="module")
def engines() -> Iterator[dict[str, Rig]]:
    """One engine for all examples: what one leaves behind in a slot must not matter to the next."""
    rigs: dict[str, Rig] = {name: Rig(name, slots=4) for name in BACKENDS if refusal(name) is None}
    yield rigs
    for rig in rigs.values():
        rig.close()


def unsynced(frozen: Frozen) -> Frozen:
    return replace(frozen, atoms=tuple(replace(atom, flags=atom.flags & ~flags.SYNC) for atom in frozen.atoms))


def wanted(frozen: Frozen, values: Mapping[str, int]) -> dict[str, int]:
    """Of these values the ones that the chain takes."""
    return {cell.name: values[cell.name] for cell in frozen.params}


def record(frozen: Frozen, ended: ChainResult) -> dict[str, Any]:
    last = frozen.atoms[ended.last_atom]
    return {
        "last": last.label,
        "result": min(ended.result, 0) if last.call.makes_fd else ended.result,  # which number is chance
        "reason": ended.reason,
        "steps": ended.steps,
    }


def silent(frozen: Frozen, ended: ChainResult) -> bool:
    """Its success is not told."""
    success = ended.result >= 0 and ended.reason in (Reason.END, Reason.STOP)
    return success and bool(frozen.atoms[ended.last_atom].flags & flags.NO_COMPLETE)


def specified(
    frozen: Frozen, numbers: Mapping[str, int], first: list[int]
) -> tuple[ChainResult, list[int], Effects]:
    shared = list(first)
    with world() as w:
        ended = reference.run(frozen, wanted(frozen, {**w.params, **numbers}), shared=shared)
        return ended, shared, w.effects()


def done(
    rig: Rig, frozen: Frozen, numbers: Mapping[str, int], first: list[int]
) -> tuple[list[ChainResult], list[int], Effects]:
    for index, value in enumerate(first):
        rig.engine.set_shared(index, value)
    before, opened = rig.metric("completions"), descriptors()
    with world() as w:
        rig.engine.submit(frozen, wanted(frozen, {**w.params, **numbers}))
        rig.wait_for("completions", before + 1)
        effects = w.effects()
    assert descriptors() == opened, "a descriptor is left, or one too many was closed"
    rig.take()
    told, rig.ended = rig.ended, []
    return told, [rig.engine.shared(index) for index in range(16)], effects


def check(rig: Rig, frozen: Frozen, numbers: Mapping[str, int], first: list[int]) -> None:
    expected, shared, effects = specified(frozen, numbers, first)
    told, now, done_to_world = done(rig, frozen, numbers, first)
    if silent(frozen, expected):
        assert told == []
    else:
        assert [record(frozen, one) for one in told] == [record(frozen, expected)]
    assert now == shared
    assert done_to_world == effects


@settings(deadline=None, database=None, max_examples=300)
@given(frozen=chains().map(unsynced), numbers=params(), first=shared_numbers())
def random_chains_end_alike(rig: Rig, frozen: Frozen, numbers: dict[str, int], first: list[int]) -> None:
    note(dump(frozen))
    check(rig, frozen, numbers, first)


@pytest.mark.slow
def test_random_chains_end_alike(engines: dict[str, Rig], backend: str) -> None:
    random_chains_end_alike(engines[backend])


@settings(deadline=None, database=None, max_examples=30)
@given(frozen=chains().map(unsynced), numbers=params(), copies=st.integers(2, 4))
def together(rig: Rig, frozen: Frozen, numbers: dict[str, int], copies: int) -> None:
    """Several runs of one chain in the same world: what they do there mingles, but each one ends and closes its own."""
    before, opened = rig.metric("completions"), descriptors()
    with world() as w:
        rig.engine.submit(frozen, wanted(frozen, {**w.params, **numbers}), copies=copies)
        rig.wait_for("completions", before + copies)
        assert rig.metric("runs") == 0
    assert descriptors() == opened
    rig.take()
    assert len(rig.ended) <= copies
    rig.ended.clear()


@pytest.mark.slow
def test_random_chains_end_side_by_side(engines: dict[str, Rig], backend: str) -> None:
    together(engines[backend])


@settings(deadline=None, database=None, max_examples=40)
@given(frozen=chains().map(unsynced), numbers=params(), cut=st.sampled_from(["cancel", "deadline"]))
def cut_short(rig: Rig, frozen: Frozen, numbers: dict[str, int], cut: str) -> None:
    """Cancelled or late, wherever it is at that time: it ends, with one of the reasons it may have."""
    before, opened = rig.metric("completions"), descriptors()
    with world() as w:
        deadline_ms = 1 if cut == "deadline" else 0
        rig.engine.submit(frozen, wanted(frozen, {**w.params, **numbers}), cookie=5, deadline_ms=deadline_ms)
        if cut == "cancel":
            rig.engine.cancel(5)
        rig.wait_for("completions", before + 1)
    assert descriptors() == opened
    rig.take()
    for ended in rig.ended:
        assert ended.reason is not Reason[{"cancel": "DEADLINE", "deadline": "CANCELLED"}[cut]]
    rig.ended.clear()


@pytest.mark.slow
def test_random_chains_can_be_cut_short(engines: dict[str, Rig], backend: str) -> None:
    cut_short(engines[backend])


@pytest.mark.parametrize("first", [-(1 << 63), (1 << 63) - 1])
@pytest.mark.parametrize("increment", range(-5, 6))
def test_every_number_may_be_a_result(engines: dict[str, Rig], backend: str, first: int, increment: int) -> None:
    """The ends of the range too, where C keeps the words by which an atom says that it has not happened yet."""
    c = Chain("ends")
    c.umem_add(c.int("i", first), increment, label="same")
    c.umem_add(c.shared(SHARED, "s"), increment)
    check(engines[backend], c.freeze(), {}, [first] * 16)


@pytest.mark.parametrize(
    ("fd", "expected"),
    [("directory", -errno.EISDIR), ("source", 16), ("stream", 16), ("sink", -errno.EBADF)],
)
def test_a_read_of_anything_says_the_same(engines: dict[str, Rig], backend: str, fd: str, expected: int) -> None:
    c = Chain("reads")
    lent = {name: c.param(name, writable=False) for name in ("directory", "source", "sink", "stream")}
    c.read(lent[fd], c.buffer(16), 16)
    frozen = c.freeze()
    check(engines[backend], frozen, {}, [0] * 16)
    assert specified(frozen, {}, [0] * 16)[0].result == expected
