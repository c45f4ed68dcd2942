"""What is wrong with a configuration: everything, not only what was found first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..values import value_class

if TYPE_CHECKING:
    from .tree import Origin


@value_class(frozen=True, slots=True, order=True)
class Problem:
    """One sentence. `line` is 0 where an option or a variable is to blame, or nothing: then `where` is empty."""

    line: int
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class Problems(ConfigError):
    """All problems, in the order of their lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


class Trouble:
    """Problems while they are collected."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, origin: Origin, key: str, what: str) -> None:
        """`key` with its section; it is not said of an option, whose name says it already."""
        named = f"{key}: {what}" if key and origin.line else what
        self.problems.append(Problem(origin.line, str(origin), named))

    def at(self, origin: Origin, key: str = "") -> _Place:
        """`with` this, a ConfigError is a problem of this place, and the work goes on behind it."""
        return _Place(self, origin, key)

    def raise_all(self) -> None:
        if self.problems:
            raise Problems(self.problems)


class _Place:
    def __init__(self, trouble: Trouble, origin: Origin, key: str) -> None:
        self._trouble, self._origin, self._key = trouble, origin, key

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> bool:
        if isinstance(error, ConfigError):
            self._trouble.add(self._origin, self._key, str(error))
            return True
        return False
