r"""Names that are never served. Pure.

A rule is a pattern for one segment of the path, and a reason. "*" stands for anything, "?" for one byte; a slash in
front binds the rule to the top. Directories are hidden with all that is in them.
The file system may be laxer than we are: FAT, NTFS and ext4 with case folding find "a.bak" under "A.BAK" or, the
first two, "a.bak. ", and case folding by Unicode also under "a.ba\u212a" (the Kelvin sign) and with signs inside that
nobody sees. So a name is folded before rules look at it. Exceptions are compared with the name as it is.
Short names of FAT ("GIT~1") are not known here: what is secret does not belong on such a file system.
What hides a name hides what it is called when it is compressed, too: build tools and log rotation write app.js.map.gz
beside app.js.map.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field, replace
from typing import Final

from ..errors import ConfigError
from ..values import value_class


@value_class(frozen=True, slots=True)
class HiddenRule:
    pattern: bytes
    why: str


HIDDEN_RULES: Final = tuple(
    HiddenRule(pattern, why)
    for why, patterns in (
        ("names that begin with a dot are not meant for visitors", (b".*",)),
        # The dot rule covers these; they stay hidden when it is taken away.
        ("it holds passwords or rules of a server", (b".ht*", b"htpasswd", b"*.htpasswd")),
        ("it holds the secrets of a program", (b".env", b".env.*")),
        ("it holds the history of the site with all that was ever deleted", (b".git", b".hg", b".svn")),
        ("it is a rule for the server, not a page", (b"/_headers", b"/_redirects")),
        ("it is a copy that an editor left behind", (b"*~", b"#*#", b"*.swp", b"*.swo", b"*.save")),
        ("it is what a file was before a change", (b"*.bak", b"*.backup", b"*.old", b"*.orig", b"*.rej")),
        ("it is what a package manager put aside", (b"*.dpkg-*", b"*.rpmsave", b"*.rpmnew", b"*.rpmorig")),
    )
    for pattern in patterns
)


@value_class(frozen=True, slots=True)
class HiddenPolicy:
    """Rules, and patterns of names that are shown whatever the rules say (RFC 8615: /.well-known/ is meant)."""

    rules: tuple[HiddenRule, ...] = HIDDEN_RULES
    shown: tuple[bytes, ...] = (b"/.well-known",)
    _hide: tuple[re.Pattern[bytes], re.Pattern[bytes]] = field(init=False, repr=False, compare=False)
    _show: tuple[re.Pattern[bytes], re.Pattern[bytes]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hide", _both([_folded(rule.pattern) for rule in self.rules]))
        object.__setattr__(self, "_show", _both(self.shown))

    @classmethod
    def parse(cls, hide: Iterable[str] = (), show: Iterable[str] = ()) -> HiddenPolicy:
        """The default changed: `show` takes a rule away when it is its very pattern, else makes an exception."""
        policy = cls()
        for pattern in map(_pattern, hide):
            rule = HiddenRule(pattern, "the configuration hides it")
            policy = replace(policy, rules=(*policy.rules, rule))
        for pattern in map(_pattern, show):
            rules = tuple(rule for rule in policy.rules if rule.pattern != pattern)
            exception = (pattern,) if rules == policy.rules else ()
            policy = replace(policy, rules=rules, shown=(*policy.shown, *exception))
        return policy


def _both(patterns: Sequence[bytes]) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """All patterns as one expression, for the top and for below; the number of the group is the rule's."""
    below = [_NOTHING if pattern.startswith(b"/") else _expression(pattern) for pattern in patterns]
    return _any_of([_expression(pattern.removeprefix(b"/")) for pattern in patterns]), _any_of(below)


_NOTHING: Final = rb"(?!)"


def _any_of(expressions: Sequence[bytes]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(b"(%b)" % expression for expression in expressions) or _NOTHING, re.DOTALL)


def _expression(pattern: bytes) -> bytes:
    wild = {b"*": b".*", b"?": b"."}
    return b"".join(wild.get(part) or re.escape(part) for part in re.split(rb"([*?])", pattern))


# Default_Ignorable_Code_Point of Unicode: what case folding of ext4 and HFS+ leaves out of a comparison.
_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def _folded(name: bytes) -> bytes:
    """The name as the laxest file system would compare it. Bytes that are no UTF-8 are compared as they are."""
    if not name.isascii():
        try:
            # Canonical forms only: no file system takes an ellipsis for three dots.
            decomposed = unicodedata.normalize("NFD", name.decode())
            name = _IGNORABLE.sub("", decomposed.casefold()).encode()
        except UnicodeDecodeError:
            pass
    name = name.lower()
    return name.rstrip(b". ") or name


def _pattern(given: str) -> bytes:
    if not given.removeprefix("/") or "/" in given[1:]:
        raise ConfigError(f"{given!r} is not a pattern for names: give one segment, with a slash in front for the top")
    if given.count("*") > _STARS_MAX:
        raise ConfigError(f"the pattern {given!r} has more than {_STARS_MAX} stars: make two patterns of it")
    return given.encode("utf-8", "surrogateescape")


HIDDEN: Final = HiddenPolicy()

# With two stars at most, a rule's work grows with the square of the name: so much is done for no name that can be.
_STARS_MAX: Final = 2
_NAME_BYTES_MAX: Final = 1024  # file systems have 255, those in user space more
_TOO_LONG: Final = HiddenRule(b"*", "no file has so long a name")


def is_hidden(segments: Sequence[bytes], policy: HiddenPolicy = HIDDEN) -> bool:
    """Whether a path (decoded, without dot segments) must look as if nothing were there."""
    return hidden_by(segments, policy) is not None


def hidden_by(segments: Sequence[bytes], policy: HiddenPolicy = HIDDEN) -> HiddenRule | None:
    """The rule that hides a path, for its reason; None when it may be served."""
    for place, segment in enumerate(segments):
        found = hides(segment, place > 0, policy)
        if found is not None:
            return found
    return None


def hides(name: bytes, below: bool, policy: HiddenPolicy = HIDDEN) -> HiddenRule | None:
    """The rule that hides one segment; below: it is not the first of its path."""
    if len(name) > _NAME_BYTES_MAX:
        return _TOO_LONG
    for plain in (name, *without_coding(name)):
        if policy._show[below].fullmatch(plain) is not None:
            return None
        match = policy._hide[below].fullmatch(_folded(plain))
        if match is not None:
            return policy.rules[(match.lastindex or 1) - 1]
    return None


# Of tools that compress one file; blanks and dots behind it are nothing to some file systems.
_CODED = re.compile(rb"(.+)\.(?:gz|br|zst|bz2|xz|lzma|lz4|lz|z|zz|deflate)[. ]*", re.DOTALL | re.IGNORECASE)
_CODINGS_MAX: Final = 3


def without_coding(path: bytes) -> Iterator[bytes]:
    """What a compressed file was before, by its name or its whole path; nothing for others."""
    for _ in range(_CODINGS_MAX):
        found = _CODED.fullmatch(path)
        if found is None:
            return
        path = found[1]
        yield path
