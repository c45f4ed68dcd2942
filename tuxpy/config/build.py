"""Sections to a Config: numbers, addresses and sites, each with the problems of its place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from ..errors import ConfigError
from ..rules.hosts import HostTable, directory_of
from ..rules.networks import networks
from .bounds import ClientLimits, Proxies
from .build_policy import policy_of
from .log_format import check_format
from .problems import Trouble
from .processors import parse_workers
from .settings import (
    ADMIN_PORT,
    CONNECTIONS_MAX,
    Address,
    Config,
    LogConfig,
    parse_bind,
    parse_host,
    parse_port,
)
from .sites import MassHosting, SiteConfig
from .tree import DEFAULT, Given, Origin, Section, Tree


def build(tree: Tree, trouble: Trouble) -> Config:
    """The Config that the sections mean; what cannot be goes to `trouble`, and has its default here."""
    values: dict[str, Any] = {"workers": 1}

    def take(section: Section, name: str, **more: Any) -> None:
        """Into the Config, if it can be there."""
        with trouble.at(section.origin_of(name), f"{section.name}.{name}"):
            Config(**{**values, **more})
            values.update(more)

    take(tree.server, "listen", binds=_binds(tree, trouble))
    take(tree.server, "workers", workers=parse_workers(str(tree.server["workers"])), max_connections=CONNECTIONS_MAX)
    take(tree.server, "max_connections", max_connections=tree.server["max_connections"])
    take(tree.server, "backend", backend=tree.server["backend"])
    take(tree.server, "preload", preload=tree.server["preload"])
    take(tree.server, "look_after", look_after_s=_look_after_s(tree, values.get("binds", ())))
    for name in ("head", "idle", "send", "drain"):
        take(tree.timeouts, name, **{f"{name}_timeout_s": tree.timeouts[name]})
    take(tree.limits, "head_size", limits=_limits(tree.limits, trouble))
    take(tree.server, "trusted_proxies", proxies=_proxies(tree.server, trouble))
    _check_proxied(values, tree.server, trouble)
    take(tree.log, "level", log_level=tree.log["level"])
    take(tree.log, "color", log_color=tree.log["color"])
    take(tree.log, "access", access_log=_access_log(tree.log, trouble))
    take(tree.admin, "listen", admin=_admin(tree, trouble), admin_public=tree.admin["allow_public"])
    take(tree.admin, "hosts", admin_hosts=tree.admin["hosts"])
    for name in ("user", "group", "socket_mode", "socket_group"):
        take(tree.server, name, **{name: tree.server[name]})
    for name in ("chroot", "pid_file"):
        take(tree.server, name, **{name: tree.server.path_of(name) if tree.server[name] else ""})
    sites = tuple(_site(site, trouble) for site in tree.sites)
    _check_hosts(tree.sites, trouble)
    return Config(**{**values, "sites": sites, "places": _places(tree)})


def _look_after_s(tree: Tree, binds: tuple[Address, ...]) -> float:
    """As it was said; at once for who serves their own files to themselves, as web developers do."""
    at_home = tree.source is None and all(bind.loopback for bind in binds)
    if at_home and "look_after" not in tree.server.given:
        return 0.0
    return float(tree.server["look_after"])


def _places(tree: Tree) -> dict[str, str]:
    """File and line of what may turn out to be impossible when the server starts."""
    named = [(tree.server, name) for name in ("listen", "user", "group", "pid_file")]
    named += [(tree.admin, "listen"), (tree.log, "access")]
    said = ((f"{section.name}.{name}", section.origin_of(name)) for section, name in named if name in section.given)
    return {key: str(origin) for key, origin in said if origin.source is not None}


def _access_log(log: Section, trouble: Trouble) -> LogConfig | None:
    with trouble.at(log.origin_of("access_format"), "log.access_format"):
        check_format(log["access_format"])
    if log["access"] == "off":
        return None
    path = "-" if log["access"] == "-" else str(log.path_of("access"))
    return LogConfig(path, log["access_format"], log["access_when_full"] == "wait")


# Limits, and who is trusted.

_LIMIT_KEYS: Final = (
    ("head_size", "head_bytes"),
    ("requests_per_connection", "requests_per_connection"),
    ("connections_per_address", "connections_per_address"),
    ("requests_per_address", "interval_s"),
    ("burst", "burst"),
    ("bandwidth_per_connection", "bandwidth"),
    ("when_full", "when_full"),
    ("made_memory", "made_bytes"),
)


def _limits(section: Section, trouble: Trouble) -> ClientLimits:
    found = ClientLimits()
    for key, name in _LIMIT_KEYS:
        with trouble.at(section.origin_of(key), f"limits.{key}"):
            values: dict[str, Any] = {name: section[key]}
            found = replace(found, **values)
    with trouble.at(section.origin_of("exempt"), "limits.exempt"):
        networks((), section["exempt"])
        return replace(found, exempt=section["exempt"])
    return found


def _proxies(server: Section, trouble: Trouble) -> Proxies:
    with trouble.at(server.origin_of("trusted_proxies"), "server.trusted_proxies"):
        networks(server["trusted_proxies"], ())
        return Proxies(server["trusted_proxies"], server["client_field"])
    return Proxies()


def _check_proxied(values: dict[str, Any], server: Section, trouble: Trouble) -> None:
    """Where the PROXY protocol is spoken over TCP, somebody must be trusted to speak it."""
    for bind in values.get("binds", ()):
        if bind.proxy and not (bind.unix or bind.fd or values["proxies"].trusted):
            what = f"nobody is trusted to say at {bind} who the clients are: name the proxies in server.trusted_proxies"
            trouble.add(server.origin_of("listen"), "server.listen", what)


# Addresses.


def _binds(tree: Tree, trouble: Trouble) -> tuple[Address, ...]:
    """Where to listen: --host and --port say what --bind leaves open, and overrule the addresses of the file.

    What comes of it is the value of `listen` from now on."""
    host = port = None
    for name, given in tree.address.items():
        with trouble.at(given.origin):
            host = parse_host(given.value) if name == "host" else host
            port = parse_port(given.value) if name == "port" else port
    listen = tree.server.get("listen")
    found: list[Address] = []
    for text in listen.value:
        with trouble.at(listen.origin, "server.listen"):
            found.append(parse_bind("" if listen.origin is DEFAULT else text, host, port))
    if found and (host, port) != (None, None):
        if listen.origin.source is not None:
            found = list(dict.fromkeys(_overruled(one, host, port) for one in found))
        origins = [listen.origin] if listen.origin is not DEFAULT else []
        origin = Origin(", ".join(map(str, [*origins, *(given.origin for given in tree.address.values())])))
        words = [str(one) if one.port_was_asked else str(one).rpartition(":")[0] for one in found]
        tree.server.given["listen"] = Given(words, tuple(words), origin)
    return tuple(found) if found or not listen.value else (Address(),)


def _admin(tree: Tree, trouble: Trouble) -> tuple[Address, ...]:
    found: list[Address] = []
    for text in tree.admin["listen"]:
        with trouble.at(tree.admin.origin_of("listen"), "admin.listen"):
            found.append(parse_bind(text, None, ADMIN_PORT))
    return tuple(found)


def _overruled(address: Address, host: str | None, port: int | None) -> Address:
    if address.unix or address.fd:
        return address
    if host is not None:
        address = replace(address, host=host)
    return address if port is None else replace(address, port=port, port_was_asked=True)


# Sites.


def _site(site: Section, trouble: Trouble) -> SiteConfig:
    if site.origin is not DEFAULT and "root" not in site.given and "root" not in site.faulty:
        trouble.add(site.origin, "site", "the key root is missing: name the directory to serve")
    return SiteConfig(
        root=site.path_of("root") or ".",
        policy=policy_of(site, trouble),
        hosts=site["hosts"],
        mass=_mass(site, trouble),
    )


def _mass(site: Section, trouble: Trouble) -> MassHosting | None:
    how = site["host_directories"]
    if not isinstance(how, Section):
        return MassHosting() if how else None
    with trouble.at(how.origin_of("hash_level"), "site.host_directories.hash_level"):
        directory_of(b"localhost", hash_level=how["hash_level"])
        return MassHosting(how["strip_www"], how["hash_level"])
    return None


def _check_hosts(sites: list[Section], trouble: Trouble) -> None:
    """Every host means one site."""
    taken: dict[str, Section] = {}
    for site in sites:
        origin = site.origin_of("hosts")
        if not site["hosts"]:
            trouble.add(origin, "site.hosts", "no request means this site: give a host, or _ for all others")
        for host in site["hosts"]:
            with trouble.at(origin, "site.hosts"):
                key = _form_of(host)
                if key in taken:
                    raise ConfigError(_twice(key, taken[key], site))
                taken[key] = site


def _twice(key: str, other: Section, site: Section) -> str:
    if other is site:
        return f"the host {key} is given twice: leave one out"
    meant = "all other hosts mean" if key == "_" else f"the host {key} means"
    return f"{meant} another site too ({other.origin_of('hosts')}): give each site its hosts"


def _form_of(host: str) -> str:
    """The name as all tables compare it."""
    star = host.startswith("*.")
    found = HostTable([(host, True)]).rule((f"x{host[1:]}" if star else host).encode())
    return found or host
