"""From the configuration in force to another one: what can change, and which listeners stay."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from .config.places import at
from .config.settings import Address, Config
from .errors import ConfigError
from .inherit import Inherited
from .listen import Listener, listen

if TYPE_CHECKING:
    from .service import Service

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


def changed(
    service: Service, now: Config, load: Callable[[], Config] | None, inherited: Inherited, leave_ms: int
) -> tuple[Config, list[str]]:
    """Put in force what `load` says; the configuration as it is then, and the keys of what only a restart can change.

    Raises ConfigError, and then all is as it was. leave_ms: so long connections of listeners that go may ask once more.
    """
    if load is None:
        raise ConfigError("it has no place to be read from: restart with the new one")
    if now.chroot:
        raise ConfigError("it is out of reach for a server in a chroot: restart it")
    config, fixed = as_possible(now, load())
    listeners, fresh = listeners_for(config, service.lines, inherited)
    try:
        service.change(config, listeners, leave_ms)
    except BaseException:
        for one in fresh:
            one.close()
        raise
    return config, fixed


def as_possible(old: Config, new: Config) -> tuple[Config, list[str]]:
    """The new configuration without what only a restart can change, and the keys of that."""
    fixed = {name: getattr(old, name) for name in _FIXED}
    differ = [key for name, key in _FIXED.items() if getattr(new, name) != fixed[name]]
    return (replace(new, **fixed) if differ else new), differ


def listeners_for(
    config: Config, there: Iterable[Listener], inherited: Inherited
) -> tuple[list[Listener], list[Listener]]:
    """All that the configuration asks for, and those of them that are new. Raises ConfigError; then none is open."""
    left, found, fresh = list(there), list[Listener](), list[Listener]()
    binds = inherited.binds(config)
    alone = all(":" in bind.host for bind in binds if bind.host)
    try:
        for bind in binds:
            one = _known(bind, left) or inherited.listener(bind)
            if one is None:
                with at(config, "server.listen"):
                    one = listen(bind, config.workers, alone, config.socket_mode, config.socket_group)
            if one in left:
                if one.address.proxy != bind.proxy:
                    raise ConfigError(f"{bind} changes whether the PROXY protocol is spoken there: restart the server")
                left.remove(one)
                one.address = bind
            else:
                fresh.append(one)
            found.append(one)
    except ConfigError:
        for one in fresh:
            one.close()
        raise
    return found, fresh


def _known(bind: Address, there: list[Listener]) -> Listener | None:
    """By the very words first: of two addresses with any free port each has its own."""
    exact = (one for one in there if one.address.place == bind.place)
    return next(exact, None) or next((one for one in there if one.stands_for(bind)), None)
