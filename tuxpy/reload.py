"""From the configuration in force to another one: what can change, and which listeners stay."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from .config.places import at
from .config.settings import Address, Config
from .errors import ConfigError
from .inherit import Inherited
from .listen import Listener, listen
from .notify import Notifier
from .outcome import Outcomes

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


class Reloads:
    """What SIGHUP does. Each is told to those who wait for it (outcome.py), to the service manager and in the log."""

    def __init__(
        self, service: Service, load: Callable[[], Config] | None, inherited: Inherited, notifier: Notifier
    ) -> None:
        """load: the configuration as it is now; raises ConfigError."""
        self._service, self.load, self._inherited, self._notifier = service, load, inherited, notifier
        self.outcomes = Outcomes()

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

    def close(self) -> None:
        """Any number of times."""
        self.outcomes.close()

    def __call__(self, now: Config, leave_ms: int, status: Callable[[], str]) -> Config:
        """Put in force what the configuration is now; what is in force then. Raises nothing.

        One that cannot be is refused, and all stays as it was. leave_ms: so long connections of listeners that go may
        ask once more. status: what the service manager is told.
        """
        fault, kept = "", list[str]()
        self.outcomes.begin()
        self._notifier.reloading()
        try:
            now, kept = self._changed(now, leave_ms)
        except ConfigError as error:
            fault = "; ".join(str(error).splitlines())
            log.error("the configuration is not reloaded, the one before stays in force: %s", fault)
        except (MemoryError, OSError) as shortage:
            why = getattr(shortage, "strerror", None) or "no memory is left"
            fault = f"{why}: raise the limits of the server (LimitNOFILE=, MemoryMax=), or close what takes so much"
            log.error("the configuration is not reloaded, the one before stays in force: %s", fault)
        except Exception as failure:
            fault = f"it failed: {failure!r}"
            log.exception("the configuration could not be reloaded, the one before stays in force")
        with self._service.going_on("the end of a reload could not be told"):
            if not fault:
                self._say(kept, status())
            self._service.reloaded(fault)
            self._notifier.ready(status())
        self.outcomes.tell(fault=fault, kept=kept)
        return now

    def _say(self, kept: list[str], status: str) -> None:
        if kept:
            log.warning("%s cannot change while the server runs: restart it for that", ", ".join(kept))
        log.info("the configuration is reloaded: it %s", status)

    def _changed(self, now: Config, leave_ms: int) -> tuple[Config, list[str]]:
        """What is in force then, and the keys of what only a restart can change. ConfigError: all is as it was."""
        if self.load is None:
            raise ConfigError("it has no place to be read from: restart with the new one")
        if now.chroot:
            raise ConfigError("it is out of reach for a server in a chroot: restart it")
        config, kept = as_possible(now, self.load())
        asked, fresh = listeners_for(config, self._service.lines, self._inherited)
        try:
            self._service.change(config, [one for one, _ in asked], leave_ms)
        except BaseException:
            for one in fresh:
                one.close()
            raise
        for one, bind in asked:
            one.address = bind
        return config, kept
