"""Head bytes to Request or Refuse. The only importer of h11.

Every head is judged alone by a fresh h11 connection; this module adds what h11 leaves open:

  before h11   a bare LF is no line end, a folded line is no field (RFC 9112 2.2, 5.2)
  by h11       grammar of request line and fields; Host missing or twice; Content-Length that
               differs; a transfer coding that is unknown (501)
  after h11    the major version is 1 (505); Transfer-Encoding neither in HTTP/1.0 nor beside
               Content-Length (RFC 9112 6.1); Content-Length only once; Host well formed and, in
               every HTTP/1.x above 1.0, there (RFC 9112 3.2); targets up to TARGET_BYTES_MAX

A client that breaks a rule of framing gets a refusal and the connection closes: what follows on it
could mean anything. Only SIGNIFICANT fields reach the Request.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import h11

from ..model import SIGNIFICANT, Refuse, Request, refuse
from .target import valid_authority

TARGET_BYTES_MAX = 8192  # RFC 9112 3 wants at least 8000; nginx has 8192

_LENGTHS = re.compile(rb"(?im)^content-length:[^\n]*")
# CRLF before the request line is skipped (RFC 9112 2.2); a bare CR there is not, it is a fault.
_EMPTY_LINES = re.compile(rb"\A(?:\r\n)+")
_WHY_CHARACTERS_MAX = 200  # h11 quotes the whole line it dislikes


def parse(head: bytes, significant: Collection[bytes] = SIGNIFICANT) -> Request | Refuse:
    """Judge the form of one head, blank line included. Empty lines before it are forgiven."""
    head = _EMPTY_LINES.sub(b"", head)
    silent = head.startswith(b"HEAD ")
    if head.count(b"\n") != head.count(b"\r\n"):
        return refuse(400, "a line of the head ends in a bare LF", silent=silent)
    if b"\n " in head or b"\n\t" in head:
        return refuse(400, "a field of the head is folded over two lines", silent=silent)
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(head)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        return refuse(error.error_status_hint, str(error)[:_WHY_CHARACTERS_MAX], silent=silent)
    if not isinstance(event, h11.Request):
        return refuse(400, "the head is not complete", silent=silent)
    request = Request(
        bytes(event.method),
        bytes(event.target),
        bytes(event.http_version),
        tuple((name, bytes(value)) for name, value in event.headers if name in significant),
    )
    fault = _fault(request, head)
    return refuse(*fault, silent=silent) if fault else request


def _fault(request: Request, head: bytes) -> tuple[int, str] | None:
    """What h11 lets through and we do not: (status, sentence)."""
    if request.version[:1] != b"1":
        return 505, f"HTTP/{request.version.decode()} is not spoken here; HTTP/1.1 is"
    if len(request.target) > TARGET_BYTES_MAX:
        return 414, f"the target is longer than {TARGET_BYTES_MAX} bytes"
    names = [name for name, _ in request.fields]
    if b"transfer-encoding" in names:
        if request.version == b"1.0":
            return 400, "Transfer-Encoding does not exist in HTTP/1.0"
        if b"content-length" in names:
            return 400, "Transfer-Encoding and Content-Length contradict each other"
    if b"content-length" in names:
        lengths = _LENGTHS.findall(head)
        if len(lengths) > 1 or b"," in lengths[0]:
            return 400, "Content-Length is given more than once"
    host = request.get(b"host")
    if host is None:
        return None if request.version == b"1.0" else (400, "HTTP/1.1 needs a Host field")
    return None if valid_authority(host) else (400, "the Host field has no sound value")


def refuse_long_head(head: bytes) -> Refuse:
    """A head that exceeds the engine's limit: 414 while still in its first line, else 431."""
    head = _EMPTY_LINES.sub(b"", head)
    silent = head.startswith(b"HEAD ")
    if b"\n" not in head:
        return refuse(414, "the request line is longer than a head may be", silent=silent)
    return refuse(431, "the head is longer than a head may be", silent=silent)


def refuse_slow_head(head: bytes) -> Refuse:
    """A head that was begun and not finished in time (RFC 9110 15.5.9)."""
    silent = _EMPTY_LINES.sub(b"", head).startswith(b"HEAD ")
    return refuse(408, "the head was not finished in time", silent=silent)
