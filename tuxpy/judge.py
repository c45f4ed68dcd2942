"""The judge: what an engine has not seen becomes an answer here, and nowhere else.

It keeps no state of any connection: one head in, one answer out. Whatever goes wrong inside becomes a 500 that is never
kept and a line in the log with its traceback (a 503 and a plain line when only descriptors or memory are short); the
loop that calls us goes on.
"""

from __future__ import annotations

import errno
import logging

from .engine import HEAD_TIMEOUT, HEAD_TOO_LONG, Miss
from .http.parse import parse, refuse_long_head, refuse_slow_head
from .model import Answer, Decision, Refuse, Request, text
from .site.resolve import resolve
from .site.respond import respond
from .site.site import FileChanged, Site

log = logging.getLogger("tuxpy")

_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)

_TRIES = 3
_RESTLESS = Refuse(status=503, cacheable=False, why=(f"the file changed while it was read, {_TRIES} times in a row",))
_EXHAUSTED = Refuse(status=503, keep=False, cacheable=False, why=("no descriptor or memory is left for the file",))
_FAILED = Refuse(status=500, keep=False, cacheable=False, why=("the server failed; its log says why",))


def judge_head(site: Site, head: bytes, now: float) -> tuple[Request | None, Decision, Answer]:
    """Everything about one complete head; `now` in unix time. The answer owns its file."""
    parsed = parse(head, site.significant)
    if isinstance(parsed, Refuse):
        return None, parsed, respond(parsed, None, now)
    for _ in range(_TRIES):
        decision = resolve(parsed, site, int(now))
        try:
            return parsed, decision, respond(decision, parsed, now)
        except FileChanged:  # between look-up and reading: what is there now counts
            continue
    return parsed, _RESTLESS, respond(_RESTLESS, parsed, now)


def judge_miss(site: Site, miss: Miss, now: float) -> Answer:
    """The answer to a miss. Never raises."""
    try:
        if miss.flags & HEAD_TIMEOUT:
            return respond(refuse_slow_head(miss.head), None, now)
        if miss.flags & HEAD_TOO_LONG:
            return respond(refuse_long_head(miss.head), None, now)
        return judge_head(site, miss.head, now)[2]
    except OSError as error:
        if error.errno not in _SHORTAGES:
            return _failed(miss, now)
        log.warning("a request was refused: %s; raise the limit (ulimit -n, LimitNOFILE=)", error.strerror)
        return respond(_EXHAUSTED, None, now)
    except Exception:
        return _failed(miss, now)


def _failed(miss: Miss, now: float) -> Answer:
    """Called while the exception is handled: it goes into the log."""
    first_line = miss.head[:200].split(b"\r\n", 1)[0]
    log.exception("a request could not be judged: %s", text(first_line))
    return respond(_FAILED, None, now)
