"""Patterns for paths: which requests a rule is for. Pure.

A pattern is compared, as a whole and by the byte, with the decoded path beneath the root, a slash in front
(/docs/a.html); the path of a directory ends in a slash. Upper and lower case differ, as in the file system.

  *            within a segment, any bytes: /img/*.png
  /* at the end  everything below, the directory itself included; what it matched is called splat
  **           any number of whole segments, none included: /**/draft/*.html
  :name        one whole segment, which is not empty: /blog/:year/:slug
  {a,b}        either, within a segment: /app.{js,css}
  *.css        without a slash: the last segment, wherever it is
  %2A          a byte by its number, here a star that is only a star; a lone % is refused

`splat=True` reads the star as the rules files of hosting services do: one at most, anywhere, across slashes, and
called splat; there braces are mere braces. `either_slash=True` takes a path with and without its trailing slash.

Theory of the speed: Python's regular expressions go back and try again, which can take for ever. Here nothing is tried
twice: between two stars the leftmost place is always as good as any other, so it is taken for good (a look-ahead is
never entered again, and the group in it says how far it went). Alternatives would break that, so they are written out
first, each as an expression of its own. So the time grows with the path times the pattern and no faster.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from itertools import product
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote_to_bytes

from ..errors import ConfigError
from ..values import value_class

PATTERN_BYTES_MAX: Final = 2048
ALTERNATIVES_MAX: Final = 64  # of one pattern, written out
SPLAT: Final = "splat"

# What match() answers when nothing was captured. It is empty, so compare with None, not by truth.
NOTHING: Final[Mapping[str, bytes]] = MappingProxyType({})

PLACEHOLDER: Final = re.compile(r":([A-Za-z][0-9A-Za-z_]*)")
_PLACEHOLDER_BYTES = re.compile(PLACEHOLDER.pattern.encode())
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_BRACES = re.compile(r"\{([^{}]*)\}")


@value_class(frozen=True, slots=True)
class Pattern:
    """A pattern, read. Made by `parse`.

    names     what match() can capture
    literals  all the paths it matches if they can be listed, for a caller that keeps a table; else empty
    anywhere  it had no slash: only the last segment of a path is looked at
    """

    text: str
    names: frozenset[str]
    literals: frozenset[bytes]
    anywhere: bool
    _regex: re.Pattern[bytes] = field(repr=False)
    _groups: tuple[tuple[str, str], ...] = field(repr=False)

    @classmethod
    def parse(cls, text: str, *, splat: bool = False, either_slash: bool = False) -> Pattern:
        """The pattern that `text` means; raises ConfigError, which says what to write instead."""
        reader = _Reader(text, splat, either_slash)
        branches = [reader.branch(segments) for segments in reader.expanded()]
        listed = frozenset[bytes]()
        if not reader.wild:
            listed = frozenset(path for segments in reader.expanded() for path in reader.paths(segments))
        return cls(
            text,
            frozenset(name for _, name in reader.groups),
            listed,
            reader.anywhere,
            re.compile(b"|".join(branches), re.DOTALL),
            tuple(reader.groups),
        )

    def match(self, path: bytes) -> Mapping[str, bytes] | None:
        """What was captured, by name, when the pattern is for this path; else None."""
        if self.anywhere:
            path = path[path.rfind(b"/") + 1 :]
        if self.literals:
            return NOTHING if path in self.literals else None
        found = self._regex.fullmatch(path)
        if found is None:
            return None
        if not self._groups:
            return NOTHING
        if len(self._groups) == len(self.names):
            return {name: found[group] or b"" for group, name in self._groups}
        # Alternatives: one of them matched, and each has the same names.
        got = {name: found[group] for group, name in self._groups if found[group] is not None}
        return {name: got.get(name, b"") for name in self.names}

    def spans(self, path: bytes) -> Mapping[str, tuple[int, int]]:
        """Where in `path` each name was captured; empty: nothing was, or the pattern is not for this path."""
        start = path.rfind(b"/") + 1 if self.anywhere else 0
        found = None if self.literals or not self._groups else self._regex.fullmatch(path, start)
        if found is None:
            return {}
        got = {name: found.span(group) for group, name in self._groups if found[group] is not None}
        return {name: got.get(name, (start, start)) for name in self.names}


def fill(template: bytes, values: Mapping[str, bytes], quoted: Callable[[bytes], bytes]) -> bytes:
    """`template` with each :name that has a value replaced by it, quoted; every other colon stays."""

    def value_of(found: re.Match[bytes]) -> bytes:
        value = values.get(found[1].decode())
        return found[0] if value is None else quoted(value)

    return _PLACEHOLDER_BYTES.sub(value_of, template)


def literal(text: str) -> bytes:
    """The bytes that a piece of a path stands for. Raises ConfigError."""
    if _BAD_ESCAPE.search(text):
        raise ConfigError(f"{text!r} has a percent sign without two hex digits: write %25 for the sign itself")
    raw = unquote_to_bytes(text)
    if b"\0" in raw or raw.count(b"/") != text.count("/"):
        raise ConfigError(f"{text!r} has an escape that stands for a slash or a NUL: no name of a file has one")
    return raw


class _Reader:
    """One pattern while it is read: its segments, and the groups of the expression that is written."""

    def __init__(self, text: str, splat: bool, either_slash: bool) -> None:
        self.text, self.splat = text, splat
        self.groups: list[tuple[str, str]] = []
        self._count = 0
        self.anywhere = text[:1] != "/"
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            raise self.refused("is not text: write bytes that are not as escapes, as in %FF") from None
        if not 0 < size <= PATTERN_BYTES_MAX:
            raise self.refused(f"has {size} bytes: give 1 to {PATTERN_BYTES_MAX}")
        if self.anywhere and (splat or "/" in text):
            raise self.refused("does not begin with a slash: write it from the root, as in /docs/*")
        if bad := re.search(r"[?#\\\x00-\x1f\x7f]", text):
            raise self.refused(f"has {bad[0]!r} in it: a pattern is for the path alone; write its byte as an escape")
        self._segments = text.split("/") if self.anywhere else text[1:].split("/")
        self.either_slash = either_slash and self._segments != [""]
        if self.either_slash and self._segments[-1] == "":
            self._segments.pop()
        self.wild = "*" in text or any(segment.startswith(":") for segment in self._segments)
        self._check()

    def refused(self, why: str) -> ConfigError:
        return ConfigError(f"the pattern {self.text!r} {why}")

    def _check(self) -> None:
        names = [SPLAT] if "*" in self.text else []
        for segment in self._segments:
            named = PLACEHOLDER.fullmatch(segment)
            if named and not self.anywhere:
                if named[1] in names:
                    raise self.refused(f"has the name {named[1]} twice: give each its own")
                names.append(named[1])
            elif PLACEHOLDER.search(segment):
                remedy = "between two slashes; write %3A for a literal colon"
                raise self.refused(f"has a placeholder that is no whole segment: set it {remedy}")
        if self.splat and self.text.count("*") > 1:
            raise self.refused("has two stars: one is allowed, name other segments as in /:section/*")

    def expanded(self) -> Iterator[list[str]]:
        """The pattern without its braces: one list of segments for each way to choose."""
        choices = [[segment] if self.splat else self._chosen(segment) for segment in self._segments]
        count = 1
        for options in choices:
            count *= len(options)
        if count > ALTERNATIVES_MAX:
            raise self.refused(f"stands for {count} patterns: give at most {ALTERNATIVES_MAX}")
        for chosen in product(*choices):
            segments = list(chosen)
            if "" in segments[:-1] or (self.anywhere and segments == [""]):
                raise self.refused("has an empty segment: no path has two slashes in a row")
            if "." in segments or ".." in segments:
                raise self.refused("has a segment of dots: requests are compared when those are gone")
            given = zip(segments, self._segments, strict=True)
            if any("**" in segment and (written != "**" or self.anywhere) for segment, written in given):
                raise self.refused("has ** beside other letters: it stands for whole segments, between two slashes")
            yield segments

    def _chosen(self, segment: str) -> list[str]:
        pieces = _BRACES.split(segment)  # literal, inside of braces, literal, ...
        if any(sign in "".join(pieces) for sign in "{}"):
            raise self.refused("has a brace too many, or a slash in braces: write %7B and %7D for mere braces")
        options = [piece.split(",") if at % 2 else [piece] for at, piece in enumerate(pieces)]
        if any(at % 2 and len(option) < 2 for at, option in enumerate(options)):
            raise self.refused("has braces around one thing: leave them out, or write %7B and %7D for mere braces")
        count = 1
        for option in options:
            count *= len(option)
            if count > ALTERNATIVES_MAX:
                raise self.refused(f"stands for too many patterns: give at most {ALTERNATIVES_MAX}")
        return ["".join(chosen) for chosen in product(*options)]

    def paths(self, segments: list[str]) -> Iterator[bytes]:
        """What a pattern without wildcards matches."""
        path = ("" if self.anywhere else "/") + "/".join(segments)
        yield literal(path)
        if self.either_slash:
            yield literal(path) + b"/"

    # Expressions.

    def branch(self, segments: list[str]) -> bytes:
        """The expression for one way to choose."""
        if self.anywhere:
            return self._segment(segments[0])
        tail = b"/?" if self.either_slash else b""
        if segments[-1] in ("*", "**"):
            segments = segments[:-1]
            below = b"/" + self._captured(SPLAT, b".*")
            tail = b"(?:%s)?" % below if self.either_slash else below
        chunks: list[list[str]] = [[]]
        for segment in segments:
            if segment == "**":
                chunks.append([])
            else:
                chunks[-1].append(segment)
        written = self._chunk(chunks[0])
        for chunk in chunks[1:-1]:
            if chunk:
                written += self._for_good(_SKIP + self._chunk(chunk) + b"(?=/|\\Z)")
        if len(chunks) > 1:
            written += _SKIP + self._chunk(chunks[-1])
        return written + tail

    def _chunk(self, segments: list[str]) -> bytes:
        return b"".join(b"/" + self._segment(segment) for segment in segments)

    def _segment(self, segment: str) -> bytes:
        if segment.startswith(":"):
            return self._captured(segment[1:], b"[^/]+") if PLACEHOLDER.fullmatch(segment) else _escaped(segment)
        first, *others = segment.split("*")
        if not others:
            return _escaped(first)
        if self.splat:
            return _escaped(first) + self._captured(SPLAT, b".*") + _escaped(others[0])
        if segment == "*" and not self.anywhere:
            return b"[^/]+"
        written = _escaped(first)
        for part in others[:-1]:
            written += self._for_good(b"[^/]*?" + _escaped(part))
        return written + b"[^/]*" + _escaped(others[-1])

    def _captured(self, name: str, expression: bytes) -> bytes:
        group = self._group()
        self.groups.append((group, name))
        return b"(?P<%s>%s)" % (group.encode(), expression)

    def _for_good(self, expression: bytes) -> bytes:
        """An expression whose first match is final (Python has atomic groups only from 3.11 on)."""
        group = self._group().encode()
        return b"(?=(?P<%s>%s))(?P=%s)" % (group, expression, group)

    def _group(self) -> str:
        self._count += 1
        return f"g{self._count}"


_SKIP = b"(?:/[^/]*)*?"  # as few whole segments as possible


def _escaped(text: str) -> bytes:
    return re.escape(literal(text))
