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

from ..atoms import ChainResult, Frozen, lifecycle
from ..engine.http_engine import LISTENERS_MAX, HttpEngine
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
    number: int
    alive: int = 0
    leaving: int = 0  # of those alive: asked to end


@dataclass(eq=False)
class ServedListener:
    """A listener in service."""

    listener: Listener
    counter: int
    chain: Frozen
    places: list[_Place] = field(default_factory=list)
    draining: bool = False

    @property
    def alive(self) -> int:
        return sum(place.alive for place in self.places)


class Listeners:
    """All listeners of a server and all runs of its engines."""

    def __init__(self) -> None:
        self._engines: Sequence[HttpEngine] = ()
        self._served: list[ServedListener] = []
        self._places: dict[int, tuple[ServedListener, _Place]] = {}  # by the number that the engine knows it by
        self._next_number = 1
        self._chains: dict[tuple[int, bool, bool], Frozen] = {}
        self._moving = False  # runs have ended that others shall have
        self._missing = False  # runs have ended that were not asked to, or could not be submitted
        self._idle_ms = 0

    def __iter__(self) -> Iterator[Listener]:
        """Those that accept."""
        return (served.listener for served in self._served if not served.draining)

    @property
    def alive(self) -> int:
        """Runs that have not completed."""
        return sum(served.alive for served in self._served)

    @property
    def sockets(self) -> Iterator[tuple[Listener, HttpEngine, int]]:
        """Where is accepted: of a listener, by an engine, as a line."""
        for served in self._served:
            if not served.draining:
                for place in served.places:
                    yield served.listener, self._engines[place.engine], place.number

    @property
    def leaving(self) -> Iterator[Listener]:
        """Those that accept no more, and whose connections have not ended yet."""
        return (served.listener for served in self._served if served.draining)

    def check(self, listeners: Sequence[Listener], engines: int, slots: int) -> None:
        """Whether these can be in service beside those that are being drained. Raises ConfigError."""
        for number in range(engines):
            draining = sum(p.engine == number for served in self._served if served.draining for p in served.places)
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

    def start(self, engines: Sequence[HttpEngine], listeners: Sequence[Listener]) -> None:
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
        places = [(place, place.alive, place.leaving) for served in self._served for place in served.places]
        draining = [(served, served.draining) for served in self._served]
        before, by_number = list(self._served), dict(self._places)
        numbers = self._next_number, self._moving, self._missing, self._idle_ms
        try:
            yield
        except BaseException:
            self._served, self._places = before, by_number
            self._next_number, self._moving, self._missing, self._idle_ms = numbers
            for place, alive, leaving in places:
                place.alive, place.leaving = alive, leaving
            for served, was in draining:
                served.draining = was
            raise

    def change(self, listeners: Sequence[Listener], idle_ms: int) -> None:
        """These from now on; the others are drained. Raises EngineError when there is not enough memory for that.

        idle_ms: so long connections that must go may ask once more, also those whose runs another listener shall have.
        """
        self._idle_ms = idle_ms
        missed, self._missing = self._missing, False
        wanted = set(map(id, listeners))
        for served in self._served:
            if not served.draining and id(served.listener) not in wanted:
                self._drain(served, not served.listener.lent, idle_ms)
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
        """All of them. shut: see HttpEngine.drain; not done to what others accept from, too."""
        for served in self._served:
            if not served.draining:
                served.listener.lent |= not shut
                self._drain(served, not served.listener.lent, idle_ms)

    def completed(self, one: ChainResult) -> None:
        """A run has ended."""
        served, place = self._places[one.cookie]
        place.alive -= 1
        was_asked = one.result == -errno.ECANCELED and place.leaving > 0
        place.leaving -= was_asked
        self._moving |= served.draining or was_asked
        self._missing |= not served.draining and not was_asked

    def settle(self) -> None:
        """After runs have ended: give them to others, and close what has none left."""
        for served in [served for served in self._served if served.draining and served.alive == 0]:
            self._remove(served)
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
        for served in list(self._served):
            self._remove(served)

    # One line.

    def _add(self, listener: Listener) -> None:
        taken = {served.counter for served in self._served}
        counter = next(number for number in range(LISTENERS_MAX) if number not in taken)
        served = ServedListener(listener, counter, self._chain(counter, not listener.is_unix, listener.address.proxy))
        for number, engine in enumerate(self._engines):
            engine.set_shared(counter, ENDLESS)
            for one in listener.of_engine(number, len(self._engines)):
                place = _Place(number, one.fileno(), self._next_number)
                self._next_number += 1
                self._places[place.number] = served, place
                served.places.append(place)
        self._served.append(served)

    def _chain(self, counter: int, nodelay: bool, proxy: bool) -> Frozen:
        """The same object again: the engines keep each that they have seen."""
        kind = counter, nodelay, proxy
        if kind not in self._chains:
            self._chains[kind] = lifecycle(*kind)
        return self._chains[kind]

    def _drain(self, served: ServedListener, shut: bool, idle_ms: int) -> None:
        for engine in self._engines:
            share(engine, served.counter, 0)
        for place in served.places:
            self._engines[place.engine].drain(place.number, shut, idle_ms)
        served.draining = True

    def _remove(self, served: ServedListener) -> None:
        self._served.remove(served)
        for place in served.places:
            del self._places[place.number]
        served.listener.close()

    # Sharing.

    def _share(self) -> None:
        """The runs of each engine over its places, as evenly as may be."""
        for number, engine in enumerate(self._engines):
            everywhere = [(served, p) for served in self._served for p in served.places if p.engine == number]
            places = [(served, place) for served, place in everywhere if not served.draining]
            free = engine.slots - sum(place.alive for _, place in everywhere)
            for part, (served, place) in enumerate(places):
                share = engine.slots // len(places) + (part < engine.slots % len(places))
                stay = place.alive - place.leaving
                if stay > share:
                    engine.shed(place.number, stay - share, self._idle_ms)
                    place.leaving += stay - share
                elif stay < share and free > 0:
                    free -= self._submit(engine, served, place, min(free, share - stay))

    def _submit(self, engine: HttpEngine, served: ServedListener, place: _Place, copies: int) -> int:
        """How many runs there are more."""
        try:
            engine.submit(served.chain, {"listener": place.listener}, place.number, copies)
        except EngineError as error:
            log.error("%s has %d fewer connections for now: %s", served.listener.url, copies, error)
            self._missing = True
            return 0
        place.alive += copies
        return copies
