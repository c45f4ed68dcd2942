"""Every run can be ended: by cookie, by deadline, by budget; and none can keep the engine for itself."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.client import Client, get
from support.poll import until

from tuxpy.atoms import Chain, Frozen, Reason, flags

from .conftest import Make
from .places import PLACES
from .rig import Rig, judged, listening
from .samples import spinning


@pytest.fixture(params=PLACES)
def parked(request: pytest.FixtureRequest, backend: str) -> Iterator[tuple[Rig, Frozen, dict[str, int]]]:
    """An engine, and a chain that parks. The engine ends before what was lent to it."""
    with PLACES[request.param]() as (frozen, given), Rig(backend) as rig:
        yield rig, frozen, given


def test_a_parked_run_is_cancelled_by_its_cookie(parked: tuple[Rig, Frozen, dict[str, int]]) -> None:
    """The others stay."""
    rig, frozen, given = parked
    for cookie in 1, 2, 3:
        rig.engine.submit(frozen, given, cookie=cookie)
    rig.wait_until_parked(3)
    rig.engine.cancel(2)
    ended = rig.result()
    assert (ended.cookie, ended.reason, ended.result) == (2, Reason.CANCELLED, -errno.ECANCELED)
    assert frozen.atoms[ended.last_atom].label.startswith("here")
    rig.wait_until_parked(2)
    rig.engine.cancel(1)
    rig.engine.cancel(3)
    assert {(r.cookie, r.reason) for r in rig.results(2)} == {(1, Reason.CANCELLED), (3, Reason.CANCELLED)}
    assert (rig.metric("runs"), rig.metric("connections")) == (0, 0)


def test_a_parked_run_has_a_deadline(parked: tuple[Rig, Frozen, dict[str, int]]) -> None:
    rig, frozen, given = parked
    rig.engine.submit(frozen, given, cookie=1)
    begun = time.monotonic()
    rig.engine.submit(frozen, given, cookie=2, deadline_ms=30)
    ended = rig.result()
    assert (ended.cookie, ended.reason, ended.result) == (2, Reason.DEADLINE, -errno.ECANCELED)
    assert frozen.atoms[ended.last_atom].label.startswith("here")
    assert 0.02 < time.monotonic() - begun < 5


def test_a_slot_is_as_good_as_new_after_a_cancel(parked: tuple[Rig, Frozen, dict[str, int]]) -> None:
    """What came for the former run is not taken for the next one's."""
    rig, frozen, given = parked
    for _ in range(20):
        rig.engine.submit(frozen, given, copies=2)
        rig.engine.cancel(0)
        assert {r.reason for r in rig.results(2)} == {Reason.CANCELLED}
    c = Chain("sleeps")
    c.nanosleep(10_000_000)
    rig.engine.submit(c.freeze(), copies=16)
    assert {(r.reason, r.result) for r in rig.results(16)} == {(Reason.END, 0)}


def test_an_unknown_cookie_cancels_nobody(rig: Rig) -> None:
    c = Chain("sleeps")
    c.nanosleep(30_000_000)
    rig.engine.submit(c.freeze(), cookie=1)
    rig.engine.cancel(2)
    assert rig.result().reason is Reason.END


def test_a_cookie_names_all_runs_that_have_it(rig: Rig) -> None:
    c = Chain("sleeps")
    c.nanosleep(10**15)
    rig.engine.submit(c.freeze(), cookie=7, copies=9)
    rig.engine.submit(c.freeze(), cookie=8, copies=3)
    rig.engine.cancel(7)
    assert {(r.cookie, r.reason) for r in rig.results(9)} == {(7, Reason.CANCELLED)}
    rig.wait_for("runs", 3, least=False)


# With a worker.


def cold_loop(path: Path, budget: int = (1 << 32) - 1) -> Frozen:
    """Reads a file on a worker, again and again."""
    c = Chain("cold", budget=budget)
    c.pread(c.param("file", writable=False), c.buffer(4096), 4096, 0, label="here", next="here", flags=flags.ASYNC)
    return c.freeze()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "file"
    path.write_bytes(bytes(10_000))
    fd = os.open(path, os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.fixture
def reader(file: int, make: Make) -> Rig:
    """It ends before the file is closed."""
    return make(workers=1)


def test_runs_that_are_with_a_worker_are_cancelled_when_they_come_back(
    reader: Rig, file: int, tmp_path: Path
) -> None:
    reader.engine.submit(cold_loop(tmp_path), {"file": file}, cookie=1, copies=10)
    reader.engine.submit(cold_loop(tmp_path), {"file": file}, cookie=2)
    reader.wait_for("cold", 100)
    reader.engine.cancel(1)
    assert {(r.cookie, r.reason, r.last_atom) for r in reader.results(10)} == {(1, Reason.CANCELLED, 0)}
    reader.engine.cancel(2)
    assert reader.result().reason is Reason.CANCELLED


def test_a_run_whose_last_atom_is_with_a_worker_says_that_it_was_cancelled(reader: Rig, file: int) -> None:
    """Sixteen at one worker: a cancel that is read in time finds most of them in its queue."""
    c = Chain("once")
    c.pread(c.param("file", writable=False), c.buffer(4096), 4096, 0, flags=flags.ASYNC)
    frozen = c.freeze()

    def cancelled() -> bool:
        reader.engine.submit(frozen, {"file": file}, cookie=1, copies=16)
        reader.engine.cancel(1)
        reasons = {r.reason for r in reader.results(16)}
        assert reasons <= {Reason.CANCELLED, Reason.END}
        return Reason.CANCELLED in reasons

    assert until(cancelled)


def test_a_deadline_counts_on_a_worker_too(reader: Rig, file: int, tmp_path: Path) -> None:
    reader.engine.submit(cold_loop(tmp_path), {"file": file}, copies=5, deadline_ms=50)
    assert {(r.reason, r.last_atom) for r in reader.results(5)} == {(Reason.DEADLINE, 0)}


# Budget and fairness.


@pytest.mark.parametrize("budget", [1, 63, 64, 65, 1000])
def test_a_budget_is_exact(rig: Rig, budget: int) -> None:
    rig.engine.submit(spinning(budget))
    ended = rig.result()
    assert (ended.reason, ended.steps, ended.result) == (Reason.BUDGET, budget, budget)


@pytest.mark.parametrize("budget", [1, 64, 1000])
def test_a_budget_that_is_just_enough_is_no_reason(rig: Rig, budget: int) -> None:
    c = Chain("enough", budget=budget)
    c.umem_add(c.int("n", -budget), 1, label="here", stop_on="zero", next="here")
    rig.engine.submit(c.freeze())
    ended = rig.result()
    assert (ended.reason, ended.steps, ended.result) == (Reason.STOP, budget, 0)


def test_a_spinning_run_is_cancelled(rig: Rig) -> None:
    rig.engine.submit(spinning((1 << 32) - 1), cookie=3)
    rig.wait_for("runs", 1)
    rig.engine.cancel(3)
    ended = rig.result()
    assert (ended.reason, ended.last_atom) == (Reason.CANCELLED, 0)


def test_a_spinning_run_has_a_deadline(rig: Rig) -> None:
    begun = time.monotonic()
    rig.engine.submit(spinning((1 << 32) - 1), deadline_ms=50)
    assert rig.result().reason is Reason.DEADLINE
    assert 0.03 < time.monotonic() - begun < 5


def test_spinning_runs_do_not_keep_others_from_being_served(backend: str, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("hello")
    with listening() as listener, judged(backend, tmp_path) as rig:
        rig.serve(listener, copies=2)
        for cookie in range(4):
            rig.engine.submit(spinning((1 << 32) - 1), cookie=100 + cookie)
        with Client(listener.getsockname()) as client:
            for _ in range(50):
                assert client.ask(get("/")).status == 200
        assert rig.metric("runs") == 6, "they still spin"
        for cookie in range(4):
            rig.engine.cancel(100 + cookie)
        assert {r.reason for r in rig.results(4)} == {Reason.CANCELLED}


def test_spinning_runs_share_the_engine_evenly(rig: Rig) -> None:
    """Four at once: when the first has spent its budget the others are not far behind."""
    rig.engine.submit(spinning(2_000_000), copies=4)
    begun = time.monotonic()
    rig.results(4)
    assert time.monotonic() - begun < 10
    assert rig.metric("steps") == 8_000_000


def test_time_goes_on_for_sleepers_while_others_spin(rig: Rig) -> None:
    rig.engine.submit(spinning((1 << 32) - 1), cookie=1)
    c = Chain("sleeps")
    c.nanosleep(20_000_000)
    rig.engine.submit(c.freeze(), cookie=2)
    ended = rig.result()
    assert (ended.cookie, ended.reason) == (2, Reason.END)
    rig.engine.cancel(1)
    assert rig.result().reason is Reason.CANCELLED
