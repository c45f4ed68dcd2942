"""Conditional requests against a file's validators, in the order of RFC 9110 13.2.2. Pure.

evaluate() says 200 (go on), 304 or 412 and why. If-Range belongs to ranges and is not asked here.
The entity tag is strong (RFC 9110 8.8.1): it changes whenever size, inode or the modification time in nanoseconds does.
Two kinds of writing escape it, as they escape every server that does not read the file: in place and of the same size
within one tick of the kernel's clock, or with the old time set again afterwards.
"""

from __future__ import annotations

import re

from ..model import FileFact, Request
from . import httpdate

_ETAGC = rb'"[\x21\x23-\x7e\x80-\xff]*"'
_MEMBER = re.compile(rb"(W/)?(" + _ETAGC + rb")")
# A list of entity tags; empty members are allowed (RFC 9110 5.6.1.2).
_LIST = re.compile(rb"[ \t,]*(?:W/)?" + _ETAGC + rb"(?:[ \t]*,[ \t,]*(?:W/)?" + _ETAGC + rb")*[ \t,]*")


def etag(file: FileFact) -> bytes:
    """The strong entity tag of this very version of the file, quotes included."""
    return b'"%x-%x-%x"' % (file.mtime_ns, file.size, file.ino)


def evaluate(request: Request, tag: bytes, modified_s: int | None) -> tuple[int, str]:
    """(200 | 304 | 412, a sentence). For GET and HEAD on something that exists.

    Conditions by date are ignored for what has none (RFC 9110 13.1.3, 13.1.4)."""
    condition = request.get(b"if-match")
    if condition is not None:
        if not _names(condition, tag, weak=False):
            return 412, f"If-Match does not name {tag.decode()}"
    elif modified_s is not None and (condition := request.get(b"if-unmodified-since")) is not None:
        date = httpdate.parse(condition)
        if date is not None and modified_s > date:
            return 412, "the file was modified after the date in If-Unmodified-Since"

    condition = request.get(b"if-none-match")
    if condition is not None:
        if _names(condition, tag, weak=True):
            return 304, f"If-None-Match names {tag.decode()}"
        return 200, f"If-None-Match does not name {tag.decode()}"
    condition = request.get(b"if-modified-since")
    if condition is not None and modified_s is not None:
        date = httpdate.parse(condition)
        if date is None:
            return 200, "If-Modified-Since is not a date and is ignored"
        if modified_s <= date:
            return 304, "the file was not modified after the date in If-Modified-Since"
        return 200, "the file was modified after the date in If-Modified-Since"
    return 200, "no condition of the request changes the answer"


def _names(condition: bytes, tag: bytes, *, weak: bool) -> bool:
    """Whether a list of entity tags, or "*", includes this strong one (RFC 9110 8.8.3.2).

    A value that is no such list names nothing: If-None-Match then sends the file again,
    If-Match refuses. Neither can be wrong about the bytes.
    """
    if condition in (tag, b"*"):
        return True
    if not _LIST.fullmatch(condition):
        return False
    return any(
        opaque == tag and (weak or not mark) for mark, opaque in _MEMBER.findall(condition)
    )
