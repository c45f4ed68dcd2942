"""The reasoning on the way to a decision: what was found, what was passed over, and what all of it rests on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict

from ..model import WITNESSES_MAX, Witness, text
from .site import Absent, Denied, IsDirectory


class Terms(TypedDict):
    """What every decision takes over from its trail."""

    why: tuple[str, ...]
    witnesses: tuple[Witness, ...]
    cacheable: bool


@dataclass(slots=True)
class Trail:
    """The reasons so far, what must stay as it is for them to hold, and whether all of that can be watched."""

    why: list[str]
    witnesses: list[Witness] = field(default_factory=list)
    cacheable: bool = True

    def passed_over(self, name: bytes, found: Absent | Denied | IsDirectory) -> None:
        """Nothing to serve there: say why, and watch that it stays so."""
        self.why.append(f"{text(name)}: {found.why}")
        if found.witness is None:
            self.cacheable = False
        else:
            self.witnesses.append(found.witness)

    def terms(self) -> Terms:
        """For the decision's constructor."""
        return {
            "why": tuple(self.why),
            "witnesses": tuple(self.witnesses[:WITNESSES_MAX]),
            "cacheable": self.cacheable and len(self.witnesses) <= WITNESSES_MAX,
        }
