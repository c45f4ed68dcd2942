"""Try lists: which names are looked at for a path, in which order. Pure.

  $uri            the path itself, a file; so not for a path with a slash behind
  $uri.html       the path and more behind it
  $uri/           the index of the directory of that name; a path without the slash is sent there
  /app.html       a file that is always the same one, from the root
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..errors import ConfigError
from ..values import value_class
from .patterns import Pattern, literal

NAMES_MAX = 8
_URI = "$uri"


@value_class(frozen=True, slots=True)
class TryRule:
    """For the paths of `pattern` these names are tried; made by `parse`."""

    pattern: Pattern
    names: tuple[tuple[bool, bytes], ...]  # (begins with the path, what follows)
    where: str = ""

    @classmethod
    def parse(cls, pattern: str, names: Iterable[str], where: str = "") -> TryRule:
        """A rule from the words of a configuration."""
        read = tuple(map(_name, names))
        if not 1 <= len(read) <= NAMES_MAX:
            raise ConfigError(f"a try list has {len(read)} names: give 1 to {NAMES_MAX}")
        return cls(Pattern.parse(pattern, either_slash=pattern.startswith("/")), read, where)

    def candidates(self, path: bytes, index: tuple[bytes, ...], directory: bool) -> Iterator[bytes]:
        """Names beneath the root for `path` (decoded, no slash in front or behind), best first.

        directory: the path was asked for with a slash behind. Without one, `$uri/` stands for the directory itself,
        which is named with its slash."""
        for from_path, rest in self.names:
            name = (path + rest).lstrip(b"/") if from_path else rest  # the root is the empty path
            if from_path and rest == b"" and directory:
                continue
            if from_path and rest == b"/" and not directory:
                yield name
            elif name == b"" or name.endswith(b"/"):
                yield from (name + one for one in index)
            else:
                yield name


def _name(given: str) -> tuple[bool, bytes]:
    from_path = given.startswith(_URI)
    rest = given.removeprefix(_URI)
    if "$" in rest or (not from_path and not rest.startswith("/")):
        raise ConfigError(f"{given!r} is not a name to try: begin it with $uri, or with a slash for a file of the root")
    raw = literal(rest)
    if any(segment in (b".", b"..") for segment in raw.split(b"/")) or b"//" in raw:
        raise ConfigError(f"{given!r} is not a name to try: leave out segments of dots and empty ones")
    return from_path, raw if from_path else raw[1:]
