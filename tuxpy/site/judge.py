"""The judge: what an engine has not seen becomes an answer here, and nowhere else.

It keeps no state of any connection: one head in, one answer out. Whatever goes wrong inside becomes a 500 that is never
kept and a line in the log with its traceback (a 503 and a plain line when only descriptors or memory are short).
"""

from __future__ import annotations

import errno
import logging
from dataclasses import replace

from ..base.log_throttle import LogThrottle
from ..engine.http_engine import HEAD_TIMEOUT, HEAD_TOO_LONG, LEAVING, Miss
from ..http.parse import parse, refuse_long_head, refuse_slow_head
from ..model import Answer, Decision, Refuse, Request, text
from .errands import Elsewhere, Later, on_worker
from .made import Full
from .resolve import resolve
from .respond import respond
from .root import FileChanged
from .site import Site
from .sites import Sites

log = logging.getLogger("tuxpy")

_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)

_TRIES = 3
_AFTER = ((b"Retry-After", b"1"),)
_RESTLESS = Refuse(
    status=503, cacheable=False, fields=_AFTER, why=(f"the file changed while it was read, {_TRIES} times in a row",)
)
_EXHAUSTED = Refuse(status=503, keep=False, cacheable=False, why=("no descriptor or memory is left for the file",))
_BUSY = Refuse(status=503, cacheable=False, fields=_AFTER, why=("too much slow work is waiting already",))
_NO_MEMORY = Refuse(
    status=503, cacheable=False, fields=_AFTER, why=("all memory for bodies that are made is in use (made_memory)",)
)
_FAILED = Refuse(status=500, keep=False, cacheable=False, why=("the server failed; its log says why",))


def judge_head(
    sites: Sites | Site, head: bytes, now: float, client: int = 0, last: bool = False
) -> tuple[Request | None, Decision, Answer]:
    """Everything about one complete head; `now` in unix time, `client` the class of its address.

    last: the connection must go, so the answer says that it was the last.
    The answer owns its file. Raises Later when slow work has to be done first; then judge again.
    """
    parsed = parse(head, sites.significant)
    if isinstance(parsed, Refuse):
        return None, parsed, respond(parsed, None, now)
    if client:
        parsed = replace(parsed, client=client)
    site = sites.find(parsed)
    if isinstance(site, Refuse):
        return parsed, site, respond(replace(site, keep=site.keep and not last), parsed, now)
    for _ in range(_TRIES):
        try:
            decision = resolve(parsed, site, int(now))
            if last:
                decision = replace(decision, keep=False)
            answer = respond(decision, parsed, now)
            if decision.status != 404 or answer.file >= 0 or not site.left_behind():
                return parsed, decision, answer
        except FileChanged:  # between look-up and reading: what is there now counts
            continue
    return parsed, _RESTLESS, respond(replace(_RESTLESS, keep=not last), parsed, now)


def judge_miss(sites: Sites | Site, miss: Miss, now: float, said: LogThrottle | None = None) -> Answer:
    """The answer to a miss. Raises nothing but Later, Elsewhere, and MemoryError where there is none for an answer.

    said: what has been said of failures before; they are not said again for each request.
    """
    said = said or LogThrottle(log)
    try:
        if miss.flags & HEAD_TIMEOUT:
            return respond(refuse_slow_head(miss.head), None, now)
        if miss.flags & HEAD_TOO_LONG:
            return respond(refuse_long_head(miss.head), None, now)
        return judge_head(sites, miss.head, now, miss.class_number, bool(miss.flags & LEAVING))[2]
    except (Elsewhere, Later, MemoryError):
        raise
    except Full:
        return _closing(_NO_MEMORY, miss, now)
    except OSError as error:
        if error.errno in _SHORTAGES:
            words = "a request was refused: %s; raise the limit (ulimit -n, LimitNOFILE=)"
            said.say(logging.WARNING, "descriptors", words, error.strerror)
            return _closing(_EXHAUSTED, miss, now)
        failure: Exception = error
    except Exception as error:
        failure = error
    said.say(
        *(logging.ERROR, type(failure).__name__, "a request could not be judged: %s", first_line_of(miss)),
        failure=failure,
    )
    return failed(miss, now)


def judge_elsewhere(sites: Sites | Site, miss: Miss, now: float, said: LogThrottle) -> Answer:
    """The same on a worker, which waits for whatever there is to wait for."""
    with on_worker():
        return replace(judge_miss(sites, miss, now, said), far=True)


def too_busy(miss: Miss, now: float) -> Answer:
    """The answer to a miss that cannot even wait."""
    return _closing(_BUSY, miss, now)


def failed(miss: Miss, now: float) -> Answer:
    """The answer to a miss that we could not judge, or whose answer could not be sent."""
    return _closing(_FAILED, miss, now)


def _closing(refusal: Refuse, miss: Miss, now: float) -> Answer:
    """An answer to what was not judged to its end. A HEAD gets the head alone (RFC 9110 9.3.2)."""
    return respond(replace(refusal, silent=miss.head.lstrip(b"\r\n").startswith(b"HEAD ")), None, now)


def first_line_of(miss: Miss) -> str:
    """Its request line, for a line of the log."""
    return text(miss.head[:200].lstrip(b"\r\n").split(b"\r\n", 1)[0])
