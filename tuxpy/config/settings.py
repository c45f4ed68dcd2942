"""What the operator asked for, checked once and then never changed.

A Config holds numbers and addresses, no text that still has to be understood: the functions here turn the words of a
command line into them, and refuse in one sentence that names the remedy. All are pure.

Units stand in the names. `binds` come in the order in which they were asked for.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal, get_args

from ..errors import ConfigError
from . import defaults
from .bounds import ClientLimits, Proxies
from .processors import WORKERS_MAX, workers_auto

if TYPE_CHECKING:
    from .sites import SiteConfig

Backend = Literal["auto", "uring", "epoll"]
LogLevel = Literal["debug", "info", "warning", "error"]
Color = Literal["auto", "always", "never"]

BACKENDS: Final[tuple[Backend, ...]] = get_args(Backend)
LOG_LEVELS: Final[tuple[LogLevel, ...]] = get_args(LogLevel)
COLORS: Final[tuple[Color, ...]] = get_args(Color)

HOST: Final = defaults.HOST
PORT: Final = 8000
ADMIN_PORT: Final = 8001
BINDS_MAX: Final = 8  # half of what an engine can have, so that a reload can change them all
CONNECTIONS_MAX: Final = 1 << 20  # csrc/base/limits.h: TUX_SLOTS_MAX
TIMEOUT_S_MIN, TIMEOUT_S_MAX = 0.001, 86400.0  # the engine counts milliseconds, in 32 bits

UNIX_BYTES_MAX: Final = 107
LOOK_S_MAX: Final = 60.0
_FD_NAME = re.compile(r"[!-9;-~]{1,255}")  # sd_listen_fds_with_names(3)
_HOST_NAME = re.compile(r"(?!-)[0-9A-Za-z_-]+(\.[0-9A-Za-z_-]+)*\.?")


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. An IPv6 host stands without brackets; port 0 is any free one.

    unix: the path of a unix socket, or @NAME without a path; fd: the name or number of a socket that we were started
    with. Either stands in the place of host and port.
    proxy: connections begin with a header of the PROXY protocol.
    """

    host: str = HOST
    port: int = PORT
    port_was_asked: bool = False  # else the next free one will do
    unix: str = ""
    fd: str = ""
    proxy: bool = False

    @property
    def wildcard(self) -> bool:
        """It means every address of the machine."""
        return self.host in ("0.0.0.0", "::", "::ffff:0.0.0.0")

    @property
    def loopback(self) -> bool:
        """Only this machine can reach it, by TCP."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    def __str__(self) -> str:
        return f"proxy:{self.place}" if self.proxy else self.place

    @property
    def place(self) -> str:
        if self.unix or self.fd:
            return f"unix:{self.unix}" if self.unix else f"fd:{self.fd}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class LogConfig:
    """The access log (engine/access_log.py).

    path     a file, or "-" for standard output
    format   common, combined, json, terminal, a template of one's own, or auto: terminal on one, else combined
    wait     requests wait when it cannot be written fast enough; else lines are lost and counted
    """

    path: str
    format: str = "auto"
    wait: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of one server. Raises ConfigError for what cannot work."""

    sites: tuple[SiteConfig, ...] = field(default_factory=lambda: (_here(),))
    binds: tuple[Address, ...] = (Address(),)
    workers: int = field(default_factory=workers_auto)
    backend: Backend = defaults.BACKEND
    max_connections: int = defaults.CONNECTIONS  # of the whole server
    preload: bool = False  # the whole site is judged at start
    look_after_s: float = defaults.LOOK_AFTER_MS / 1000  # files are looked at again when the last look is older
    head_timeout_s: float = defaults.HEAD_TIMEOUT_S  # from the first byte of a head to its end
    idle_timeout_s: float = defaults.IDLE_TIMEOUT_S  # between two requests
    send_timeout_s: float = defaults.SEND_TIMEOUT_S  # without a byte taken by the peer
    drain_timeout_s: float = defaults.DRAIN_TIMEOUT_S  # from the signal to the end
    limits: ClientLimits = field(default_factory=ClientLimits)
    proxies: Proxies = field(default_factory=Proxies)
    admin: tuple[Address, ...] = ()  # where the server tells of itself
    admin_hosts: tuple[str, ...] = ()  # names that mean it there, beside localhost and addresses
    admin_public: bool = False  # one of these may mean every address of the machine
    log_level: LogLevel = defaults.LOG_LEVEL
    log_color: Color = defaults.LOG_COLOR  # on a terminal, unless NO_COLOR is set
    access_log: LogConfig | None = None
    origin: str = field(default="the command line", compare=False, repr=False)  # the file, for who looks inside
    places: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)  # of keys, in the file
    socket_mode: int = defaults.SOCKET_MODE  # of unix sockets
    socket_group: str = ""
    user: str = ""  # to become once the listeners are bound; "" stays who we are
    group: str = ""
    chroot: str = ""
    pid_file: str = ""

    def __post_init__(self) -> None:
        if not self.sites:
            raise ConfigError("there is no site to serve: give at least one")
        if not self.binds:
            raise ConfigError("there is no address to listen at: give at least one")
        for one in self.admin:
            if one.wildcard and not self.admin_public:
                raise ConfigError(
                    f"{one} is every address of this machine, and metrics should not be public: give"
                    f" one such as {HOST}:{one.port}, or say allow_public = true in [admin]"
                )
        binds = (*self.binds, *self.admin)
        addresses = [bind.place for bind in binds if bind.port or bind.unix or bind.fd]
        for bind in binds:
            if addresses.count(bind.place) > 1:
                raise ConfigError(f"the address {bind} is given twice: leave one out")
        if len(binds) > BINDS_MAX:
            raise ConfigError(f"{len(binds)} addresses are too many: give {BINDS_MAX} at most")
        if not 1 <= self.workers <= WORKERS_MAX:
            raise ConfigError(f"{self.workers} engines cannot be: give 1 to {WORKERS_MAX}, or auto")
        if not self.workers <= self.max_connections <= CONNECTIONS_MAX:
            least = f"{self.workers} (one an engine)" if self.workers > 1 else "1"
            raise ConfigError(f"{self.max_connections} connections cannot be: give {least} to {CONNECTIONS_MAX}")
        for name in ("head", "idle", "send", "drain"):
            if not TIMEOUT_S_MIN <= getattr(self, f"{name}_timeout_s") <= TIMEOUT_S_MAX:
                raise ConfigError(f"the {name} timeout is out of range: give a millisecond to a day")
        if not 0 <= self.look_after_s <= LOOK_S_MAX:
            raise ConfigError(f"the server cannot look after {self.look_after_s:g} s: give 0s to {LOOK_S_MAX:g}s")
        if self.backend not in BACKENDS:
            raise ConfigError(f"there is no back-end {self.backend!r}: choose from {', '.join(BACKENDS)}")
        if self.log_level not in LOG_LEVELS:
            raise ConfigError(f"there is no log level {self.log_level!r}: choose from {', '.join(LOG_LEVELS)}")
        if self.log_color not in COLORS:
            raise ConfigError(f"there is no choice {self.log_color!r} of colours: choose from {', '.join(COLORS)}")


def _here() -> SiteConfig:
    """This directory. The rules of sites are loaded only when there is a site, not for help."""
    from .sites import SiteConfig

    return SiteConfig()


# Addresses.


def addresses(binds: Sequence[str], host: str | None = None, port: int | None = None) -> tuple[Address, ...]:
    """All --bind together with --host and --port, which say what a bind leaves open."""
    return tuple(parse_bind(bind, host, port) for bind in binds or ("",))


def parse_bind(text: str, host: str | None = None, port: int | None = None) -> Address:
    """HOST:PORT, [IPV6]:PORT, HOST, :PORT or PORT; what is left out is `host` and `port`, or the default.

    Or unix:PATH, unix:@NAME, fd:NUMBER, fd:NAME. All of it behind proxy: where the PROXY protocol is spoken.
    """
    scheme, _, rest = text.partition(":")
    if scheme == "proxy":
        return replace(parse_bind(rest, host, port), proxy=True)
    if scheme == "unix":
        return Address("", 0, True, unix=_parse_unix(rest))
    if scheme == "fd":
        return Address("", 0, True, fd=_parse_fd(rest))
    wanted_host, wanted_port = _split(text)
    if wanted_port:
        port = parse_port(wanted_port)
    return Address(parse_host(wanted_host or host or HOST), PORT if port is None else port, port is not None)


def _split(text: str) -> tuple[str, str]:
    """Host (perhaps in brackets) and port, either may be empty."""
    if "/" in text:
        _, _, behind = text.rpartition("//")
        raise ConfigError(f"{text!r} is not an address: give host and port, as in {behind.partition('/')[0] or HOST}")
    if text.isdigit():
        return "", text
    if text.startswith("["):
        address, bracket, rest = text.partition("]")
        if bracket and (not rest or (rest.startswith(":") and rest != ":")):
            return address + bracket, rest[1:]
        raise ConfigError(f"{text!r} is not an address: an IPv6 address with its port looks like [::1]:{PORT}")
    if text.count(":") > 1:
        raise ConfigError(f"{text!r} is ambiguous: put the IPv6 address into brackets, as in [::1]:{PORT}")
    host, colon, port = text.partition(":")
    if colon and not port:
        raise ConfigError(f"{text!r} ends without a port: give one, or leave out the colon")
    return host, port


def _parse_unix(path: str) -> str:
    """unix(7): a path of up to 107 bytes, or a name behind @."""
    if path[:1] not in ("/", "@") or len(path) < 2 or "\0" in path or path.endswith("/"):
        raise ConfigError(f"'unix:{path}' is not a unix socket: give a whole path, as in unix:/run/x, or unix:@name")
    if len(os.fsencode(path)) > UNIX_BYTES_MAX:
        raise ConfigError(f"'unix:{path}' is too long: the path of a socket has {UNIX_BYTES_MAX} bytes at most")
    return path


def _parse_fd(name: str) -> str:
    if not _FD_NAME.fullmatch(name):
        raise ConfigError(f"'fd:{name}' names no socket: give its number, as in fd:3, or its FileDescriptorName=")
    return name


def parse_host(text: str) -> str:
    """A name as it is, an IP address in its shortest form; brackets are taken off."""
    bare = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
    address, percent, zone = bare.partition("%")
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_ntop(family, socket.inet_pton(family, address)) + percent + zone
        except (OSError, ValueError):  # ValueError: a NUL inside
            pass
    if bare != text or ":" in text:
        raise ConfigError(f"{text!r} is not an IPv6 address: give one, as in [::1]")
    if text == "*":
        raise ConfigError("'*' is not a host: give 0.0.0.0 for every IPv4 address, [::] for IPv6")
    if not _HOST_NAME.fullmatch(text) or text.replace(".", "").isdigit():
        raise ConfigError(f"{text!r} is not a host: give a name or an IP address, as in localhost or {HOST}")
    return text


def parse_port(text: str) -> int:
    """0 to 65535."""
    if text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535:
        return int(text)
    raise ConfigError(f"{text!r} is not a port: give a number from 0 (any free one) to 65535")
