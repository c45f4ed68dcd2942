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
    sites: Sites | Site, head: bytes, now: float, client_class: int = 0, last: bool = False
) -> tuple[Request | None, Decision, Answer]:
    """Everything about one complete head; `now` in unix time, `client_class` the class of its address.

    last: the connection must go, so the answer says that it was the last.
    The answer owns its file. Raises Later when slow work has to be done first; then judge again.
    """
    request, site = _addressed(sites, head, client_class)
    for tries_left in reversed(range(_TRIES + 1)):
        try:
            decision = _decided(request, site, now) if tries_left else _RESTLESS
            if last:
                decision = replace(decision, keep=False)
            answer = respond(decision, request, now)
        except FileChanged:  # between look-up and reading: the next look finds the new one
            continue
        if not tries_left or decision.status != 404 or answer.file >= 0 or not _left_behind(site):
            break
    return request, decision, answer


def _addressed(sites: Sites | Site, head: bytes, client_class: int) -> tuple[Request | None, Site | Refuse]:
    """The request, and the site that it means; or why there is none of them."""
    request = parse(head, sites.significant)
    if isinstance(request, Refuse):
        return None, request
    if client_class:
        request = replace(request, client_class=client_class)
    return request, sites.find(request)


def _decided(request: Request | None, site: Site | Refuse, now: float) -> Decision:
    if request is None or isinstance(site, Refuse):
        assert isinstance(site, Refuse)
        return site
    return resolve(request, site, int(now))


def _left_behind(site: Site | Refuse) -> bool:
    """A 404 of a root that was replaced meanwhile says nothing about the new one."""
    return isinstance(site, Site) and site.left_behind()


def judge_miss(sites: Sites | Site, miss: Miss, now: float, said: LogThrottle | None = None) -> Answer:
    """The answer to a miss. Raises nothing but Later, Elsewhere, and MemoryError where there is none for an answer.

    said: what has been said of failures before; they are not said again for each request.
    """
    refusal = _refused_head(miss)
    if refusal is None:
        try:
            return judge_head(sites, miss.head, now, miss.class_number, bool(miss.flags & LEAVING))[2]
        except (Elsewhere, Later, MemoryError):
            raise
        except Exception as error:
            refusal = _silent_to_head(_refusal_for(error, miss, said or LogThrottle(log)), miss)
    return respond(refusal, None, now)


def _refused_head(miss: Miss) -> Refuse | None:
    """Why the engine could not even read a head."""
    if miss.flags & HEAD_TIMEOUT:
        return refuse_slow_head(miss.head)
    return refuse_long_head(miss.head) if miss.flags & HEAD_TOO_LONG else None


def _refusal_for(error: Exception, miss: Miss, said: LogThrottle) -> Refuse:
    """The refusal that a failure ends in, once the log has been told."""
    if isinstance(error, Full):
        return _NO_MEMORY
    if isinstance(error, OSError) and error.errno in _SHORTAGES:
        words = "a request was refused: %s; raise the limit (ulimit -n, LimitNOFILE=)"
        said.say(logging.WARNING, "descriptors", words, error.strerror)
        return _EXHAUSTED
    words = "a request could not be judged: %s"
    said.say(logging.ERROR, type(error).__name__, words, first_line_of(miss), failure=error)
    return _FAILED


def judge_elsewhere(sites: Sites | Site, miss: Miss, now: float, said: LogThrottle) -> Answer:
    """The same on a worker, which waits for whatever there is to wait for."""
    with on_worker():
        return replace(judge_miss(sites, miss, now, said), far=True)


def too_busy(miss: Miss, now: float) -> Answer:
    """The answer to a miss that cannot even wait."""
    return respond(_silent_to_head(_BUSY, miss), None, now)


def failed(miss: Miss, now: float) -> Answer:
    """The answer to a miss that could not be judged, or whose answer could not be sent."""
    return respond(_silent_to_head(_FAILED, miss), None, now)


def _silent_to_head(refusal: Refuse, miss: Miss) -> Refuse:
    """The refusal of a request that was never parsed. A HEAD gets no content (RFC 9110 9.3.2)."""
    return replace(refusal, silent=miss.head.lstrip(b"\r\n").startswith(b"HEAD "))


def first_line_of(miss: Miss) -> str:
    """Its request line, for a line of the log."""
    return text(miss.head[:200].lstrip(b"\r\n").split(b"\r\n", 1)[0])
