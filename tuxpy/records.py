"""`dataclass` for values that nobody changes.

`frozen=True` is for the type checker: it refuses every assignment to a field, so nothing has to refuse one while the
program runs. A frozen dataclass sets each field by object.__setattr__; without that a judgement takes 6 % less.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    from dataclasses import dataclass as _dataclass

    T = TypeVar("T")

    def dataclass(frozen: bool = False, **how: Any) -> Callable[[type[T]], type[T]]:
        """dataclasses.dataclass, but what is frozen is only hashable."""
        return _dataclass(unsafe_hash=frozen and how.get("eq", True), **how)


__all__ = ["dataclass"]
