"""Range requests (RFC 9110 section 14): which parts of a file are asked for, and how they are framed. Nearly pure.

  read    select: the field's value and the file's size to slices; None means that the field is ignored
  guard   if_range_holds: whether the parts would fit to what the client has already
  write   content_range and unsatisfied for one slice or none, multipart for several

Rules
  1. No byte is sent twice. Ranges that overlap, touch, or are closer than a part's own head are made one (15.3.7.2),
     so the slices of an answer are disjoint and an answer is longer than the file by a few heads at most.
  2. Whatever is odd is ignored and the whole file is sent: a server may always do that (14.2), and a client that asked
     oddly gets what it can use. Only a sound field that misses the file altogether is 416.
  3. The work is bounded before it is done: by the ranges in the field, by the digits of a number.

The one impurity is a key that is drawn when the process starts, see `multipart`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Final

from ..values import value_class
from . import httpdate

RANGES_MAX: Final = 8  # slices of one answer; as many as a response chain has room for (PARTS_MAX of response_chain.py)
ASKED_MAX: Final = 100  # members of the field, the empty ones included; real clients send fewer than ten
GAP_MAX: Final = 80  # bytes between two ranges that cost less to send than another part's head (15.3.7.2)

# No bytes of 2**63 or more exist in a file, and 19 digits reach beyond that. A longer number is sound by the grammar;
# it is ignored like everything odd.
_SPEC = re.compile(rb"([0-9]{0,19})-([0-9]{0,19})")


@value_class(frozen=True, slots=True)
class Slice:
    """`length` bytes from `offset` on, at least one, all of them inside the file."""

    offset: int
    length: int

    @property
    def last(self) -> int:
        """The position of the last byte, which is how HTTP counts (14.1.2)."""
        return self.offset + self.length - 1


@value_class(frozen=True, slots=True)
class Unsatisfiable:
    """A sound field, and nothing of what it asks for is there: 416 (15.5.17)."""


UNSATISFIABLE: Final = Unsatisfiable()


def select(value: bytes, size: int) -> tuple[Slice, ...] | Unsatisfiable | None:
    """What the value of Range asks of `size` bytes: slices for a 206, or 416, or None for the whole as if not asked.

    None: an unknown unit (14.2: MUST be ignored), what is no byte range or ends before it begins (14.1.1: one invalid
    range spoils the set), a number of 20 digits, more than ASKED_MAX ranges. Also a
    file without content: 14.2 allows it, no Content-Range could describe its 206, and a client that always sends
    "bytes=0-" should not fail at an empty file.
    Of more than RANGES_MAX slices the first ones are served: a 206 says itself what it holds, and whoever still wants
    the others asks again (15.3.7).
    The slices stand in the order of the request; what was joined stands where the first of its ranges stood. Slices
    that cover the whole file are a 206 all the same, since the client has asked for parts.
    """
    # The name of the unit is case-insensitive (14.1). No white space may follow "=" (14.1.1).
    if size == 0 or value[:6].lower() != b"bytes=" or value[6:7] in (b" ", b"\t"):
        return None
    members = value[6:].split(b",", ASKED_MAX)
    if len(members) > ASKED_MAX:
        return None
    asked = 0
    found: list[tuple[int, int, int]] = []  # first, behind the last, and the place in the field
    for place, member in enumerate(members):
        spec = member.strip(b" \t")
        if not spec:
            continue  # an empty member is allowed (5.6.1.2)
        match = _SPEC.fullmatch(spec)
        if match is None:
            return None
        asked += 1
        first, last = match.groups()
        if first:
            start = int(first)  # int: 1 to 19 of [0-9]
            end = int(last) + 1 if last else size  # int: 1 to 19 of [0-9]
            if last and end <= start:
                return None
        elif last:
            end = size
            start = max(0, size - int(last))  # int: 1 to 19 of [0-9]
        else:
            return None
        if start < size:
            found.append((start, min(end, size), place))
    if not found:
        return UNSATISFIABLE if asked else None
    if len(found) == 1:
        start, end, _ = found[0]
        return (Slice(start, end - start),)
    slices = _joined(found)
    return slices[:RANGES_MAX]


def _joined(found: list[tuple[int, int, int]]) -> tuple[Slice, ...]:
    """Ranges to slices that are more than GAP_MAX apart, in the order of the field (15.3.7.2)."""
    found.sort()
    joined: list[tuple[int, int, int]] = []  # place, first, behind the last
    (from_, to, at), *rest = found
    for start, end, place in rest:
        if start - to <= GAP_MAX:
            to, at = max(to, end), min(at, place)
        else:
            joined.append((at, from_, to))
            from_, to, at = start, end, place
    joined.append((at, from_, to))
    joined.sort()
    return tuple(Slice(start, end - start) for _, start, end in joined)


def if_range_holds(value: bytes, etag: bytes, modified_s: int, now_s: int) -> bool:
    """Whether what the client has is a part of this very version (13.1.5); if not, Range MUST be ignored.

    `etag` is that of the representation that would be cut: of the coded variant, if that is what is served.
    Entity tags are compared strongly (8.8.3.2): a weak one on either side never matches. It is one tag, not a list.

    A date must be the Last-Modified that we send, not just be later, and must be strong. Of the ways in which 8.8.2.2
    lets a date be strong, the origin server's own is closed to us: a file's time tells when it was changed last, not
    whether it was changed twice in that second. What is left is the client's way: its copy came with a Date at least
    one second after Last-Modified, and 13.1.5 forbids it to send any other. We cannot see that Date, but it was not
    later than now. So a file that was modified in this very second, or that is dated ahead, has no strong date, and
    for an older one we trust that the client kept its duty.
    The answer for a key may turn from no to yes as time passes, never back: to keep a no is safe.
    """
    if b'"' in value[:3]:  # as 13.1.5 tells the two apart
        return value == etag and not etag.startswith(b"W/")
    # Before 1970 there is no Last-Modified to have been copied, see respond.
    return 0 <= modified_s < now_s and httpdate.parse(value) == modified_s


def content_range(part: Slice, size: int) -> bytes:
    """The value of Content-Range of a slice (14.4)."""
    return b"bytes %d-%d/%d" % (part.offset, part.last, size)


def unsatisfied(size: int) -> bytes:
    """The value of Content-Range of a 416, which tells how long the file is now (14.4, 15.5.17)."""
    return b"bytes */%d" % size


@value_class(frozen=True, slots=True)
class Multipart:
    """The frame of a multipart/byteranges (14.6): heads[0], slice 0, heads[1], slice 1, ..., closing.

    media_type  the value of the answer's own Content-Type; such an answer has no Content-Range (15.3.7.2)
    length      its Content-Length: heads, slices and closing
    """

    boundary: bytes
    media_type: bytes
    heads: tuple[bytes, ...]
    closing: bytes
    length: int


_KEY: Final = os.urandom(16)


def multipart(slices: Sequence[Slice], size: int, media_type: bytes, etag: bytes, key: bytes = _KEY) -> Multipart:
    """How several slices of a file of this size and type are framed; for one slice there is no frame (15.3.7.2).

    The boundary must not occur in the content, which nobody reads to find out. It is 128 bits of a keyed hash over
    the version and the slices: a judged answer and a kept one are the same bytes, and whoever writes a file cannot
    know what to put in it, even if he chooses its times and so its entity tag. It needs no quotes, which some clients
    do not understand, and a line end stands before the first one, too, as zsync looks for it in the second line (14.6).
    """
    asked = b" ".join([b"%d+%d" % (part.offset, part.length) for part in slices])
    from hashlib import blake2b  # with it comes OpenSSL, four megabytes that most servers never need

    boundary = blake2b(etag + b" " + asked, digest_size=16, key=key).hexdigest().encode()
    opening = b"\r\n--%b\r\nContent-Type: %b\r\nContent-Range: bytes " % (boundary, media_type)
    heads = [b"%b%d-%d/%d\r\n\r\n" % (opening, part.offset, part.last, size) for part in slices]
    closing = b"\r\n--%b--\r\n" % boundary
    length = sum(map(len, heads)) + sum([part.length for part in slices]) + len(closing)
    return Multipart(boundary, b"multipart/byteranges; boundary=" + boundary, tuple(heads), closing, length)
