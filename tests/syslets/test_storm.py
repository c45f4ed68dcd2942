"""A million runs through a small engine, some cancelled, late or refused: each leaves exactly one completion."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from errno import ENOBUFS

import pytest

from tuxpy import Chain, Completion, Engine, chain
from tuxpy.atoms import Reason, flags

from .conftest import Open

RUNS = 1_000_000
SLOTS = 2048
BATCH = 250


@chain
def null(c: Chain) -> None:
    c.getpid()


@chain
def dozing(c: Chain) -> None:
    c.nanosleep(c.param("ns"))


@chain
def working(c: Chain) -> None:
    c.fsync(c.param("file"), flags=flags.ASYNC)


def storm(engine: Engine, chance: random.Random, scratch: int) -> Iterator[tuple[range, bool]]:
    """Batches of all kinds, and whether some of them may end early. Goes on where it was refused."""
    begun = 0
    while begun < RUNS:
        count = min(chance.randint(1, BATCH), RUNS - begun)
        kind = chance.random()
        try:
            if kind < 0.9:
                cookies = engine.submit_many(null, [{}] * count, away=kind < 0.1, keep=kind < 0.3)
            elif kind < 0.98:
                late = chance.choice([None, None, 0.001])
                cookies = engine.submit_many(dozing, ns=[chance.choice([0, 1, 10**13])] * count, deadline=late)
                for cookie in cookies if late is None else ():
                    engine.cancel(cookie)
            else:
                cookies = engine.submit_many(working, file=[scratch] * (count := min(count, 20)))
        except OSError as full:
            assert full.errno == ENOBUFS
            yield range(0), False
            continue
        begun += count
        yield cookies, kind >= 0.9


def fill(engine: Engine) -> list[int]:
    """Runs that end when they are cancelled, until no more are taken."""
    cookies: list[int] = []
    with pytest.raises(OSError) as full:
        while len(cookies) <= SLOTS:
            cookies += engine.submit_many(dozing, ns=[10**13] * BATCH)
    assert full.value.errno == ENOBUFS
    return cookies


@pytest.mark.slow
def test_a_million_runs_lose_nothing(open_engine: Open) -> None:
    engine = open_engine(slots=SLOTS, workers=4)
    chance, owed = random.Random(2007), Counter[int]()
    reasons: Counter[Reason] = Counter()
    scratch = os.memfd_create("scratch")

    def settle(ended: list[Completion]) -> None:
        for one in ended:
            owed[one.cookie] -= 1
            assert owed[one.cookie] == 0, one
            del owed[one.cookie]
            reasons[Reason(one.reason)] += 1

    first = fill(engine)
    owed.update(first)
    for cookie in first:
        engine.cancel(cookie)
    try:
        for cookies, _ in storm(engine, chance, scratch):
            owed.update(cookies)
            if not cookies or chance.random() < 0.3:  # otherwise the ring fills up
                settle(engine.wait(min=0 if cookies else 1, timeout=20))
        while owed:
            found = engine.wait(min=1, timeout=20)
            assert found, f"{len(owed)} runs are lost"
            settle(found)
    finally:
        os.close(scratch)
    assert sum(reasons.values()) == RUNS + len(first)
    assert reasons.keys() == {Reason.END, Reason.CANCELLED, Reason.DEADLINE}
    metrics = engine.metrics()
    assert metrics["refused"] > 0
    assert metrics["runs"] == 0
    assert metrics["visits"] + metrics["completions"] == RUNS + len(first)


@pytest.mark.slow
def test_many_threads_submit_take_and_cancel_at_once(open_engine: Open) -> None:
    """Four threads, each with runs of its own kind; whoever takes a completion, every one is taken once."""
    engine = open_engine(slots=512, workers=4)
    until = time.monotonic() + 4
    lock = threading.Lock()
    owed, taken, faults = Counter[int](), Counter[int](), []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        try:
            while time.monotonic() < until:
                try:
                    kind = chance.choice([null, dozing])
                    given = {"ns": [chance.choice([0, 1000, 10**13])] * 20} if kind is dozing else {}
                    cookies = engine.submit_many(kind, **given) if given else engine.submit_many(kind, [{}] * 20)
                    with lock:
                        owed.update(cookies)
                    for cookie in cookies:
                        engine.cancel(cookie)
                    assert engine.call("umem_add", seed, 1) == seed + 1
                except OSError as full:
                    assert full.errno == ENOBUFS
                found = engine.wait(min=0)
                with lock:
                    taken.update(one.cookie for one in found)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not faults
    while len(taken) < len(owed):
        found = engine.wait(min=1, timeout=20)
        assert found, f"{len(owed) - len(taken)} runs are lost"
        taken.update(one.cookie for one in found)
    assert taken == owed
