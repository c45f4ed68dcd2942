"""A knock that no event tells of is heard all the same."""

from __future__ import annotations

import os
import time

from tuxpy.atoms import Chain, Reason

from .rig import Rig, descriptors


def test_a_lost_knock_is_heard_a_second_later(backend: str) -> None:
    """Its eventfd is another one, so that what is written there reaches nobody."""
    before = set(descriptors())
    with Rig(backend) as rig:
        eventfds = {fd for fd, what in descriptors().items() if "eventfd" in what} - before - {rig.notify}
        assert len(eventfds) == 1
        c = Chain("asks")
        c.getpid()
        frozen = c.freeze()
        rig.engine.submit(frozen)
        assert rig.result().reason is Reason.END
        other = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        os.dup2(other, eventfds.pop(), inheritable=False)
        os.close(other)
        for _ in range(2):
            rig.engine.submit(frozen)
            assert rig.result().reason is Reason.END


def test_an_idle_engine_sleeps(backend: str) -> None:
    with Rig(backend) as rig:
        rig.wait_until_parked(0)
        before = rig.metric("turns")
        time.sleep(0.3)
        assert rig.metric("turns") - before <= 2
