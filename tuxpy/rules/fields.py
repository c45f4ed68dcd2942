"""Fields by rule: what an answer says beside what makes it an answer. Pure.

A rule names paths, perhaps statuses, and what is taken out, set and appended there, in this order. All rules that match
are applied in their order to the fields that the answer has of its own, so nothing that one rule says is lost because
another one speaks, too. They reach every answer alike: whole, partial, not modified, redirected, refused, fallen back.

How values meet
  1. A field that is set replaces what was there: the last rule wins.
  2. But Vary, Link, Server-Timing and Access-Control-Expose-Headers are sums of what each author has to say: they
     combine (RFC 9110 5.3), Vary member by member. Cache-Control is a list by its grammar only: its directives
     contradict each other, and caches take the strictest, so it is replaced. So is Content-Security-Policy, of which
     browsers enforce every one: whoever writes a later one means it instead.
  3. What is appended joins the line that is there with a comma; Set-Cookie alone has a line of its own for each value.
  4. A rule that `joins` is one of a file in which values of one name add up (Cloudflare Pages): it replaces what the
     server would say by itself, and joins what such a rule has set.

What rules do not do
  5. A rule without statuses does not say of an error how long it may be kept (an "immutable" 404 would outlive its cure
     by a year), nor of the page of an error or redirect what only the file is (its type, its language). See _REACH.
  6. Fields that frame the message, or follow from the file or the request, are refused: see _OURS. Content-Encoding
     says what a file is in already (declared_coding); it is no field of other answers for the same path.

A value may hold placeholders of its pattern, as in `You are watching ":title"`. They come from the request, so whatever
is no plain letter of a URL is percent-encoded: no request can end a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Protocol
from urllib.parse import quote_from_bytes

from ..errors import ConfigError
from ..model import Field, text
from ..values import value_class
from .patterns import Pattern, fill

VALUE_BYTES_MAX: Final = 8192

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_NOT_IN_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110 5.5: a tab is the only control there may be

_ENGINE = "the server frames its messages itself"
_FILE = "it follows from the file"
_OURS: Final[dict[bytes, str]] = {
    **dict.fromkeys((b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"), _ENGINE),
    **dict.fromkeys((b"transfer-encoding", b"content-length", b"date", b"server"), _ENGINE),
    **dict.fromkeys((b"etag", b"last-modified", b"content-range", b"accept-ranges"), _FILE),
    b"location": "give a redirect instead",
    b"allow": "it follows from what the server can do",
    b"age": "only a cache knows it",
    **dict.fromkeys((b"www-authenticate", b"proxy-authenticate"), "give a rule for access instead"),
}
CODING: Final = b"content-encoding"
_KEPT: Final[dict[bytes, str]] = {
    b"vary": "without it caches would mix up answers",
    CODING: "without it clients cannot read what they get",
}
_FILE_CODINGS: Final = (b"gzip", b"br", b"zstd", b"deflate")
_COMBINED: Final = frozenset((b"vary", b"link", b"server-timing", b"access-control-expose-headers"))
_SINGLE: Final = frozenset(  # of which a second value would spoil the first
    (
        CODING,
        *(b"content-type", b"content-location", b"content-disposition", b"expires", b"retry-after"),
        *(b"access-control-allow-origin", b"access-control-allow-credentials", b"access-control-max-age"),
        *(b"strict-transport-security", b"x-content-type-options", b"x-frame-options"),
        *(b"cross-origin-opener-policy", b"cross-origin-embedder-policy", b"cross-origin-resource-policy"),
    )
)
# The first status that a field does not reach unless its rule names statuses.
_REACH: Final[dict[bytes, int]] = {
    **dict.fromkeys((b"cache-control", b"expires", b"content-location"), 400),
    **dict.fromkeys((b"content-type", b"content-language", b"content-disposition"), 300),
}


class Matcher(Protocol):
    """What says which paths a rule is for: a Pattern, or a function in a coat of one."""

    def match(self, path: bytes, /) -> Mapping[str, bytes] | None: ...


@value_class(frozen=True, slots=True)
class FieldRule:
    """One rule; raises ConfigError for what no rule may say. Without statuses it is for all of them.

    where   the place it was written at, for `tuxpy explain`
    """

    pattern: Matcher
    set: tuple[Field, ...] = ()
    remove: tuple[bytes, ...] = ()
    append: tuple[Field, ...] = ()
    statuses: frozenset[int] = frozenset()
    joins: bool = False
    where: str = ""

    def __post_init__(self) -> None:
        for name in self.remove:
            _check_name(name)
            key = name.lower()
            # Validators may be taken out, which only costs; the others would be missed.
            reason = _KEPT.get(key) or (None if key in (b"etag", b"last-modified") else _OURS.get(key))
            if reason is not None:
                raise ConfigError(f"{text(name)} cannot be removed: {reason}")
        for name, value in (*self.set, *self.append):
            _check_name(name)
            if name.lower() == CODING:
                _check_coding(value, bool(self.statuses))
            if (reason := _OURS.get(name.lower())) is not None:
                raise ConfigError(f"{text(name)} cannot be set by a rule: {reason}")
            _check_value(name, value)
        names = [name.lower() for name, _ in self.set if name.lower() not in _COMBINED]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ConfigError(f"{text(twice)} is set twice in one rule: append the second value")
        for name, _ in self.append:
            if name.lower() in _SINGLE:
                raise ConfigError(f"{text(name)} has one value: set it")

    @classmethod
    def parse(
        cls,
        pattern: str,
        fields: Iterable[tuple[str, str]] = (),
        *,
        remove: Iterable[str] = (),
        append: Iterable[tuple[str, str]] = (),
        statuses: Iterable[int] = (),
        where: str = "",
    ) -> FieldRule:
        """A rule from the words of a configuration."""
        return cls(
            Pattern.parse(pattern),
            set=tuple(field(*pair) for pair in fields),
            remove=tuple(_encoded(name) for name in remove),
            append=tuple(field(*pair) for pair in append),
            statuses=frozenset(statuses),
            where=where,
        )


def field(name: str, value: str) -> Field:
    """Name and value as they are sent; what stands around the value does not belong to it (RFC 9110 5.5)."""
    return _encoded(name), _encoded(value).strip(b" \t")


def merged(own: tuple[Field, ...], rules: Iterable[FieldRule], path: bytes, status: int) -> tuple[Field, ...]:
    """The fields of an answer about `path` (decoded, a slash in front) after all rules that are for it.

    Fields that rules cannot touch pass through. What is there keeps its place, what is new comes behind. Where another
    file is served than was asked for, authors mean the path that was asked for, but DEFAULT_RULES the file's: merge
    with those first, and with the others what comes out.
    """
    lines: dict[bytes, list[Field]] | None = None
    joined: set[bytes] = set()
    for rule in rules:
        if rule.statuses and status not in rule.statuses:
            continue
        values = rule.pattern.match(path)
        if values is None:
            continue
        if lines is None:
            lines = _by_name(own)
        for name in rule.remove:
            lines.pop(name.lower(), None)
            joined.discard(name.lower())
        for line, appended in (*((line, False) for line in rule.set), *((line, True) for line in rule.append)):
            key = line[0].lower()
            if key == CODING or (status >= _REACH.get(key, 1000) and not rule.statuses):
                continue
            if values and b":" in line[1]:
                line = line[0], fill(line[1], values, _plain)
                if len(line[1]) > VALUE_BYTES_MAX:  # the request may be in it several times
                    continue
            if appended or key in _COMBINED or (rule.joins and key in joined):
                _add(lines, key, line)
            else:
                lines[key] = [line]
            if rule.joins:
                joined.add(key)
            elif not appended:
                joined.discard(key)
    return own if lines is None else tuple(line for same in lines.values() for line in same)


def declared_coding(rules: Iterable[FieldRule], path: bytes) -> bytes | None:
    """The coding that rules say the file at `path` (decoded, a slash in front) is in; the last rule wins."""
    said = None
    for rule in rules:
        for name, value in rule.set:
            if name.lower() == CODING and rule.pattern.match(path) is not None:
                said = value.lower()
    return said


def for_not_modified(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """What of a 200's fields belongs into its 304 (RFC 9110 15.4.5).

    Left out is what describes the representation, which the client has: Content-* but for Content-Location, and
    Last-Modified where an ETag says it better. All else is sent, as a cache renews with it what it has stored (RFC 9111
    3.2): Cache-Control, Expires, Vary and ETag, which are a must, but also policies and the grants of CORS, which may
    have changed while the file did not.
    """
    tagged = any(name.lower() == b"etag" for name, _ in fields)
    return tuple(line for line in fields if not _describes(line[0].lower(), tagged))


def _describes(key: bytes, tagged: bool) -> bool:
    if key.startswith(b"content-"):
        return key != b"content-location" and not key.startswith(b"content-security-policy")
    return key == b"accept-ranges" or (tagged and key == b"last-modified")


def _by_name(fields: tuple[Field, ...]) -> dict[bytes, list[Field]]:
    lines: dict[bytes, list[Field]] = {}
    for line in fields:
        lines.setdefault(line[0].lower(), []).append(line)
    return lines


def _add(lines: dict[bytes, list[Field]], key: bytes, line: Field) -> None:
    """Beside what is there: in one line, but for cookies; nothing twice."""
    there = lines.setdefault(key, [])
    if key == b"set-cookie" or not there:
        there.append(line)
        return
    value = line[1]
    before = b", ".join(old for _, old in there)
    if key == b"vary":
        have = {member.strip().lower() for member in before.split(b",")}
        members = [member.strip(b" \t") for member in value.split(b",")]
        new = [] if b"*" in have else [member for member in members if member and member.lower() not in have]
    else:
        new = [] if any(value == old for _, old in there) else [value]
    lines[key] = [(there[0][0], b", ".join([before, *new]))]


def _plain(value: bytes) -> bytes:
    return quote_from_bytes(value, safe="/~").encode()


def _encoded(given: str) -> bytes:
    try:
        return given.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{given!r} is not text: correct it") from None


def _check_coding(value: bytes, has_statuses: bool) -> None:
    if value.lower() not in _FILE_CODINGS or has_statuses:
        known = b", ".join(_FILE_CODINGS).decode()
        raise ConfigError(
            f"Content-Encoding says what the files of a path are in already, so it is one of {known}, and without"
            " statuses: what is compressed here needs no rule"
        )


def _check_name(name: bytes) -> None:
    if not _TOKEN.fullmatch(name):
        raise ConfigError(f"{text(name)!r} is not a field name: give letters, digits and hyphens")


def _check_value(name: bytes, value: bytes) -> None:
    if not value.strip(b" \t"):
        raise ConfigError(f"{text(name)} has no value: give one, or remove the field")
    if value != value.strip(b" \t") or _NOT_IN_VALUE.search(value):
        raise ConfigError(f"the value of {text(name)} has a control in it, or blanks around it: take them out")
    if len(value) > VALUE_BYTES_MAX:
        raise ConfigError(f"the value of {text(name)} has {len(value)} bytes: give at most {VALUE_BYTES_MAX}")
