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
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from json import dumps
from typing import Final, Literal, get_args
from urllib.parse import quote_from_bytes

from ..http.httpdate import LATEST_S
from ..model import text
from ..records import dataclass
from .opening import OpenBeneath

SortKey = Literal["name", "size", "date"]
SORT_KEYS: Final[tuple[SortKey, ...]] = get_args(SortKey)
JSON_TYPE: Final = b"application/json"  # without charset: RFC 8259 11
ENTRIES_MAX: Final = 10000

_EARLIEST_S: Final = -62135596800  # the first second of year 1, the first that a four-digit year can say
_RACES_MAX: Final = 8  # as in site.py: EAGAIN when a rename races with the look-up
_SHORTAGES: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # say nothing about a name


@dataclass(frozen=True, slots=True)
class Entry:
    """A name and the facts of what it stands for."""

    name: bytes
    is_directory: bool
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
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
    if sort.by == "name":
        ranked.sort(key=_by_name, reverse=sort.descending)
    elif sort.by == "size":
        ranked.sort(key=lambda entry: 0 if entry.is_directory else entry.size, reverse=sort.descending)
    else:
        ranked.sort(key=lambda entry: entry.mtime_ns, reverse=sort.descending)
    ranked.sort(key=lambda entry: not entry.is_directory)
    return ranked


_Piece = tuple[int, str]  # (digits of a number, or 0; the number or the words themselves)
_DIGITS = re.compile("([0-9]+)")


def _by_name(entry: Entry) -> tuple[list[_Piece], bytes]:
    """As a human being would: file2 before file10, no difference between a, A and ä; bytes break the tie."""
    name = entry.name.decode("utf-8", "surrogateescape")
    if not name.isascii():
        name = "".join(sign for sign in unicodedata.normalize("NFKD", name) if not unicodedata.combining(sign))
    pieces = _DIGITS.split(name.casefold())  # words, number, words, number, ..., words
    key: list[_Piece] = [(0, piece) for piece in pieces]
    for at in range(1, len(pieces), 2):
        number = pieces[at].lstrip("0")
        key[at] = (len(number), number)  # so numbers of any length compare, without bare int()
    return key, entry.name


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


def json(path_segments: tuple[bytes, ...], entries: Iterable[Entry], truncated: bool) -> bytes:
    """The listing for programs; its form is in the head of this file."""
    place = dumps(_named("path", b"/".join((b"", *path_segments, b""))), ensure_ascii=False).removesuffix("}")
    rows = ",".join("\n" + dumps(_row(entry), ensure_ascii=False) for entry in ordered(entries, Sort()))
    return f'{place}, "entries": [{rows}\n], "truncated": {dumps(truncated)}}}\n'.encode()


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


def etag(body: bytes) -> bytes:
    """A strong entity tag (RFC 9110 8.8.1), quotes included: equal listings have equal tags, whenever they are made."""
    return b'"%s"' % hashlib.sha256(body).hexdigest()[:32].encode()


# Negotiation.

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = _TOKEN + rb'|"(?:[^"\\]|\\.)*"'
# One member of Accept (RFC 9110 12.5.1), which may be empty. Each blank has one place to be in, so that no value takes
# long to refuse.
_RANGE = re.compile(
    rb"[ \t]*(?:(%(token)s)/(%(token)s)[ \t]*((?:;[ \t]*(?:%(token)s=(?:%(value)s)[ \t]*)?)*))?(?:,|\Z)"
    % {b"token": _TOKEN, b"value": _VALUE}
)
_PARAMETER = re.compile(rb"(%s)=(%s)" % (_TOKEN, _VALUE))
_WEIGHT = re.compile(rb"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_Range = tuple[bytes, bytes, float]  # type, subtype, weight


def wants_json(accept: bytes | None, query: bytes | None) -> bool:
    """?format=json or html decides; else whether Accept rates application/json above text/html (RFC 9110 12.5.1).

    Of two equal weights the more exactly named type wins: "application/json, */*" is how scripts ask for JSON.
    """
    for value in _values(query, b"format"):
        if value in (b"json", b"html"):
            return value == b"json"
    ranges = list(_ranges(accept or b""))
    json_rated = _rating(ranges, b"application", b"json")
    return json_rated[0] > 0 and json_rated > _rating(ranges, b"text", b"html")


def _ranges(accept: bytes) -> Iterator[_Range]:
    """The members of Accept as far as it keeps to the form."""
    at = 0
    while at < len(accept):
        member = _RANGE.match(accept, at)
        if member is None:
            return
        at = member.end()
        weight = _weight(member[3] or b"")
        if member[1] and weight is not None:
            yield member[1].lower(), member[2].lower(), weight


def _weight(parameters: bytes) -> float | None:
    """The weight of a range; None if it is unsound, or if another parameter asks for what there is not."""
    weight = b"1"
    for name, value in _PARAMETER.findall(parameters.lower()):
        if name == b"q":
            weight = value
        elif (name, value.strip(b'"')) != (b"charset", b"utf-8"):
            return None
    return float(weight) if _WEIGHT.fullmatch(weight) else None


def _rating(ranges: list[_Range], kind: bytes, subtype: bytes) -> tuple[float, int]:
    """(weight, exactness) by the most exact range that includes the type; (0, 0), not acceptable, if none does."""
    forms = (None, (b"*", b"*"), (kind, b"*"), (kind, subtype))
    fitting = ((forms.index(range_[:2]), range_[2]) for range_ in ranges if range_[:2] in forms)
    exactness, weight = max(fitting, default=(0, 0.0))
    return weight, exactness
