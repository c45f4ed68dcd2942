"""Answers that lie ready in the engines for whoever runs into a limit: nothing is parsed for them, nothing judged.

429 (RFC 6585 section 4) is for an address that takes too much, 503 (RFC 9110 section 15.6.4) for a server that is busy;
Retry-After (RFC 9110 section 10.2.3) says when it makes sense to ask again. They belong to no site, so no rule adds to
them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..engine.clients import BUSY, CONNECTIONS, RATE
from ..model import Answer, Refuse, Request
from .respond import respond

WITHOUT_CONTENT, STAYS_OPEN = 1, 2  # csrc/api.h: enum tux_ready_form
_SOON_S = 1


def ready_answers(interval_s: float, now: float) -> Iterator[tuple[int, int, Answer]]:
    """(limit, form, answer) of all of them. interval_s: between two requests of an address; 0 where that is free."""
    for limit, status, wait_s in ((BUSY, 503, _SOON_S), (CONNECTIONS, 429, _SOON_S), (RATE, 429, interval_s)):
        after = b"%d" % max(_SOON_S, math.ceil(wait_s))
        for form in range(4):
            silent, stays = bool(form & WITHOUT_CONTENT), bool(form & STAYS_OPEN)
            refusal = Refuse(status=status, fields=((b"Retry-After", after),), cacheable=False, silent=silent)
            request = Request(b"HEAD" if silent else b"GET", b"/", b"1.1") if stays else None
            yield limit, form, respond(refusal, request, now)
