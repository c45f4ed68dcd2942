"""The listeners in service, and how the runs of the engines are shared among them.

A run is a connection that may be had, and belongs to the listener it was submitted for. Each listener has a counter of
its own, so it can be drained alone. When one comes or goes, the runs are shared anew: who has too many is asked to let
some end, and whatever has ended goes to who has too few. So there are never more than were asked for, and none is kept
in reserve; a run that leads a connection changes over when that is closed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .atoms import Frozen, lifecycle
from .engine import LISTENERS_MAX, Engine
from .errors import ConfigError
from .listen import Listener

ENDLESS = 1 << 62  # connections; more than any machine will see


@dataclass(eq=False)
class _Place:
    """A socket at an engine: its runs there carry the cookie."""

    engine: int
    listener: int
    cookie: int
    alive: int = 0
    leaving: int = 0  # of those alive: asked to end


@dataclass(eq=False)
class Line:
    """A listener in service."""

    listener: Listener
    counter: int
    chain: Frozen
    places: list[_Place] = field(default_factory=list)
    draining: bool = False

    @property
    def alive(self) -> int:
        return sum(place.alive for place in self.places)


class Lines:
    """All listeners of a server and all runs of its engines."""

    def __init__(self) -> None:
        self._engines: Sequence[Engine] = ()
        self._lines: list[Line] = []
        self._cookies: dict[int, tuple[Line, _Place]] = {}
        self._next_cookie = 1
        self._chains: dict[tuple[int, bool, bool], Frozen] = {}
        self._moving = False  # runs have ended that others shall have

    def __iter__(self) -> Iterator[Listener]:
        """Those that accept."""
        return (line.listener for line in self._lines if not line.draining)

    @property
    def alive(self) -> int:
        """Runs that have not completed."""
        return sum(line.alive for line in self._lines)

    @property
    def sockets(self) -> Iterator[tuple[Listener, Engine, int]]:
        """Where is accepted: of a listener, by an engine, at a descriptor."""
        for line in self._lines:
            if not line.draining:
                for place in line.places:
                    yield line.listener, self._engines[place.engine], place.listener

    def check(self, listeners: Sequence[Listener], engines: int, slots: int) -> None:
        """Whether these can be in service beside those that are being drained. Raises ConfigError."""
        for number in range(engines):
            draining = sum(p.engine == number for line in self._lines if line.draining for p in line.places)
            wanted = sum(len(one.of_engine(number, engines)) for one in listeners)
            if draining + wanted > LISTENERS_MAX:
                raise ConfigError(
                    f"an engine has {LISTENERS_MAX} listeners at most, with those that are being drained:"
                    " give fewer addresses, or wait until the connections of former ones have ended"
                )
            if wanted > slots:
                raise ConfigError(
                    f"{slots} connections an engine cannot serve {wanted} addresses: raise --max-connections"
                )

    def start(self, engines: Sequence[Engine], listeners: Sequence[Listener]) -> None:
        """The first of all."""
        self._engines = engines
        for listener in listeners:
            self._add(listener)
        self._share()

    def change(self, listeners: Sequence[Listener], idle_ms: int) -> None:
        """These from now on; the others are drained."""
        wanted = set(map(id, listeners))
        for line in self._lines:
            if not line.draining and id(line.listener) not in wanted:
                self._drain(line, not line.listener.lent, idle_ms)
        known = set(map(id, self))
        for listener in listeners:
            if id(listener) not in known:
                self._add(listener)
        self._share()

    def pace(self, bandwidth: int) -> None:
        """So many bytes a second for each connection that comes from now on; 0: as many as may be."""
        for listener in self:
            listener.pace(bandwidth)

    def drain(self, shut: bool, idle_ms: int) -> None:
        """All of them. shut: see Engine.drain; not done to what others accept from, too."""
        for line in self._lines:
            if not line.draining:
                line.listener.lent |= not shut
                self._drain(line, not line.listener.lent, idle_ms)

    def completed(self, cookie: int) -> None:
        """A run has ended."""
        line, place = self._cookies[cookie]
        place.alive -= 1
        # Not one that ended by itself: what cannot accept would be submitted for ever.
        self._moving |= line.draining or place.leaving > 0
        place.leaving = max(0, place.leaving - 1)

    def settle(self) -> None:
        """After runs have ended: give them to others, and close what has none left."""
        for line in [line for line in self._lines if line.draining and line.alive == 0]:
            self._remove(line)
        if self._moving:
            self._moving = False
            self._share()

    def close(self) -> None:
        """Any number of times. The engines are closed by now."""
        for line in list(self._lines):
            self._remove(line)

    # One line.

    def _add(self, listener: Listener) -> None:
        taken = {line.counter for line in self._lines}
        counter = next(number for number in range(LISTENERS_MAX) if number not in taken)
        line = Line(listener, counter, self._chain(counter, not listener.is_unix, listener.address.proxy))
        for number, engine in enumerate(self._engines):
            engine.set_shared(counter, ENDLESS)
            for one in listener.of_engine(number, len(self._engines)):
                place = _Place(number, one.fileno(), self._next_cookie)
                self._next_cookie += 1
                self._cookies[place.cookie] = line, place
                line.places.append(place)
        self._lines.append(line)

    def _chain(self, counter: int, nodelay: bool, proxy: bool) -> Frozen:
        """The same object again: the engines keep each that they have seen."""
        kind = counter, nodelay, proxy
        if kind not in self._chains:
            self._chains[kind] = lifecycle(*kind)
        return self._chains[kind]

    def _drain(self, line: Line, shut: bool, idle_ms: int) -> None:
        line.draining = True
        for engine in self._engines:
            engine.set_shared(line.counter, 0)
        for place in line.places:
            self._engines[place.engine].drain(place.listener, shut, idle_ms)

    def _remove(self, line: Line) -> None:
        self._lines.remove(line)
        for place in line.places:
            del self._cookies[place.cookie]
        line.listener.close()

    # Sharing.

    def _share(self) -> None:
        """The runs of each engine over its places, as evenly as may be."""
        for number, engine in enumerate(self._engines):
            everywhere = [(line, place) for line in self._lines for place in line.places if place.engine == number]
            places = [(line, place) for line, place in everywhere if not line.draining]
            free = engine.slots - sum(place.alive for _, place in everywhere)
            for part, (line, place) in enumerate(places):
                share = engine.slots // len(places) + (part < engine.slots % len(places))
                stay = place.alive - place.leaving
                if stay > share:
                    engine.shed(place.listener, stay - share)
                    place.leaving += stay - share
                elif stay < share and free > 0:
                    copies = min(free, share - stay)
                    engine.submit(line.chain, {"listener": place.listener}, place.cookie, copies)
                    place.alive += copies
                    free -= copies
