"""What was given, and by whom, before it has a meaning as a whole.

A section holds the values of its keys, read by their kinds; what is not given has its default. Each value knows its
origin: a line of a file, a variable of the environment, an option of the command line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ..values import value_class
from .keys import SECTIONS, Key, key_of
from .kinds import value_of

if TYPE_CHECKING:
    from .toml import Path


class Source:
    """A configuration file: its name, its text, and where its keys stand."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text
        self._lines: Mapping[Path, int] | None = None

    def line(self, path: Path) -> int:
        """The line of a key, or of the table around it."""
        if self._lines is None:
            from .toml import lines_of

            self._lines = lines_of(self.text)
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    @property
    def directory(self) -> str:
        return os.path.dirname(os.path.abspath(self.name))  # noqa: PTH100, PTH120 (pathlib is slow to import)


@value_class(frozen=True, slots=True)
class Origin:
    """Where a value comes from: `words` for an option, a variable or the default; else a place in a file."""

    words: str = "default"
    source: Source | None = None
    path: Path = ()

    @property
    def line(self) -> int:
        return 0 if self.source is None else self.source.line(self.path)

    @property
    def directory(self) -> str:
        """What paths are relative to."""
        return os.getcwd() if self.source is None else self.source.directory  # noqa: PTH109

    def __str__(self) -> str:
        return self.words if self.source is None else f"{self.source.name}:{self.line}"


DEFAULT = Origin()
SECTIONS_OF_A_SERVER = ("server", "timeouts", "limits", "log", "admin")  # in the order of Tree


@value_class(frozen=True, slots=True)
class Given:
    """A value: `raw` as TOML has it, `value` as its kind reads it (a Section, or several, for tables)."""

    raw: Any
    value: Any
    origin: Origin


@value_class(slots=True)
class Section:
    """The keys of one table. `faulty` are those that are unknown, missing or not understood."""

    name: str
    origin: Origin = DEFAULT
    given: dict[str, Given] = field(default_factory=dict)
    faulty: set[str] = field(default_factory=set)

    @property
    def broken(self) -> bool:
        """What it means as a whole is unknown."""
        return bool(self.faulty)

    def __getitem__(self, name: str) -> Any:
        """The value of a key."""
        return self.get(name).value

    def get(self, name: str) -> Given:
        """The value of a key with its origin."""
        return self.given.get(name) or _default(key_of(self.name, name))

    def origin_of(self, name: str) -> Origin:
        """Where the value comes from; where nothing is given, the table itself."""
        found = self.given.get(name)
        return self.origin if found is None else found.origin

    def path_of(self, name: str) -> str | None:
        """The value of a key as an absolute path."""
        given = self.get(name)
        if given.value is None:
            return None
        return os.path.normpath(os.path.join(given.origin.directory, given.value))  # noqa: PTH118

    def known(self) -> tuple[Key, ...]:
        return SECTIONS[self.name].keys


def _default(key: Key) -> Given:
    return Given(key.default, None if key.default is None else value_of(key.kind, key.default), DEFAULT)


@value_class(slots=True)
class Tree:
    """All that was given."""

    source: Source | None
    server: Section
    timeouts: Section
    limits: Section
    log: Section
    admin: Section
    sites: list[Section]
    has_faulty_site: bool = False  # [site] is there, and not understood
    has_no_root: bool = False  # a file that names no site, and no DIR
    address: dict[str, Given] = field(default_factory=dict)  # host and port of the command line


def without_file() -> Tree:
    """The tree of a configuration that no file says anything of."""
    server, timeouts, limits, log, admin = map(Section, SECTIONS_OF_A_SERVER)
    return Tree(None, server, timeouts, limits, log, admin, [])
