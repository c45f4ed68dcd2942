"""What several tests over the wire have in common."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.access import SlowCheck

from tuxpy.rules import passwords


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowCheck]:
    """Checks of passwords wait until they are let go; at the end of the test they are."""
    slow = SlowCheck()
    monkeypatch.setattr(passwords, "_check_bcrypt", slow)
    yield slow
    slow.let_go()
