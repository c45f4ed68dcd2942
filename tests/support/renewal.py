"""What changes on the disk must be seen within one second. A machine that gives us no time is not the server's fault:
then it is enough that the server has looked at its roots and rules since, which it does twice a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from tuxpy import server

from .poll import until
from .running import Running

SEEN_S: Final = 1.0
_BETWEEN_S: Final = 0.1  # a look takes less


def seen_within_a_second(running: Running, look: Callable[[], bool]) -> bool:
    """Whether `look` finds what was changed just before, a second from now at the latest."""
    changed = time.monotonic()
    assert server._RENEW_S <= SEEN_S / 2

    def due() -> bool:
        looked = running.server._renew_at - server._RENEW_S
        return time.monotonic() > changed + SEEN_S and looked > changed + _BETWEEN_S

    until(lambda: look() or due())
    return look()
