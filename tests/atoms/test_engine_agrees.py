"""The C engine, run in place, against its specification: the same chain in the same world ends the same way."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, MutableSequence
from errno import EBADF, EINVAL
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from tuxpy.atoms import Chain, ChainResult, Frozen, Kind, Reason
from tuxpy.atoms.reference import run
from tuxpy.atoms.text import dump
from tuxpy.engine.inline import run_inline

from .strategies import CHANCE, QUICK, chains, params, shared_numbers
from .world import LENT, world

Runner = Callable[[Frozen, Mapping[str, int], MutableSequence[int]], ChainResult]


def specified(frozen: Frozen, given: Mapping[str, int], shared: MutableSequence[int]) -> ChainResult:
    return run(frozen, given, shared=shared)


def outcome(runner: Runner, frozen: Frozen, numbers: Mapping[str, int], first: list[int]) -> dict[str, Any]:
    """Everything that must not depend on who ran the chain."""
    shared = list(first)
    with world() as w:
        completion = runner(frozen, {**w.params, **numbers}, shared)
        effects = w.effects()
    last = frozen.atoms[completion.last_atom]
    held = zip(frozen.cells, completion.cells, strict=True)
    return {
        "last_atom": completion.last_atom,
        "label": last.label,
        "result": min(completion.result, 0) if last.call.makes_fd else completion.result,  # which number is chance
        "reason": completion.reason,
        "steps": completion.steps,
        "shared": shared,
        "cells": {c.name: value for c, value in held if c.name not in LENT + CHANCE and c.kind is not Kind.SHARED},
        "effects": effects,
    }


@QUICK
@given(chains(), params(), shared_numbers())
def test_random_chains_end_alike(frozen: Frozen, numbers: dict[str, int], first: list[int]) -> None:
    note(dump(frozen))
    assert outcome(run_inline, frozen, numbers, first) == outcome(specified, frozen, numbers, first)


@pytest.mark.parametrize("first", [-(1 << 63), (1 << 63) - 1])
@pytest.mark.parametrize("increment", range(-5, 6))
def test_every_number_may_be_a_result(first: int, increment: int) -> None:
    """The ends of the range too, where C keeps the words by which an atom says that it has not happened yet."""
    c = Chain("ends")
    c.umem_add(c.int("i", first), increment)
    c.umem_sub(c.int("j", first), increment)
    frozen = c.freeze()
    assert run_inline(frozen) == run(frozen)


@pytest.mark.parametrize("same", [False, True], ids=["two cells", "one cell"])
@pytest.mark.parametrize("flags", [os.O_CLOEXEC, 1])
def test_a_pipe_goes_to_cells_that_own_it(same: bool, flags: int) -> None:
    """Made again and again, it leaves no descriptor behind; a failure leaves the cells what they have."""
    c = Chain("pipe", budget=100)
    reader, writer, turns, room = c.fd("reader"), c.fd("writer"), c.int("turns", 3), c.buffer(8, "room")
    c.pipe2(reader, reader if same else writer, os.O_CLOEXEC, label="again")
    c.umem_sub(turns, 1, stop_on="nonzero", on_stop="again")
    c.pipe2(reader, writer, flags, label="flags", ret=c.int("made"))
    c.write(writer, c.data(b"through", "data"), 7, ret=c.int("written"), stop_on="negative")
    c.read(reader, room, 8, ret=c.int("size"))
    frozen = c.freeze()
    before = len(list(Path("/proc/self/fd").iterdir()))
    here, there = run(frozen), run_inline(frozen)
    assert here == there
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    values = {cell.name: value for cell, value in zip(frozen.cells, here.cells, strict=True)}
    if flags == os.O_CLOEXEC or not same:
        assert (values["room"], values["size"]) == (b"through\0", 7)
    else:
        assert (values["made"], values["written"]) == (-EINVAL, -EBADF)


@QUICK
@given(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(-(1 << 63), (1 << 63) - 1))
def test_sums_wrap_alike(value: int, increment: int) -> None:
    c = Chain("sum")
    c.umem_add(c.int("i", value), increment)
    c.umem_sub(c.int("j", value), increment)
    frozen = c.freeze()
    assert run_inline(frozen) == run(frozen)


@pytest.mark.parametrize("budget", [1, 2, 5])
def test_budget_is_counted_alike(budget: int) -> None:
    c = Chain("loop", budget=budget)
    c.umem_add(c.int("i"), 1, label="again", next="again")
    frozen = c.freeze()
    completion = run_inline(frozen, {})
    assert (completion.reason, completion.steps, completion.result) == (Reason.BUDGET, budget, budget)
    assert completion == run(frozen, {})


def test_error_is_told_before_budget() -> None:
    """Both hold after the same step: what went wrong is the better answer."""
    c = Chain("both", budget=1)
    c.read(-1, c.buffer(4), 5, label="long", next="long")
    frozen = c.freeze()
    assert run(frozen, {}).reason is Reason.ERROR
    assert run_inline(frozen, {}).reason is Reason.ERROR


def test_a_length_is_judged_before_an_offset() -> None:
    c = Chain("both")
    c.pread(-1, c.buffer(4), 5, -1)
    frozen = c.freeze()
    assert run(frozen, {}).reason is Reason.ERROR
    assert run_inline(frozen, {}).reason is Reason.ERROR


def test_nobody_sends_a_negative_count() -> None:
    c = Chain("negative")
    c.sendfile(c.param("sink", writable=False), c.param("source", writable=False), 0, -1)
    frozen = c.freeze()
    for runner in run, run_inline:
        with world() as w:
            completion = runner(frozen, {name: w.params[name] for name in ("sink", "source")})
            assert completion.result == -22
            assert w.effects()[0]["sink"] == b""
