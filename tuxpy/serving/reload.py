"""From the configuration in force to another one: what can change, and which listeners stay."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from ..base.time_limit import Attempt, unanswered
from ..config.places import at
from ..config.settings import Address, Config
from ..errors import ConfigError
from ..process.inherited import Inherited
from ..process.listen import Listener, listen
from ..process.systemd import Notifier
from .generation import Generation
from .reload_outcome import Outcomes

if TYPE_CHECKING:
    from .service import Service

log = logging.getLogger("tuxpy")

# Settled when engines open and rights are given up. With the keys of the file.
_FIXED: Final = {
    "workers": "server.workers",
    "backend": "server.backend",
    "max_connections": "server.max_connections",
    "user": "server.user",
    "group": "server.group",
    "chroot": "server.chroot",
    "pid_file": "server.pid_file",
    "access_log": "log.access",
    "admin": "admin.listen",
    "admin_hosts": "admin.hosts",
}


def as_possible(old: Config, new: Config) -> tuple[Config, list[str]]:
    """The new configuration without what only a restart can change, and the keys of that."""
    fixed = {name: getattr(old, name) for name in _FIXED}
    differ = [key for name, key in _FIXED.items() if getattr(new, name) != fixed[name]]
    return (replace(new, **fixed) if differ else new), differ


def listeners_for(
    config: Config, there: Iterable[Listener], inherited: Inherited
) -> tuple[list[tuple[Listener, Address]], list[Listener]]:
    """All that the configuration asks for, by which words, and those of them that are new. Raises ConfigError.

    After an exception none of the new ones is open.
    """
    left, found, fresh = list(there), list[tuple[Listener, Address]](), list[Listener]()
    binds = inherited.binds(config)
    alone = all(":" in bind.host for bind in binds if bind.host)
    try:
        for bind in binds:
            one = _known(bind, left) or inherited.listener(bind)
            if one is None:
                with at(config, "server.listen"):
                    one = listen(bind, config.workers, alone, config.socket_mode, config.socket_group)
            if one not in left:
                fresh.append(one)
            elif one.address.proxy != bind.proxy:
                raise ConfigError(f"{bind} changes whether the PROXY protocol is spoken there: restart the server")
            else:
                left.remove(one)
            found.append((one, bind))
    except BaseException:
        for one in fresh:
            one.close()
        raise
    return found, fresh


def admin_listeners_for(config: Config, inherited: Inherited) -> list[Listener]:
    """Those of the admin. Raises ConfigError; then none is open."""
    found: list[Listener] = []
    alone = all(":" in bind.host for bind in config.admin if bind.host)
    try:
        for bind in config.admin:
            one = inherited.listener(bind, admin=True)
            if one is None:
                with at(config, "admin.listen"):
                    one = listen(bind, 1, alone, config.socket_mode, config.socket_group, "--admin")
            found.append(one)
    except BaseException:
        for one in found:
            one.close()
        raise
    return found


def _known(bind: Address, there: list[Listener]) -> Listener | None:
    """By the very words first: of two addresses with any free port each has its own."""
    exact = (one for one in there if one.address.place == bind.place)
    return next(exact, None) or next((one for one in there if one.stands_for(bind)), None)


Prepared: TypeAlias = tuple[Generation, list[str]]  # all opened; the keys of what only a restart can change

_PATIENCE_S: Final = 5.0  # with one look at a file system: a disk may have to wake up
_LEFT_MAX: Final = 8  # threads that wait for a file system on behalf of reloads that were given up


class Reloads:
    """What SIGHUP does. Each is told to those who wait for it (reload_outcome.py), to the service manager and the log.

    To read the configuration and to open what it names may take long, and for ever where a file system hangs. So it is
    done on another thread; only to put it in force is the judge's. One reload is under way at a time."""

    def __init__(
        self, service: Service, load: Callable[[], Config] | None, inherited: Inherited, notifier: Notifier
    ) -> None:
        """load: the configuration as it is now; raises ConfigError."""
        self._service, self.load, self._inherited, self._notifier = service, load, inherited, notifier
        self.outcomes = Outcomes()
        self._attempt: Attempt[Prepared] | None = None
        self._ready: Prepared | None = None  # read, and not in force yet
        self._ready_until = 0.0
        self._left: list[Attempt[Prepared]] = []  # given up, and perhaps still in the kernel

    def open(self) -> None:
        """From now on those who ask can wait for what comes of it."""
        try:
            self.outcomes.open()
        except OSError as error:
            log.info("`tuxpy reload` cannot wait for this server: %s", error.strerror)

    def moved(self, pid: int) -> None:
        """Another process is the server now, and reloads what is asked of us."""
        self.outcomes.begin()
        self.outcomes.tell(moved=pid)

    @property
    def under_way(self) -> bool:
        """One has begun, and its outcome is not known yet."""
        return self._attempt is not None or self._ready is not None

    def abandon(self) -> None:
        """What is under way does not come into force. Any number of times."""
        if self._attempt is not None:
            self._attempt.give_up()
            self._left.append(self._attempt)
            self._attempt = None
        if self._ready is not None:
            _unwanted(self._ready)
            self._ready = None

    def close(self) -> None:
        """Any number of times."""
        self.abandon()
        self.outcomes.close()

    def begin(self, now: Config, status: Callable[[], str]) -> None:
        """Read what the configuration is now, and open what it names, on another thread. Raises nothing.

        status: what the service manager is told."""
        self.outcomes.begin()
        self._notifier.reloading()
        self._left = [one for one in self._left if not one.is_over]
        with self._refused(status):
            if self.load is None:
                raise ConfigError("it has no place to be read from: restart with the new one")
            if now.chroot:
                raise ConfigError("it is out of reach for a server in a chroot: restart it")
            if len(self._left) >= _LEFT_MAX:
                raise ConfigError(f"{len(self._left)} reloads before it wait for a file system: mend or unmount it")
            self._attempt = Attempt(partial(self._prepared, now, self.load), self._service.knock, _unwanted)

    def _prepared(self, now: Config, load: Callable[[], Config]) -> Prepared:
        config, kept = as_possible(now, load())
        return self._service.generation(config), kept

    def look(self, now: Config, leave_ms: int, status: Callable[[], str]) -> Config:
        """Put in force what has been read; what is in force then. Raises nothing. To be called now and then.

        What cannot be is refused, and all stays as it was; so is what waits too long for a file system. leave_ms: so
        long connections of listeners that go may ask once more."""
        attempt = self._attempt
        if not self.under_way:
            return now
        with self._refused(status):
            if attempt is not None and not attempt.is_over:
                path = attempt.hangs_at(_PATIENCE_S)
                if path is None:
                    return now
                self.abandon()
                raise unanswered(path)
            if attempt is not None:
                self._attempt = None
                self._ready, self._ready_until = attempt.result(), time.monotonic() + _PATIENCE_S
            assert self._ready is not None
            if self._must_wait(self._ready[0].config):
                return now
            (after, kept), self._ready = self._ready, None
            self._change(after, leave_ms)
            now = after.config
            self._tell("", kept, status)
        return now

    def _must_wait(self, after: Config) -> bool:
        """A name of the abstract namespace is free again when all connections that came by it have ended."""
        leaving = {one.address.place for one in self._service.listeners.leaving if not one.lent}
        held = [str(bind) for bind in after.binds if bind.unix.startswith("@") and bind.place in leaving]
        if held and time.monotonic() >= self._ready_until:
            self.abandon()
            raise ConfigError(f"connections of before still hold {held[0]}: end them, or choose another name")
        return bool(held)

    @contextmanager
    def _refused(self, status: Callable[[], str]) -> Iterator[None]:
        """What fails in here is why a reload is refused."""
        try:
            yield
            return
        except ConfigError as error:
            fault = "; ".join(str(error).splitlines())
            log.error("the new configuration is refused and the old one stays in force: %s", fault)
        except (MemoryError, OSError) as shortage:
            why = getattr(shortage, "strerror", None) or "no memory is left"
            fault = f"{why}: raise the limits of the server (LimitNOFILE=, MemoryMax=), or close what takes so much"
            log.error("the new configuration is refused and the old one stays in force: %s", fault)
        except Exception as failure:
            fault = f"it failed: {failure!r}"
            log.exception("the reload failed and the old configuration stays in force")
        self._tell(fault, [], status)

    def _tell(self, fault: str, kept: list[str], status: Callable[[], str]) -> None:
        with self._service.going_on("the end of a reload could not be told"):
            if not fault:
                self._say(kept, status())
            self._service.reloaded(fault)
            self._notifier.ready(status())
        self.outcomes.tell(fault=fault, kept=kept)

    def _say(self, kept: list[str], status: str) -> None:
        if kept:
            log.warning("%s cannot change while the server runs: restart the server to change that", ", ".join(kept))
        log.info("the new configuration is in force: it %s", status)

    def _change(self, after: Generation, leave_ms: int) -> None:
        """Raises ConfigError, OSError, MemoryError: all is as it was, then, and `after` is closed."""
        try:
            asked, fresh = listeners_for(after.config, self._service.listeners, self._inherited)
        except BaseException:
            after.close()
            raise
        try:
            self._service.change(after, [one for one, _ in asked], leave_ms)
        except BaseException:
            for one in fresh:
                one.close()
            raise
        for one, bind in asked:
            one.address = bind


def _unwanted(prepared: Prepared) -> None:
    prepared[0].close()
