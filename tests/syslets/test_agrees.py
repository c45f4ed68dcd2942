"""Random chains from Python against the specification, cells and buffers included, wherever they run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableSequence
from dataclasses import replace

import pytest
from atoms.strategies import chains, params, shared_numbers
from atoms.test_engine_agrees import outcome, specified
from hypothesis import given, note, settings
from hypothesis import strategies as st
from support.running import BACKENDS, refusal

from tuxpy import Engine
from tuxpy.atoms import Chain, ChainResult, Frozen, Reason, flags
from tuxpy.atoms.text import dump


@pytest.fixture(scope="module")
def engines() -> Iterator[dict[str, Engine]]:
    opened: dict[str, Engine] = {
        name: Engine(slots=8, workers=2, backend=name) for name in BACKENDS if refusal(name) is None
    }
    yield opened
    for engine in opened.values():
        engine.close()


@settings(deadline=None, database=None, max_examples=300)
@given(frozen=chains(), numbers=params(), first=shared_numbers(), away=st.booleans())
def random_chains_end_alike(
    engine: Engine, frozen: Frozen, numbers: dict[str, int], first: list[int], away: bool
) -> None:
    note(dump(frozen))
    manner = ~(flags.SYNC | flags.NO_COMPLETE)
    frozen = replace(frozen, atoms=tuple(replace(atom, flags=atom.flags & manner) for atom in frozen.atoms))

    def run(frozen: Frozen, given: Mapping[str, int], shared: MutableSequence[int]) -> ChainResult:
        wanted = {cell.name: given[cell.name] for cell in frozen.params}
        for index, value in enumerate(shared):
            engine.set_shared(index, value)
        engine.submit(frozen, away=away, **wanted)
        (ended,) = engine.wait()
        shared[:] = [engine.shared(index) for index in range(16)]
        cells = tuple(ended.cells.values())
        return ChainResult(0, ended.last_atom, ended.result, Reason(ended.reason), ended.steps, cells)

    def spec(frozen: Frozen, given: Mapping[str, int], shared: MutableSequence[int]) -> ChainResult:
        return specified(frozen, {cell.name: given[cell.name] for cell in frozen.params}, shared)

    assert outcome(run, frozen, numbers, first) == outcome(spec, frozen, numbers, first)


@pytest.mark.slow
def test_random_chains_end_alike(engines: dict[str, Engine], backend: str) -> None:
    random_chains_end_alike(engines[backend])


@pytest.mark.parametrize("away", [False, True])
@pytest.mark.parametrize(("name", "args"), [("splice", (-1, -1, -1, -1, 0, 128)), ("sendfile", (-1, -1, 0, 0))])
def test_nothing_to_move_asks_for_no_descriptor(
    engines: dict[str, Engine], backend: str, name: str, args: tuple[int, ...], away: bool
) -> None:
    c = Chain("nothing")
    c.add(name, *args)
    frozen = c.freeze()
    engines[backend].submit(frozen, away=away)
    assert engines[backend].wait()[0].result == specified(frozen, {}, [0] * 16).result == 0
