"""Who is next: the slow work of one kind that has not begun, shared fairly among the addresses that asked for it.

Addresses take turns, so somebody who asks for one thing waits for one thing of each of the others and not for all that
a crowd has asked for. When the queue is full, the address with the largest share makes room: its newest errand goes, or
it is itself the one that is turned away.

An errand that several ask for is worked once. It stands in the share of each of their addresses, so it comes as early
as the best of these places.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Who = TypeVar("Who")


@dataclass(slots=True, eq=False)
class Errand(Generic[Who]):
    """One piece of slow work, and who waits for it.

    place    the file system that it reads, by any name; None: it reads none
    askers   the address of each, a number, and whatever the server needs to answer
    """

    kind: str
    key: Hashable
    work: Callable[[], object]
    place: Hashable = None
    askers: deque[tuple[int, Who]] = field(default_factory=deque)
    since: float = field(default_factory=time.monotonic)  # when it was asked for first


class FairQueue(Generic[Who]):
    """Errands in the order in which they shall begin. For one thread."""

    def __init__(self, most: int) -> None:
        """most: errands at a time."""
        self._most = most
        self._shares: dict[int, deque[Errand[Who]]] = {}  # by address; the one whose turn it is comes first
        self._errands: dict[Hashable, Errand[Who]] = {}

    def __len__(self) -> int:
        return len(self._errands)

    def __iter__(self) -> Iterator[Errand[Who]]:
        return iter(list(self._errands.values()))

    def get(self, key: Hashable) -> Errand[Who] | None:
        return self._errands.get(key)

    def join(self, errand: Errand[Who], address: int, who: Who) -> None:
        """One more who waits for an errand of this queue."""
        if all(address != other for other, _ in errand.askers):
            self._shares.setdefault(address, deque()).append(errand)
        errand.askers.append((address, who))

    def add(self, errand: Errand[Who], address: int, who: Who) -> list[Who]:
        """Put it at the end of the address's share. Those who are turned away for it: nobody, some others, or `who`."""
        turned_away: list[Who] = []
        if len(self._errands) >= self._most:
            turned_away = self._make_room(address)
            if not turned_away:
                return [who]
        self._errands[errand.key] = errand
        self.join(errand, address, who)
        return turned_away

    def _make_room(self, address: int) -> list[Who]:
        """Drop the newest errand of the largest share, if that is larger than what this address would have then."""
        largest = max(self._shares, key=lambda one: len(self._shares[one]))
        if len(self._shares[largest]) <= len(self._shares.get(address, ())) + 1:
            return []
        for errand in reversed(self._shares[largest]):
            if all(one == largest for one, _ in errand.askers):
                self.drop(errand)
                return [who for _, who in errand.askers]
        return []  # others wait for each of them, too

    def take(self, may: Callable[[Errand[Who]], bool]) -> Errand[Who] | None:
        """The next one that may begin, which leaves the queue; its address is the last in turn from now on."""
        for address in list(self._shares):
            for errand in self._shares[address]:
                if may(errand):
                    self._shares[address] = self._shares.pop(address)
                    self.drop(errand)
                    return errand
        return None

    def drop(self, errand: Errand[Who]) -> None:
        """Take it out."""
        del self._errands[errand.key]
        for address in {address for address, _ in errand.askers}:
            self._leave(errand, address)

    def forsake(self, errand: Errand[Who], gone: Sequence[bool]) -> list[Who]:
        """Take out those of its askers for whom `gone` says so, and the errand itself when nobody is left."""
        if not any(gone):
            return []
        askers = list(zip(errand.askers, gone, strict=True))
        left = [who for (_, who), away in askers if away]
        if all(gone):
            self.drop(errand)
            return left
        before = {address for address, _ in errand.askers}
        errand.askers = deque(asker for asker, away in askers if not away)
        for address in before - {address for address, _ in errand.askers}:
            self._leave(errand, address)
        return left

    def clear(self) -> None:
        self._shares.clear()
        self._errands.clear()

    def _leave(self, errand: Errand[Who], address: int) -> None:
        share = self._shares[address]
        share.remove(errand)
        if not share:
            del self._shares[address]
