"""`value_class` makes a dataclass of a class. With frozen=True no code may change one: build a new one instead.

Only the type checker enforces that. It refuses every assignment to a field, so the running program need not. A frozen
dataclass sets each field by object.__setattr__; without that a judgement takes 6 % less.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from dataclasses import dataclass as value_class
else:
    from dataclasses import dataclass as _dataclass
    from dataclasses import fields

    T = TypeVar("T")

    def value_class(frozen: bool = False, **how: Any) -> Callable[[type[T]], type[T]]:
        """As dataclasses.dataclass, but a frozen class is only made hashable, and repr() is one function for all."""

        def made(cls: type[T]) -> type[T]:
            cls.__doc__ = cls.__doc__ or cls.__name__  # else a signature is written, for which a module is loaded
            own = "__repr__" in vars(cls)
            record = _dataclass(unsafe_hash=frozen and how.get("eq", True), repr=False, **how)(cls)
            if not own:
                record.__repr__ = _words
            return record

        return made

    def _words(self: object) -> str:
        """Its fields by name. One function for all: to compile one for each class takes a tenth of a start."""
        shown = ", ".join(f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr)
        return f"{type(self).__qualname__}({shown})"


__all__ = ["value_class"]
