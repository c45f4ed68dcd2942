"""Waiting for engines, and several of them in one process."""

from __future__ import annotations

import asyncio
import os
import select

from support.poll import until

from tuxpy.atoms import Chain, ChainResult, Reason

from .conftest import Make
from .rig import Rig
from .samples import counting, sleeping


def test_the_notify_descriptor_can_be_polled(rig: Rig) -> None:
    waiting = select.poll()
    waiting.register(rig.notify, select.POLLIN)
    assert waiting.poll(0) == []
    rig.engine.submit(counting())
    assert waiting.poll(10_000) == [(rig.notify, select.POLLIN)]
    assert os.eventfd_read(rig.notify) == 1
    assert len(rig.engine.completions()) == 1
    assert waiting.poll(0) == []


def test_asyncio_can_wait_for_completions(rig: Rig) -> None:
    async def submitted(cookie: int) -> ChainResult:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[ChainResult] = loop.create_future()

        def readable() -> None:
            os.eventfd_read(rig.notify)
            for completion in rig.engine.completions():
                ended.set_result(completion)

        loop.add_reader(rig.notify, readable)
        try:
            rig.engine.submit(sleeping(5), cookie=cookie)
            return await asyncio.wait_for(ended, 10)
        finally:
            loop.remove_reader(rig.notify)

    ended = asyncio.run(submitted(77))
    assert (ended.cookie, ended.reason, ended.result) == (77, Reason.END, 7)


def test_engines_do_not_disturb_each_other(make: Make) -> None:
    """Each has its own shared numbers, records, cookies and descriptor to wait for."""
    rigs = [make(slots=8) for _ in range(4)]
    c = Chain("numbered")
    c.umem_add(c.shared(0, "number"), 1)
    numbered = c.freeze()
    for number, rig in enumerate(rigs):
        rig.engine.set_shared(0, 100 * number)
        rig.engine.submit(numbered, cookie=number, copies=number + 1)
        rig.engine.submit(sleeping(10**6), cookie=99)
    for number, rig in enumerate(rigs):
        results = rig.results(number + 1)
        assert {r.cookie for r in results} == {number}
        assert max(r.result for r in results) == rig.engine.shared(0) == 100 * number + number + 1
    rigs[1].engine.cancel(99)
    assert rigs[1].result().reason is Reason.CANCELLED
    rigs[2].close()
    for rig in (rigs[0], rigs[3]):
        rig.engine.submit(numbered)
        assert rig.result().reason is Reason.END
        assert rig.metric("runs") == 1


def test_both_back_ends_live_side_by_side(make: Make, rig: Rig) -> None:
    with Rig("epoll") as other:
        for one in rig, other:
            one.engine.submit(sleeping(1), copies=5)
        assert len(rig.results(5)) == len(other.results(5)) == 5


def test_closing_is_repeatable_and_ends_what_lives(rig: Rig) -> None:
    rig.engine.submit(sleeping(10**6), copies=16)
    assert until(lambda: rig.metric("runs") == 16)
    rig.engine.close()
    rig.engine.close()
