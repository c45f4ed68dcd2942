"""Refusals in the log: all are counted, a few lines tell of them."""

from __future__ import annotations

import pytest

from tuxpy.engine.clients import CONNECTIONS, RATE
from tuxpy.serving.refusal_log import EVERY_S, Refusals


def last(limit: int) -> str:
    return {RATE: "192.0.2.7", CONNECTIONS: "2001:db8::/64"}.get(limit, "")


def test_a_line_of_a_kind_in_a_while_and_none_is_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    refusals = Refusals()
    refusals.look({}, last, 0.0)
    assert caplog.messages == []
    refusals.look({"limited_2": 5}, last, 100.0)
    refusals.look({"limited_2": 900}, last, 100.5)
    refusals.look({"limited_2": 1000}, last, 100.0 + EVERY_S)
    refusals.look({"limited_2": 1000}, last, 200.0)
    words = "requests were refused (429) by limits.requests_per_address, the last one of 192.0.2.7"
    assert caplog.messages == [f"5 {words}", f"995 {words}"]


def test_kinds_do_not_hide_each_other(caplog: pytest.LogCaptureFixture) -> None:
    counters = {"limited_0": 1, "limited_1": 2, "dropped": 3, "limited_2": 4, "proxy_faults": 5}
    Refusals().look(counters, last, 0.0)
    assert [message.split()[0] for message in caplog.messages] == ["1", "2", "3", "4", "5"]
    assert sum("2001:db8::/64" in message for message in caplog.messages) == 2
