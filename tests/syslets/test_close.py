"""close() while a send is stuck: its peer reads nothing, and nobody waits for that."""

from __future__ import annotations

import time

import pytest
from engine.places import PLACES
from support.poll import DEADLINE_S, until

from .conftest import Open

STUCK = (
    *("at_send_to_a_stalled_reader", "at_sendfile_to_a_stalled_reader", "at_write_to_a_full_pipe"),
    *("at_send_on_its_own", "at_sendfile_on_its_own"),
)
COPIES = 5
CLOSED_WITHIN_S = DEADLINE_S / 2  # what waited for a peer would take until that ends: longer than the test


@pytest.mark.parametrize("away", [False, True], ids=["begun here", "away"])
@pytest.mark.parametrize("place", STUCK)
def test_a_send_that_is_stuck_holds_no_close_up(open_engine: Open, place: str, away: bool) -> None:
    with PLACES[place]() as (frozen, given):
        engine = open_engine()
        engine.submit_many(frozen, [given] * COPIES, away=away)

        def is_stuck() -> bool:
            """The same turn after a while."""
            before = engine.metrics()
            time.sleep(0.02)
            after = engine.metrics()
            return before["turns"] == after["turns"] and after["runs"] == COPIES

        assert until(is_stuck), engine.metrics()
        began = time.monotonic()
        engine.close()
        assert time.monotonic() - began < CLOSED_WITHIN_S
        with pytest.raises(ValueError, match="the engine is closed"):
            engine.wait(timeout=0)
