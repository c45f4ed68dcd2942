"""All sites of a server, and which of them a request means (RFC 9110 7.2; rules/hosts.py has the rules).

The name is the authority of an absolute-form target, else the value of Host (RFC 9112 3.2.2). A request that means
nobody gets 421 (RFC 9110 15.5.20). Also here, since the engines have one table of them: the classes of client
addresses, as few as tell the decisions of all gates apart.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

from ..config.sites import MassHosting, SiteConfig
from ..errors import ConfigError
from ..model import SIGNIFICANT, Refuse, Request
from ..rules.access import Classifier, classes_of
from ..rules.hosts import HostTable, directory_of
from ..rules.policy import Links, Policy
from .errands import Errands
from .looking import Looked
from .opening import OpenBeneath
from .root import FileChanged
from .significant import significant_for
from .site import Seen, Site

log = logging.getLogger("tuxpy")

Opener = Callable[[Links], OpenBeneath]
SeenHosts: TypeAlias = "tuple[Seen, list[tuple[bytes, Site, Seen | None]]]"

_LEAVING_MAX: Final = 256  # descriptors of hosts that are not open any more
MASS_SITES_MAX: Final = 1024  # hosts of one mass-hosting directory that are open at once: a descriptor each
_MISDIRECTED: Final = Refuse(status=421, why=("no site of this server has the name that the request was sent to",))
_AUTHORITY = re.compile(rb"(?i:https?)://([^/?]*)")


class Sites:
    """Opens all sites. Raises ConfigError; close it, or use it in `with`."""

    def __init__(
        self,
        configs: Sequence[SiteConfig],
        opener: Opener,
        errands: Errands[Any] | None = None,
        on_one_mount: Callable[[OpenBeneath], OpenBeneath | None] = lambda _: None,
    ) -> None:
        """on_one_mount: of an opener, one that stays on the mount of the root, for the judge's thread."""
        self._on_one_mount = on_one_mount
        self.errands: Errands[Any] = errands or Errands()
        self.significant = _united(significant_for(config.policy) for config in configs)
        rules = [gate.addresses for config in configs for gate in config.policy.gates if gate.addresses is not None]
        self._classes: Classifier[tuple[bool, ...]] = classes_of(rules)
        self._opened: list[Site | _Mass] = []
        hosts: list[tuple[str, Site | _Mass]] = []
        try:
            first = 0
            for config in configs:
                site = self._open(config, opener)
                self._opened.append(site)
                site.admitted, first = _admitted(self._classes, config.policy, first)
                hosts += [(host, site) for host in config.hosts]
            self._table = HostTable(hosts)
            self.named = [(host, site) for host, site in hosts if isinstance(site, Site)]
        except BaseException:
            self.close()
            raise
        alone = self._opened[0] if len(hosts) == 1 and hosts[0][0] == "_" else None
        self._alone = alone if isinstance(alone, Site) else None

    def _open(self, config: SiteConfig, opener: Opener) -> Site | _Mass:
        open_beneath = opener(config.policy.links)
        near = self._on_one_mount(open_beneath)
        site = Site(config.root, open_beneath, config.policy, self.errands, on_one_mount=near)
        return site if config.mass is None else _Mass(site, config.mass)

    @property
    def classes(self) -> list[tuple[int, int]]:
        """(first address, number) of the classes of client addresses; empty when no gate looks at them."""
        if len(self._classes.outcomes) < 2:
            return []
        return list(zip(self._classes.starts, self._classes.numbers, strict=True))

    def class_of(self, address: str) -> int:
        """The class of a client's address; ValueError when it is none."""
        return self._classes.classify(address)

    def find(self, request: Request) -> Site | Refuse:
        """The site that the request means."""
        if self._alone is not None:
            self._alone.stay_here()
            return self._alone
        absolute = _AUTHORITY.match(request.target)
        host = absolute[1] if absolute else request.get(b"host")
        found = self._table.find(host)
        if isinstance(found, Site):
            found.stay_here()
        if isinstance(found, _Mass):
            return found.find(host) or replace(_MISDIRECTED, cacheable=False)  # it may get a directory
        return found or _MISDIRECTED

    @property
    def looked_at(self) -> Sequence[Looked]:
        """Those whose roots and rules are looked at one after the other (looking.py)."""
        return self._opened

    def renew(self) -> bool:
        """Follow roots, read changed rules; whether anything is not as it was. May block."""
        changed = [site.renew() for site in self._opened]  # every one of them, whatever the first says
        return any(changed)

    def problems(self) -> list[tuple[str, ...]]:
        """For each site, in their order, what is wrong with its files of rules and passwords."""
        return [site.problems for site in self._opened]

    def close(self) -> None:
        self.errands.close()
        for site in self._opened:
            site.close()
        self._opened.clear()

    def __enter__(self) -> Sites:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Mass:
    """A directory a host. Hosts are opened when they are asked for; making a directory adds one."""

    def __init__(self, above: Site, how: MassHosting) -> None:
        self._above, self._how = above, how
        self._hosts: OrderedDict[bytes, Site] = OrderedDict()
        self._crowded = False
        self._leaving: list[Site] = []
        self._forgotten: list[Site] = []
        self._lock = threading.Lock()
        self.admitted = above.admitted

    def find(self, host: bytes | None) -> Site | None:
        """The site of a host; None when it has no directory. Raises ConfigError, OSError."""
        name = directory_of(host, self._how.strip_www, self._how.hash_level)
        if name is None:
            return None
        self._above.stay_here()
        with self._lock:  # a worker may look for a host, too
            return self._found(name)

    def _found(self, name: bytes) -> Site | None:
        if name in self._hosts:
            self._hosts.move_to_end(name)
            return self._hosts[name]
        root = os.path.join(self._above.root, os.fsdecode(name))  # noqa: PTH118 (a name of any bytes)
        if not os.path.isdir(root):  # noqa: PTH112
            return None
        if len(self._hosts) >= MASS_SITES_MAX:
            self._leave(self._hosts.popitem(last=False)[1])
            self._crowded = True
        try:
            above = self._above
            site = above.beneath(root)
        except ConfigError as error:
            if not os.path.isdir(root):  # noqa: PTH112 (it has gone meanwhile)
                return None
            cause = error.__cause__
            if isinstance(cause, OSError):  # the judge knows which of them pass
                raise OSError(cause.errno, cause.strerror) from error
            raise
        site.admitted = self.admitted
        self._hosts[name] = site
        return site

    @property
    def root(self) -> str:
        """The directory that holds the hosts."""
        return self._above.root

    def renew(self) -> bool:
        """As that of a site."""
        return self.take(self.look())

    def signs(self) -> object:
        """None: its hosts are looked at now and then."""
        return None

    def look(self) -> SeenHosts:
        """See which hosts still have a directory, and what is in them. On any thread; it may block."""
        hosts = list(self._hosts.items())
        there = [(name, site, os.path.isdir(site.root)) for name, site in hosts]  # noqa: PTH112
        return self._above.look(), [(name, site, _seen(site) if is_dir else None) for name, site, is_dir in there]

    def take(self, seen: SeenHosts) -> bool:
        """Hosts without a directory are closed: their clients get the answer for hosts that there are not."""
        above, hosts = seen
        for site in self._forgotten:
            site.close()
        changed = [self._above.take(above), self._crowded]
        for name, site, found in hosts:
            if found is not None:
                changed.append(site.take(found))
            elif self._hosts.get(name) is site:
                self._leave(self._hosts.pop(name))
                changed.append(True)
        self._crowded = False
        self._forgotten, self._leaving = self._leaving, []  # until the next look
        return any(changed)

    def _leave(self, site: Site) -> None:
        """Its descriptor stays open until the engines have forgotten what rests on it: witnesses know its number."""
        self._leaving.append(site)
        if len(self._leaving) > _LEAVING_MAX:
            self._leaving.pop(0).close()

    def close(self) -> None:
        for site in (*self._hosts.values(), *self._leaving, *self._forgotten):
            site.close()
        self._hosts.clear()
        self._above.close()

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(problem for site in (self._above, *self._hosts.values()) for problem in site.problems)


def _seen(site: Site) -> Seen | None:
    """What is to be seen of it; None when it has been closed meanwhile."""
    try:
        return site.look()
    except FileChanged:
        return None


def _united(lists: Iterator[tuple[bytes, ...]]) -> tuple[bytes, ...]:
    """The names of all lists, each once: first those that every site has."""
    return tuple(dict.fromkeys((*SIGNIFICANT, *(name for names in lists for name in names))))


def _admitted(
    classes: Classifier[tuple[bool, ...]], policy: Policy, first: int
) -> tuple[dict[int, tuple[bool, ...]], int]:
    """For each class, the answers of this policy's gates; `first` is the place of its first rule in the outcomes."""
    numbers: list[int | None] = []
    for gate in policy.gates:
        numbers.append(None if gate.addresses is None else first)
        first += gate.addresses is not None
    table = {
        number: tuple(place is None or outcome[place] for place in numbers)
        for number, outcome in enumerate(classes.outcomes)
    }
    return table, first
