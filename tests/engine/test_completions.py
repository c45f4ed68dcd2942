"""What is told of a run that has ended: which record, when there is none, and that none is ever lost."""

from __future__ import annotations

import errno

import pytest
from support.poll import until

from tuxpy.atoms import Chain, ChainResult, Frozen, Reason, flags
from tuxpy.errors import EngineError

from .conftest import Make
from .rig import Rig
from .samples import beyond, counting, failing, sleeping, spinning

# The record.


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        (counting(), ChainResult(9, 2, 3, Reason.END, 3, ())),
        (failing(), ChainResult(9, 1, -errno.EBADF, Reason.STOP, 2, ())),
        (beyond(), ChainResult(9, 1, -errno.EFAULT, Reason.ERROR, 2, ())),
        (spinning(1000), ChainResult(9, 0, 1000, Reason.BUDGET, 1000, ())),
        (sleeping(1), ChainResult(9, 2, 7, Reason.END, 3, ())),
    ],
    ids=lambda value: value.name if isinstance(value, Frozen) else "",
)
def test_a_record_says_why_and_where(rig: Rig, chain: Frozen, expected: ChainResult) -> None:
    rig.engine.submit(chain, cookie=9)
    assert rig.result() == expected


@pytest.mark.parametrize("cookie", [0, 1, (1 << 64) - 1])
def test_a_cookie_comes_back_as_it_was_given(rig: Rig, cookie: int) -> None:
    rig.engine.submit(counting(), cookie=cookie)
    assert rig.result().cookie == cookie


def test_every_copy_leaves_a_record_of_its_own(rig: Rig) -> None:
    c = Chain("numbered")
    c.umem_add(c.shared(3, "number"), 1)
    rig.engine.submit(c.freeze(), copies=16)
    assert sorted(r.result for r in rig.results(16)) == list(range(1, 17))
    assert rig.engine.shared(3) == 16


def test_records_come_in_the_order_in_which_runs_ended(rig: Rig) -> None:
    def in_order() -> bool:  # who submits too late spoils a round
        for cookie, ms in enumerate((90, 60, 30)):
            rig.engine.submit(sleeping(ms), cookie=cookie)
        return [r.cookie for r in rig.results(3)] == [2, 1, 0]

    assert until(in_order)


# NO_COMPLETE suppresses success only.


def silent(rig: Rig, chain: Frozen, deadline_ms: int = 0) -> bool:
    before = rig.metric("completions")
    rig.engine.submit(chain, deadline_ms=deadline_ms)
    rig.wait_for("completions", before + 1)
    rig.take()
    told, rig.ended = len(rig.ended), []
    return not told


def test_no_complete_keeps_quiet_about_success(rig: Rig) -> None:
    assert silent(rig, counting(flags=flags.NO_COMPLETE))
    assert silent(rig, counting(1, flags=flags.NO_COMPLETE))
    assert not silent(rig, counting())


def test_no_complete_counts_at_the_last_atom_only(rig: Rig) -> None:
    c = Chain("early")
    c.umem_add(c.int("n"), 1, flags=flags.NO_COMPLETE)
    c.umem_add(c.int("m"), 1)
    assert not silent(rig, c.freeze())


def test_no_complete_is_quiet_about_a_stop_that_is_no_failure(rig: Rig) -> None:
    c = Chain("stops")
    c.umem_add(c.int("n"), 1, stop_on="nonzero", flags=flags.NO_COMPLETE)
    c.umem_add(c.int("m"), 1)
    assert silent(rig, c.freeze())


def test_no_complete_tells_every_failure(rig: Rig) -> None:
    c = Chain("spinning", budget=10)
    c.umem_add(c.int("n"), 1, label="again", next="again", flags=flags.NO_COMPLETE)
    assert not silent(rig, c.freeze()), "a spent budget"
    assert not silent(rig, failing(flags=flags.NO_COMPLETE)), "a negative result"
    c = Chain("asleep")
    c.nanosleep(10**12, flags=flags.NO_COMPLETE)
    frozen = c.freeze()
    assert not silent(rig, frozen, deadline_ms=1), "a deadline"
    rig.engine.submit(frozen, cookie=5)
    rig.engine.cancel(5)
    assert rig.result().reason is Reason.CANCELLED


def test_quiet_runs_give_their_place_back(rig: Rig) -> None:
    """More of them than there are places, and nobody takes anything."""
    quiet = counting(flags=flags.NO_COMPLETE)
    for done in range(0, 160, 16):
        rig.engine.submit(quiet, copies=16)
        rig.wait_for("completions", done + 16)
    assert rig.metric("refused") == 0
    rig.take()
    assert rig.ended == []


# The ring.


def test_a_full_ring_refuses_and_loses_nothing(rig: Rig) -> None:
    chain = counting()
    rig.engine.submit(chain, copies=10)
    rig.engine.submit(chain, copies=6)
    for copies in 1, 5, 1000:
        with pytest.raises(EngineError, match="counting could not be submitted") as refused:
            rig.engine.submit(chain, copies=copies)
        assert refused.value.errno == errno.ENOBUFS
    assert rig.metric("refused") == 1006
    rig.wait_for("completions", 16)
    with pytest.raises(EngineError):  # they have ended, but nobody has taken their records
        rig.engine.submit(chain)
    assert len(rig.results(16)) == 16
    rig.engine.submit(chain, copies=16)
    assert len(rig.results(16)) == 16
    assert (rig.metric("submitted"), rig.metric("completions"), rig.metric("refused")) == (32, 32, 1007)


def test_a_place_is_promised_for_as_long_as_a_run_lives(rig: Rig) -> None:
    rig.engine.submit(sleeping(10**6), copies=16)
    with pytest.raises(EngineError) as refused:
        rig.engine.submit(counting())
    assert refused.value.errno == errno.ENOBUFS
    rig.engine.cancel(0)
    assert {r.reason for r in rig.results(16)} == {Reason.CANCELLED}
    rig.engine.submit(counting())
    assert rig.result().reason is Reason.END


def test_all_or_none_of_a_submission(rig: Rig) -> None:
    rig.engine.submit(sleeping(10**6), copies=10)
    with pytest.raises(EngineError):
        rig.engine.submit(counting(), cookie=1, copies=7)
    rig.engine.submit(counting(), cookie=2, copies=6)
    assert {r.cookie for r in rig.results(6)} == {2}


def test_nothing_is_no_number_of_copies(rig: Rig) -> None:
    with pytest.raises(EngineError) as refused:
        rig.engine.submit(counting(), copies=0)
    assert refused.value.errno == errno.EINVAL


def test_params_must_be_those_of_the_chain(rig: Rig) -> None:
    c = Chain("given")
    c.umem_add(c.param("n"), 1)
    frozen = c.freeze()
    with pytest.raises(EngineError, match="the param n is missing"):
        rig.engine.submit(frozen)
    with pytest.raises(EngineError, match="the param m is unknown"):
        rig.engine.submit(frozen, {"n": 1, "m": 2})
    rig.engine.submit(frozen, {"n": 41})
    assert rig.result().result == 42
    assert rig.metric("submitted") == 1


@pytest.mark.slow
def test_no_record_is_lost_among_many(make: Make) -> None:
    rig = make(slots=1000)
    chain, left, seen = counting(), 20_000, 0
    while seen < 20_000:
        if left:
            copies = min(left, 37)
            try:
                rig.engine.submit(chain, cookie=left, copies=copies)
                left -= copies
            except EngineError as error:
                assert error.errno == errno.ENOBUFS
        rig.take()
        seen += len(rig.ended)
        rig.ended.clear()
    assert seen == rig.metric("submitted") == rig.metric("completions") == 20_000
    assert rig.metric("steps") == 60_000
