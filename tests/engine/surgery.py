"""Chains taken apart: what an atom does is seen by what no longer happens without it."""

from __future__ import annotations

from dataclasses import replace

from tuxpy.atoms import Frozen, check


def without(frozen: Frozen, label: str) -> Frozen:
    """The chain less one atom: whoever went there goes on to where it would have gone."""
    gone = frozen.labels[label]
    onward = frozen.atoms[gone].next

    def place(at: int | None) -> int | None:
        at = onward if at == gone else at
        return at if at is None or at < gone else at - 1

    atoms = tuple(replace(a, next=place(a.next)) for number, a in enumerate(frozen.atoms) if number != gone)
    return check(replace(frozen, atoms=atoms))


def with_flags(frozen: Frozen, label: str, flags: int) -> Frozen:
    """The chain with more flags at one atom."""
    at = frozen.labels[label]
    atoms = tuple(replace(a, flags=a.flags | flags) if number == at else a for number, a in enumerate(frozen.atoms))
    return check(replace(frozen, atoms=atoms))
