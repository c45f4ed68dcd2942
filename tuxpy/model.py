"""The values that travel through the judge: request, facts about a file, decision, answer.

Rules of this file
  1. No value is ever changed: to have another, build another (values.py).
  2. A Request holds only significant fields, so a decision cannot depend on what the engine's
     key leaves out (the key is the request line and exactly these fields, in order).
  3. A descriptor has one owner at a time: the site opens it, a FileFact in a Serve carries it,
     respond either closes it or moves it into Answer.file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

from .values import value_class

if TYPE_CHECKING:
    from .atoms import Frozen

SIGNIFICANT: tuple[bytes, ...] = (
    b"host",
    b"connection",
    b"content-length",
    b"transfer-encoding",
    b"expect",
    b"upgrade",
    b"range",
    b"if-match",
    b"if-none-match",
    b"if-modified-since",
    b"if-unmodified-since",
    b"if-range",
    b"accept-encoding",
    b"authorization",
    b"origin",
)

WITNESSES_MAX = 8

LINKS_INSIDE, LINKS_NONE, LINKS_ALL = range(3)  # csrc/api.h: enum tux_links

Field = tuple[bytes, bytes]


class Lease(Protocol):
    """A share of the memory for bodies that are made here (made.py). It ends once Python and all engines let go."""

    counter: Any
    """uint32_t *: each engine that may still send from the memory counts itself here."""


NOSNIFF: Field = (b"X-Content-Type-Options", b"nosniff")

PAGE_FIELDS: tuple[Field, ...] = ((b"Content-Type", b"text/html; charset=utf-8"), NOSNIFF)


@value_class(frozen=True, slots=True)
class Request:
    """A request as far as it may matter: names in lower case, SIGNIFICANT ones only, in order.

    client_class: the number of the class of the client's address (rules/access.py). A decision sees no more of it.
    """

    method: bytes
    target: bytes
    version: bytes
    fields: tuple[Field, ...] = ()
    client_class: int = 0

    def all(self, name: bytes) -> list[bytes]:
        """The values of every line of this field, in order."""
        return [value for key, value in self.fields if key == name]

    def get(self, name: bytes) -> bytes | None:
        """The field's value, several lines joined with a comma (RFC 9110 5.3); None if absent."""
        values = [value for key, value in self.fields if key == name]
        return b", ".join(values) if values else None

    def tokens(self, name: bytes) -> list[bytes]:
        """The members of a comma-separated list of case-insensitive words (RFC 9110 5.6.1)."""
        value = self.get(name)
        if value is None:
            return []
        return [word for part in value.lower().split(b",") if (word := part.strip(b" \t"))]


@value_class(frozen=True, slots=True)
class FileFact:
    """An open regular file and what fstat said of it; `path` is relative to the root.

    lease: of the memory that it lies in, when it was made here.
    """

    fd: int
    path: bytes
    dev: int
    ino: int
    size: int
    mtime_ns: int
    ctime_ns: int
    mode: int
    lease: Lease | None = None

    def same_version(self, other: FileFact) -> bool:
        """The same bytes, as far as one can tell. Not by ctime: that changes too when a name comes or goes."""
        mine = (self.dev, self.ino, self.size, self.mtime_ns)
        return mine == (other.dev, other.ino, other.size, other.mtime_ns)


@value_class(frozen=True, slots=True)
class Witness:
    """What must still hold for a cached answer to hold; ino 0 says: there is nothing here.

    links: which symbolic links may be followed on the way, as in Policy.links.
    """

    root_fd: int
    path: bytes
    dev: int = 0
    ino: int = 0
    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    links: int = LINKS_INSIDE


@value_class(frozen=True, slots=True, kw_only=True)
class _Judgement:
    """What all decisions have in common.

    keep       the decision is content to keep the connection (the request may still not be)
    linger     unread input is left behind: close in stages (RFC 9112 9.6)
    cacheable  the same key gets the same answer while the witnesses hold
    why        the reasoning in short plain sentences, for `tuxpy explain`
    """

    status: int
    keep: bool = True
    linger: bool = False
    cacheable: bool = True
    fields: tuple[Field, ...] = ()
    why: tuple[str, ...] = ()
    witnesses: tuple[Witness, ...] = ()


@value_class(frozen=True, slots=True, kw_only=True)
class Serve(_Judgement):
    """Send a representation, whole or in parts: a file (whose descriptor it owns until respond takes it), or `content`.

    parts        what the body is made of, in order: bytes as they are, and (offset, count) of the representation;
                 empty: all of it
    etag         b"" for what has no version of its own, such as the page of an error: it has no validators
    modified_s   for Last-Modified, in unix time; None: there is no date that means anything
    changed_ns   when the file was changed of which the body was made; None: it was made of none
    """

    etag: bytes
    file: FileFact | None = None
    content: bytes = b""
    parts: tuple[bytes | tuple[int, int], ...] = ()
    modified_s: int | None = None
    changed_ns: int | None = None
    status: int = 200

    @property
    def size(self) -> int:
        """Bytes of the whole representation."""
        return len(self.content) if self.file is None else self.file.size


@value_class(frozen=True, slots=True, kw_only=True)
class NoContent(_Judgement):
    """Said with fields alone (RFC 9110 15.3.5)."""

    status: int = 204


@value_class(frozen=True, slots=True, kw_only=True)
class NotModified(_Judgement):
    """The client's copy is still good (RFC 9110 15.4.5)."""

    etag: bytes
    status: int = 304


@value_class(frozen=True, slots=True, kw_only=True)
class Redirect(_Judgement):
    """Elsewhere; `location` is fully encoded, and a path-absolute reference unless a rule has written a host.

    page: the fields of our own small page, until rules have been applied to them: then they are among `fields`.
    """

    location: bytes
    status: int = 301
    page: tuple[Field, ...] = PAGE_FIELDS


@value_class(frozen=True, slots=True, kw_only=True)
class Refuse(_Judgement):
    """Any answer that is only a status and a sentence; by its status, sometimes with a page of the site in its place.

    silent: the request was recognisably a HEAD, so the page is announced but not sent
    (RFC 9110 9.3.2); needed because a refused head leaves no Request to ask.
    page: as in Redirect.
    """

    silent: bool = False
    page: tuple[Field, ...] = PAGE_FIELDS


Decision = Serve | NoContent | NotModified | Redirect | Refuse


@value_class(frozen=True, slots=True)
class Ranged:
    """The answer for one range of a file holds for every other, once two texts of its head are replaced.

    range_at    offset in the chain's data of "first-last" in Content-Range
    length_at   the same for the value of Content-Length
    """

    range_at: int
    length_at: int


@value_class(frozen=True, slots=True)
class Answer:
    """A finished answer: the chain that sends it, and on what terms it may be sent again.

    file       a descriptor whose ownership moves with the answer, or -1
    date_at    offset of the 29 bytes of the Date value in the chain's data, or -1
    witnesses  at most WITNESSES_MAX
    ranged     the engine may answer every single range of the file by itself (csrc/http/ranged.h)
    lease      of the memory that the file lies in: the engine counts itself there
    far        it is from a file system that may not answer
    """

    chain: Frozen
    file: int
    status: int
    keep: bool
    cacheable: bool
    date_at: int
    witnesses: tuple[Witness, ...]
    why: tuple[str, ...]
    ranged: Ranged | None = None
    lease: Lease | None = None
    far: bool = False


def refuse(status: int, why: str, *, silent: bool = False) -> Refuse:
    """A refusal after which the connection cannot be understood any further: it closes."""
    return Refuse(
        status=status, keep=False, linger=True, cacheable=False, why=(why,), silent=silent
    )


_PLAIN: Final = re.compile(rb"[ -\[\]-~]*")


def text(name: bytes) -> str:
    r"""Bytes from the wire or the file system for a sentence: printable and never ambiguous.

    A backslash is doubled first, so \xNN in the result is always one byte that could not be shown.
    """
    if _PLAIN.fullmatch(name):  # nearly always, and four times as fast
        return name.decode("ascii")
    shown = name.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return "".join(sign if sign.isprintable() else _escaped(sign) for sign in shown)


def _escaped(sign: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in sign.encode())
