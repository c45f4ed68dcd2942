"""What an admin listener answers. Every request on it is judged, by this, and nothing of it is kept.

    /             leads to /status
    /health       200 while the server lives
    /ready        200, and 503 from the moment at which it drains: a load balancer shall look elsewhere
    /metrics      for Prometheus, in the format that the field Accept asks for
    /status       a page for people, /status.json the same for programs

Who means another name than ours gets 421 (rebinding.py).

The server hands in what it knows as a Snapshot. Only GET, HEAD and OPTIONS are answered, so nothing can be
changed from here.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from ..engine.http_engine import HEAD_TIMEOUT, HEAD_TOO_LONG, LEAVING, Miss
from ..errors import ConfigError
from ..http.parse import parse, refuse_long_head, refuse_slow_head
from ..http.target import read_target
from ..model import NOSNIFF, SIGNIFICANT, Answer, Decision, Field, NoContent, Redirect, Refuse, Request, Serve
from ..site.respond import respond
from .families import families
from .judging import Judging
from .openmetrics import Exposition
from .page import MEDIA_TYPE, POLICY, html
from .rebinding import is_meant
from .report import as_json
from .snapshot import Snapshot

log = logging.getLogger("tuxpy")

NO_STORE: Final[Field] = (b"Cache-Control", b"no-store")
_ALLOW: Final[Field] = (b"Allow", b"GET, HEAD, OPTIONS")
SIGNIFICANT_HERE: Final = (*SIGNIFICANT, b"accept")
_TEXT: Final = b"text/plain; charset=utf-8"
_MISDIRECTED: Final = Refuse(
    status=421, cacheable=False, fields=(NO_STORE,), why=("the name in Host is none of ours: add it to admin.hosts",)
)
_FAILED: Final = Refuse(status=500, keep=False, cacheable=False, fields=(NO_STORE,))


class Admin:
    """For the judge's thread. `judging` is what is noted there; it is told along with the snapshot.

    hosts: names that mean us beside localhost and addresses; local: lines of listeners where no name is asked.
    """

    def __init__(self, hosts: Collection[str] = (), local: Collection[int] = ()) -> None:
        self.judging = Judging()
        self._hosts, self._local = frozenset(map(str.lower, hosts)), frozenset(local)
        self._exposition: Exposition | None = None
        self._missing = b""
        try:
            self._exposition = Exposition()
        except ConfigError as error:
            self._missing = str(error).encode()

    def answer(self, miss: Miss, now: float, snapshot: Snapshot) -> Answer:
        """The answer to a request on an admin listener. Raises nothing."""
        try:
            request = _read(miss)
            if isinstance(request, Refuse):
                return respond(request, None, now)
            if miss.line not in self._local and not is_meant(request, self._hosts):
                return respond(_MISDIRECTED, request, now)
            whole = replace(snapshot, judge=self.judging.figures())
            decision = self.decide(request, whole)
            return respond(replace(decision, keep=decision.keep and not miss.flags & LEAVING), request, now)
        except Exception:
            log.exception("an admin listener could not answer")
            return respond(_FAILED, None, now)

    def decide(self, request: Request, snap: Snapshot) -> Decision:
        """What is said, from these values alone."""
        if request.method not in (b"GET", b"HEAD", b"OPTIONS"):
            return Refuse(status=405, keep=False, cacheable=False, fields=(_ALLOW, NO_STORE))
        target = read_target(request.target)
        if isinstance(target, Refuse):
            return target
        if request.method == b"OPTIONS":
            return NoContent(cacheable=False, fields=(_ALLOW, NO_STORE))
        match target.path:
            case b"":
                return Redirect(location=b"/status", status=302, cacheable=False, fields=(NO_STORE,))
            case b"health":
                return _content(b"alive\n", _TEXT)
            case b"ready":
                draining = snap.state == "draining"
                return _content(b"draining\n" if draining else b"ready\n", _TEXT, 503 if draining else 200)
            case b"metrics":
                return self._metrics(request, snap)
            case b"status":
                return _content(html(snap), MEDIA_TYPE, fields=((b"Content-Security-Policy", POLICY),))
            case b"status.json":
                return _content(as_json(snap), b"application/json")
        return Refuse(status=404, cacheable=False, fields=(NO_STORE,))

    def _metrics(self, request: Request, snap: Snapshot) -> Decision:
        if self._exposition is None:
            return _content(self._missing + b"\n", _TEXT, 501)
        accept = (request.get(b"accept") or b"").decode("latin-1")
        body, media_type = self._exposition.write(families(snap), accept)
        return _content(body, media_type.encode(), fields=((b"Vary", b"Accept"),))


def _read(miss: Miss) -> Request | Refuse:
    if miss.flags & HEAD_TIMEOUT:
        return refuse_slow_head(miss.head)
    if miss.flags & HEAD_TOO_LONG:
        return refuse_long_head(miss.head)
    return parse(miss.head, SIGNIFICANT_HERE)


def _content(body: bytes, media_type: bytes, status: int = 200, fields: tuple[Field, ...] = ()) -> Serve:
    own = ((b"Content-Type", media_type), NOSNIFF, NO_STORE, *fields)
    return Serve(status=status, content=body, etag=b"", cacheable=False, fields=own)
