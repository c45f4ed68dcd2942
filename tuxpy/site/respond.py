"""Decision to Answer: the head's bytes and the chain that sends them.

What resolve decided is compiled here. A body of up to BODY_IN_MEMORY_MAX bytes is read now and
lies behind its head, so one send carries both; a larger one stays in its file, and the chain is
send(head, MORE) and sendfile. So it is for one range of any length, if it is asked for in the
plainest way: from then on the engine answers all others (csrc/http/ranged.h). Whether the connection
goes on is judged here too, since it is the request that says so (RFC 9112 9.3), and the field
Connection is written accordingly.

A request that announces a body, or expects to be asked for one, is answered at once and the
connection closes in stages: that body is not read, so what follows could not be understood
(RFC 9112 9.3, 9.6). Such an answer is never kept.

Descriptors: respond takes over the one in a Serve, whatever happens. It is closed here, or it is
Answer.file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ..atoms import Kind
from ..http import httpdate, pages
from ..model import (
    Answer,
    Decision,
    Field,
    FileFact,
    NoContent,
    NotModified,
    Ranged,
    Redirect,
    Request,
    Serve,
)
from ..values import value_class
from .made import IN_MEMORY_MAX, in_file
from .response_chain import Part, compile_parts
from .site import read_slices, release

BODY_IN_MEMORY_MAX = IN_MEMORY_MAX
# File times go in ticks of up to 10 ms, and are set before the bytes are: a copy of a file that was written to this
# recently may miss bytes without a trace, so it is sent and not kept.
UNSETTLED_S = 0.02

# Every head up to the value of Date: its length is the offset of the date.
_OPENINGS = {
    status: f"HTTP/1.1 {status} {reason}\r\nServer: tuxpy\r\nDate: ".encode()
    for status, (reason, _) in pages.STATUS.items()
}


@value_class(frozen=True, slots=True)
class _Course:
    """How the connection goes on after the answer; `ending` is the end of the head that says so."""

    keep: bool
    linger: bool
    ending: bytes
    why: str


_STAYS = _Course(True, False, b"\r\n", "the connection stays open")
_STAYS_1_0 = _Course(True, False, b"Connection: keep-alive\r\n\r\n", "the connection stays open")
_CLOSES = _Course(False, False, b"Connection: close\r\n\r\n", "the connection closes")
_BREAKS = _Course(
    False, True, b"Connection: close\r\n\r\n", "the connection closes, unread input is dropped"
)


def respond(decision: Decision, request: Request | None, now: float) -> Answer:
    """The answer to a decision; `request` None when its head was refused, `now` in unix time."""
    head_only = request is not None and request.method == b"HEAD"
    if isinstance(decision, Serve):
        return _serve(decision, request, now, head_only)
    course, date_s = _course(decision, request), int(now)
    if isinstance(decision, NoContent):
        return _finish(decision, course, date_s, ())
    if isinstance(decision, NotModified):
        return _finish(decision, course, date_s, ((b"ETag", decision.etag),))
    if isinstance(decision, Redirect):
        page = pages.page(decision.status, decision.location)
        own: tuple[Field, ...] = ((b"Location", decision.location), *decision.page)
    else:
        page, own = pages.page(decision.status), decision.page
        head_only = head_only or decision.silent
    own = (*own, (b"Content-Length", b"%d" % len(page)))
    return _finish(decision, course, date_s, own, () if head_only else (page,))


def announces_body(request: Request) -> bool:
    """The request has a body, or waits to be asked for it: input that stays unread."""
    for name, value in request.fields:
        if name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0")):
            return True
        if name == b"expect" and request.version != b"1.0":
            return True
    return False


def _course(decision: Decision, request: Request | None) -> _Course:
    """Persistence by RFC 9112 9.3; "close" beats "keep-alive"."""
    if request is None or decision.linger or announces_body(request):
        return _BREAKS
    options = request.tokens(b"connection")
    if not decision.keep or b"close" in options:
        return _CLOSES
    if request.version != b"1.0":
        return _STAYS
    return _STAYS_1_0 if b"keep-alive" in options else _CLOSES


def _serve(serve: Serve, request: Request | None, now: float, head_only: bool) -> Answer:
    """A representation: what is small goes from memory behind the head, what is large from its file."""
    moved = False
    if serve.file is None and len(serve.content) > BODY_IN_MEMORY_MAX:
        serve = replace(serve, file=in_file(serve.content).opened(b""), content=b"")
    try:
        course = _course(serve, request)
        wanted = serve.parts or ((0, serve.size),)
        own = _own_fields(serve, int(now), sum(len(p) if isinstance(p, bytes) else p[1] for p in wanted))
        if head_only:
            return _finish(serve, course, int(now), own)
        if not course.linger and request is not None and _is_for_any_range(serve, request):
            answer = _for_any_range(_finish(serve, course, int(now), own, wanted, serve.file))
            moved = True
            return answer
        parts = _in_memory(serve, wanted)
        if _is_unsettled(serve, parts is not None, now):
            serve = replace(serve, cacheable=False, why=(*serve.why, _UNSETTLED))
            parts = None if serve.file is not None else parts  # the engine waits for the process that is still writing
        if parts is None:
            if len(serve.parts) > 1:
                serve = replace(serve, cacheable=False, why=(*serve.why, _SEVERAL))
            answer = _finish(serve, course, int(now), own, wanted, serve.file)
            moved = True
            return answer
        return _finish(serve, course, int(now), own, parts)
    finally:
        if not moved and serve.file:
            release(serve.file)


def _is_unsettled(serve: Serve, is_copy: bool, now: float) -> bool:
    """Whether what is sent was copied from a file, or made of one, that may have changed since without a trace."""
    changed_ns = serve.changed_ns
    if changed_ns is None and is_copy and serve.file is not None:
        changed_ns = serve.file.ctime_ns
    return changed_ns is not None and abs(now - changed_ns / 10**9) < UNSETTLED_S


# The strict form of csrc/http/range.h. Whatever else asks for one range is kept for itself.
_ONE_RANGE = re.compile(rb"bytes=(?:[0-9]{1,18}-[0-9]{0,18}|-[0-9]{1,18})")


def _is_for_any_range(serve: Serve, request: Request) -> bool:
    """Whether the answer differs from that for any other range of the file in the numbers of the range alone.

    So it is unless If-Range looks at the request's Range or not; which range was asked for, no other decision depends
    on. The engine recognises by the same signs what such an answer is for.
    """
    if serve.status != 206 or serve.file is None or len(serve.parts) != 1 or not serve.cacheable:
        return False
    asked = request.all(b"range")
    strictly = len(asked) == 1 and _ONE_RANGE.fullmatch(asked[0]) is not None
    return strictly and request.method == b"GET" and not request.all(b"if-range")


def _for_any_range(answer: Answer) -> Answer:
    head = next(cell.content for cell in answer.chain.cells if cell.kind is Kind.DATA)
    places = Ranged(_behind(head, b"\r\nContent-Range: bytes "), _behind(head, b"\r\nContent-Length: "))
    return replace(answer, ranged=places, why=(*answer.why, _ANY_RANGE))


def _behind(head: bytes, opening: bytes) -> int:
    return head.index(opening) + len(opening)


_ANY_RANGE = "the engine answers every other single range of this file by itself"
# Each that is kept would hold the file open once more.
_SEVERAL = "several ranges are hardly ever asked for twice, so the answer is not kept"
_UNSETTLED = "the file was written just now, so its copy is not kept"


def _in_memory(serve: Serve, wanted: Sequence[Part]) -> Sequence[Part] | None:
    """The parts as bytes, if they are few enough. Raises FileChanged when they are no longer those that were judged."""
    slices = [part for part in wanted if not isinstance(part, bytes) and part[1] > 0]
    if serve.file is None:
        read = [serve.content[offset : offset + count] for offset, count in slices]
    elif sum(count for _, count in slices) <= BODY_IN_MEMORY_MAX:
        read = read_slices(serve.file, slices)
    else:
        return None
    following = iter(read)
    return [part if isinstance(part, bytes) else next(following) if part[1] > 0 else b"" for part in wanted]


def _own_fields(serve: Serve, date_s: int, length: int) -> tuple[Field, ...]:
    """Validators and length. Last-Modified is never later than Date (RFC 9110 8.8.2.1)."""
    fields: tuple[Field, ...] = ((b"ETag", serve.etag),) if serve.etag else ()
    if serve.modified_s is not None and serve.modified_s >= 0:
        fields += ((b"Last-Modified", httpdate.format(min(serve.modified_s, date_s))),)
    return (*fields, (b"Content-Length", b"%d" % length))


def _finish(
    decision: Decision,
    course: _Course,
    date_s: int,
    own: tuple[Field, ...],
    body: Sequence[Part] = (),
    file: FileFact | None = None,
) -> Answer:
    """Write the head, compile the chain, state the terms; `file` is what the slices among the parts are of."""
    opening = _OPENINGS[decision.status]
    lines = [b"%s: %s\r\n" % line for line in (*decision.fields, *own)]
    head = b"".join((opening, httpdate.format(date_s), b"\r\n", *lines, course.ending))
    return Answer(
        chain=compile_parts(_joined(head, body), course.linger),
        file=file.fd if file else -1,
        status=decision.status,
        keep=course.keep,
        cacheable=decision.cacheable and not course.linger,
        date_at=len(opening),
        witnesses=decision.witnesses,
        why=(*decision.why, course.why),
        lease=file.lease if file else None,
    )


def _joined(head: bytes, body: Sequence[Part]) -> list[Part]:
    """Bytes that follow each other go out in one send."""
    parts: list[Part] = [head]
    for part in body:
        if isinstance(part, bytes) and isinstance(parts[-1], bytes):
            parts[-1] += part
        elif part != b"":
            parts.append(part)
    return parts
