"""The files _headers and _redirects, as people know them from Netlify and Cloudflare Pages.

A line that is not understood makes a problem, "file:line: sentence", and no rule; the others count all the same, and
the caller decides whether to start. Nothing is skipped without a word: a rule that these services know and a static
server cannot keep (countries, cookies, proxying, other hosts) says what to do instead.

Both dialects: `#` begins a comment, blanks around a line do not count, the star crosses slashes and is called :splat,
:name is one segment, the first redirect that matches wins while all blocks of headers that match are applied, and
`! Name` takes a field out. Upper and lower case differ, as in the file system. Where the two differ:

                               netlify (the default)          cloudflare
  redirect without a status    301                            302
  a file at the path           wins, unless the status has !  never wins
  status 404                   that page, said to be missing  refused
  trailing slash               /a is /a/, /a/* is /a, too     counts
  a field set by two blocks    the later one wins             the values are joined
  query (/a id=:id /b/:id)     yes                            refused

netlify is the default, as a mistake about it is the smaller one: files that exist stay reachable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple, get_args

from ..errors import ConfigError
from ..model import Field, text
from .fields import FieldRule
from .patterns import Pattern
from .redirects import REWRITES, RedirectRule

Dialect = Literal["netlify", "cloudflare"]
DIALECTS: Final[tuple[Dialect, ...]] = get_args(Dialect)

FILE_BYTES_MAX: Final = 1 << 20
LINE_BYTES_MAX: Final = 8192  # Cloudflare takes 1000 and 2000; a long policy is longer
BLOCKS_MAX: Final = 256  # of _headers; each is tried for every request that is judged (Cloudflare: 100)
REDIRECTS_MAX: Final = 10000
MOVING_MAX: Final = 256  # of the redirects, those whose paths cannot be listed (Cloudflare: 100)
PROBLEMS_MAX: Final = 20

_Read = Callable[[str, str, ConfigError | None], None]  # a line, its place, what is wrong with it already

_STATUS = re.compile(r"([0-9]{3})(!?)")
_PAIR = re.compile(r"([^=]+)=(.*)", re.DOTALL)
_HOST = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_CONDITIONS: Final = {
    "country": "clients have no country here: leave the line out, or redirect in the page",
    "language": "the language is not looked at: leave the line out, or redirect in the page",
    "role": "there are no roles: give a rule for access instead",
    "cookie": "cookies are not looked at, so that answers can be kept: leave the line out",
    "sign": "nothing is proxied, so nothing is signed: leave the line out",
    "signed": "nothing is proxied, so nothing is signed: leave the line out",
}


class ParsedHeaders(NamedTuple):
    """The rules of a _headers file in their order, and what is wrong with the rest of it."""

    rules: tuple[FieldRule, ...]
    problems: tuple[str, ...]


class ParsedRedirects(NamedTuple):
    """The same of a _redirects file."""

    rules: tuple[RedirectRule, ...]
    problems: tuple[str, ...]


def parse_headers(data: bytes, name: str = "_headers", dialect: Dialect = "netlify") -> ParsedHeaders:
    """The rules of a _headers file; `name` is what problems call it."""
    blocks = _Blocks(name, dialect)
    _each_line(data, name, blocks.read, blocks.problems)
    blocks.close()
    return ParsedHeaders(tuple(blocks.rules), tuple(blocks.problems[:PROBLEMS_MAX]))


def parse_redirects(data: bytes, name: str = "_redirects", dialect: Dialect = "netlify") -> ParsedRedirects:
    """The rules of a _redirects file; `name` is what problems call it."""
    rules: list[RedirectRule] = []
    problems: list[str] = []
    moving = 0

    def read(line: str, where: str, fault: ConfigError | None) -> None:
        nonlocal moving
        if fault is not None:
            raise fault
        rule = _redirect(line, dialect, where)
        moving += not rule.pattern.literals
        if len(rules) == REDIRECTS_MAX or (moving > MOVING_MAX and not rule.pattern.literals):
            most = f"{REDIRECTS_MAX} redirects, {MOVING_MAX} of them with stars or placeholders"
            raise ConfigError(f"there are too many rules: keep to {most}")
        rules.append(rule)

    _each_line(data, name, read, problems)
    return ParsedRedirects(tuple(rules), tuple(problems[:PROBLEMS_MAX]))


def _each_line(data: bytes, name: str, read: _Read, problems: list[str]) -> None:
    """Hand each line with something on it to `read`, with its place; what is wrong with it goes to the problems."""
    if len(data) > FILE_BYTES_MAX:
        problems.append(f"{name}: the file has {len(data)} bytes: give at most {FILE_BYTES_MAX}")
        return
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        where = f"{name}:{number}"
        try:
            line, fault = _decoded(raw)
            if line and not line.startswith("#"):
                read(line, where, fault)
        except ConfigError as error:
            problems.append(f"{where}: {error}")
        if len(problems) >= PROBLEMS_MAX:
            return


def _decoded(raw: bytes) -> tuple[str, ConfigError | None]:
    """A line, and what is wrong with it: even then its beginning shows what it was meant for."""
    fault = None
    if len(raw) > LINE_BYTES_MAX:
        fault = ConfigError(f"the line has {len(raw)} bytes: give at most {LINE_BYTES_MAX}")
        raw = raw[:LINE_BYTES_MAX]
    try:
        return raw.decode().strip(), fault
    except UnicodeDecodeError:
        fault = fault or ConfigError(f"the line is not UTF-8: correct {text(raw)!r}")
        return raw.decode(errors="replace").strip(), fault


def _pattern(given: str, dialect: Dialect) -> Pattern:
    if _HOST.match(given) or not given.startswith("/"):
        raise ConfigError(f"{given!r} names a host: give the path alone, hosts have sites of their own")
    return Pattern.parse(given, splat=True, either_slash=dialect == "netlify")


# _headers


class _Blocks:
    """The blocks of a _headers file while it is read: a path, and the lines beneath it."""

    def __init__(self, name: str, dialect: Dialect) -> None:
        self.rules: list[FieldRule] = []
        self.problems: list[str] = []
        self._name, self._dialect = name, dialect
        self._pattern: Pattern | None = None
        self._where = f"{name}:1"
        self._skipping = False  # nobody knows which path the lines are for; they need no sentence each
        self._empty = False
        self._set: dict[str, Field] = {}
        self._cookies: list[Field] = []
        self._remove: list[bytes] = []

    def read(self, line: str, where: str, fault: ConfigError | None) -> None:
        if line.startswith("/") or _HOST.match(line):
            self.close()
            self._where, self._pattern, self._skipping, self._empty = where, None, True, True
            if fault is not None:
                raise fault
            if len(self.rules) == BLOCKS_MAX:
                raise ConfigError(f"there are too many blocks: keep to {BLOCKS_MAX}")
            self._pattern = _pattern(line, self._dialect)
            self._skipping = False
            return
        self._empty = False
        if fault is not None:
            raise fault
        if self._pattern is not None:
            self._field(line)
        elif not self._skipping:
            raise ConfigError("the line stands above the first path: write a path such as /* before it")

    def _field(self, line: str) -> None:
        if line.startswith("!"):
            name = line[1:].strip()
            self._checked(remove=(name,))
            self._remove.append(name.encode())
            return
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon:
            # It may be a path in its author's mind, so what follows is not this block's.
            self.close()
            self._skipping = True
            raise ConfigError(f"{line!r} is not a field: write a name, a colon and a value")
        if name.lower() == "basic-auth":
            raise ConfigError("Basic-Auth would hold passwords in the site itself: give a rule for access instead")
        given = self._checked(fields=((name, value),)).set[0]
        key = name.lower()
        if key == "set-cookie" and key in self._set:
            self._cookies.append(given)
        elif key in self._set:
            # Both services write several values of one block as one.
            self._set[key] = self._set[key][0], self._set[key][1] + b", " + given[1]
        else:
            self._set[key] = given

    def _checked(self, fields: tuple[tuple[str, str], ...] = (), remove: tuple[str, ...] = ()) -> FieldRule:
        """A rule of this line alone, so that what is wrong with it is said of its line."""
        return FieldRule.parse("*", fields, remove=remove)

    def close(self) -> None:
        """The end of a block."""
        pattern, self._pattern = self._pattern, None
        if pattern is None:
            return
        try:
            if self._empty:
                raise ConfigError(f"{pattern.text!r} has no fields: write fields beneath it, or remove it")
            if self._set or self._remove:
                self.rules.append(self._rule(pattern))
        except ConfigError as error:
            self.problems.append(f"{self._where}: {error}")
        self._set, self._cookies, self._remove = {}, [], []

    def _rule(self, pattern: Pattern) -> FieldRule:
        return FieldRule(
            pattern,
            set=tuple(self._set.values()),
            remove=tuple(self._remove),
            append=tuple(self._cookies),
            joins=self._dialect == "cloudflare",
            where=self._where,
        )


# _redirects


def _redirect(line: str, dialect: Dialect, where: str) -> RedirectRule:
    """The rule of one line: path, parameters of the query, target, status, conditions."""
    first, *words = _without_comment(line.split())
    pattern = _pattern(first, dialect)
    place = next((at for at, word in enumerate(words) if word.startswith("/") or _HOST.match(word)), None)
    if place is None:
        raise ConfigError(f"{line!r} has no target: write path and target, which begins with a slash or https://")
    query, to, rest = words[:place], words[place], words[place + 1 :]
    if query and dialect == "cloudflare":
        raise ConfigError(f"{query[0]!r} asks for a query, which this dialect has not: choose netlify, or leave it out")
    if to.startswith("/.netlify/"):
        raise ConfigError(f"{to!r} is a service of Netlify's, which is not here: leave the line out")
    status, force = (301, False) if dialect == "netlify" else (302, True)
    if rest and (given := _STATUS.fullmatch(rest[0])):
        status, force = int(given[1]), force or bool(given[2])
        rest = rest[1:]
    if rest:
        raise ConfigError(_condition(rest[0]))
    rule = RedirectRule(pattern, to, status, force, tuple(map(_parameter, query)), where=where)
    if dialect == "cloudflare" and status in REWRITES:
        _check_cloudflare(rule)
    return rule


def _check_cloudflare(rule: RedirectRule) -> None:
    """Rules go before files there, and these would hide the whole site; the service itself ignores such lines."""
    if rule.status == 404:
        raise ConfigError("404 is not a status of this dialect: remove the line, and put a page called 404.html there")
    if rule.pattern.match(rule.to.encode()) is not None:
        raise ConfigError(f"{rule.to!r} is matched by its own rule, which would hide all files there: give a"
                          " single-page application in the configuration instead")


def _without_comment(words: list[str]) -> Iterator[str]:
    for word in words:
        if word.startswith("#"):
            return
        yield word


def _parameter(word: str) -> tuple[str, str]:
    pair = _PAIR.fullmatch(word)
    if pair is None:
        raise ConfigError(f"{word!r} is not a parameter of a query: write name=value, or name=:placeholder")
    return pair[1], pair[2]


def _condition(word: str) -> str:
    name = word.partition("=")[0]
    reason = _CONDITIONS.get(name.lower(), "it is neither a status nor anything else known here: leave it out")
    return f"{word!r} cannot be kept: {reason}"
