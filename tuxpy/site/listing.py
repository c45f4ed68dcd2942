"""What a directory holds: read with a limit, put in order, and written as JSON; listing_page.py writes the page.

Rules of this file
  1. What is listed can be asked for: names that are hidden, that this process may not read, or that are neither a file
     nor a directory are left out, as is a symbolic link that the opener refuses to follow. An entry says nothing of a
     place outside the root, because only the opener follows links: nothing here ever asks what a link points to.
  2. A directory of any size costs the same: at most `entries_max` names are read, and the caller learns of the rest.
  3. Equal directories give equal bytes: the order is total, and no clock is asked. So the entity tag is a hash of them.

A directory's own times do not change when a file in it grows. Who keeps a listing must not trust its witness alone.

The form of the JSON (RFC 8259, UTF-8, one entry a line); later versions may add members, none will change:
  path        where it is, decoded, with "/" in front and behind
  path_bytes  only there when the path is not UTF-8: the same, exact, percent-encoded
  entries     directories first, then by name in the order of the page; of each
    name        exactly as it is if it is UTF-8; else readable, with \\xNN for a byte and two backslashes for one
    name_bytes  only there when the name is not UTF-8: the same, exact, percent-encoded
    type        "file" or "directory"; a link that leads somewhere inside is what it leads to
    size        in bytes; null for a directory
    modified    RFC 3339 in UTC, whole seconds; null outside the years 1 to 9999
  truncated   true: there is more in the directory than was read
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from json import dumps
from typing import Final, Literal, get_args
from urllib.parse import quote_from_bytes

from ..http.accept import prefers
from ..http.httpdate import LATEST_S
from ..model import text
from ..values import value_class
from .opening import OpenBeneath

SortKey = Literal["name", "size", "date"]
SORT_KEYS: Final[tuple[SortKey, ...]] = get_args(SortKey)
JSON_TYPE: Final = b"application/json"  # without charset: RFC 8259 11
ENTRIES_MAX: Final = 100_000
ROWS: Final = 500  # entries that are written at a time

_EARLIEST_S: Final = -62135596800  # the first second of year 1, the first that a four-digit year can say
_RACES_MAX: Final = 8  # as in site.py: EAGAIN when a rename races with the look-up
_SHORTAGES: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # say nothing about a name


@value_class(frozen=True, slots=True)
class Entry:
    """A name and the facts of what it stands for."""

    name: bytes
    is_directory: bool
    size: int
    mtime_ns: int


@value_class(frozen=True, slots=True)
class Sort:
    """The order of a listing. Directories come first in every one."""

    by: SortKey = "name"
    descending: bool = False


# Reading.


def read(
    root_fd: int,
    path: bytes,
    open_beneath: OpenBeneath,
    hidden: Callable[[bytes], bool],
    entries_max: int = ENTRIES_MAX,
) -> tuple[tuple[Entry, ...], bool]:
    """The entries of the directory at `path` (b"" is the root) as they come, and whether there are more names.

    `hidden` is asked about each bare name. Raises OSError when the directory itself cannot be opened or read.
    """
    entries: list[Entry] = []
    directory = _open(root_fd, path or b".", open_beneath)
    try:
        with os.scandir(directory) as names:
            for count, found in enumerate(names):
                if count == entries_max:
                    return tuple(entries), True
                name = os.fsencode(found.name)
                if hidden(name):
                    continue
                try:
                    st = found.stat(follow_symlinks=False)
                    if stat.S_ISLNK(st.st_mode):
                        st = _followed(root_fd, path + b"/" + name if path else name, open_beneath)
                    elif not _readable(name, directory, st.st_mode):
                        continue
                except OSError as error:  # gone since, or not for us
                    if error.errno in _SHORTAGES:
                        raise
                    continue
                if _plain(st.st_mode):
                    entries.append(Entry(name, stat.S_ISDIR(st.st_mode), st.st_size, st.st_mtime_ns))
    finally:
        os.close(directory)
    return tuple(entries), False


def _open(root_fd: int, path: bytes, open_beneath: OpenBeneath) -> int:
    for _ in range(_RACES_MAX):
        try:
            return open_beneath(root_fd, path)
        except BlockingIOError:
            continue
    return open_beneath(root_fd, path)


def _followed(root_fd: int, path: bytes, open_beneath: OpenBeneath) -> os.stat_result:
    """What a symbolic link stands for, if the opener goes there; opened, so it may be read as well."""
    fd = _open(root_fd, path, open_beneath)
    try:
        return os.fstat(fd)
    finally:
        os.close(fd)


def _plain(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _readable(name: bytes, directory: int, mode: int) -> bool:
    """Asked, not tried: opening each file would cost more, and opening a fifo would wake its writer.

    A directory need only be entered, since its index may be served where its names may not be read.
    """
    wanted = os.X_OK if stat.S_ISDIR(mode) else os.R_OK
    return _plain(mode) and os.access(name, wanted, dir_fd=directory, effective_ids=True)


# Order.


def ordered(entries: Iterable[Entry], sort: Sort) -> list[Entry]:
    """Directories first; then as asked, names of equal rank from first to last. A directory has no size to speak of."""
    ranked = sorted(entries, key=_by_name)
    if sort.by == "name" and sort.descending:
        ranked.reverse()  # no two names are equal
    elif sort.by == "size":
        ranked.sort(key=lambda entry: 0 if entry.is_directory else entry.size, reverse=sort.descending)
    elif sort.by == "date":
        ranked.sort(key=lambda entry: entry.mtime_ns, reverse=sort.descending)
    ranked.sort(key=lambda entry: not entry.is_directory)
    return ranked


_DIGITS = re.compile("[0-9]+")


def _by_name(entry: Entry) -> tuple[str, bytes]:
    """As a human being would: file2 before file10, no difference between a, A and ä; bytes break the tie."""
    name = entry.name.decode("utf-8", "surrogateescape")
    if not name.isascii():
        name = "".join(sign for sign in unicodedata.normalize("NFKD", name) if not unicodedata.combining(sign))
    return _DIGITS.sub(_number, name.casefold()), entry.name


def _number(found: re.Match[str]) -> str:
    """Digits so that numbers of any length compare: a NUL, which no name has and which comes before all words, then how
    many digits there are, then these."""
    digits = found[0].lstrip("0")
    return f"\0{chr(len(digits))}{digits}"


def parse_sort(query: bytes | None) -> Sort:
    """?sort=name|size|date&order=asc|desc; of each the first that is known, all else is passed over."""
    keys = {key.encode(): key for key in SORT_KEYS}
    by: SortKey = next((keys[value] for value in _values(query, b"sort") if value in keys), "name")
    order = next((value for value in _values(query, b"order") if value in (b"asc", b"desc")), b"asc")
    return Sort(by, order == b"desc")


def _values(query: bytes | None, name: bytes) -> Iterator[bytes]:
    for pair in (query or b"").split(b"&"):
        key, _, value = pair.partition(b"=")
        if key == name:
            yield value


# JSON.


def json(path_segments: tuple[bytes, ...], entries: Iterable[Entry], truncated: bool) -> Iterator[bytes]:
    """The listing for programs, piece by piece; its form is in the head of this file."""
    place = dumps(_named("path", b"/".join((b"", *path_segments, b""))), ensure_ascii=False).removesuffix("}")
    yield f'{place}, "entries": ['.encode()
    comma = ""
    for group in in_groups(ordered(entries, Sort())):
        yield (comma + ",".join("\n" + dumps(_row(entry), ensure_ascii=False) for entry in group)).encode()
        comma = ","
    yield f'\n], "truncated": {dumps(truncated)}}}\n'.encode()


def in_groups(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """So many at a time that a listing of any length is written in little memory."""
    for at in range(0, len(entries), ROWS):
        yield entries[at : at + ROWS]


def _row(entry: Entry) -> dict[str, str | int | None]:
    return {
        **_named("name", entry.name),
        "type": "directory" if entry.is_directory else "file",
        "size": None if entry.is_directory else entry.size,
        "modified": modified(entry),
    }


def _named(key: str, name: bytes) -> dict[str, str]:
    try:
        return {key: name.decode()}
    except UnicodeDecodeError:
        return {key: text(name), f"{key}_bytes": quote_from_bytes(name, safe="/~")}


def modified(entry: Entry) -> str | None:
    """As RFC 3339 writes it, for instance 1994-11-06T08:49:37Z; None where four digits are no year."""
    seconds = entry.mtime_ns // 10**9
    if not _EARLIEST_S <= seconds <= LATEST_S:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat()[:19] + "Z"


class Tag:
    """A strong entity tag (RFC 9110 8.8.1) of a body in pieces: equal listings have equal tags."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def update(self, piece: bytes) -> None:
        self._digest.update(piece)

    def value(self) -> bytes:
        """The tag, quotes included."""
        return b'"%s"' % self._digest.hexdigest()[:32].encode()


# Negotiation.

def wants_json(accept: bytes | None, query: bytes | None) -> bool:
    """?format=json or html decides; else whether Accept rates application/json above text/html (RFC 9110 12.5.1)."""
    for value in _values(query, b"format"):
        if value in (b"json", b"html"):
            return value == b"json"
    return prefers(accept, (b"application", b"json"), (b"text", b"html"))
