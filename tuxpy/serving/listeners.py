"""The listeners in service, and how the runs of the engines are shared among them.

A run is a connection that may be had, and belongs to the listener it was submitted for. Each listener has a counter of
its own, so it can be drained alone. When one comes or goes, the runs are shared anew: a listener that has too many is
asked to let some end, and those that have ended go to listeners that have too few. So there are never more than were
asked for, and none is kept in reserve; a run that leads a connection changes over when that is closed.

Each socket at an engine has a line: a running number that never comes back, and the cookie of its runs. The number of
its descriptor does come back, as soon as it is closed.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..atoms import Completion, Frozen, lifecycle
from ..engine.http_engine import LISTENERS_MAX, Engine
from ..engine.transaction import share
from ..errors import ConfigError, EngineError
from ..process.listen import Listener

log = logging.getLogger("tuxpy")

ENDLESS = 1 << 62  # connections; more than any machine will see


@dataclass(eq=False)
class _Place:
    """A socket at an engine, and its runs there."""

    engine: int
    listener: int
    line: int
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
        self._places: dict[int, tuple[Line, _Place]] = {}  # by line
        self._next_line = 1
        self._chains: dict[tuple[int, bool, bool], Frozen] = {}
        self._moving = False  # runs have ended that others shall have
        self._missing = False  # runs have ended that were not asked to, or could not be submitted
        self._idle_ms = 0

    def __iter__(self) -> Iterator[Listener]:
        """Those that accept."""
        return (line.listener for line in self._lines if not line.draining)

    @property
    def alive(self) -> int:
        """Runs that have not completed."""
        return sum(line.alive for line in self._lines)

    @property
    def sockets(self) -> Iterator[tuple[Listener, Engine, int]]:
        """Where is accepted: of a listener, by an engine, as a line."""
        for line in self._lines:
            if not line.draining:
                for place in line.places:
                    yield line.listener, self._engines[place.engine], place.line

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
        if self._missing:
            raise ConfigError("there is not enough memory for so many connections: lower --max-connections")

    @contextmanager
    def restored_on_failure(self) -> Iterator[None]:
        """For a change that happens wholly or not at all: after an exception all in here is as it was."""
        places = [(place, place.alive, place.leaving) for line in self._lines for place in line.places]
        draining = [(line, line.draining) for line in self._lines]
        lines, by_line = list(self._lines), dict(self._places)
        numbers = self._next_line, self._moving, self._missing, self._idle_ms
        try:
            yield
        except BaseException:
            self._lines, self._places = lines, by_line
            self._next_line, self._moving, self._missing, self._idle_ms = numbers
            for place, alive, leaving in places:
                place.alive, place.leaving = alive, leaving
            for line, was in draining:
                line.draining = was
            raise

    def change(self, listeners: Sequence[Listener], idle_ms: int) -> None:
        """These from now on; the others are drained. Raises EngineError when there is not enough memory for that.

        idle_ms: so long connections that must go may ask once more, also those whose runs another listener shall have.
        """
        self._idle_ms = idle_ms
        missed, self._missing = self._missing, False
        wanted = set(map(id, listeners))
        for line in self._lines:
            if not line.draining and id(line.listener) not in wanted:
                self._drain(line, not line.listener.lent, idle_ms)
        known = set(map(id, self))
        for listener in listeners:
            if id(listener) not in known:
                self._add(listener)
        self._share()
        if self._missing:
            raise EngineError("there is not enough memory for the connections of all listeners", errno.ENOMEM)
        self._missing = missed

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

    def completed(self, one: Completion) -> None:
        """A run has ended."""
        line, place = self._places[one.cookie]
        place.alive -= 1
        was_asked = one.result == -errno.ECANCELED and place.leaving > 0
        place.leaving -= was_asked
        self._moving |= line.draining or was_asked
        self._missing |= not line.draining and not was_asked

    def settle(self) -> None:
        """After runs have ended: give them to others, and close what has none left."""
        for line in [line for line in self._lines if line.draining and line.alive == 0]:
            self._remove(line)
        if self._moving:
            self._moving = False
            self._share()

    def renew(self) -> None:
        """Now and then: submit again what has ended by itself. Not at once: what cannot accept would spin."""
        if self._missing:
            self._missing = False
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
                place = _Place(number, one.fileno(), self._next_line)
                self._next_line += 1
                self._places[place.line] = line, place
                line.places.append(place)
        self._lines.append(line)

    def _chain(self, counter: int, nodelay: bool, proxy: bool) -> Frozen:
        """The same object again: the engines keep each that they have seen."""
        kind = counter, nodelay, proxy
        if kind not in self._chains:
            self._chains[kind] = lifecycle(*kind)
        return self._chains[kind]

    def _drain(self, line: Line, shut: bool, idle_ms: int) -> None:
        for engine in self._engines:
            share(engine, line.counter, 0)
        for place in line.places:
            self._engines[place.engine].drain(place.line, shut, idle_ms)
        line.draining = True

    def _remove(self, line: Line) -> None:
        self._lines.remove(line)
        for place in line.places:
            del self._places[place.line]
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
                    engine.shed(place.line, stay - share, self._idle_ms)
                    place.leaving += stay - share
                elif stay < share and free > 0:
                    free -= self._submit(engine, line, place, min(free, share - stay))

    def _submit(self, engine: Engine, line: Line, place: _Place, copies: int) -> int:
        """How many runs there are more."""
        try:
            engine.submit(line.chain, {"listener": place.listener}, place.line, copies)
        except EngineError as error:
            log.error("%s gets %d connections less for now: %s", line.listener.url, copies, error)
            self._missing = True
            return 0
        place.alive += copies
        return copies
