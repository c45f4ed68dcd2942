"""Redirects and rewrites by rule. Pure.

A rule says for which paths it is and where those lead:

  301 302 303 307 308   a Location, on this host or on the one that the rule's author wrote
  200                   the file at another path of this site, while the browser keeps its address (a rewrite)
  404                   the same, said to be missing: a page for what is not there

The first rule that matches decides. Without `force` a file that exists at the asked path wins over it.

Whatever of the request goes into a target is in a placeholder, so these hold for all requests:
  1. The scheme and host of a Location stand in the rule; placeholders are refused there. A Location on this host begins
     with exactly one slash, and no backslash, blank or control is in any (browsers read "//x" and "/\\x" as a host).
  2. What fills a placeholder of a Location's path is what the client wrote: %2F, empty segments and every other escape
     stay as they are (RFC 3986 2.2, 6.2.2), and an escaped slash is part of its segment. In a query or fragment it is
     percent-encoded but for letters of the unreserved set.
     A rule does not match at all where its path would get a segment of dots, a NUL, or a slash for a placeholder of one
     segment: it would lead to another place than its author meant.
  3. A redirect to where the request already is is passed over. A rewrite's path is not looked up in the rules again,
     so no rules can make a circle.

The query (`/store id=:id /blog/:id`): a rule that names parameters matches if the request has these and no others, each
with the value that is written, or any for a placeholder. A redirect hands the request's query on, unless its target has
a query of its own, or `pass_query` is off.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Final, NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from ..errors import ConfigError
from ..values import value_class
from .patterns import NOTHING, PLACEHOLDER, SPLAT, Pattern
from .places import PLACE_BYTES_MAX, Place, Template, read_place
from .written import Written

REDIRECTS: Final = (301, 302, 303, 307, 308)
REWRITES: Final = (200, 404)
TARGET_BYTES_MAX: Final = PLACE_BYTES_MAX

# What a query may not hold as it is, though browsers let it through.
_NOT_IN_QUERY = re.compile(rb"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9._~!$&'()*+,;=:@/?%-]")


class Match(NamedTuple):
    """What a rule makes of a request: either a location to send, or the path (decoded, a slash in front) of a file."""

    rule: RedirectRule
    status: int
    force: bool
    location: bytes | None = None
    path: bytes | None = None


@value_class(frozen=True, slots=True)
class RedirectRule:
    """One rule; raises ConfigError for what cannot be.

    query   the parameters that it asks for: name and value, or name and ":placeholder"
    where   the place it was written at, for `tuxpy explain`
    """

    pattern: Pattern
    to: str
    status: int = 301
    force: bool = False
    query: tuple[tuple[str, str], ...] = ()
    pass_query: bool = True
    where: str = ""
    _target: Place = field(init=False, repr=False, compare=False)
    _wanted: tuple[tuple[bytes, bytes | str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.status not in (*REDIRECTS, *REWRITES):
            known = ", ".join(map(str, sorted((*REDIRECTS, *REWRITES))))
            raise ConfigError(f"{self.status} is not a status of a redirect or rewrite: give one of {known}")
        wanted = tuple(_parameter(name, value) for name, value in self.query)
        named = [value for _, value in wanted if isinstance(value, str)]
        names = [*self.pattern.names, *named]
        if len(set(names)) < len(names) or len({name for name, _ in wanted}) < len(wanted):
            raise ConfigError(f"the rule to {self.to!r} has a name twice: give each placeholder and parameter its own")
        target = read_place(self.to, self.status in REWRITES)
        for template in (target.path, target.query or (), target.fragment or ()):
            for piece in template:
                if isinstance(piece, str) and piece not in names:
                    raise ConfigError(f"nothing gives :{piece} in {self.to!r} a value: write %3A for a literal colon")
        if self.status in REDIRECTS and self.pattern.literals == {target.here()} and not self.query:
            raise ConfigError(f"{self.to!r} leads to itself: name another place, or leave the rule out")
        object.__setattr__(self, "_target", target)
        object.__setattr__(self, "_wanted", wanted)

    @classmethod
    def parse(
        cls,
        pattern: str,
        to: str,
        status: int = 301,
        *,
        force: bool = False,
        query: Iterable[tuple[str, str]] = (),
        pass_query: bool = True,
        where: str = "",
    ) -> RedirectRule:
        """A rule from the words of a configuration."""
        return cls(Pattern.parse(pattern), to, status, force, tuple(query), pass_query, where)

    def apply(self, path: bytes, query: bytes | None, written: Written | None = None) -> Match | None:
        """What this rule makes of a request for `path` (decoded, a slash in front) and its query as it was sent.

        written: the path in the client's own words, which a redirect keeps."""
        if written is not None and self.status in REDIRECTS:
            match = self._kept(path, query, written)
            if match is not None:
                return match
        values = self.pattern.match(path)
        if values is None:
            return None
        if self._wanted:
            asked = _asked(self._wanted, query)
            if asked is None:
                return None
            values = {**values, **asked}
        if values and not all(isinstance(name, bytes) or _sound(name, values[name]) for name in self._target.path):
            return None
        if self.status in REWRITES:
            return Match(self, self.status, self.force, path=_one_slash(_filled(self._target.path, values, None)))
        location = self._location(values, path, query)
        return None if location is None else Match(self, self.status, self.force, location=location)

    def _kept(self, path: bytes, query: bytes | None, written: Written) -> Match | None:
        """The same by the path as the client has written it: so an escaped slash is no slash, and stays escaped."""
        spans = self.pattern.spans(written.path)
        if not spans:
            return None
        values = {name: written.path[start:end].replace(b"\0", b"/") for name, (start, end) in spans.items()}
        if self._wanted:
            asked = _asked(self._wanted, query)
            if asked is None:
                return None
            values = {**values, **asked}
        words = {name: written.words(start, end) for name, (start, end) in spans.items()}
        location = self._location(values, path, query, words)
        return None if location is None else Match(self, self.status, self.force, location=location)

    def _location(
        self, values: Mapping[str, bytes], path: bytes, query: bytes | None, words: Mapping[str, bytes] = NOTHING
    ) -> bytes | None:
        """words: for the path, in place of values that have to be escaped."""
        target = self._target
        place = _filled(target.path, values, "/~", words)
        asks = None if query is None else _NOT_IN_QUERY.sub(lambda found: b"%%%02X" % ord(found[0]), query)
        new = asks if self.pass_query else None
        if target.query is not None:
            new = _filled(target.query, values, "~")
        if not target.origin:
            place = _one_slash(place)
            if new == asks and _plain(unquote_to_bytes(place)) == _plain(path):
                return None
        location = target.origin + place
        if new is not None:
            location += b"?" + new
        if target.fragment is not None:
            location += b"#" + _filled(target.fragment, values, "~")
        return location


class RedirectTable:
    """Rules in their order, found by path where it can be listed: thousands of those cost no more than one."""

    def __init__(self, rules: Iterable[RedirectRule]) -> None:
        self.rules: tuple[RedirectRule, ...] = tuple(rules)
        self._listed: dict[bytes, list[int]] = {}
        self._others: list[int] = []
        for number, rule in enumerate(self.rules):
            if rule.pattern.literals and not rule.pattern.anywhere:
                for path in rule.pattern.literals:
                    self._listed.setdefault(path, []).append(number)
            else:
                self._others.append(number)

    def find(self, path: bytes, query: bytes | None, written: Written | None = None) -> Match | None:
        """What the first rule that matches makes of the request."""
        listed = self._listed.get(path)
        numbers: Sequence[int] = sorted((*listed, *self._others)) if listed else self._others
        for number in numbers:
            match = self.rules[number].apply(path, query, written)
            if match is not None:
                return match
        return None


def find(rules: Iterable[RedirectRule], path: bytes, query: bytes | None) -> Match | None:
    """What the first of a few rules that matches makes of the request; for many there is RedirectTable."""
    for rule in rules:
        match = rule.apply(path, query)
        if match is not None:
            return match
    return None


# While a request is judged.


def _filled(
    template: Template, values: Mapping[str, bytes], safe: str | None, words: Mapping[str, bytes] = NOTHING
) -> bytes:
    """Values raw where `safe` is None; else only unreserved letters and what is safe are left as they are. What has
    words is filled with them."""
    if safe is None:
        return b"".join(piece if isinstance(piece, bytes) else values[piece] for piece in template)

    def of(name: str) -> bytes:
        said = words.get(name)
        return quote_from_bytes(values[name], safe).encode() if said is None else said

    return b"".join(piece if isinstance(piece, bytes) else of(piece) for piece in template)


def _plain(path: bytes) -> bytes:
    """Without empty segments, which mean nothing to files."""
    return re.sub(rb"//+", b"/", path)


def _one_slash(path: bytes) -> bytes:
    return b"/" + path.lstrip(b"/")


def _sound(name: str, value: bytes) -> bool:
    if b"\0" in value or (name != SPLAT and b"/" in value):
        return False
    return b"." not in value or not any(segment in (b".", b"..") for segment in value.split(b"/"))


def _asked(wanted: tuple[tuple[bytes, bytes | str], ...], query: bytes | None) -> dict[str, bytes] | None:
    """The placeholders that the query fills, if it has the parameters that are wanted and no others."""
    given: dict[bytes, bytes] = {}
    for part in (query or b"").split(b"&"):
        if part:
            name, _, value = part.replace(b"+", b" ").partition(b"=")
            given.setdefault(unquote_to_bytes(name), unquote_to_bytes(value))
    if len(given) != len(wanted):
        return None
    filled: dict[str, bytes] = {}
    for name, expected in wanted:
        if name not in given or (isinstance(expected, bytes) and expected != given[name]):
            return None
        if isinstance(expected, str):
            filled[expected] = given[name]
    return filled


# Configuration.


def _parameter(name: str, value: str) -> tuple[bytes, bytes | str]:
    placeholder = PLACEHOLDER.fullmatch(value)
    if not name or not (name + value).isprintable() or (placeholder is None and value.startswith(":")):
        raise ConfigError(f"'{name}={value}' asks for no parameter: write name=value, or name=:placeholder")
    if placeholder is not None and placeholder[1] == SPLAT:
        raise ConfigError(f"'{name}={value}' uses the name of the text that a star matches: rename the placeholder")
    return _query_bytes(name), _query_bytes(value) if placeholder is None else placeholder[1]


def _query_bytes(given: str) -> bytes:
    """The bytes that a piece of a query stands for."""
    return unquote_to_bytes(given.replace("+", " "))
